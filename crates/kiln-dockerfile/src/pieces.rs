//! What a Dockerfile's text is made of: pieces that together are the whole file, byte for byte.
//! Instructions are read out of them; tools that rewrite a file keep what they don't change.

use crate::span::Span;

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// The byte order mark some editors write first.
    Bom,
    /// White space before a comment or an instruction, or all that is in a blank line.
    Space,
    /// A parser directive, from its `#`.
    Directive,
    /// A comment, from its `#`.
    Comment,
    /// What an instruction has on one line; on later lines with its indentation.
    Text,
    /// The escape character at a line's end and the blanks behind it.
    Continuation,
    /// A line of a here-document.
    Heredoc,
    /// The line that ends a here-document.
    HeredocEnd,
    /// `\n` or `\r\n`.
    LineEnd,
}

/// A stretch of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: PieceKind,
    /// Where.
    pub span: Span,
}
