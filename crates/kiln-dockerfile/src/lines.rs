//! Physical lines to logical ones: continuations, comments, directives.

use crate::ast::Directives;
use crate::pieces::{Piece, PieceKind};
use crate::span::{ParseError, Pos, Span, Warning};

/// An instruction's text on one line, with the way back to its places in the source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogicalLine {
    /// The joined text, without leading white space.
    pub text: String,
    /// For each piece: offset in `text`, and its place in the source.
    pieces: Vec<(usize, Pos)>,
    /// The last physical line.
    pub last_line: u32,
    /// Behind the last character of the last line.
    pub end: Pos,
}

impl LogicalLine {
    /// A line that stands for itself.
    pub fn single(text: &str) -> LogicalLine {
        let mut line = LogicalLine::default();
        line.push(text, Pos::START);
        line.last_line = 1;
        line.end = line.pos(text.len());
        line
    }

    /// Adds text that stands at a place of the source.
    pub fn push(&mut self, text: &str, at: Pos) {
        self.pieces.push((self.text.len(), at));
        self.text.push_str(text);
    }

    /// The source place of a byte offset in `text`.
    pub fn pos(&self, offset: usize) -> Pos {
        let after = self.pieces.partition_point(|(start, _)| *start <= offset);
        self.place(after, offset)
    }

    /// The place of an offset in the piece before the `after`th.
    fn place(&self, after: usize, offset: usize) -> Pos {
        let Some((start, at)) = after.checked_sub(1).and_then(|n| self.pieces.get(n)) else {
            return Pos::default();
        };
        at.behind(
            self.text
                .get(*start..offset.min(self.text.len()))
                .unwrap_or_default(),
        )
    }

    /// The source span of a byte range in `text`; it ends on the line of its last character.
    pub fn span(&self, from: usize, to: usize) -> Span {
        let after = self.pieces.partition_point(|(start, _)| *start < to);
        Span {
            start: self.pos(from),
            end: if to > from {
                self.place(after, to)
            } else {
                self.pos(to)
            },
        }
    }

    /// Adds another line's text, which keeps its places.
    pub fn append(&mut self, other: &LogicalLine) {
        let base = self.text.len();
        self.text.push_str(&other.text);
        let moved = other.pieces.iter().map(|(at, pos)| (base + at, *pos));
        self.pieces.extend(moved);
        self.end = other.end;
    }

    /// What stands from an offset on, as a line of its own.
    pub fn tail(&self, from: usize) -> LogicalLine {
        let mut line = LogicalLine {
            last_line: self.last_line,
            end: self.end,
            ..LogicalLine::default()
        };
        let mut at = from;
        let ends = self.pieces.iter().skip(1).map(|(start, _)| *start);
        for end in ends.chain([self.text.len()]).filter(|e| *e > from) {
            line.push(self.text.get(at..end).unwrap_or_default(), self.pos(at));
            at = end;
        }
        line
    }

    /// From the first character to the end of the last line.
    pub fn whole(&self) -> Span {
        Span {
            start: self.pos(0),
            end: self.end,
        }
    }
}

/// A physical line without its line end.
#[derive(Clone, Copy)]
pub struct Raw<'a> {
    /// Where it begins.
    pub at: Pos,
    /// What is on it.
    pub text: &'a str,
    end: &'a str,
}

impl Raw<'_> {
    fn is_comment(&self) -> bool {
        self.text.trim_start().starts_with('#')
    }

    fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// Reads logical lines out of the source.
pub struct Lines<'a> {
    lines: Vec<Raw<'a>>,
    next: usize,
    directives: usize,
    escape: char,
    /// What was noticed on the way.
    pub warnings: Vec<Warning>,
    /// All that was read.
    pub pieces: Vec<Piece>,
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0b' | '\x0c' | '\r')
}

impl<'a> Lines<'a> {
    /// Splits the source from a byte offset on; line ends may be `\n` or `\r\n`.
    pub fn new(source: &'a str, from: usize, directives: usize, escape: char) -> Lines<'a> {
        let mut at = Pos {
            offset: from as u32,
            ..Pos::START
        };
        let text = source.get(from..).unwrap_or_default();
        let lines = text.split_inclusive('\n').chain(
            // What follows the last line end is a line, if an empty one.
            (text.is_empty() || text.ends_with('\n')).then_some(""),
        );
        let lines = lines
            .map(|whole| {
                let line = whole.strip_suffix('\n').unwrap_or(whole);
                let line = line.strip_suffix('\r').unwrap_or(line);
                let raw = Raw {
                    at,
                    text: line,
                    end: whole.get(line.len()..).unwrap_or_default(),
                };
                at.line += 1;
                at.offset += whole.len() as u32;
                raw
            })
            .collect();
        Lines {
            lines,
            next: 0,
            directives,
            escape,
            warnings: Vec::new(),
            pieces: Vec::new(),
        }
    }

    fn read(&mut self) -> Option<Raw<'a>> {
        let line = *self.lines.get(self.next)?;
        self.next += 1;
        Some(line)
    }

    fn piece(&mut self, kind: PieceKind, at: Pos, text: &str) -> Pos {
        let span = Span::of(at, text);
        if !text.is_empty() {
            self.pieces.push(Piece { kind, span });
        }
        span.end
    }

