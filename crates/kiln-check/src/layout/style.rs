//! The way a RUN's lines are written, and a command put behind the others.

use std::ops::Range;

use kiln_dockerfile::{Dockerfile, Piece, PieceKind};

use crate::finding::Edit;
use crate::layout::{Join, List};
use crate::shell::Script;
use crate::subject::Subject;

/// How the commands of a RUN follow one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether `&&` begins a line, rather than ending the one before.
    pub leading: bool,
    /// White space before a command that begins a line.
    pub indent: String,
    /// `\n` or `\r\n`.
    pub newline: &'static str,
    /// The character that continues a line.
    pub escape: char,
}

impl Style {
    /// How the `n`th instruction is written.
    pub fn of(subject: &Subject, n: usize, script: &Script, list: &List) -> Style {
        let file = subject.file;
        let source = file.source.as_str();
        let start = subject.instructions().get(n).map(|i| i.span.range().start);
        let start = start.unwrap_or_default();
        let own = lead(source, start);
        let mut style = Style {
            leading: false,
            indent: format!("{own}    "),
            newline: newline(file),
            escape: file.directives.escape,
        };
        // The last command that begins a line says how the next one would.
        for part in list.parts.iter().rev() {
            let at = script.span(part.range.clone()).range().start;
            let before = lead(source, at);
            let operator = part.operator.clone().map(|o| script.span(o).range().start);
            if let Some(operator) = operator
                && line_start(source, operator) != line_start(source, start)
                && is_blank(source, operator)
            {
                style.leading = true;
                style.indent = lead(source, operator).to_owned();
                return style;
            }
            if line_start(source, at) != line_start(source, start) && is_blank(source, at) {
                style.indent = before.to_owned();
                return style;
            }
        }
        // None does: the arguments on later lines do.
        let end = script.span(0..list.end()).range().end;
        let later = pieces(file, start..end).iter().filter(|p| {
            p.kind == PieceKind::Text
                && line_start(source, p.span.range().start) != line_start(source, start)
        });
        let indents = later.map(|p| lead(source, p.span.range().start));
        if let Some(least) = indents.min_by_key(|i| i.len())
            && !least.is_empty()
        {
            style.indent = least.to_owned();
        }
        style
    }

    /// What comes between a command and one put behind it on a line of its own.
    pub fn and(&self) -> String {
        let Style {
            indent,
            newline,
            escape,
            ..
        } = self;
        match self.leading {
            true => format!(" {escape}{newline}{indent}&& "),
            false => format!(" && {escape}{newline}{indent}"),
        }
    }
}

/// The edit that puts a command behind all others of the `n`th instruction, to be run if they
/// succeed. Nothing where it would not be reached, or would change what the others mean.
pub fn append(subject: &Subject, n: usize, command: &str) -> Option<Edit> {
    let script = subject.script(n).filter(|s| s.editable())?;
    let list = List::of(script)?;
    if list.beside || leaves(script) || script.text().contains("<<") {
        return None;
    }
    let source = subject.file.source.as_str();
    let style = Style::of(subject, n, script, &list);
    let at = script.span(0..list.end()).range().end;
    let text = script.text();
    let rest = text.get(list.end()..).unwrap_or_default();
    let next_line = rest
        .find('\n')
        .map_or(rest, |n| rest.get(..n).unwrap_or_default());
    if script.heredoc {
        let last = list.parts.last()?;
        let last_line = text.get(last.range.clone())?.lines().next_back()?;
        if !next_line.trim().is_empty() || last_line.contains('#') {
            return None;
        }
        let begins = script.span(last.range.clone()).range().start;
        let indent = lead(source, begins);
        let newline = style.newline;
        let text = match stops_at_failure(script, &list) {
            true => format!("{newline}{indent}{command}"),
            false => format!(" &&{newline}{indent}{command}"),
        };
        return Some(Edit {
            range: at..at,
            text,
        });
    }
    // A `;` behind the last command, or the bodies of here-documents.
    if !rest.trim().is_empty() {
        return None;
    }
    Some(Edit {
        range: at..at,
        text: format!("{}{command}", style.and()),
    })
}

/// Whether some command ends the shell, or makes something of its own of its end.
fn leaves(script: &Script) -> bool {
    script.commands.iter().any(|c| {
        let top = !c.setting.substituted;
        match c.name() {
            "exec" | "return" | "trap" => top && c.via.is_none(),
            // With another number the build fails, and what would follow doesn't matter.
            "exit" => top && c.args().first().is_none_or(|a| a.text == "0" || !a.fixed),
            "set" => c.has_flag("f") || c.args().iter().any(|a| a.text == "noglob"),
            _ => false,
        }
    })
}

/// Whether a here-document's script begins with a `set -e` at the top.
fn stops_at_failure(script: &Script, list: &List) -> bool {
    let Some(first) = list.parts.first() else {
        return false;
    };
    let alone = list.parts.iter().all(|p| p.join != Some(Join::Beside));
    let mut sets = script.commands.iter().filter(|c| c.name() == "set");
    let on = sets.next().is_some_and(|c| {
        c.range.start == first.range.start
            && (c.has_flag("e") || c.args().iter().any(|a| a.text == "errexit"))
            && c.args().iter().all(|a| !a.text.starts_with('+'))
    });
    on && alone && sets.all(|c| c.args().iter().all(|a| !a.text.starts_with('+')))
}

/// The line end that a file uses.
pub fn newline(file: &Dockerfile) -> &'static str {
    let first = file.pieces.iter().find(|p| p.kind == PieceKind::LineEnd);
    match first.map(|p| file.source_of(p.span)) {
        Some("\r\n") => "\r\n",
        _ => "\n",
    }
}

/// The pieces that begin in a range of the source.
pub fn pieces(file: &Dockerfile, range: Range<usize>) -> &[Piece] {
    let at = |offset: usize| {
        file.pieces
            .partition_point(|p| p.span.range().start < offset)
    };
    file.pieces
        .get(at(range.start)..at(range.end))
        .unwrap_or_default()
}

/// The comments that begin in a range of the source.
pub fn comments(file: &Dockerfile, range: Range<usize>) -> impl Iterator<Item = &str> {
    let all = pieces(file, range).iter();
    all.filter(|p| p.kind == PieceKind::Comment)
        .map(|p| file.source_of(p.span))
}

/// Where the line of an offset begins.
fn line_start(source: &str, at: usize) -> usize {
    let before = source.get(..at).unwrap_or_default();
    before.rfind('\n').map_or(0, |n| n + 1)
}

/// The white space at the start of an offset's line.
fn lead(source: &str, at: usize) -> &str {
    let line = source.get(line_start(source, at)..at).unwrap_or_default();
    let body = line.trim_start_matches([' ', '\t']);
    line.get(..line.len() - body.len()).unwrap_or_default()
}

/// Whether nothing but white space stands before an offset on its line.
fn is_blank(source: &str, at: usize) -> bool {
    let line = source.get(line_start(source, at)..at).unwrap_or_default();
    line.trim().is_empty()
}
