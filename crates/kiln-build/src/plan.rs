//! The plan: what each stage will do, as data. Made from the parsed Dockerfile and the configs of
//! its base images; nothing is run and no file is read to make it.

use std::collections::BTreeMap;

use kiln_dockerfile::Span;
use kiln_oci::{Digest, ImageConfig};
use kiln_runtime::Network;
use serde::Serialize;

/// All stages and which of them the target needs.
#[derive(Debug)]
pub struct Plan {
    /// In the Dockerfile's order.
    pub stages: Vec<StagePlan>,
    /// Index of the stage that becomes the image.
    pub target: usize,
    /// For each stage, whether the target needs it.
    pub needed: Vec<bool>,
    /// Advice for the user.
    pub warnings: Vec<String>,
}

/// One stage.
#[derive(Debug)]
pub struct StagePlan {
    /// `AS name`, or `stage-N`.
    pub name: String,
    /// What it starts from.
    pub base: Base,
    /// Its steps in order.
    pub steps: Vec<Step>,
    /// The image's config after the last step, without layers and history of its own steps.
    pub image: ImageConfig,
    /// Whether `--no-cache` or `--no-cache-filter` names it.
    pub no_cache: bool,
}

/// What a stage starts from.
#[derive(Debug, Clone, PartialEq)]
pub enum Base {
    /// Nothing.
    Scratch,
    /// An image of the store.
    Image {
        /// As the Dockerfile names it, expanded.
        name: String,
        /// The image's id.
        id: Digest,
        /// Its layers, bottom first.
        layers: Vec<Digest>,
    },
    /// An earlier stage.
    Stage(usize),
}

/// One instruction of a stage.
#[derive(Debug, Clone)]
pub struct Step {
    /// As progress shows it.
    pub text: String,
    /// As `history` shows it.
    pub created_by: String,
    /// Where it stands.
    pub span: Span,
    /// What it does to the file system.
    pub op: Op,
}

/// What a step does to the file system. Everything it depends on is in here or in the snapshot
/// below it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// Nothing: it changes the config only.
    Config,
    /// Runs a process.
    Run(RunOp),
    /// Copies files.
    Copy(CopyOp),
    /// Makes the working directory.
    Workdir(String),
}

/// A RUN.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunOp {
    /// The command, shell included.
    pub argv: Vec<String>,
    /// The script a lone heredoc with `#!` makes; run as a file.
    pub script: Option<String>,
    /// `K=V`, all that the command and the cache key see.
    pub env: Vec<String>,
    /// The predefined proxy arguments: seen by the command, not by the key.
    #[serde(skip)]
    pub proxy_env: Vec<String>,
    /// `USER` in force, empty for root.
    pub user: String,
    /// Working directory.
    pub cwd: String,
    /// The network it gets.
    pub network: Network,
    /// Lines added to `/etc/hosts`.
    pub hosts: Vec<(String, String)>,
}

/// Where the files of a COPY come from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CopyFrom {
    /// The build context.
    Context,
    /// Another stage.
    Stage(usize),
    /// An image: its name and layers.
    Image {
        /// As written, expanded.
        name: String,
        /// Its layers, bottom first.
        layers: Vec<Digest>,
    },
}

/// One source of a COPY or ADD.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A path or pattern below the source's root.
    Path(String),
    /// A file given in the Dockerfile: its name and content.
    Inline(String, String),
    /// `ADD https://…`.
    Url(String),
    /// `ADD git@… / https://….git#ref:subdir`.
    Git(String),
}

/// A COPY or ADD.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CopyOp {
    /// True for ADD: local archives are extracted.
    pub add: bool,
    /// The root the paths are below.
    pub from: CopyFrom,
    /// What to copy.
    pub sources: Vec<Source>,
    /// Absolute; a trailing slash means a directory.
    pub dest: String,
    /// `--chown`, `user[:group]`, names allowed.
    pub chown: Option<String>,
    /// `--chmod`, octal.
    pub chmod: Option<u32>,
    /// `--checksum`.
    pub checksum: Option<String>,
    /// `--keep-git-dir`.
    pub keep_git_dir: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude` patterns.
    pub exclude: Vec<String>,
    /// `--unpack`, where given.
    pub unpack: Option<bool>,
}

/// The variables that words are expanded with: ARGs below ENVs.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// `ENV`, in the config's order.
    pub env: Vec<(String, String)>,
    /// `ARG`s of the stage that have a value.
    pub args: BTreeMap<String, String>,
}

impl Scope {
    /// Sets an environment variable, in place where it was set before.
    pub fn set_env(&mut self, key: &str, value: String) {
        match self.env.iter_mut().find(|(k, _)| k == key) {
            Some((_, v)) => *v = value,
            None => self.env.push((key.to_owned(), value)),
        }
    }
}

impl kiln_dockerfile::Env for Scope {
    fn get(&self, name: &str) -> Option<String> {
        self.env
            .iter()
            .find(|(k, _)| k == name)
            .map(|(_, v)| v.clone())
            .or_else(|| self.args.get(name).cloned())
    }
}
