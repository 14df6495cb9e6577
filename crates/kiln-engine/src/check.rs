//! `check`: Dockerfiles of a project, with what is known of their contexts and base images.

mod context;
mod find;
mod images;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kiln_build::BuildError;
use kiln_check::{
    Config, ContextFacts, Finding, Fixed, Images, Subject, Surroundings, run, run_fixes,
};
use kiln_dockerfile::{Dockerfile, ParseError, parse};
use kiln_store::Store;

use crate::parallel::work_off;

pub use context::context_facts;
pub use find::dockerfiles;
pub use images::StoreImages;

/// A Dockerfile to check.
#[derive(Debug)]
pub struct Target {
    /// As messages name it.
    pub name: String,
    /// Its text.
    pub text: Vec<u8>,
    /// The build context, where one is known.
    pub context: Option<PathBuf>,
    /// Where the file itself is; nothing for standard input.
    pub path: Option<PathBuf>,
}

/// What came of one.
#[derive(Debug)]
pub struct Checked {
    /// As messages name it.
    pub name: String,
    /// Its text; `�` where it was none.
    pub text: String,
    /// The ignore file that counts for it, or that it should have: its name and its text.
    pub ignore: (String, String),
    /// What was found, or why it can't be read.
    pub findings: Result<Vec<Finding>, ParseError>,
    /// Whether its own `# check=error=true` lets any finding fail.
    pub strict: bool,
}

/// Dockerfiles that are checked together.
pub struct Project {
    targets: Vec<Target>,
    parsed: Vec<Result<Dockerfile, ParseError>>,
    facts: HashMap<(PathBuf, Option<PathBuf>), Arc<ContextFacts>>,
    bases: Vec<(usize, String, String)>,
}

impl Project {
    /// Reads them, and their contexts.
    pub fn new(targets: Vec<Target>) -> Result<Project, BuildError> {
        let parsed: Vec<_> = targets.iter().map(|t| parse(&t.text)).collect();
        let mut facts = HashMap::new();
        for target in &targets {
            let Some(key) = facts_key(target) else {
                continue;
            };
            if let Entry::Vacant(e) = facts.entry(key) {
                let (dir, own) = e.key();
                let read = context_facts(dir, own.as_deref())?;
                e.insert(Arc::new(read));
            }
        }
        let mut bases = Vec::new();
        for (n, (target, file)) in targets.iter().zip(&parsed).enumerate() {
            if let Some(base) = file.as_ref().ok().and_then(final_base) {
                bases.push((n, target.name.clone(), base));
            }
        }
        Ok(Project {
            targets,
            parsed,
            facts,
            bases,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The findings of each, in order. `store` is asked for base images.
    pub fn check(&self, config: &Config, store: Option<&Store>) -> Vec<Checked> {
        self.each(|n| {
            let (target, file) = (self.targets.get(n)?, self.parsed.get(n)?);
            let strict = file
                .as_ref()
                .is_ok_and(|f| kiln_check::Pragmas::of(f).error);
            let findings = match file {
                Ok(file) => Ok(self.with_surroundings(n, store, |a| run(file, a, config))?),
                Err(e) => Err(e.clone()),
            };
            Some(Checked {
                name: target.name.clone(),
                text: String::from_utf8_lossy(&target.text).into_owned(),
                ignore: self.ignore(target),
                findings,
                strict,
            })
        })
    }

    /// What the fixes make of each, in order.
    pub fn fix(&self, config: &Config, store: Option<&Store>) -> Vec<Result<Fixed, ParseError>> {
        self.each(|n| {
            let (target, file) = (self.targets.get(n)?, self.parsed.get(n)?);
            Some(match file {
                Ok(_) => {
                    let text = String::from_utf8_lossy(&target.text);
                    Ok(self.with_surroundings(n, store, |a| run_fixes(&text, a, config))?)
                }
                Err(e) => Err(e.clone()),
            })
        })
    }

    /// The `n`th.
    pub fn target(&self, n: usize) -> Option<&Target> {
        self.targets.get(n)
    }

    /// Where a missing ignore file belongs.
    pub fn ignore_path(&self, n: usize) -> Option<PathBuf> {
        let target = self.targets.get(n)?;
        Some(target.context.as_ref()?.join(self.ignore(target).0))
    }

    fn ignore(&self, target: &Target) -> (String, String) {
        let facts = facts_key(target).and_then(|k| self.facts.get(&k));
        let known = facts.and_then(|f| f.ignore.clone());
        known.unwrap_or_else(|| (".dockerignore".to_owned(), String::new()))
    }

    fn with_surroundings<T>(
        &self,
        n: usize,
        store: Option<&Store>,
        look: impl Fn(&Surroundings) -> T,
    ) -> Option<T> {
        let target = self.targets.get(n)?;
        let facts = facts_key(target).and_then(|k| self.facts.get(&k));
        let dockerfile = match (&target.context, &target.path) {
            (Some(dir), Some(path)) => path.strip_prefix(dir).ok().and_then(Path::to_str),
            _ => None,
        };
        let others: Vec<(String, String)> = self
            .bases
            .iter()
            .filter(|(other, _, _)| *other != n)
            .map(|(_, name, base)| (name.clone(), base.clone()))
            .take(MAX_OTHERS)
            .collect();
        let images: &dyn Images = match store {
            Some(store) => &StoreImages::new(store),
            None => &kiln_check::NoImages,
        };
        Some(look(&Surroundings {
            context: facts.map(|f| &**f),
            dockerfile,
            images,
            others: &others,
            ..Surroundings::NONE
        }))
    }

    /// One result for each target, on all cores.
    fn each<T: Send>(&self, work: impl Fn(usize) -> Option<T> + Sync) -> Vec<T> {
        let next = AtomicUsize::new(0);
        let done = std::sync::Mutex::new(Vec::with_capacity(self.len()));
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        let _ = work_off(
            threads.min(self.len()),
            |_| {
                let n = next.fetch_add(1, Ordering::Relaxed);
                (n < self.len()).then_some(n)
            },
            |n| {
                if let Some(result) = work(n) {
                    crate::parallel::lock(&done).push((n, result));
                }
                Ok(())
            },
        );
        let mut done = done.into_inner().unwrap_or_else(|e| e.into_inner());
        done.sort_by_key(|(n, _)| *n);
        done.into_iter().map(|(_, result)| result).collect()
    }
}

/// Of a project with more Dockerfiles, each is compared with so many others.
const MAX_OTHERS: usize = 100;

/// The context, and the ignore file that belongs to this Dockerfile alone.
fn facts_key(target: &Target) -> Option<(PathBuf, Option<PathBuf>)> {
    let dir = target.context.clone()?;
    let own = target.path.as_ref().map(|path| {
        let mut own = path.clone().into_os_string();
        own.push(".dockerignore");
        PathBuf::from(own)
    });
    Some((dir, own.filter(|p| p.is_file())))
}

/// The image the last stage is based on, where it is one.
fn final_base(file: &Dockerfile) -> Option<String> {
    let subject = Subject::new(file, &Surroundings::NONE);
    let ancestry = subject.ancestry(subject.final_stage()?.index);
    let image = subject.stages.get(*ancestry.last()?)?.image;
    (image != "scratch").then(|| image.to_owned())
}
