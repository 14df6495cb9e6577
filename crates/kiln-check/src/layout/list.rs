//! A script as the list of commands it is at the top.

use std::ops::Range;

use shuck_ast::{BinaryOp, Command as Node, CompoundCommand, Stmt, StmtTerminator};

use crate::shell::Script;

/// What stands between a command and the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// `&&`.
    And,
    /// `||`.
    Or,
    /// `;` or a line end.
    Then,
    /// `&`: the one before runs on.
    Beside,
}

/// A command, pipeline or compound command of the list.
#[derive(Clone, Debug)]
pub struct Part<'s> {
    /// What joins it to the one before; nothing for the first.
    pub join: Option<Join>,
    /// Where the operator stands in the script's text, where it is `&&` or `||`.
    pub operator: Option<Range<usize>>,
    /// Its place in the script's text, redirections included.
    pub range: Range<usize>,
    /// What it is.
    pub stmt: &'s Stmt,
}

/// The commands at the top of a script.
#[derive(Clone, Debug)]
pub struct List<'s> {
    /// In the text's order.
    pub parts: Vec<Part<'s>>,
    /// Whether the last one runs on in the background.
    pub beside: bool,
}

/// A leaf of the list, and what is between it and the next.
struct Leaf<'s> {
    stmt: &'s Stmt,
    next: Option<(Join, Option<Range<usize>>)>,
}

impl<'s> List<'s> {
    /// Of a script that the shell would take; comments of the shell's make it nothing, for what is
    /// put behind one is lost.
    pub fn of(script: &'s Script) -> Option<List<'s>> {
        let parsed = script.parsed.as_ref().filter(|_| script.clean())?;
        let text = script.text();
        if !script.heredoc && may_have_comment(text) {
            return None;
        }
        let mut leaves = Vec::new();
        for stmt in parsed.file.body.iter() {
            let terminator = stmt
                .terminator_span
                .map(|s| s.start.offset()..s.end.offset());
            let join = match stmt.terminator {
                Some(StmtTerminator::Background(_)) => Join::Beside,
                _ => Join::Then,
            };
            flatten(stmt, Some((join, terminator)), &mut leaves);
        }
        let mut parts: Vec<Part> = Vec::new();
        let mut join = None;
        let mut operator = None;
        let mut at = 0;
        let count = leaves.len();
        let mut beside = false;
        for (n, leaf) in leaves.into_iter().enumerate() {
            let start = skip_blank(text, at);
            let (next, between) = leaf.next.unwrap_or((Join::Then, None));
            let end = match &between {
                Some(b) => b.start,
                None if n + 1 == count && !script.heredoc => text.len(),
                None => line_end(text, end_of(leaf.stmt, text)),
            };
            at = between.as_ref().map_or(end, |b| b.end);
            let inner = text.get(start..end)?.trim_end();
            if inner.is_empty() {
                return None;
            }
            parts.push(Part {
                join,
                operator: operator.take(),
                range: start..start + inner.len(),
                stmt: leaf.stmt,
            });
            beside = next == Join::Beside;
            join = Some(next);
            operator = between.filter(|_| matches!(next, Join::And | Join::Or));
        }
        (!parts.is_empty()).then_some(List { parts, beside })
    }

    /// Whether all are joined by `&&`, so that each has succeeded when the next one starts.
    pub fn is_chain(&self) -> bool {
        let mut joins = self.parts.iter().filter_map(|p| p.join);
        !self.beside && joins.all(|j| j == Join::And)
    }

    /// Whether anything at the top runs in the background.
    pub fn has_background(&self) -> bool {
        self.beside || self.parts.iter().any(|p| p.join == Some(Join::Beside))
    }

    /// Where the last part ends.
    pub fn end(&self) -> usize {
        self.parts.last().map_or(0, |p| p.range.end)
    }
}

fn flatten<'s>(
    stmt: &'s Stmt,
    next: Option<(Join, Option<Range<usize>>)>,
    leaves: &mut Vec<Leaf<'s>>,
) {
    if let Node::Binary(b) = &stmt.command {
        let join = match b.op {
            BinaryOp::And => Some(Join::And),
            BinaryOp::Or => Some(Join::Or),
            BinaryOp::Pipe | BinaryOp::PipeAll => None,
        };
        if let Some(join) = join {
            let at = b.op_span.start.offset()..b.op_span.end.offset();
            flatten(&b.left, Some((join, Some(at))), leaves);
            flatten(&b.right, next, leaves);
            return;
        }
    }
    leaves.push(Leaf { stmt, next });
}

/// Where a statement ends: a group's place, as the parser has it, is without its brackets.
fn end_of(stmt: &Stmt, text: &str) -> usize {
    if let Node::Binary(b) = &stmt.command {
        return end_of(&b.right, text);
    }
    let end = stmt.span.end.offset();
    let end = text.get(..end).map_or(end, |t| t.trim_end().len());
    let closer = match &stmt.command {
        Node::Compound(CompoundCommand::Subshell(_)) => ')',
        Node::Compound(CompoundCommand::BraceGroup(_)) => '}',
        _ => return end,
    };
    let rest = text.get(end..).unwrap_or_default();
    match rest.trim_start().starts_with(closer) {
        true => end + rest.len() - rest.trim_start().len() + 1,
        false => end,
    }
}

/// The end of an offset's line.
fn line_end(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.find('\n').map_or(text.len(), |n| at + n)
}

/// The next offset that is neither in white space nor in a comment of its own line.
fn skip_blank(text: &str, mut at: usize) -> usize {
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let body = rest.trim_start();
        at += rest.len() - body.len();
        if !body.starts_with('#') {
            return at;
        }
        at = line_end(text, at);
    }
}

/// Whether a `#` begins a word; inside of quotes that is no comment, but who puts it there is rare.
fn may_have_comment(text: &str) -> bool {
    let begins = |at: usize| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        before.is_none_or(|c| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')'))
    };
    text.match_indices('#').any(|(at, _)| begins(at))
}
