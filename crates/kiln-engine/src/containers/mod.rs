//! Containers: made from images, run, looked at, and committed into images.
//!
//! A container that runs has a monitor (`kiln_runtime::monitor`), which does
//! what has to be done from its side; all else is in the store.

mod commit;
mod copy;
mod create;
mod diff;
mod exec;
mod inspect;
mod list;
mod live;
pub(crate) mod names;
mod network;
mod remove;
mod settings;
mod signals;
mod start;
mod stop;
mod warnings;

pub use commit::{Commit, commit};
pub use copy::{copy_from, copy_into, stat};
pub use create::{Request, create};
pub use diff::{Change, diff, export};
pub use exec::{ExecRequest, exec};
pub use inspect::inspect;
pub(crate) use list::bytes;
pub use list::{ContainerFilters, ContainerRow, list, size_of};
pub use live::{Container, find, settle};
pub use remove::{after_monitor, prune, remove, rename};
pub use settings::{MountKind, MountSetting, Port, Settings};
pub use signals::signal_number;
pub use start::start;
pub use stop::{kill, pause, stop, unpause, wait};
pub use warnings::warnings;

use crate::BuildError;

/// What went wrong, and the exit code docker has for it.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What, and what to do.
    pub error: Box<BuildError>,
    /// 125; 126 for a command that can't be executed, 127 for one that isn't there.
    pub code: u8,
}

impl Failure {
    fn new(message: impl Into<String>) -> Failure {
        BuildError::new(message).into()
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Failure {}

impl<E: Into<BuildError>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure {
            error: Box::new(error.into()),
            code: 125,
        }
    }
}

/// The failure to start a process, with the code that says why.
fn not_started(e: kiln_runtime::RuntimeError) -> Failure {
    let code = e.exit_code().and_then(|c| u8::try_from(c).ok());
    Failure {
        code: code.unwrap_or(125),
        error: Box::new(e.into()),
    }
}
