//! Old ways to write what has a better one.

use shuck_ast::{Command, CommandSubstitutionSyntax, SimpleCommand, WordPart};

use super::commands::is_status;
use super::look::{Tree, parts, trees, variable};
use crate::finding::{Edit, Findings, Fix};
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    BACKTICKS,
    ECHO_ESCAPES,
    EGREP,
    EXIT_CODE_CHECK,
    PRINTF_FORMAT,
    READ_BACKSLASH,
];

/// `` x=`y` ``
const BACKTICKS: Rule = Rule {
    id: "backticks",
    summary: "Substitute commands with $(…), not with backticks",
    severity: Severity::Style,
    hadolint: &["SC2006"],
    fixes: true,
    check: backticks,
    ..Rule::NEW
};

fn backticks(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("`")) {
        tree.parts(|part, quoted| {
            let WordPart::CommandSubstitution {
                syntax: CommandSubstitutionSyntax::Backtick,
                ..
            } = &part.kind
            else {
                return;
            };
            let raw = tree.raw(part.span);
            let finding = findings.add(
                tree.span(part.span),
                "backticks can't be nested, and change what backslashes and quotes inside mean",
            );
            let inner = raw.strip_prefix('`').and_then(|r| r.strip_suffix('`'));
            // With none of these in it the text means the same in both.
            let odd = ['\\', '`', '#', '(', ')', '\n'];
            let same = |t: &str| !(t.contains(odd) || (quoted && t.contains('"')));
            if tree.script.editable() && inner.is_some_and(same) {
                let (start, end) = (part.span.start.offset(), part.span.end.offset());
                let edit = |at: usize, text: &str| Edit {
                    range: tree.script.span(at..at + 1).range(),
                    text: text.to_owned(),
                };
                finding.fix(Fix::edits(
                    "write $(…)",
                    vec![edit(start, "$("), edit(end - 1, ")")],
                ));
            }
        });
    }
}

/// `egrep x`
const EGREP: Rule = Rule {
    id: "egrep",
    summary: "Call grep -E and grep -F, not egrep and fgrep",
    severity: Severity::Info,
    hadolint: &["SC2196", "SC2197"],
    fixes: true,
    check: egrep,
    ..Rule::NEW
};

fn egrep(subject: &Subject, findings: &mut Findings) {
    for (_, script) in subject.scripts() {
        for command in &script.commands {
            let new = match command.name() {
                "egrep" => "grep -E",
                "fgrep" => "grep -F",
                _ => continue,
            };
            let Some(word) = command.words.first() else {
                continue;
            };
            let span = script.span(word.range.clone());
            let name = command.name();
            let finding = findings.add(
                span,
                format!(
                    "{name} is an old name that GNU grep warns of on each call: {new} does the same"
                ),
            );
            if script.editable() && !word.quoted {
                finding.fix(Fix::replace(format!("call {new}"), span.range(), new));
            }
        }
    }
}

/// `[ $? -eq 0 ]`
const EXIT_CODE_CHECK: Rule = Rule {
    id: "exit-code-check",
    summary: "Ask a command for its result, not the variable behind it",
    severity: Severity::Style,
    hadolint: &["SC2181"],
    check: exit_code,
    ..Rule::NEW
};

fn exit_code(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("$?")) {
        tree.simple(|command| {
            let args = match (tree.name(command).as_str(), command.args.as_slice()) {
                ("[", [args @ .., end]) if tree.raw(end.span) == "]" => args,
                ("test", args) => args,
                _ => return,
            };
            let [status, op, zero] = args else { return };
            if is_status(status)
                && matches!(tree.raw(op.span), "-eq" | "-ne" | "=" | "==" | "!=" | "-gt")
                && tree.raw(zero.span) == "0"
            {
                findings.add(
                    tree.span(status.span),
                    "any command put in between changes the result that is looked at: if takes the command itself",
                );
            }
        });
    }
}

/// `echo "a\nb"`
const ECHO_ESCAPES: Rule = Rule {
    id: "echo-escapes",
    summary: "Print escape sequences with printf",
    severity: Severity::Info,
    hadolint: &["SC2028"],
    check: echo_escapes,
    ..Rule::NEW
};

fn echo_escapes(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("echo") && t.has("\\")) {
        tree.simple(|command| {
            if tree.name(command) != "echo" || has_flag(&tree, command, 'e') {
                return;
            }
            for word in &command.args {
                let mut found = None;
                parts(&word.parts, false, &mut |part, quoted| {
                    let raw = tree.raw(part.span);
                    match &part.kind {
                        WordPart::Literal(_) if quoted => found = found.or(escape(raw, true)),
                        WordPart::SingleQuoted { dollar: false, .. } => {
                            found = found.or(escape(raw, false));
                        }
                        _ => {}
                    }
                });
                if let Some(c) = found {
                    findings.add(
                        tree.span(word.span),
                        format!("some shells print \\{c} as it is, others as the character it stands for"),
                    );
                }
            }
        });
    }
}

/// The first escape sequence of echo in a text.
fn escape(raw: &str, doubled: bool) -> Option<char> {
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            continue;
        }
        let next = *chars.peek()?;
        if matches!(next, 'n' | 't' | 'r') {
            return Some(next);
        }
        // `\\` is one backslash in double quotes: who writes it knows of them.
        if doubled || next == '\\' {
            chars.next();
        }
    }
    None
}

fn has_flag(tree: &Tree, command: &SimpleCommand, flag: char) -> bool {
    let raw = command.args.iter().map(|w| tree.raw(w.span));
    let flags = raw.take_while(|r| r.len() > 1 && r.starts_with('-'));
    flags.into_iter().any(|f| f.contains(flag))
}

/// `printf "$x"`
const PRINTF_FORMAT: Rule = Rule {
    id: "printf-format",
    summary: "Give variables to printf as arguments, not in its format",
    severity: Severity::Info,
    hadolint: &["SC2059"],
    check: printf_format,
    ..Rule::NEW
};

fn printf_format(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("printf")) {
        tree.simple(|command| {
            let format = match command.args.as_slice() {
                [flag, _, format, ..] if tree.raw(flag.span) == "-v" => format,
                [end, format, ..] if tree.raw(end.span) == "--" => format,
                [format, ..] => format,
                [] => return,
            };
            if tree.name(command) != "printf" {
                return;
            }
            let mut inside = None;
            parts(&format.parts, false, &mut |part, _| {
                inside = inside.or(variable(&part.kind).map(|_| part.span));
            });
            if let Some(span) = inside {
                let name = tree.raw(span);
                findings.add(
                    tree.span(span),
                    format!("a percent sign or a backslash in {name} would be part of the format"),
                );
            }
        });
    }
}

/// `read x`
const READ_BACKSLASH: Rule = Rule {
    id: "read-backslash",
    summary: "Read lines with read -r",
    severity: Severity::Info,
    hadolint: &["SC2162"],
    check: read_backslash,
    ..Rule::NEW
};

fn read_backslash(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("read")) {
        tree.statements(|stmt| {
            let Command::Simple(command) = &stmt.command else {
                return;
            };
            if tree.name(command) == "read" && !has_flag(&tree, command, 'r') {
                findings.add(
                    tree.span(command.name.span),
                    "without -r read takes backslashes out of the lines, and joins those that end in one",
                );
            }
        });
    }
}
