//! Takes the planned stages through their steps: one thread a stage, each waiting only for the
//! stages whose files it needs.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kiln_dockerfile::Dockerfile;
use kiln_oci::{Digest, ImageConfig};
use kiln_runtime::{Cancel, Stream};
use kiln_store::{CacheRecord, Store};
use kiln_tree::Root;

use crate::base::{Bases, Fetch};
use crate::context::Context;
use crate::error::{BuildError, IoContext};
use crate::event::{Event, Moment, Progress};
use crate::explain::{Copied, Recorder, Undone, of_mounts};
use crate::image::{Trace, assemble, rfc3339};
use crate::instructions::{Teller, tell_all, tell_labels};
use crate::key::KeyBuilder;
use crate::mounts::{MountOp, Mounting};
use crate::options::BuildOptions;
use crate::plan::{Base, CopyFrom, CopyOp, Op, Plan, Source, StagePlan, Step};
use crate::resolve::plan;
use crate::snapshot::{Snapshot, Writable, view};
use crate::steps::{
    CopySourceRoot, Key, copy_key, prepare_copy, run, run_key, step_dir, workdir, workdir_key,
};

/// How much of a failed step's output is repeated in the error.
const TAIL: usize = 16 << 10;

/// A finished build.
#[derive(Debug, Clone)]
pub struct Built {
    /// The image's id in the store.
    pub id: Digest,
    /// Whether the store had no such image, or it had not all of its names.
    pub new: bool,
    /// Its config.
    pub image: ImageConfig,
    /// Steps that came out of the cache.
    pub cached: usize,
    /// Steps that were carried out.
    pub executed: usize,
}

/// What a finished stage hands to those that need it.
#[derive(Clone)]
struct StageResult {
    snapshot: Snapshot,
    traces: Arc<Vec<Trace>>,
    /// The state as those see it who show instructions.
    shown: String,
}

type Outcome = Result<StageResult, BuildError>;

struct Build<'a> {
    plan: &'a Plan,
    options: &'a BuildOptions,
    store: &'a Store,
    context: Option<&'a Context>,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
    scratch: PathBuf,
    epoch_text: Option<String>,
    results: Mutex<HashMap<usize, Outcome>>,
    ready: Condvar,
    next_id: AtomicUsize,
    cached: AtomicUsize,
    executed: AtomicUsize,
    recorder: Recorder<'a>,
    /// Where each stage begins in the list of instructions, where somebody shows it.
    told: Option<Vec<usize>>,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}

