//! The monitor: a process of one thread that stays with a container while it
//! runs. It holds the container's lock, keeps its output and its exit code,
//! and does for others what only a process beside the container can do.
//!
//! It is `kiln` itself, executed again; [`start`] starts it and
//! [`monitor_if_asked`] is it. What it knows is in the container's
//! directory: `state.json`, `log`, `sock`, and the `lock` it holds.

mod clients;
mod control;
mod duties;
mod execs;
mod health;
mod launch;
mod log;
mod network;
mod requests;
mod serve;
mod state;
mod streams;

pub use clients::Attach;
pub use control::{Connection, Control, Piece, Started, start};
pub use launch::{Ended, monitor_if_asked};
pub use log::{LogEntry, LogReader};
pub use state::{Check, Health, State, Status, boot_id, clean_up, read_state, write_state};

/// The hidden first argument that makes the program a monitor.
const WORD: &str = "kiln-monitor";
/// The longest message between a monitor and who talks to it.
const MESSAGE: usize = 64 * 1024;