    fn line_end(&mut self, at: Pos, raw: Raw) {
        self.piece(PieceKind::LineEnd, at, raw.end);
    }

    fn blank(&mut self, raw: Raw) {
        let at = self.piece(PieceKind::Space, raw.at, raw.text);
        self.line_end(at, raw);
    }

    /// A comment or directive.
    fn one_piece(&mut self, kind: PieceKind, raw: Raw) {
        let body = raw.text.trim_start();
        let (space, body) = raw.text.split_at(raw.text.len() - body.len());
        let at = self.piece(PieceKind::Space, raw.at, space);
        let at = self.piece(kind, at, body);
        self.line_end(at, raw);
    }

    /// The next line of a here-document; `last` tells whether it ends it.
    pub fn heredoc(&mut self, last: impl Fn(&str) -> bool) -> Option<Raw<'a>> {
        if self.at_end() {
            return None;
        }
        let raw = self.read()?;
        let kind = match last(raw.text) {
            true => PieceKind::HeredocEnd,
            false => PieceKind::Heredoc,
        };
        let at = self.piece(kind, raw.at, raw.text);
        self.line_end(at, raw);
        Some(raw)
    }

    /// True where nothing but the empty end of the file is left.
    fn at_end(&self) -> bool {
        let rest = self.lines.get(self.next..).unwrap_or_default();
        match rest {
            [] => true,
            [last] => last.text.is_empty(),
            _ => false,
        }
    }

    /// The next instruction's line.
    pub fn logical(&mut self) -> Option<LogicalLine> {
        loop {
            let raw = self.read()?;
            if raw.is_comment() {
                let kind = match self.next <= self.directives {
                    true => PieceKind::Directive,
                    false => PieceKind::Comment,
                };
                self.one_piece(kind, raw);
                continue;
            }
            if raw.is_blank() {
                self.blank(raw);
                continue;
            }
            let trimmed = raw.text.trim_start_matches(is_space);
            let indent = raw.text.get(..raw.text.len() - trimmed.len());
            let at = self.piece(PieceKind::Space, raw.at, indent.unwrap_or_default());
            let mut line = LogicalLine::default();
            let mut last = raw;
            let mut more = self.text(&mut line, at, trimmed, raw);
            while more {
                let Some(raw) = self.read() else {
                    break;
                };
                if raw.is_comment() {
                    self.one_piece(PieceKind::Comment, raw);
                    continue;
                }
                if raw.is_blank() {
                    if !self.at_end() && !raw.end.is_empty() {
                        self.warnings.push(Warning {
                            span: Span::at(raw.at),
                            message: "Empty continuation line".to_owned(),
                        });
                    }
                    self.blank(raw);
                    continue;
                }
                more = self.text(&mut line, raw.at, raw.text, raw);
                last = raw;
            }
            line.last_line = last.at.line;
            line.end = last.at.behind(last.text.trim_end());
            if line.text.trim().is_empty() {
                continue;
            }
            return Some(line);
        }
    }

    /// Takes a physical line in, and tells whether the next one continues it.
    fn text(&mut self, line: &mut LogicalLine, at: Pos, text: &str, raw: Raw) -> bool {
        let body = continued(text, self.escape);
        line.push(body.unwrap_or(text), at);
        let end = self.piece(PieceKind::Text, at, body.unwrap_or(text));
        let mark = text.get(body.map_or(text.len(), str::len)..);
        let end = self.piece(PieceKind::Continuation, end, mark.unwrap_or_default());
        self.line_end(end, raw);
        body.is_some()
    }
}

/// The line without its continuation character, if it has one.
fn continued(line: &str, escape: char) -> Option<&str> {
    let trimmed = line.trim_end_matches([' ', '\t']);
    let before = trimmed.strip_suffix(escape)?;
    (!before.ends_with(escape)).then_some(before)
}

/// The directives at the top of the text behind a byte offset, and how many lines they take.
pub fn directives(source: &str, from: usize) -> Result<(Directives, usize), ParseError> {
    let mut found = Directives {
        syntax: None,
        escape: '\\',
        check: None,
    };
    let mut escape_seen = false;
    let mut lines = 0;
    let mut at = Pos {
        offset: from as u32,
        ..Pos::START
    };
    for whole in source.get(from..).unwrap_or_default().split_inclusive('\n') {
        let line = whole.trim_end_matches(['\r', '\n']);
        let Some(body) = line.trim_start().strip_prefix('#') else {
            break;
        };
        let Some((name, value)) = body.split_once('=') else {
            break;
        };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        let error = |message: String| ParseError {
            span: Span::of(at, line),
            message,
            hint: None,
        };
        let again = match name.as_str() {
            "syntax" => found.syntax.replace(value.to_owned()).is_some(),
            "check" => found.check.replace(value.to_owned()).is_some(),
            "escape" => {
                let again = std::mem::replace(&mut escape_seen, true);
                found.escape = match value {
                    "\\" => '\\',
                    "`" => '`',
                    other => {
                        return Err(error(format!(
                            "invalid escape token {other:?} does not match ` or \\"
                        )));
                    }
                };
                again
            }
            _ => break,
        };
        if again {
            return Err(error(format!(
                "only one {name} parser directive can be used"
            )));
        }
        lines += 1;
        at.line += 1;
        at.offset += whole.len() as u32;
    }
    Ok((found, lines))
}