/// Builds the target stage and stores the image.
pub fn build(
    file: &Dockerfile,
    options: &BuildOptions,
    context: Option<&Context>,
    store: &Store,
    fetch: &dyn Fetch,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Built, BuildError> {
    let _hold = store.hold()?;
    let plan = plan(file, options, Bases::new(store, fetch, options.pull))?;
    for w in &plan.warnings {
        progress.event(Event::Warning(w.clone()));
    }
    progress.event(Event::Planned {
        steps: count_steps(&plan),
    });
    let told = progress
        .instructions()
        .then(|| tell_all(&plan, &options.labels, progress));
    let scratch = store.scratch()?;
    let build = Build {
        plan: &plan,
        options,
        store,
        context,
        progress,
        cancel,
        scratch: scratch.path().to_owned(),
        epoch_text: options.source_date_epoch.map(rfc3339).transpose()?,
        results: Mutex::default(),
        ready: Condvar::new(),
        next_id: AtomicUsize::new(1),
        cached: AtomicUsize::new(0),
        executed: AtomicUsize::new(0),
        recorder: Recorder::new(store, &plan, options, context),
        told,
    };
    let single = plan.needed.iter().filter(|n| **n).count() == 1;
    if single {
        build.stage(plan.target);
    } else {
        std::thread::scope(|s| {
            for (i, _) in plan.needed.iter().enumerate().filter(|(_, n)| **n) {
                let build = &build;
                s.spawn(move || build.stage(i));
            }
        });
    }
    if let Some(c) = context {
        c.cache().save();
    }
    let built = build.built();
    let explanation = build.recorder.finish(built.as_ref().map(|b| &b.id));
    // It tells of the build, and is no part of it: a full disk must not turn success into failure.
    if let Some(record) = explanation.pack() {
        let _ = store.build_put(built.as_ref().ok().map(|b| &b.id), &record);
    }
    progress.event(Event::Explained(Box::new(explanation)));
    built
}

/// How many steps will be shown.
fn count_steps(plan: &Plan) -> usize {
    let needed = plan.stages.iter().zip(&plan.needed).filter(|(_, n)| **n);
    needed
        .map(|(stage, _)| {
            let from = matches!(stage.base, Base::Image { .. });
            stage.steps.iter().filter(|s| s.op != Op::Config).count() + usize::from(from)
        })
        .sum()
}

impl Build<'_> {
    /// The image, or what went wrong.
    fn built(&self) -> Result<Built, BuildError> {
        // The error that started it, not the cancellations it caused.
        let results = lock(&self.results);
        let first = |cancelled: bool| {
            results
                .values()
                .filter_map(|r| r.as_ref().err())
                .find(|e| e.cancelled == cancelled)
                .cloned()
        };
        if let Some(e) = first(false).or_else(|| first(true)) {
            return Err(e);
        }
        let Some(Ok(result)) = results.get(&self.plan.target) else {
            return Err(BuildError::new("the target stage gave no result"));
        };
        self.image(result)
    }

    fn stage(&self, index: usize) {
        let outcome = self.steps(index);
        if outcome.is_err() {
            self.cancel.cancel();
        }
        lock(&self.results).insert(index, outcome);
        self.ready.notify_all();
    }

    fn wait_for(&self, index: usize) -> Outcome {
        let mut results = lock(&self.results);
        loop {
            if let Some(r) = results.get(&index) {
                return r.clone().map_err(|_| BuildError::cancelled());
            }
            results = self.ready.wait(results).unwrap_or_else(|e| e.into_inner());
        }
    }

    fn steps(&self, index: usize) -> Outcome {
        let stage = &self.plan.stages[index];
        let mut parent = None;
        let (mut snapshot, mut traces) = match &stage.base {
            Base::Scratch => (self.root_snapshot(Vec::new()), Vec::new()),
            Base::Image { name, layers, id } => {
                self.show_base(index, name, id);
                (self.root_snapshot(layers.clone()), Vec::new())
            }
            Base::Stage(i) => {
                let r = self.wait_for(*i)?;
                parent = Some(r.shown);
                (r.snapshot, r.traces.to_vec())
            }
        };
        let first = self.told.as_ref().and_then(|t| t.get(index)).copied();
        let mut teller =
            first.map(|f| Teller::start(self.progress, self.store, stage, f, parent.as_deref()));
        for (n, step) in stage.steps.iter().enumerate() {
            if let Some(t) = &mut teller {
                t.begin(n)?;
            }
            let created = match step.op {
                Op::Config => {
                    if let Some(t) = &mut teller {
                        t.config(&step.created_by)?;
                    }
                    None
                }
                _ => {
                    let at = teller.as_ref().map(Teller::at);
                    let created = self
                        .step(index, n, step, &mut snapshot, at)
                        .map_err(|e| self.explain(e, step))?;
                    if let Some(t) = &mut teller {
                        t.files(&snapshot.state);
                    }
                    created
                }
            };
            if let Some(t) = &teller {
                t.end(n);
            }
            traces.push(Trace {
                created_by: step.created_by.clone(),
                created,
                author: stage.image.author.clone(),
            });
        }
        Ok(StageResult {
            snapshot,
            traces: Arc::new(traces),
            shown: teller.map_or(Ok(String::new()), Teller::finish)?,
        })
    }

    /// The FROM of an image, which is there already.
    fn show_base(&self, stage: usize, name: &str, image: &Digest) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let name = self.plan.stages[stage].numbered(1, &format!("FROM {name}"));
        self.recorder.base(stage, id, &name, image);
        self.progress.event(Event::Started { id, name });
        self.progress.event(Event::Done {
            id,
            cached: true,
            took: Duration::ZERO,
        });
    }

    fn root_snapshot(&self, layers: Vec<Digest>) -> Snapshot {
        let mut s = Snapshot::new(layers);
        // Layers with clamped times are others than those without.
        s.state = match self.options.source_date_epoch {
            Some(epoch) => format!("{}@{epoch}", s.chain()),
            None => s.chain(),
        };
        s
    }

    fn explain(&self, e: BuildError, step: &Step) -> BuildError {
        if e.cancelled {
            return e;
        }
        let mut e = e.at(&self.options.dockerfile_name, step.span);
        let around = excerpt(
            &self.options.dockerfile,
            &self.options.dockerfile_name,
            step,
        );
        e.detail = Some(match e.detail.take() {
            Some(d) => format!("{d}{around}"),
            None => around,
        });
        e
    }

    /// One step that works on files; gives the time of its layer, if it made one.
    fn step(
        &self,
        index: usize,
        n: usize,
        step: &Step,
        snapshot: &mut Snapshot,
        told: Option<usize>,
    ) -> Result<Option<String>, BuildError> {
        let stage = &self.plan.stages[index];
        if self.cancel.is_cancelled() {
            return Err(BuildError::cancelled());
        }
        // Files of another stage have to be there first; the wait is none of this step's time.
        let from = match &step.op {
            Op::Copy(op) => vec![self.layers_of(&op.from)?],
            Op::Run(op) => self.mounted(&op.mounts)?,
            _ => Vec::new(),
        };
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        self.progress.event(Event::Started {
            id,
            name: step.text.clone(),
        });
        let work = Work {
            build: self,
            stage,
            step,
            at: Undone {
                stage: index,
                n,
                id,
            },
            dir: step_dir(&self.scratch, id),
            shape: format!("{}/{}/{n}", self.options.project, stage.name),
            from,
            told,
        };
        match work.carry_out(snapshot) {
            Ok((created, cached)) => {
                if cached {
                    work.tell(Moment::Cached);
                }
                let counter = if cached { &self.cached } else { &self.executed };
                counter.fetch_add(1, Ordering::Relaxed);
                if !cached {
                    self.recorder.done(id, began.elapsed());
                }
                self.progress.event(Event::Done {
                    id,
                    cached,
                    took: began.elapsed(),
                });
                Ok(created)
            }
            Err(e) => {
                self.progress.event(Event::Failed {
                    id,
                    message: e.message.clone(),
                });
                Err(e)
            }
        }
    }

    fn mounted(&self, mounts: &[MountOp]) -> Result<Vec<Option<Vec<Digest>>>, BuildError> {
        let from = mounts.iter().map(|m| m.from.as_ref());
        from.map(|f| f.map_or(Ok(None), |f| self.layers_of(f)))
            .collect()
    }

    fn layers_of(&self, from: &CopyFrom) -> Result<Option<Vec<Digest>>, BuildError> {
        Ok(match from {
            CopyFrom::Context => None,
            CopyFrom::Stage(i) => Some(self.wait_for(*i)?.snapshot.layers().to_vec()),
            CopyFrom::Image { layers, .. } => Some(layers.clone()),
        })
    }

    /// Stores the image of the finished target stage.
    fn image(&self, result: &StageResult) -> Result<Built, BuildError> {
        let mut config = self.plan.stages[self.plan.target].image.clone();
        config.config.labels.extend(self.options.labels.clone());
        if let Some(told) = &self.told {
            // They come last, whatever stages there are.
            let target = &self.plan.stages[self.plan.target];
            let after = told[self.plan.target] + target.lines.len();
            let (labels, state) = (&self.options.labels, result.shown.clone());
            tell_labels(
                self.progress,
                self.store,
                labels,
                after,
                state,
                target.no_cache,
            )?;
        }
        let (traces, layers) = (&result.traces, result.snapshot.layers());
        let epoch = self.epoch_text.as_deref();
        let assembled = |now: &str| assemble(&config, traces, layers, now, epoch);
        let mut key = KeyBuilder::new("image/1");
        key.add(
            "config",
            "",
            String::from_utf8_lossy(&assembled("").to_json()),
        );
        let (key, _) = key.finish();
        let known = if self.plan.stages[self.plan.target].no_cache {
            None
        } else {
            self.store.cache_get(&key)?
        };
        let now = match known {
            Some(r) => r.created,
            None => {
                let now = Timestamp::now().to_string();
                self.store.cache_put(&CacheRecord {
                    key,
                    shape: "image".to_owned(),
                    layer: None,
                    created: now.clone(),
                    took_ms: 0,
                    text: String::new(),
                    inputs: Vec::new(),
                    about: Vec::new(),
                })?;
                now
            }
        };
        let image = assembled(&now);
        let (id, new) = self
            .store
            .image_put_named(&image.to_json(), None, &self.options.tags)?;
        Ok(Built {
            id,
            new,
            image,
            cached: self.cached.load(Ordering::Relaxed),
            executed: self.executed.load(Ordering::Relaxed),
        })
    }
}

