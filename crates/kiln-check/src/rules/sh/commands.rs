//! Lists and branches that don't run as they read.

use std::collections::HashSet;

use kiln_dockerfile::Kind;
use shuck_ast::{BinaryOp, BuiltinCommand, Command, CompoundCommand, Stmt, StmtSeq};

use super::look::{Tree, range, trees, variable};
use crate::finding::Findings;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[
    AND_OR_IS_NO_IF,
    KEYWORD_CASE,
    MISSING_SPACE,
    TEST_AND_OR,
    UNCHECKED_CD,
];

/// `cd x; y`
const UNCHECKED_CD: Rule = Rule {
    id: "unchecked-cd",
    summary: "Go on only if cd succeeded",
    hadolint: &["SC2164"],
    check: unchecked_cd,
    ..Rule::NEW
};

fn unchecked_cd(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("cd ") || t.has("pushd ")) {
        if stops_at_errors(subject, &tree) {
            continue;
        }
        tree.lists(|list| {
            for pair in list.as_slice().windows(2) {
                let Some(stmt) = pair.first().and_then(last_run) else {
                    continue;
                };
                let Command::Simple(command) = &stmt.command else {
                    continue;
                };
                let name = tree.name(command);
                let to = command.args.first().and_then(|w| tree.fixed(w));
                let safe = to.as_deref().is_some_and(|t| {
                    t.split('/').all(|p| matches!(p, "" | "." | ".."))
                });
                if matches!(name.as_str(), "cd" | "pushd") && !command.args.is_empty() && !safe {
                    let words = [&command.name].into_iter().chain(&command.args);
                    let end = words.map(|w| w.span.end.offset()).max().unwrap_or_default();
                    findings.add(
                        tree.script.span(command.name.span.start.offset()..end),
                        format!("if {name} fails, what follows runs in the wrong directory: join them with &&"),
                    );
                }
            }
        });
    }
}

/// The command whose result is lost when the next statement begins.
fn last_run(stmt: &Stmt) -> Option<&Stmt> {
    let mut stmt = stmt;
    while let Command::Binary(b) = &stmt.command {
        if stmt.negated || !matches!(b.op, BinaryOp::And | BinaryOp::Or) {
            return None;
        }
        stmt = &b.right;
    }
    let background = matches!(
        stmt.terminator,
        Some(shuck_ast::StmtTerminator::Background(_))
    );
    (!stmt.negated && !background).then_some(stmt)
}

/// Whether the shell was told to stop at the first command that fails.
fn stops_at_errors(subject: &Subject, tree: &Tree) -> bool {
    let short = |w: &str| w.starts_with('-') && !w.starts_with("--") && w.contains('e');
    let set = tree.script.calls("set").any(|c| {
        let words = c.args().iter().map(|a| a.text.as_str());
        words.into_iter().any(|w| short(w) || w == "errexit")
    });
    let first = tree.script.text().lines().next().unwrap_or_default();
    let hashbang = first.starts_with("#!") && first.split_whitespace().any(short);
    let argv = subject.shell_argv(tree.n).unwrap_or_default();
    let mut words = argv.iter().map(String::as_str).collect::<Vec<_>>();
    if let Some(Kind::Run {
        command: kiln_dockerfile::Command::Exec(argv),
        ..
    }) = subject.instructions().get(tree.n).map(|i| &i.kind)
    {
        words.extend(argv.iter().take(2).map(String::as_str));
    }
    set || hashbang || words.into_iter().any(|w| short(w) || w == "errexit")
}

/// `a && b || c`
const AND_OR_IS_NO_IF: Rule = Rule {
    id: "and-or-is-no-if",
    summary: "Write a choice between two commands as an if",
    severity: Severity::Info,
    hadolint: &["SC2015"],
    check: and_or,
    ..Rule::NEW
};

fn and_or(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("&&") && t.has("||")) {
        let mut conditions = HashSet::new();
        tree.statements(|stmt| match &stmt.command {
            Command::Compound(c) => conditions.extend(conditions_of(c)),
            Command::Binary(or) if or.op == BinaryOp::Or => {
                let Command::Binary(and) = &or.left.command else {
                    return;
                };
                if and.op != BinaryOp::And
                    || or.left.negated
                    || conditions.contains(&range(stmt.span))
                    || cannot_fail(&tree, &and.right)
                    || is_fallback(&tree, &or.right)
                {
                    return;
                }
                findings.add(
                    tree.span(or.op_span),
                    "what follows runs if any of the commands before fails, not only the first: that is no if and else",
                );
            }
            _ => {}
        });
    }
}

/// The statements that decide something.
fn conditions_of(compound: &CompoundCommand) -> Vec<std::ops::Range<usize>> {
    let of = |list: &StmtSeq| list.iter().map(|s| range(s.span)).collect::<Vec<_>>();
    match compound {
        CompoundCommand::If(c) => {
            let more = c.elif_branches.iter().flat_map(|(list, _)| of(list));
            of(&c.condition).into_iter().chain(more).collect()
        }
        CompoundCommand::While(c) => of(&c.condition),
        CompoundCommand::Until(c) => of(&c.condition),
        _ => Vec::new(),
    }
}

