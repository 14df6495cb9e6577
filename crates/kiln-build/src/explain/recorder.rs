//! Watches a build, compares what misses with the store's records, and sums up at the end.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use kiln_oci::Digest;
use kiln_store::{CacheRecord, Gone, Input, Store};

use super::compare::compare;
use super::facts::Facts;
use super::nearest::{Place, nearest};
use super::{Cause, Explanation, FileAspect, Listing, StepReport, Verdict};
use crate::context::Context;
use crate::error::BuildError;
use crate::options::BuildOptions;
use crate::plan::{Base, CopyFrom, CopyOp, Op, Plan, Source};
use crate::steps::Key;

/// Longer texts and values are cut: a report stays small.
const LONGEST: usize = 400;
/// As many lists of other projects are read to see whether they are akin.
const STRANGERS: usize = 3;
/// As many steps back the cause of a state is looked for.
const FAR: usize = 32;

/// A step of the plan, under way.
#[derive(Debug, Clone, Copy)]
pub struct Undone {
    /// Index of its stage.
    pub stage: usize,
    /// Index in the stage.
    pub n: usize,
    /// Its number in progress.
    pub id: usize,
}

/// The list of what a COPY copies, or of what a mount shows.
pub struct Copied {
    /// The mount's target; empty for a COPY.
    pub name: String,
    /// The name it is kept under.
    pub key: String,
    /// The packed list, where it is not too long.
    pub list: Option<Vec<u8>>,
}

/// Collects what there is to tell of a build's steps.
pub struct Recorder<'a> {
    store: &'a Store,
    plan: &'a Plan,
    options: &'a BuildOptions,
    context: Option<&'a Context>,
    texts: HashSet<&'a str>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// With the index of the stage.
    reports: Vec<(usize, StepReport)>,
    /// The keys of what this build carries out, and the steps' ids.
    redone: HashMap<String, usize>,
}

