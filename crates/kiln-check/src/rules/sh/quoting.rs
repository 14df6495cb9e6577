//! Characters that don't mean what they seem to, in quotes and outside.

use shuck_ast::{Command, Word, WordPart};

use super::look::{Tree, trees, unescaped};
use crate::finding::{Findings, Fix};
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    ACUTE_ACCENT,
    LITERAL_BACKSLASH,
    LITERAL_BRACE,
    LONE_DOLLAR,
    NO_BREAK_SPACE,
    QUOTED_TILDE,
    WORD_OUTSIDE_QUOTES,
];

/// Looks at the unquoted literals of all words.
fn literals(tree: &Tree, mut look: impl FnMut(shuck_ast::Span, &str)) {
    tree.parts(|part, quoted| {
        if !quoted && matches!(part.kind, WordPart::Literal(_)) {
            look(part.span, tree.raw(part.span));
        }
    });
}

/// `echo \d`
const LITERAL_BACKSLASH: Rule = Rule {
    id: "literal-backslash",
    summary: "Quote a backslash that is meant",
    severity: Severity::Info,
    hadolint: &["SC1001", "SC1012"],
    check: backslash,
    ..Rule::NEW
};

fn backslash(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("\\")) {
        tree.simple(|command| {
            // Before a command's name it passes an alias by.
            for word in &command.args {
                for part in &word.parts {
                    if matches!(part.kind, WordPart::Literal(_)) {
                        one_backslash(&tree, part.span, findings);
                    }
                }
            }
        });
    }
}

fn one_backslash(tree: &Tree, span: shuck_ast::Span, findings: &mut Findings) {
    let raw = tree.raw(span);
    let mut chars = raw.char_indices();
    while let Some((at, c)) = chars.next() {
        let Some((_, next)) = (c == '\\').then(|| chars.next()).flatten() else {
            continue;
        };
        if next.is_ascii_alphanumeric() {
            let start = span.start.offset() + at;
            findings.add(
                tree.script.span(start..start + 2),
                format!("outside of quotes the shell takes the backslash away: the program gets a plain {next}"),
            );
        }
    }
}

/// `echo }`
const LITERAL_BRACE: Rule = Rule {
    id: "literal-brace",
    summary: "Quote a brace that is meant, or separate it from the command before",
    hadolint: &["SC1083"],
    check: brace,
    ..Rule::NEW
};

fn brace(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("{") || t.has("}")) {
        tree.simple(|command| {
            for word in &command.args {
                if matches!(tree.raw(word.span), "{" | "}") {
                    let raw = tree.raw(word.span);
                    findings.add(
                        tree.span(word.span),
                        format!("this {raw} is an argument and groups nothing: a ; is missing before it, or quotes around it"),
                    );
                }
            }
        });
    }
}

/// `echo "5 $ a day"`
const LONE_DOLLAR: Rule = Rule {
    id: "lone-dollar",
    summary: "Escape a dollar sign that is meant",
    severity: Severity::Style,
    hadolint: &["SC1000"],
    fixes: true,
    check: lone_dollar,
    ..Rule::NEW
};

fn lone_dollar(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("$ ")) {
        let mut found = Vec::new();
        tree.parts(|part, _| {
            let raw = tree.raw(part.span);
            if !matches!(part.kind, WordPart::Literal(_)) {
                return;
            }
            let mut from = 0;
            while let Some(at) = unescaped(raw.get(from..).unwrap_or_default(), &['$']) {
                let at = from + at;
                let before = tree.script.text().get(..part.span.start.offset() + at);
                let before = before.unwrap_or_default();
                // A backslash may belong to the part before.
                let backslashes = before.len() - before.trim_end_matches('\\').len();
                if backslashes % 2 == 0 && raw.get(at + 1..).is_some_and(|r| r.starts_with(' ')) {
                    found.push(part.span.start.offset() + at);
                }
                from = at + 1;
            }
        });
        for at in found {
            let span = tree.script.span(at..at + 1);
            let finding = findings.add(
                span,
                "this dollar sign stands for itself only because nothing follows it that has a value",
            );
            if tree.script.editable() {
                finding.fix(Fix::replace("escape the dollar sign", span.range(), "\\$"));
            }
        }
    }
}