/// Whether a statement succeeds, or is a test whose failure is what counts.
fn cannot_fail(tree: &Tree, stmt: &Stmt) -> bool {
    match &stmt.command {
        Command::Simple(c) => {
            let name = tree.name(c);
            let assigns = tree.raw(c.name.span).is_empty();
            assigns
                || matches!(
                    name.as_str(),
                    "true" | ":" | "echo" | "printf" | "[" | "test"
                )
        }
        Command::Compound(CompoundCommand::Conditional(_)) => true,
        Command::Builtin(_) => true,
        Command::Decl(_) => true,
        _ => false,
    }
}

/// Whether a statement is what one does when something failed: say so, stop, or carry on.
fn is_fallback(tree: &Tree, stmt: &Stmt) -> bool {
    match &stmt.command {
        Command::Simple(c) => matches!(
            tree.name(c).as_str(),
            "true" | ":" | "echo" | "printf" | "false" | "kill"
        ),
        Command::Builtin(b) => matches!(
            b,
            BuiltinCommand::Exit(_)
                | BuiltinCommand::Return(_)
                | BuiltinCommand::Break(_)
                | BuiltinCommand::Continue(_)
        ),
        Command::Compound(CompoundCommand::BraceGroup(list) | CompoundCommand::Subshell(list)) => {
            list.last().is_some_and(|s| is_fallback(tree, s))
        }
        Command::Binary(b) => is_fallback(tree, &b.right),
        _ => false,
    }
}

/// `[ a -a b ]`
const TEST_AND_OR: Rule = Rule {
    id: "test-and-or",
    summary: "Join two tests with && or ||, not inside of one",
    hadolint: &["SC2166"],
    check: test_and_or,
    ..Rule::NEW
};

fn test_and_or(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has(" -a ") || t.has(" -o ")) {
        tree.simple(|command| {
            if !matches!(tree.name(command).as_str(), "[" | "test") {
                return;
            }
            let last = command.args.len().saturating_sub(1);
            for (n, word) in command.args.iter().enumerate() {
                let raw = tree.raw(word.span);
                if matches!(raw, "-a" | "-o") && n >= 2 && n < last {
                    findings.add(
                        tree.span(word.span),
                        format!("what {raw} means in a test of many words differs between shells: two tests are clear"),
                    );
                }
            }
        });
    }
}

/// `[-e x ]`
const MISSING_SPACE: Rule = Rule {
    id: "missing-space",
    summary: "Put spaces around the brackets of a test",
    severity: Severity::Error,
    hadolint: &["SC1020", "SC1035", "SC1054", "SC1069"],
    check: missing_space,
    ..Rule::NEW
};

fn missing_space(subject: &Subject, findings: &mut Findings) {
    for tree in trees(subject).filter(|t| t.has("[") || t.has("{")) {
        tree.simple(|command| {
            let name = tree.raw(command.name.span);
            let last = command.args.last().unwrap_or(&command.name);
            let last_raw = tree.raw(last.span);
            let keyword = ["if[", "while[", "until[", "elif[", "![", "if[[", "while[["];
            let opens = keyword.contains(&name)
                || (name.starts_with('[')
                    && !matches!(name, "[" | "[[")
                    && last_raw.ends_with(']'));
            let group = name.strip_prefix('{').is_some_and(|rest| {
                !rest.is_empty() && rest.chars().all(|c| c.is_ascii_alphabetic())
            });
            if opens || group {
                findings.add(
                    tree.span(command.name.span),
                    format!(
                        "{name} is one word, and no command has this name: a space is missing in it"
                    ),
                );
            } else if name == "[" && last_raw != "]" {
                findings.add(
                    tree.span(last.span),
                    "the test has no end: a bracket with a space before it closes it",
                );
            }
        });
    }
}

/// `If x`
const KEYWORD_CASE: Rule = Rule {
    id: "keyword-case",
    summary: "Write the shell's words in small letters",
    severity: Severity::Error,
    hadolint: &["SC1081"],
    check: keyword_case,
    ..Rule::NEW
};

fn keyword_case(subject: &Subject, findings: &mut Findings) {
    let keywords = [
        "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac",
    ];
    // A script with some of them in capitals is often none at all: its commands tell as well.
    for (_, script) in subject.scripts().filter(|(_, s)| s.parsed.is_some()) {
        for command in script.commands.iter().filter(|c| c.via.is_none()) {
            let name = command.name();
            let lower = name.to_ascii_lowercase();
            let Some(word) = command.words.first().filter(|w| !w.quoted) else {
                continue;
            };
            let capital = name.chars().next().is_some_and(|c| c.is_ascii_uppercase());
            if capital && name.len() < 6 && keywords.contains(&lower.as_str()) {
                findings.add(
                    script.span(word.range.clone()),
                    format!("the shell takes {name} for a program: it knows {lower} only in small letters"),
                );
            }
        }
    }
}

/// Whether a word is the result of the last command.
pub fn is_status(word: &shuck_ast::Word) -> bool {
    let part = match word.parts.as_slice() {
        [one] => one,
        _ => return false,
    };
    let inner = match &part.kind {
        shuck_ast::WordPart::DoubleQuoted { parts, .. } => match parts.as_slice() {
            [one] => one,
            _ => return false,
        },
        _ => part,
    };
    variable(&inner.kind) == Some("?")
}
