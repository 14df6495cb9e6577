//! Ends of a command that aren't plain success or a message with code 1.

use std::fmt;

/// An exit code, for a command that has said already what there is to say.
#[derive(Debug)]
pub struct Exit {
    /// What the process ends with.
    pub code: u8,
}

impl Exit {
    /// Ends without another word.
    pub fn quiet(code: u8) -> Exit {
        Exit { code }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}", self.code)
    }
}

impl std::error::Error for Exit {}
