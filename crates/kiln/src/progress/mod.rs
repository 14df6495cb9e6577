//! Progress on standard error: live on a terminal, plain lines elsewhere, JSON for programs.

mod json;
mod lines;
mod plain;
mod tty;

use std::io::IsTerminal;
use std::time::Duration;

use kiln_build::{Event, Progress};

use crate::args::ProgressMode;

/// Shows events until `finish`.
pub trait Screen: Progress {
    /// The image is in the store.
    fn exported(&self, id: &str, names: &[String]);
    /// Leaves the terminal as it was.
    fn finish(&self) {}
}

/// The screen for a mode.
pub fn screen(mode: ProgressMode) -> Box<dyn Screen> {
    match mode {
        ProgressMode::Quiet => Box::new(Quiet),
        ProgressMode::Rawjson => Box::new(json::RawJson::default()),
        ProgressMode::Plain => Box::new(plain::Plain::default()),
        ProgressMode::Tty => Box::new(tty::Tty::new()),
        ProgressMode::Auto if std::io::stderr().is_terminal() => Box::new(tty::Tty::new()),
        ProgressMode::Auto => Box::new(plain::Plain::default()),
    }
}

struct Quiet;

impl Progress for Quiet {
    fn event(&self, _: Event) {}
}

impl Screen for Quiet {
    fn exported(&self, _: &str, _: &[String]) {}
}

fn seconds(d: Duration) -> String {
    format!("{:.1}s", d.as_secs_f64())
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}