/// One step under way.
struct Work<'b, 'a> {
    build: &'b Build<'a>,
    stage: &'b StagePlan,
    step: &'b Step,
    at: Undone,
    dir: PathBuf,
    shape: String,
    /// Layers that each `--from` or `from` of a mount reads.
    from: Vec<Option<Vec<Digest>>>,
    /// The index of its instruction, where somebody shows it.
    told: Option<usize>,
}

impl Work<'_, '_> {
    fn platform(&self) -> String {
        let image = &self.stage.image;
        let variant = image.variant.as_deref().unwrap_or_default();
        format!("{}/{}/{variant}", image.os, image.architecture)
    }

    fn tell(&self, moment: Moment) {
        if let Some(at) = self.told {
            self.build.progress.event(Event::Instruction { at, moment });
        }
    }

    fn carry_out(&self, snapshot: &mut Snapshot) -> Result<(Option<String>, bool), BuildError> {
        let build = self.build;
        match &self.step.op {
            Op::Config => Ok((None, true)),
            Op::Workdir(op) => {
                let key = workdir_key(op, snapshot, &self.platform());
                self.through_cache(snapshot, key, Vec::new, |target| workdir(op, target))
            }
            Op::Run(op) => {
                let mounting = Mounting {
                    store: build.store,
                    context: build.context,
                    options: build.options,
                    cancel: build.cancel,
                    dir: &self.dir,
                    ops: &op.mounts,
                    layers: &self.from,
                };
                let inputs = mounting.inputs()?;
                let key = run_key(op, &inputs, snapshot, &self.platform());
                let execute = |target: &Writable| {
                    let mut tail: Vec<u8> = Vec::new();
                    let mut sink = |stream: Stream, data: &[u8]| {
                        tail.extend_from_slice(data);
                        if tail.len() > 2 * TAIL {
                            tail.drain(..tail.len() - TAIL);
                        }
                        build.progress.event(Event::Output {
                            id: self.at.id,
                            stderr: matches!(stream, Stream::Stderr),
                            data: data.to_vec(),
                        });
                    };
                    let epoch = build.options.source_date_epoch;
                    let attached = mounting.attach(&inputs)?;
                    let result = run(op, target, attached, epoch, &mut sink, build.cancel);
                    result.map_err(|mut e| {
                        if !e.cancelled {
                            e.detail = Some(output_tail(&self.step.text, &tail));
                        }
                        e
                    })
                };
                self.through_cache(snapshot, key, || of_mounts(&inputs), execute)
            }
            Op::Copy(op) => self.copy(op, snapshot),
        }
    }

