//! Why steps were carried out and not taken from the cache.
//!
//! Each miss is compared with the nearest earlier record ([`nearest`]); the first input that differs
//! is its [`Cause`] ([`compare`]; [`files`] for what a COPY copied). [`recorder`] does so while a
//! build runs, before the step does, and what comes of it is one [`Explanation`] a build.

mod compare;
mod copied;
mod facts;
mod files;
mod nearest;
mod recorder;

use std::io::Read;

use kiln_store::BuildRecord;
use serde::{Deserialize, Serialize};

use crate::error::BuildError;

pub(crate) use copied::of_mounts;
pub(crate) use facts::{Variable, variables};
pub(crate) use files::Listing;
pub(crate) use recorder::{Copied, Recorder, Undone};

/// What there is to tell of a build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// When it ended, in RFC 3339 format.
    pub at: String,
    /// The Dockerfile, as the build named it.
    pub dockerfile: String,
    /// The image's id; nothing where the build failed.
    pub image: Option<String>,
    /// The names it gave the image.
    pub names: Vec<String>,
    /// What it failed with.
    pub error: Option<String>,
    /// Its steps, stage by stage, as far as it came.
    pub steps: Vec<StepReport>,
}

/// What there is to tell of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Its number in plain progress: the 3 of `#3`.
    pub id: usize,
    /// The stage it stands in.
    pub stage: String,
    /// Whether it stands in the stage that became the image.
    pub target: bool,
    /// Its number in the stage: the 2 of `[2/4]`.
    pub number: usize,
    /// As progress shows it.
    pub name: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// It ended with an error, or not at all.
    pub failed: bool,
    /// How it went.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Cached or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// A base image, which was there.
    Base {
        /// Its id.
        image: String,
    },
    /// Taken from the cache.
    Hit {
        /// When its result was made, in RFC 3339 format.
        made: String,
        /// How long that took then, in milliseconds.
        saved_ms: u64,
    },
    /// Carried out.
    Miss {
        /// Why.
        cause: Cause,
        /// How long it took when it was built last, in milliseconds, where it was.
        last_ms: Option<u64>,
    },
}

/// Why a step was not cached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Cause {
    /// `--no-cache`.
    NoCache,
    /// `--no-cache-filter` names its stage.
    NoCacheFilter,
    /// There is no earlier record that has anything to do with it.
    Never,
    /// Its record was removed: the cache was pruned.
    Pruned,
    /// All earlier records of it were removed, none of them the one that was looked for.
    OthersPruned,
    /// The layer it made is gone from the store.
    LayerGone,
    /// The step before it was carried out, which makes another state to go on from.
    Parent {
        /// That step's [`StepReport::id`].
        step: usize,
        /// What else is another than before.
        also: Option<Box<Cause>>,
    },
    /// The step before it came out of the cache, and is another than when this one was built.
    Before {
        /// What stood before it.
        old: String,
        /// What stands before it now.
        new: String,
        /// What differs, where both are the same instruction.
        cause: Option<Box<Cause>>,
    },
    /// One thing is another.
    Changed {
        /// What it is.
        what: What,
        /// Its name, where there are several.
        name: String,
        /// What it was; nothing where there was none.
        old: Option<String>,
        /// What it is; nothing where there is none any more.
        new: Option<String>,
    },
    /// Files that it copies are others.
    Files(Box<FilesChanged>),
}

/// What a step depends on besides files and the steps before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The base image.
    Base,
    /// `--platform`.
    Platform,
    /// The text of the instruction.
    Instruction,
    /// The SHELL in force.
    Shell,
    /// The body of a here-document.
    Heredoc,
    /// A build argument.
    Arg,
    /// A variable of ENV.
    Env,
    /// A variable of the base image.
    BaseEnv,
    /// The order of the variables.
    EnvOrder,
    /// The network.
    Network,
    /// `--add-host`.
    Host,
    /// A mount of a RUN, by its target.
    Mount,
    /// The USER in force.
    User,
    /// The working directory.
    Workdir,
    /// `SOURCE_DATE_EPOCH`.
    Epoch,
    /// Content of which no list of files was kept.
    Content,
    /// Something else, by the name that the key has for it.
    Other,
}

