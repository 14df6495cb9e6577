//! What can go wrong, with the step that did.

use std::io;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A system call failed.
    #[error("{step}: {source}")]
    Sys {
        /// What was being done.
        step: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Setting up the process failed.
    #[error("{0}")]
    Setup(String),
    /// The command does not exist in the root file system.
    #[error("{0}")]
    NotFound(String),
    /// The command exists but cannot be executed.
    #[error("{0}")]
    NotExecutable(String),
    /// The caller lacks the rights to make containers; says what to do.
    #[error("{0}")]
    Privilege(String),
}

impl RuntimeError {
    /// The exit code a shell or Docker would report: 127 for a command that
    /// is not there, 126 for one that cannot be executed.
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            RuntimeError::NotFound(_) => Some(127),
            RuntimeError::NotExecutable(_) => Some(126),
            _ => None,
        }
    }

    /// One letter for the wire between the helper and its caller.
    pub(crate) fn kind(&self) -> u8 {
        match self {
            RuntimeError::NotFound(_) => b'n',
            RuntimeError::NotExecutable(_) => b'x',
            RuntimeError::Privilege(_) => b'p',
            RuntimeError::Sys { .. } | RuntimeError::Setup(_) => b's',
        }
    }

    /// The reverse of [`RuntimeError::kind`].
    pub(crate) fn from_kind(kind: u8, text: String) -> Self {
        match kind {
            b'n' => RuntimeError::NotFound(text),
            b'x' => RuntimeError::NotExecutable(text),
            b'p' => RuntimeError::Privilege(text),
            _ => RuntimeError::Setup(text),
        }
    }
}

/// Names the step that failed.
pub(crate) trait Step<T> {
    /// Turns the error into one that says what was being done.
    fn step(self, what: impl Into<String>) -> Result<T, RuntimeError>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, what: impl Into<String>) -> Result<T, RuntimeError> {
        self.map_err(|e| RuntimeError::Sys {
            step: what.into(),
            source: e.into(),
        })
    }
}