    fn copy(
        &self,
        op: &CopyOp,
        snapshot: &mut Snapshot,
    ) -> Result<(Option<String>, bool), BuildError> {
        let platform = self.platform();
        let exclude = op.exclude.join("\n");
        // Layers never change: what a --from names in them is digested once and remembered.
        let from = self.from.first().and_then(Option::as_ref);
        let memo = from.map(|layers| memo_key(op, layers, &exclude));
        if let Some(memo) = &memo
            && let Some(record) = self.build.store.cache_get(memo)?
        {
            let key = copy_key(op, &exclude, &record.text, snapshot, &platform);
            if let Some(done) = self.lookup(snapshot, &key)? {
                return Ok((done, true));
            }
        }
        std::fs::create_dir_all(&self.dir).context("creating", &self.dir)?;
        let mounted: Option<Root> = match from {
            Some(layers) => Some(view(self.build.store, layers, &self.dir)?),
            None => None,
        };
        let name = match &op.from {
            CopyFrom::Stage(i) => format!("stage {:?}", self.build.plan.stages[*i].name),
            CopyFrom::Image { name, .. } => format!("image {name}"),
            CopyFrom::Context => String::new(),
        };
        let roots = CopySourceRoot {
            context: self.build.context,
            from: mounted.as_ref(),
            name: &name,
        };
        let prepared = prepare_copy(op, &roots, &self.dir)?;
        let mut digests = Vec::new();
        let content = prepared.content(self.build.context, &mut digests)?;
        if let Some(memo) = memo {
            self.build.store.cache_put(&CacheRecord {
                key: memo,
                shape: "content".to_owned(),
                layer: None,
                created: Timestamp::now().to_string(),
                took_ms: 0,
                text: content.clone(),
                inputs: Vec::new(),
                about: Vec::new(),
            })?;
        }
        let key = prepared.key(&content, snapshot, &platform);
        let copied = || vec![prepared.copied(&content, &digests)];
        self.through_cache(snapshot, key, copied, |target| prepared.execute(target))
    }