/// Which files are others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FilesChanged {
    /// Where they come from: `stage "build"`; nothing for the build context.
    pub from: Option<String>,
    /// The step of that stage that was carried out in this build, the last one of several.
    pub through: Option<usize>,
    /// The first of them.
    pub first: FileChange,
    /// How many changed, the first one included; so below.
    pub changed: usize,
    /// How many are new.
    pub added: usize,
    /// How many are gone.
    pub removed: usize,
}

/// How one file changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileChange {
    /// Its path in the context, or wherever it comes from.
    pub path: String,
    /// What is another.
    pub what: FileAspect,
    /// What it was; nothing for a new one.
    pub old: Option<FileState>,
    /// What it is; nothing where it is gone.
    pub new: Option<FileState>,
    /// The path it had, where it was renamed.
    pub renamed_from: Option<String>,
    /// What the ignore file has to do with it: `.dockerignore:2 (*.log)`.
    pub ignore: Option<String>,
}

/// What of a file changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileAspect {
    /// The content.
    Content,
    /// The type, such as a file that became a directory.
    Type,
    /// The permissions.
    Mode,
    /// The owner.
    Owner,
    /// A link's target.
    Target,
    /// The name.
    Name,
    /// It is new.
    Added,
    /// It is gone.
    Removed,
}

/// What was kept of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileState {
    /// `file`, `directory`, `link` …
    pub kind: String,
    /// Permissions, octal.
    pub mode: String,
    /// User and group, where they count.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<String>,
    /// Bytes.
    pub size: u64,
    /// The first digits of the digest (BLAKE3) over content and extended attributes; empty for what
    /// has no content.
    pub digest: String,
    /// A link's target.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<String>,
}

/// No report is larger than this when it is unpacked.
const LARGEST: u64 = 64 << 20;

impl Explanation {
    /// As the store keeps it.
    pub fn pack(&self) -> Option<BuildRecord> {
        let json = serde_json::to_vec(&Explanation {
            // Builds without news are alike.
            at: String::new(),
            ..self.clone()
        });
        Some(BuildRecord {
            at: self.at.clone(),
            report: zstd::bulk::compress(&json.ok()?, 1).ok()?,
        })
    }

    /// Reads what the store kept.
    pub fn unpack(record: &BuildRecord) -> Result<Explanation, BuildError> {
        let bad = |e: &(dyn std::error::Error + 'static)| {
            BuildError::caused("what was recorded of the build can't be read", e)
        };
        let unpacker = zstd::Decoder::new(record.report.as_slice()).map_err(|e| bad(&e))?;
        let mut json = Vec::new();
        let read = unpacker.take(LARGEST).read_to_end(&mut json);
        read.map_err(|e| bad(&e))?;
        Ok(Explanation {
            at: record.at.clone(),
            ..serde_json::from_slice(&json).map_err(|e| bad(&e))?
        })
    }

    /// The step that a miss goes back to: itself, unless another one took it with it.
    pub fn root(&self, step: &StepReport) -> usize {
        let mut id = step.id;
        // A step goes back to earlier ones only, so this ends; the bound is for damaged records.
        for _ in 0..self.steps.len() {
            let Some(at) = self.steps.iter().find(|s| s.id == id) else {
                break;
            };
            match at.led_by() {
                Some(by) if self.steps.iter().any(|s| s.id == by) => id = by,
                _ => break,
            }
        }
        id
    }

    /// The steps that a step took with it.
    pub fn victims(&self, root: usize) -> impl Iterator<Item = &StepReport> {
        let others = self.steps.iter().filter(move |s| s.id != root);
        others.filter(move |s| s.led_by().is_some() && self.root(s) == root)
    }
}

impl StepReport {
    /// The step of the same build that made this one miss.
    fn led_by(&self) -> Option<usize> {
        match &self.verdict {
            Verdict::Miss {
                cause: Cause::Parent { step, .. },
                ..
            } => Some(*step),
            Verdict::Miss {
                cause: Cause::Files(files),
                ..
            } => files.through,
            _ => None,
        }
    }
}
