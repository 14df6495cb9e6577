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
    /// All instructions that will be carried out, for those who show [`Progress::instructions`].
    Instructions(Vec<Listed>),
    /// How far one of them is.
    Instruction {
        /// Which, by its index in the list.
        at: usize,
        /// What happened to it.
        moment: Moment,
    },
}

/// An instruction as the Dockerfile has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its text on one line.
    pub text: String,
    /// What it makes.
    pub makes: Makes,
}

/// What an instruction makes, as far as those who show it care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Makes {
    /// Nothing that is part of the image: an ARG before the first FROM.
    Nothing,
    /// The state a stage begins with; so many triggers of the base image follow.
    Start {
        /// The number.
        triggers: usize,
    },
    /// What a command leaves, or a change of the config.
    Change,
    /// Copied files.
    Copy,
}

/// What happened to an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// It is its turn.
    Began,
    /// The cache has what it makes, or what one of its triggers makes.
    Cached,
    /// It is carried out, or one of its triggers is.
    Running {
        /// The step whose output is its own.
        step: Option<usize>,
        /// Its command, if it is one.
        command: Option<String>,
    },
    /// It is done.
    Ended {
        /// The state after it in hexadecimal; empty where there is nothing yet.
        state: String,
    },
}

/// Receives the events of a build, from several threads.
pub trait Progress: Send + Sync {
    /// One event.
    fn event(&self, event: Event);

    /// Whether it shows instructions one by one, as docker's classic builder does.
    fn instructions(&self) -> bool {
        false
    }
}

/// A receiver that drops everything.
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event) {}
}