    /// Applies a record, if there is one: the time of its layer.
    fn lookup(
        &self,
        snapshot: &mut Snapshot,
        key: &Key,
    ) -> Result<Option<Option<String>>, BuildError> {
        if self.stage.no_cache {
            return Ok(None);
        }
        let Some(record) = self.build.store.cache_get(&key.id)? else {
            return Ok(None);
        };
        self.build.recorder.hit(self.at, &record);
        snapshot.advance(record.layer, key.id.clone());
        Ok(Some(record.layer.map(|_| record.created)))
    }

    fn through_cache(
        &self,
        snapshot: &mut Snapshot,
        key: Key,
        copied: impl FnOnce() -> Vec<Copied>,
        execute: impl FnOnce(&Writable) -> Result<(), BuildError>,
    ) -> Result<(Option<String>, bool), BuildError> {
        let store = self.build.store;
        if let Some(done) = self.lookup(snapshot, &key)? {
            return Ok((done, true));
        }
        // Another build may be doing the same right now: then its result is ours.
        let _single = store.lock_key(&key.id)?;
        if let Some(done) = self.lookup(snapshot, &key)? {
            return Ok((done, true));
        }
        let recorder = &self.build.recorder;
        let about = recorder.miss(self.at, &self.shape, &key, copied());
        self.tell(Moment::Running {
            step: Some(self.at.id),
            command: match &self.step.op {
                Op::Run(op) => Some(op.argv.join(" ")),
                _ => None,
            },
        });
        let began = Instant::now();
        std::fs::create_dir_all(&self.dir).context("creating", &self.dir)?;
        let target = Writable::new(store, snapshot.layers(), self.dir.join("rw"))?;
        execute(&target)?;
        let created = match &self.build.epoch_text {
            Some(e) => e.clone(),
            None => Timestamp::now().to_string(),
        };
        let epoch = self.build.options.source_date_epoch;
        let layer = target.commit(store, epoch, &created)?;
        store.cache_put(&CacheRecord {
            key: key.id.clone(),
            shape: self.shape.clone(),
            layer,
            created: created.clone(),
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            text: self.step.source.clone(),
            inputs: key.inputs,
            about,
        })?;
        let _ = std::fs::remove_dir_all(&self.dir);
        snapshot.advance(layer, key.id);
        Ok((layer.map(|_| created), false))
    }
}

fn memo_key(op: &CopyOp, layers: &[Digest], exclude: &str) -> String {
    let mut k = KeyBuilder::new("content/1");
    k.add(
        "layers",
        "",
        kiln_oci::chain_id(layers).map_or_else(String::new, |d| d.to_string()),
    );
    for s in &op.sources {
        // A URL's content is another one each time.
        let text = match s {
            Source::Url(_) | Source::Git(_) => format!("{s:?} {:?}", Timestamp::now()),
            _ => format!("{s:?}"),
        };
        k.add("source", "", text);
    }
    k.add("exclude", "", exclude);
    k.finish().0
}

fn output_tail(name: &str, tail: &[u8]) -> String {
    let text = String::from_utf8_lossy(&tail[tail.len().saturating_sub(TAIL)..]).into_owned();
    if text.trim().is_empty() {
        return String::new();
    }
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(40)..];
    format!("------\n > {name}:\n{}\n------\n", last.join("\n"))
}

/// The Dockerfile's lines around a step, the step's own marked.
fn excerpt(source: &[u8], file: &str, step: &Step) -> String {
    let text = String::from_utf8_lossy(source);
    let (first, last) = (step.span.start.line as usize, step.span.end.line as usize);
    let mut out = format!("{file}:{first}\n--------------------\n");
    for (n, line) in text.lines().enumerate().map(|(n, l)| (n + 1, l)) {
        if n + 2 < first || n > last + 2 {
            continue;
        }
        let mark = if (first..=last).contains(&n) {
            ">>>"
        } else {
            "   "
        };
        out.push_str(&format!("{n:4} | {mark} {line}\n"));
    }
    out.push_str("--------------------\n");
    out
}