impl<'a> Recorder<'a> {
    /// Nothing is known yet.
    pub fn new(
        store: &'a Store,
        plan: &'a Plan,
        options: &'a BuildOptions,
        context: Option<&'a Context>,
    ) -> Self {
        let steps = plan.stages.iter().flat_map(|s| &s.steps);
        Recorder {
            store,
            plan,
            options,
            context,
            texts: steps.map(|s| s.source.as_str()).collect(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn report(&self, at: Undone, name: &str, number: usize, failed: bool, verdict: Verdict) {
        let Some(stage) = self.plan.stages.get(at.stage) else {
            return;
        };
        let report = StepReport {
            id: at.id,
            stage: stage.name.clone(),
            target: at.stage == self.plan.target,
            number,
            name: cut(name),
            took_ms: 0,
            failed,
            verdict,
        };
        self.state().reports.push((at.stage, report));
    }

    fn step(&self, at: Undone, failed: bool, verdict: Verdict) {
        let Some(stage) = self.plan.stages.get(at.stage) else {
            return;
        };
        let before = stage.steps.iter().take(at.n);
        let number = 2 + before.filter(|s| s.op != Op::Config).count();
        if let Some(step) = stage.steps.get(at.n) {
            self.report(at, &step.text, number, failed, verdict);
        }
    }

    /// A stage begins with an image.
    pub fn base(&self, stage: usize, id: usize, name: &str, image: &Digest) {
        let at = Undone { stage, n: 0, id };
        let image = image.to_string();
        self.report(at, name, 1, false, Verdict::Base { image });
    }

    /// A record was found.
    pub fn hit(&self, at: Undone, record: &CacheRecord) {
        let verdict = Verdict::Hit {
            made: record.created.clone(),
            saved_ms: record.took_ms,
        };
        self.step(at, false, verdict);
    }

    /// No record was used: tells why, and gives what is kept with the new one.
    pub fn miss(&self, at: Undone, shape: &str, key: &Key, copied: Vec<Copied>) -> Vec<Input> {
        let about = self.about(at, copied);
        // What is told about a build must not make it fail.
        let (cause, last_ms) = self
            .explain(at, shape, key, &about)
            .unwrap_or((Cause::Never, None));
        self.state().redone.insert(key.id.clone(), at.id);
        let cause = bounded(cause);
        self.step(at, true, Verdict::Miss { cause, last_ms });
        about
    }

    /// The step that missed was carried out.
    pub fn done(&self, id: usize, took: Duration) {
        let mut state = self.state();
        let found = state.reports.iter_mut().rfind(|(_, r)| r.id == id);
        if let Some((_, report)) = found {
            report.failed = false;
            report.took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        }
    }

    /// Sums up.
    pub fn finish(&self, image: Result<&Digest, &BuildError>) -> Explanation {
        let mut reports = std::mem::take(&mut self.state().reports);
        reports.sort_by_key(|(stage, r)| (*stage, r.number));
        Explanation {
            at: Timestamp::now().to_string(),
            dockerfile: self.options.dockerfile_name.clone(),
            image: image.ok().map(ToString::to_string),
            names: self.options.tags.iter().map(|t| t.familiar()).collect(),
            error: image.err().map(|e| cut(&e.message)),
            steps: reports.into_iter().map(|(_, r)| r).collect(),
        }
    }

    /// What is kept with a record besides its inputs.
    fn about(&self, at: Undone, copied: Vec<Copied>) -> Vec<Input> {
        let mut about = Vec::new();
        let mut add = |kind: &str, name: &str, value: &str| {
            about.push(Input {
                kind: kind.to_owned(),
                name: name.to_owned(),
                value: value.to_owned(),
            });
        };
        let Some(stage) = self.plan.stages.get(at.stage) else {
            return about;
        };
        let Some(step) = stage.steps.get(at.n) else {
            return about;
        };
        let word = step.source.split_whitespace().next().unwrap_or_default();
        add("op", "", &word.to_ascii_uppercase());
        let mut base = &stage.base;
        while let Base::Stage(i) = base
            && let Some(stage) = self.plan.stages.get(*i)
        {
            base = &stage.base;
        }
        match base {
            Base::Image { name, id, .. } => add("base", name, &id.to_string()),
            _ => add("base", "scratch", ""),
        }
        for v in &step.variables {
            add(v.origin.kind(), &v.name, &v.value);
        }
        let of_context = match &step.op {
            Op::Copy(op) => op.from == CopyFrom::Context,
            _ => !copied.is_empty(),
        };
        if of_context && let Some(context) = self.context {
            let (name, digest) = context.ignore_file();
            add("ignore", name, digest);
        }
        for Copied { name, key, list } in copied {
            if let Some(list) = list
                && self.store.listing_put(&key, &list).is_ok()
            {
                add("listing", &name, &key);
            }
        }
        let Op::Copy(op) = &step.op else {
            return about;
        };
        if let Some(from) = self.source_name(op) {
            add("from", "", &from);
        }
        for source in &op.sources {
            match source {
                Source::Path(p) => {
                    let parts = p.split('/').filter(|p| !matches!(*p, "" | "."));
                    add("source", "", &parts.collect::<Vec<_>>().join("/"));
                }
                Source::Url(u) | Source::Git(u) => add("source", "", u),
                Source::Inline(..) => {}
            }
        }
        about
    }

    /// What messages call the place that a COPY reads from, where it isn't the context.
    fn source_name(&self, op: &CopyOp) -> Option<String> {
        match &op.from {
            CopyFrom::Context => None,
            CopyFrom::Stage(i) => Some(format!("stage {:?}", self.plan.stages.get(*i)?.name)),
            CopyFrom::Image { name, .. } => Some(format!("image {name}")),
        }
    }

    fn explain(
        &self,
        at: Undone,
        shape: &str,
        key: &Key,
        about: &[Input],
    ) -> Option<(Cause, Option<u64>)> {
        let stage = self.plan.stages.get(at.stage)?;
        let step = stage.steps.get(at.n)?;
        let new = Facts {
            text: &step.source,
            inputs: &key.inputs,
            about,
        };
        let mut near = self
            .store
            .cache_near(shape, new.text, new.parent())
            .unwrap_or_default();
        let parent = {
            let state = self.state();
            near.retain(|r| !state.redone.contains_key(&r.key));
            state.redone.get(new.parent()).copied()
        };
        let place = Place {
            project: &self.options.project,
            shape,
            texts: &self.texts,
        };
        let read = Cell::new(0);
        let akin = |old: &Facts| {
            read.set(read.get() + 1);
            read.get() <= STRANGERS && self.akin(old, &new)
        };
        let old = nearest(&new, &place, &near, &akin).and_then(|n| near.get(n));
        let last_ms = old.map(|r| r.took_ms);
        if self.options.no_cache {
            return Some((Cause::NoCache, last_ms));
        }
        if stage.no_cache {
            return Some((Cause::NoCacheFilter, last_ms));
        }
        match self.store.cache_gone(&key.id, shape) {
            Ok(Some(Gone::Record)) => return Some((Cause::Pruned, last_ms)),
            Ok(Some(Gone::Layer)) => return Some((Cause::LayerGone, last_ms)),
            Ok(Some(Gone::Others)) if old.is_none() => return Some((Cause::OthersPruned, None)),
            _ => {}
        }
        let old = Facts::of(old?);
        let files = |old: &Facts, new: &Facts, of: &str| self.files(old, new, of);
        let cause = match parent {
            Some(step) => {
                let also = compare(&old, &new, true, &files).map(Box::new);
                Cause::Parent { step, also }
            }
            None => self.resolved(compare(&old, &new, false, &files)?, &old, &new, 0),
        };
        Some((self.through(cause, &step.op), last_ms))
    }

    /// Names the steps before, and goes back to where they differ.
    fn resolved(&self, cause: Cause, old: &Facts, new: &Facts, depth: usize) -> Cause {
        let Cause::Before { old: a, new: b, .. } = cause else {
            return cause;
        };
        let record = |state: &str| self.store.cache_peek(state).ok().flatten();
        let (x, y) = (record(&a), record(&b));
        let mut cause = None;
        if let (Some(x), Some(y)) = (&x, &y)
            && x.text == y.text
            && depth < FAR
        {
            let (x, y) = (Facts::of(x), Facts::of(y));
            let files = |old: &Facts, new: &Facts, of: &str| self.files(old, new, of);
            let found = compare(&x, &y, false, &files);
            cause = found.map(|c| Box::new(self.resolved(c, &x, &y, depth + 1)));
        }
        let name = |record: Option<CacheRecord>, facts: &Facts| match record {
            Some(r) => r.text,
            None if facts.is_first() => {
                let base = facts.known("base").map_or("scratch", |b| b.name.as_str());
                format!("FROM {base}")
            }
            None => "a step that is gone".to_owned(),
        };
        Cause::Before {
            old: name(x, old),
            new: name(y, new),
            cause,
        }
    }

    /// Which step of this build changed the stage that files come from.
    fn through(&self, mut cause: Cause, op: &Op) -> Cause {
        if let (Cause::Files(files), Op::Copy(op)) = (&mut cause, op)
            && let CopyFrom::Stage(i) = op.from
        {
            let state = self.state();
            let missed =
                |r: &&(usize, StepReport)| r.0 == i && matches!(r.1.verdict, Verdict::Miss { .. });
            let last = state.reports.iter().filter(missed).map(|(_, r)| r.id).max();
            files.through = last;
        }
        cause
    }

    fn listing(&self, of: &Facts, name: &str) -> Option<Listing> {
        let is = |i: &&Input| i.kind == "listing" && i.name == name;
        let key = &of.about.iter().find(is)?.value;
        let bytes = self.store.listing_get(key).ok()??;
        Listing::decode(&bytes)
    }

    /// Whether the files of two copies have anything in common; true of what copies none.
    fn akin(&self, old: &Facts, new: &Facts) -> bool {
        if new.input("content").is_none() {
            return true;
        }
        match (self.listing(old, ""), self.listing(new, "")) {
            (Some(old), Some(new)) => new.akin(&old),
            _ => old.input("content") == new.input("content"),
        }
    }

    /// What differs of the files of a COPY, or of the mount of that name.
    fn files(&self, old: &Facts, new: &Facts, of: &str) -> Option<Cause> {
        let before = self.listing(old, of)?;
        let mut cause = self.listing(new, of)?.difference(&before)?;
        if let Cause::Files(files) = &mut cause {
            files.from = new.value("from").map(str::to_owned);
            let path = &files.first.path;
            let ignore = |f: &Facts| f.value("ignore").map(str::to_owned);
            if files.from.is_none() && ignore(old) != ignore(new) {
                files.first.ignore = match files.first.what {
                    FileAspect::Removed => self.context.and_then(|c| c.hides(path)),
                    FileAspect::Added => new.known("ignore").map(|i| format!("{} changed", i.name)),
                    _ => None,
                };
            }
        }
        Some(cause)
    }
}

/// A text of bearable length.
fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn bounded(cause: Cause) -> Cause {
    let short = |t: Option<String>| t.map(|t| cut(&t));
    match cause {
        Cause::Changed {
            what,
            name,
            old,
            new,
        } => Cause::Changed {
            what,
            name,
            old: short(old),
            new: short(new),
        },
        Cause::Before { old, new, cause } => Cause::Before {
            old: cut(&old),
            new: cut(&new),
            cause: cause.map(|c| Box::new(bounded(*c))),
        },
        Cause::Parent { step, also } => Cause::Parent {
            step,
            also: also.map(|c| Box::new(bounded(*c))),
        },
        other => other,
    }
}
