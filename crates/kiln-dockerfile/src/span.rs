//! Places in the source, errors and warnings.

use std::fmt;

/// A place: both numbers count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Pos {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

/// A stretch of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    /// First character.
    pub start: Pos,
    /// Behind the last character, on its line.
    pub end: Pos,
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
