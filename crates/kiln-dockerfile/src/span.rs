//! Places in the source, errors and warnings.

use std::fmt;

/// A place: line and column count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Pos {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
    /// Bytes of the source before it.
    pub offset: u32,
}

impl Pos {
    /// The first place of a file.
    pub const START: Pos = Pos {
        line: 1,
        column: 1,
        offset: 0,
    };

    /// The place behind `text`, which stands here and has no line end.
    pub fn behind(self, text: &str) -> Pos {
        Pos {
            line: self.line,
            column: self.column + text.chars().count() as u32,
            offset: self.offset + text.len() as u32,
        }
    }
}

/// A stretch of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    /// First character.
    pub start: Pos,
    /// Behind the last character, on its line.
    pub end: Pos,
}

impl Span {
    /// An empty stretch.
    pub fn at(pos: Pos) -> Span {
        Span {
            start: pos,
            end: pos,
        }
    }

    /// Of `text`, which stands at `start` and has no line end.
    pub fn of(start: Pos, text: &str) -> Span {
        Span {
            start,
            end: start.behind(text),
        }
    }

    /// The bytes of the source.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start.offset as usize..self.end.offset as usize
    }
}

/// Why a Dockerfile or ignore file can't be read.
#[derive(Clone, Debug, PartialEq)]
pub struct ParseError {
    /// Where.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What was meant, perhaps.
    pub hint: Option<String>,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.span.start;
        write!(f, "{}:{}: {}", at.line, at.column, self.message)?;
        match &self.hint {
            Some(h) => write!(f, " ({h})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ParseError {}

/// Something legal that is not meant or not wise.
#[derive(Clone, Debug, PartialEq)]
pub struct Warning {
    /// Where.
    pub span: Span,
    /// What.
    pub message: String,
}
