//! Scripts that the shell can't read.

use std::ops::Range;

use shuck_ast::StmtTerminator;

use super::look::{Tree, range};
use super::shells::{Shell, shell};
use crate::finding::Findings;
use crate::rule::{Rule, Severity};
use crate::shell::Script;
use crate::subject::Subject;

/// The rules of this module.
pub static RULES: &[Rule] = &[SHELL_SYNTAX];

/// `RUN if true; then`
const SHELL_SYNTAX: Rule = Rule {
    id: "shell-syntax",
    summary: "Write scripts that the shell can read",
    severity: Severity::Error,
    hadolint: &[
        "SC1009", "SC1010", "SC1036", "SC1045", "SC1056", "SC1058", "SC1061", "SC1062", "SC1064",
        "SC1065", "SC1070", "SC1072", "SC1073", "SC1078", "SC1079", "SC1088", "SC1089", "SC1099",
    ],
    check: syntax,
    ..Rule::NEW
};

fn syntax(subject: &Subject, findings: &mut Findings) {
    for (n, script) in subject.scripts() {
        let Some(parsed) = &script.parsed else {
            continue;
        };
        let tree = Tree::of(n, script, &parsed.file.body);
        let failure = match parsed.is_ok() {
            true => unseparated(&tree),
            false => failure(script),
        };
        let Some((at, message)) = failure.filter(|_| shell(subject, &tree) != Shell::Other) else {
            continue;
        };
        let message = message.trim_start_matches("syntax error: ");
        findings.add(
            script.span(at),
            format!("the shell can't read this script ({message}): the build fails here"),
        );
    }
}

/// Commands with nothing between them, and `&;`: the reader takes them, shells don't.
fn unseparated(tree: &Tree) -> Option<(Range<usize>, String)> {
    let text = tree.script.text();
    let mut found = None;
    let mut note = |at: usize, message: &str| {
        found.get_or_insert_with(|| (at..at + 1, message.to_owned()));
    };
    tree.lists(|list| {
        // `then; x`
        let first = list.first().map_or(0, |s| s.span.start.offset());
        let before = text.get(..first).unwrap_or_default();
        let before = before.trim_end_matches([' ', '\t']);
        if before.ends_with(';') {
            note(before.len() - 1, "no command ends here");
        }
        for stmt in list.iter().skip(1) {
            let at = stmt.span.start.offset();
            // A group's own bracket may stand before it.
            let before = text.get(..at).unwrap_or_default();
            let before = before.trim_end_matches([' ', '\t', '(', '{']);
            if !before.is_empty() && !before.ends_with(['\n', ';', '&', '|', '!']) {
                note(at, "a command must be separated from the one before");
            }
        }
        for stmt in list.iter() {
            let end = stmt.terminator_span.map_or(0, |s| s.end.offset());
            let background = matches!(stmt.terminator, Some(StmtTerminator::Background(_)));
            let rest = text.get(end..).unwrap_or_default();
            let next = rest.trim_start_matches([' ', '\t']);
            if background && next.starts_with(';') && !next.starts_with(";;") {
                note(
                    end + rest.len() - next.len(),
                    "& ends a command, and so does ;",
                );
            }
        }
    });
    found
}

/// Where and why a script isn't read. Nothing where only the reader gave up: such a script may be
/// right.
fn failure(script: &Script) -> Option<(Range<usize>, String)> {
    let parsed = script.parsed.as_ref()?;
    let gave_up = |m: &str| {
        let reasons = ["exhausted", "too deep", "too long"];
        reasons.iter().any(|w| m.contains(w))
    };
    if parsed.diagnostics.iter().any(|d| gave_up(&d.message)) {
        return None;
    }
    let (at, message) = match (&parsed.terminal_error, parsed.diagnostics.first()) {
        (
            Some(shuck_parser::Error::Parse {
                message,
                line,
                column,
            }),
            _,
        ) => {
            let at = offset(script.text(), *line, *column);
            (at..at, message.clone())
        }
        (None, Some(d)) => (range(d.span), d.message.clone()),
        (None, None) => return None,
    };
    let quote = message.contains("unterminated");
    if gave_up(&message) || (!quote && glued_brace(script.text())) {
        return None;
    }
    let end = script.text().trim_end().len();
    let start = at.start.min(end);
    Some((start..at.end.clamp(start, end), message))
}

/// Whether a brace outside of quotes touches a word: the shell takes it for a letter, where the
/// reader may take it for a group's.
fn glued_brace(text: &str) -> bool {
    let mut before = ' ';
    let mut solid = ' ';
    let mut quote = None;
    let mut expansions = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => {
                chars.next();
            }
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '{') if before == '$' => expansions += 1,
            (None, '}') if expansions > 0 => expansions -= 1,
            (None, '{') => {
                let opens = before.is_whitespace() || matches!(before, ';' | '&' | '|' | '(' | ')');
                if !opens || !next.is_whitespace() {
                    return true;
                }
            }
            (None, '}') => {
                // A space isn't enough before it.
                let closes = matches!(solid, ';' | '&' | ')' | '}' | '\n');
                let ends =
                    next.is_whitespace() || matches!(next, ';' | '&' | '|' | ')' | '<' | '>');
                if !closes || !ends {
                    return true;
                }
            }
            _ => {}
        }
        before = c;
        if !matches!(c, ' ' | '\t') {
            solid = c;
        }
    }
    false
}

/// The byte at a line and column, both counted from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before = text.split_inclusive('\n').take(line.saturating_sub(1));
    let start = before.map(str::len).sum::<usize>();
    let rest = text.get(start..).unwrap_or_default();
    let skipped = rest.chars().take(column.saturating_sub(1));
    start + skipped.map(char::len_utf8).sum::<usize>()
}
