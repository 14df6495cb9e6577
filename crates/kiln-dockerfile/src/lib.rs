//! Dockerfiles as text: parser with spans, typed instructions, here-documents, word expansion,
//! `.dockerignore`. Pure: no file is read, nothing is run, no variable is known here.
//!
//! [`parse`] gives a [`Dockerfile`]; its words are as written. Who knows the variables expands them
//! with [`expand_word`]. [`Ignore`] judges paths.
//!
//! Nothing of the text is lost: [`Dockerfile::pieces`] are the whole file, comments and white space
//! included, and all spans have byte offsets, so that a tool can rewrite a part and keep the rest.
//!
//! The rules are the Dockerfile reference's and BuildKit's parser's.

mod ast;
mod expand;
mod heredoc;
mod ignore;
mod lines;
mod mount;
mod parse;
mod pattern;
mod pieces;
mod span;
mod suggest;
mod words;

#[cfg(test)]
mod tests;

pub use ast::*;
pub use expand::{Env, ExpandError, expand_heredoc, expand_word, expand_words};
pub use ignore::Ignore;
pub use lines::LogicalLine;
pub use mount::{
    BindMount, CacheMount, Look, Mount, SecretMount, Sharing, SshMount, TmpfsMount, mount_from,
    parse_mount,
};
pub use parse::{KEYWORDS, parse, parse_instruction};
pub use pattern::{PatternError, glob_match};
pub use pieces::{Piece, PieceKind};
pub use span::{ParseError, Pos, Span, Warning};
pub use suggest::{edit_distance, nearest};
pub use words::{Word, json_array, split_words};
