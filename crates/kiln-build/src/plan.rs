//! The plan: what each stage will do, as data. Made from the parsed Dockerfile and the configs of
//! its base images; nothing is run and no file is read to make it.

use kiln_dockerfile::Span;
use kiln_oci::{Digest, ImageConfig};
use kiln_runtime::Network;
use serde::Serialize;

use crate::explain::Variable;
use crate::mounts::MountOp;

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
    /// The ARGs before the first FROM, as written.
    pub args: Vec<String>,
}

/// One stage.
#[derive(Debug)]
pub struct StagePlan {
    /// `AS name`, or `stage-N`.
    pub name: String,
    /// Whether progress shows the name: there are others.
    pub shown_name: bool,
    /// What it starts from.
    pub base: Base,
    /// Its steps in order.
    pub steps: Vec<Step>,
    /// Its instructions as written.
    pub lines: Vec<Line>,
    /// The image's config after the last step, without layers and history of its own steps.
    pub image: ImageConfig,
    /// The variables after the last step; a stage based on this one has them too.
    pub scope: Scope,
    /// Whether `--no-cache` or `--no-cache-filter` names it.
    pub no_cache: bool,
}

impl StagePlan {
    /// `[name 2/5] RUN make`; the FROM is the first of the steps that are counted.
    pub fn numbered(&self, at: usize, text: &str) -> String {
        let total = 1 + self.steps.iter().filter(|s| s.op != Op::Config).count();
        if self.shown_name {
            format!("[{} {at}/{total}] {text}", self.name)
        } else {
            format!("[{at}/{total}] {text}")
        }
    }

    /// The stages its steps read files from.
    pub fn read_from(&self) -> Vec<usize> {
        let stage = |from: &CopyFrom| match from {
            CopyFrom::Stage(i) => Some(*i),
            _ => None,
        };
        let of = |step: &Step| match &step.op {
            Op::Copy(op) => stage(&op.from).into_iter().collect(),
            Op::Run(op) => {
                let from = op.mounts.iter().filter_map(|m| m.from.as_ref());
                from.filter_map(stage).collect()
            }
            _ => Vec::new(),
        };
        self.steps.iter().flat_map(of).collect()
    }

    /// Numbers each step that works on files.
    pub fn number(&mut self) {
        let mut at = 1;
        for n in 0..self.steps.len() {
            if self.steps[n].op != Op::Config {
                at += 1;
                self.steps[n].text = self.numbered(at, &self.steps[n].text);
            }
        }
    }
}

/// An instruction as the Dockerfile has it.
#[derive(Debug)]
pub struct Line {
    /// Its text on one line.
    pub text: String,
    /// The steps it makes: those of the triggers for a FROM, none for an ONBUILD.
    pub steps: std::ops::Range<usize>,
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
    /// The instruction, on one line.
    pub source: String,
    /// As `history` shows it.
    pub created_by: String,
    /// Where it stands.
    pub span: Span,
    /// What it does to the file system.
    pub op: Op,
    /// The variables in it, to explain a miss.
    pub variables: Vec<Variable>,
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
    Workdir(WorkdirOp),
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
    /// What it sees besides the root.
    #[serde(skip)]
    pub mounts: Vec<MountOp>,
}

/// A WORKDIR.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkdirOp {
    /// Absolute.
    pub path: String,
    /// `USER` in force, empty for root: whoever owns the directories that must be made.
    pub user: String,
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

/// The variables that words are expanded with and RUNs see: of an ARG and an ENV of one name the
/// later one counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scope {
    vars: Vec<(String, String)>,
    declared: Vec<String>,
}

impl Scope {
    /// The variables of an image's config, `K=V`.
    pub fn of_env(env: &[String]) -> Scope {
        let pairs = env.iter().filter_map(|e| e.split_once('='));
        Scope {
            vars: pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            declared: Vec::new(),
        }
    }

    /// Sets a variable, in place where it was set before.
    pub fn set(&mut self, key: &str, value: String) {
        match self.vars.iter_mut().find(|(k, _)| k == key) {
            Some((_, v)) => *v = value,
            None => self.vars.push((key.to_owned(), value)),
        }
    }

    /// Notes an ARG; one without a value sets nothing.
    pub fn declare(&mut self, key: &str, value: Option<String>) {
        if !self.declared.iter().any(|k| k == key) {
            self.declared.push(key.to_owned());
        }
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// All variables: name and value.
    pub fn variables(&self) -> &[(String, String)] {
        &self.vars
    }

    /// All variables, `K=V`.
    pub fn env(&self) -> Vec<String> {
        self.vars.iter().map(|(k, v)| format!("{k}={v}")).collect()
    }

    /// The ARGs with their values, as the history shows them before a RUN: `|2 A=1 B= `.
    pub fn shown_args(&self) -> String {
        if self.declared.is_empty() {
            return String::new();
        }
        let mut out = format!("|{} ", self.declared.len());
        for key in &self.declared {
            let value = kiln_dockerfile::Env::get(self, key).unwrap_or_default();
            out.push_str(&format!("{key}={value} "));
        }
        out
    }
}

impl kiln_dockerfile::Env for Scope {
    fn get(&self, name: &str) -> Option<String> {
        let found = self.vars.iter().find(|(k, _)| k == name);
        found.map(|(_, v)| v.clone())
    }
}
