//! Tells of a build instruction by instruction, as docker's classic builder shows it: also of those
//! that only change the config.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kiln_oci::Digest;
use kiln_store::{CacheRecord, Store};

use crate::error::BuildError;
use crate::event::{Event, Listed, Makes, Moment, Progress};
use crate::key::KeyBuilder;
use crate::plan::{Base, Line, Op, Plan, StagePlan};

/// A change of the config: docker tells of a container for that, too.
const NOTHING_RUNS: Moment = Moment::Running {
    step: None,
    command: None,
};

/// Tells which instructions there will be; gives the index of each stage's FROM.
pub fn tell_all(
    plan: &Plan,
    labels: &BTreeMap<String, String>,
    progress: &dyn Progress,
) -> Vec<usize> {
    let listed = |text: &str, makes| Listed {
        text: text.to_owned(),
        makes,
    };
    let mut all: Vec<Listed> = plan
        .args
        .iter()
        .map(|text| listed(text, Makes::Nothing))
        .collect();
    let mut first = Vec::new();
    for (stage, needed) in plan.stages.iter().zip(&plan.needed) {
        first.push(all.len());
        if *needed {
            let lines = stage.lines.iter().enumerate();
            all.extend(lines.map(|(n, l)| listed(&l.text, makes(stage, n, l))));
        }
    }
    for (key, value) in labels {
        all.push(listed(&format!("LABEL {key}={value}"), Makes::Change));
    }
    progress.event(Event::Instructions(all));
    for at in 0..plan.args.len() {
        tell(progress, at, Moment::Began);
        let state = String::new();
        tell(progress, at, Moment::Ended { state });
    }
    first
}

fn makes(stage: &StagePlan, number: usize, line: &Line) -> Makes {
    if number == 0 {
        let triggers = line.steps.len();
        return Makes::Start { triggers };
    }
    let mut ops = stage.steps[line.steps.clone()].iter();
    match ops.next().map(|s| &s.op) {
        Some(Op::Copy(_)) => Makes::Copy,
        _ => Makes::Change,
    }
}

fn tell(progress: &dyn Progress, at: usize, moment: Moment) {
    progress.event(Event::Instruction { at, moment });
}

/// Tells of one stage.
pub struct Teller<'a> {
    progress: &'a dyn Progress,
    store: &'a Store,
    no_cache: bool,
    lines: &'a [Line],
    first: usize,
    line: usize,
    state: String,
}

impl<'a> Teller<'a> {
    /// The stage's FROM has given it its state.
    pub fn start(
        progress: &'a dyn Progress,
        store: &'a Store,
        stage: &'a StagePlan,
        first: usize,
        parent: Option<&str>,
    ) -> Teller<'a> {
        let state = match &stage.base {
            Base::Image { id, .. } => id.hex(),
            _ => parent.unwrap_or_default().to_owned(),
        };
        let teller = Teller {
            progress,
            store,
            no_cache: stage.no_cache,
            lines: &stage.lines,
            first,
            line: 0,
            state,
        };
        teller.tell(Moment::Began);
        if teller.lines.first().is_none_or(|l| l.steps.is_empty()) {
            teller.ended();
        }
        teller
    }

    fn tell(&self, moment: Moment) {
        tell(self.progress, self.at(), moment);
    }

    fn ended(&self) {
        let state = self.state.clone();
        self.tell(Moment::Ended { state });
    }

    /// The index of the instruction whose turn it is.
    pub fn at(&self) -> usize {
        self.first + self.line
    }

    /// It is a step's turn.
    pub fn begin(&mut self, step: usize) -> Result<(), BuildError> {
        while self
            .lines
            .get(self.line)
            .is_some_and(|l| step >= l.steps.end)
        {
            self.next()?;
        }
        Ok(())
    }

    /// The next instruction; one that makes no step is done with at once.
    fn next(&mut self) -> Result<(), BuildError> {
        self.line += 1;
        let Some(line) = self.lines.get(self.line) else {
            return Ok(());
        };
        self.tell(Moment::Began);
        if line.steps.is_empty() {
            self.config(&line.text)?;
            self.ended();
        }
        Ok(())
    }

    /// A step has changed the config.
    pub fn config(&mut self, created_by: &str) -> Result<(), BuildError> {
        let (state, cached) = remembered(self.store, &self.state, created_by, self.no_cache)?;
        self.state = state;
        self.tell(match cached {
            true => Moment::Cached,
            false => NOTHING_RUNS,
        });
        Ok(())
    }

    /// A step has worked on files, which are in this state now.
    pub fn files(&mut self, state: &str) {
        self.state = after(&self.state, state);
    }

    /// A step is done.
    pub fn end(&self, step: usize) {
        if self
            .lines
            .get(self.line)
            .is_some_and(|l| step + 1 == l.steps.end)
        {
            self.ended();
        }
    }

    /// All steps are done; gives the state after them.
    pub fn finish(mut self) -> Result<String, BuildError> {
        while self.line + 1 < self.lines.len() {
            self.next()?;
        }
        Ok(self.state)
    }
}

fn after(state: &str, change: &str) -> String {
    Digest::of(format!("{state}\n{change}").as_bytes()).hex()
}

/// The state after a change of the config, and whether it has been made before.
fn remembered(
    store: &Store,
    state: &str,
    change: &str,
    no_cache: bool,
) -> Result<(String, bool), BuildError> {
    let mut key = KeyBuilder::new("instruction/1");
    key.add("state", "", state);
    key.add("change", "", change);
    let (key, _) = key.finish();
    if !no_cache && store.cache_get(&key)?.is_some() {
        return Ok((after(state, change), true));
    }
    store.cache_put(&CacheRecord {
        key,
        shape: "instruction".to_owned(),
        layer: None,
        created: Timestamp::now().to_string(),
        took_ms: 0,
        text: String::new(),
        inputs: Vec::new(),
        about: Vec::new(),
    })?;
    Ok((after(state, change), false))
}

/// Tells of the labels that the caller adds to the image.
pub fn tell_labels(
    progress: &dyn Progress,
    store: &Store,
    labels: &BTreeMap<String, String>,
    mut at: usize,
    mut state: String,
    no_cache: bool,
) -> Result<(), BuildError> {
    for (key, value) in labels {
        tell(progress, at, Moment::Began);
        let change = format!("LABEL {key}={value}");
        let (next, cached) = remembered(store, &state, &change, no_cache)?;
        state = next;
        tell(
            progress,
            at,
            match cached {
                true => Moment::Cached,
                false => NOTHING_RUNS,
            },
        );
        let state = state.clone();
        tell(progress, at, Moment::Ended { state });
        at += 1;
    }
    Ok(())
}