/// `echo´ls´`
const ACUTE_ACCENT: Rule = Rule {
    id: "acute-accent",
    summary: "Substitute commands with $(…): an acute accent is no backtick",
    severity: Severity::Error,
    hadolint: &["SC1077"],
    check: acute,
    ..Rule::NEW
};

fn acute(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("´")) {
        literals(&tree, |span, raw| {
            if let Some(at) = raw.find('´') {
                let start = span.start.offset() + at;
                findings.add(
                    tree.script.span(start..start + '´'.len_utf8()),
                    "an acute accent is a letter for the shell: nothing is substituted here",
                );
            }
        });
    }
}

/// A no-break space between words.
const NO_BREAK_SPACE: Rule = Rule {
    id: "no-break-space",
    summary: "Separate words by plain spaces",
    severity: Severity::Error,
    hadolint: &["SC1018"],
    fixes: true,
    check: no_break_space,
    ..Rule::NEW
};

fn no_break_space(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("\u{a0}")) {
        let mut found = Vec::new();
        literals(&tree, |span, raw| {
            let places = raw.match_indices('\u{a0}');
            found.extend(places.map(|(at, _)| span.start.offset() + at));
        });
        for at in found {
            let span = tree.script.span(at..at + '\u{a0}'.len_utf8());
            let finding = findings.add(
                span,
                "this is a no-break space, which is a letter for the shell: the words around it are one word",
            );
            if tree.script.editable() {
                finding.fix(Fix::replace("write a space", span.range(), " "));
            }
        }
    }
}

/// Programs whose arguments are files.
const TAKE_PATHS: [&str; 20] = [
    "cd", "mkdir", "rmdir", "cp", "mv", "rm", "cat", "touch", "ls", "chmod", "chown", "chgrp",
    "source", ".", "test", "[", "ln", "tee", "install", "pushd",
];

/// `mkdir "~/.ssh"`
const QUOTED_TILDE: Rule = Rule {
    id: "quoted-tilde",
    summary: "Write $HOME in quotes: a quoted tilde is a plain character",
    hadolint: &["SC2088"],
    check: tilde,
    ..Rule::NEW
};

fn tilde(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("\"~/") || t.has("'~/")) {
        let mut one = |word: &Word| {
            let raw = tree.raw(word.span);
            if raw.starts_with("\"~/") || raw.starts_with("'~/") {
                findings.add(
                    tree.span(word.span),
                    "in quotes the tilde isn't the home directory: this is a directory with the name ~",
                );
            }
        };
        tree.statements(|stmt| {
            if let Command::Simple(command) = &stmt.command
                && TAKE_PATHS.contains(&tree.name(command).as_str())
            {
                command.args.iter().for_each(&mut one);
            }
            stmt.redirects
                .iter()
                .filter_map(|r| r.word_target())
                .for_each(&mut one);
        });
    }
}

/// `"a"b"c"`
const WORD_OUTSIDE_QUOTES: Rule = Rule {
    id: "word-outside-quotes",
    summary: "Escape quotes within quotes",
    hadolint: &["SC2026", "SC2140"],
    check: outside_quotes,
    ..Rule::NEW
};

fn outside_quotes(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("\"") || t.has("'")) {
        tree.words(|word| {
            for three in word.parts.windows(3) {
                let [before, middle, after] = three else {
                    continue;
                };
                let single = |p: &WordPart| matches!(p, WordPart::SingleQuoted { dollar: false, .. });
                // Where something is expanded, leaving the quotes between may be a habit.
                let double = |p: &WordPart| match p {
                    WordPart::DoubleQuoted { parts, .. } => parts
                        .iter()
                        .all(|p| matches!(p.kind, WordPart::Literal(_))),
                    _ => false,
                };
                let both = (single(&before.kind) && single(&after.kind))
                    || (double(&before.kind) && double(&after.kind));
                let inner = tree.raw(middle.span);
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if both
                    && matches!(middle.kind, WordPart::Literal(_))
                    && !inner.is_empty()
                    && inner.chars().all(plain)
                {
                    findings.add(
                        tree.span(middle.span),
                        format!("{inner} is outside of the quotes around it, and those quotes are lost: a quote within quotes must be escaped"),
                    );
                }
            }
        });
    }
}
