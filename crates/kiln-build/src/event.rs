//! What a build tells while it runs; whoever shows it (terminal, HTTP) implements [`Progress`].

use std::time::Duration;

use crate::explain::Explanation;

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// How many steps the build has, those of `FROM` included.
    Planned {
        /// The number.
        steps: usize,
    },
    /// A step began; `id` counts from 1 through the build.
    Started {
        /// The step.
        id: usize,
        /// What is shown: `[build 2/5] RUN make`.
        name: String,
    },
    /// A step wrote output.
    Output {
        /// The step.
        id: usize,
        /// True for standard error.
        stderr: bool,
        /// The bytes, not necessarily whole lines.
        data: Vec<u8>,
    },
    /// A step ended well.
    Done {
        /// The step.
        id: usize,
        /// It came out of the cache.
        cached: bool,
        /// How long it took.
        took: Duration,
    },
    /// A step failed.
    Failed {
        /// The step.
        id: usize,
        /// Why.
        message: String,
    },
    /// Something the user should know.
    Warning(String),
    /// The build has ended, well or not: why its steps were cached or not.
    Explained(Box<Explanation>),
}

/// Receives the events of a build, from several threads.
pub trait Progress: Send + Sync {
    /// One event.
    fn event(&self, event: Event);
}

/// A receiver that drops everything.
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event) {}
}
