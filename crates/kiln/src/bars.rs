//! How far the parts of an image are: bars on a terminal, lines elsewhere, as docker shows them.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use kiln_engine::registry::{Quiet, Transfer};

use crate::format::harmless;

/// What shows a transfer.
pub fn transfer(quiet: bool) -> Box<dyn Transfer> {
    match quiet {
        true => Box::new(Quiet),
        false if std::io::stdout().is_terminal() => Box::new(Bars::default()),
        false => Box::new(Lines),
    }
}

struct Lines;

impl Transfer for Lines {
    fn begin(&self, part: &str, what: &str, _: Option<u64>) {
        println!("{part}: {what}");
    }

    fn bytes(&self, _: &str, _: u64) {}

    fn end(&self, part: &str, how: &str) {
        println!("{part}: {how}");
    }

    fn line(&self, text: &str) {
        println!("{}", harmless(text));
    }
}

#[derive(Default)]
struct Bars {
    multi: MultiProgress,
    bars: Mutex<HashMap<String, ProgressBar>>,
}

impl Bars {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, ProgressBar>> {
        self.bars.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Transfer for Bars {
    fn begin(&self, part: &str, what: &str, total: Option<u64>) {
        let bar = self.multi.add(ProgressBar::new(total.unwrap_or(0)));
        let template = "{prefix}: {msg} [{bar:40=>}] {bytes}/{total_bytes}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(part.to_owned());
        bar.set_message(what.to_owned());
        self.lock().insert(part.to_owned(), bar);
    }

    fn bytes(&self, part: &str, n: u64) {
        if let Some(bar) = self.lock().get(part) {
            bar.inc(n);
        }
    }

    fn end(&self, part: &str, how: &str) {
        if let Some(bar) = self.lock().remove(part) {
            if let Ok(style) = ProgressStyle::with_template("{prefix}: {msg}") {
                bar.set_style(style);
            }
            bar.finish_with_message(how.to_owned());
        }
    }

    fn line(&self, text: &str) {
        let _ = self.multi.println(harmless(text));
    }
}
