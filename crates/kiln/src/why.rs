//! `why`, and `build --explain`.

use std::sync::Mutex;

use anyhow::Result;
use kiln_build::{Event, Explanation, Progress};
use kiln_engine::why::{find_step, why};
use kiln_store::Store;

use crate::args::{ExplainMode, WhyArgs};
use crate::explain::in_words;
use crate::format::{harmless, print_value};
use crate::progress::Screen;

/// `kiln why`
pub fn run(store: &Store, a: &WhyArgs) -> Result<()> {
    let e = why(store, a.image.as_deref())?;
    let step = a.step.as_deref().map(|s| find_step(&e, s)).transpose()?;
    if let Some(format) = &a.format {
        let value = match step {
            Some(step) => serde_json::to_value(step)?,
            None => serde_json::to_value(&e)?,
        };
        return print_value(&value, format);
    }
    print!("{}", harmless(&heading(&e)));
    print!("{}", in_words(&e, step));
    Ok(())
}

/// Which build it was.
fn heading(e: &Explanation) -> String {
    let what = match (&e.image, e.names.as_slice()) {
        (Some(id), []) => id.clone(),
        (Some(_), names) => names.join(", "),
        (None, _) => "failed".to_owned(),
    };
    let mut out = format!("{}: {what}, {}\n", e.dockerfile, e.at);
    if let Some(error) = &e.error {
        out.push_str(&format!("error: {error}\n"));
    }
    out
}

/// Shows a build, and keeps what it says in the end about its cache.
pub struct Listener<'a> {
    screen: &'a dyn Screen,
    heard: Mutex<Option<Box<Explanation>>>,
}

impl<'a> Listener<'a> {
    /// Nothing was heard yet.
    pub fn new(screen: &'a dyn Screen) -> Self {
        Listener {
            screen,
            heard: Mutex::default(),
        }
    }

    /// Prints what was heard, once the screen is done.
    pub fn explain(&self, mode: Option<ExplainMode>) {
        let Some(mode) = mode else { return };
        let heard = self.heard.lock().unwrap_or_else(|e| e.into_inner()).take();
        let Some(e) = heard else { return };
        match mode {
            ExplainMode::Text => eprint!("{}", in_words(&e, None)),
            ExplainMode::Json => eprintln!("{}", serde_json::json!({ "explanation": *e })),
        }
    }
}

impl Progress for Listener<'_> {
    fn event(&self, event: Event) {
        match event {
            Event::Explained(e) => {
                *self.heard.lock().unwrap_or_else(|e| e.into_inner()) = Some(e);
            }
            other => self.screen.event(other),
        }
    }
}
