//! What the caller asks of a build, already validated; no strings of flags below this point.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kiln_oci::{Platform, Reference};
use kiln_runtime::Network;

/// Where the content of a secret is; it is read when a step needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In a file.
    File(PathBuf),
    /// In a variable of the environment.
    Env(String),
}

/// Everything a build needs to know besides the context.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// The Dockerfile's name as errors show it.
    pub dockerfile_name: String,
    /// The Dockerfile's bytes.
    pub dockerfile: Vec<u8>,
    /// Tells this project from others, to compare a miss with the right records: any word without
    /// a slash.
    pub project: String,
    /// The stage to build: its name or number; the last one when absent.
    pub target: Option<String>,
    /// `--build-arg`; names without a value were looked up in the environment by the caller.
    pub build_args: BTreeMap<String, String>,
    /// Names that the image gets, complete.
    pub tags: Vec<Reference>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// Fetch base images anew even where the store has them.
    pub pull: bool,
    /// Use no cache record.
    pub no_cache: bool,
    /// Stages (name or number) that use no cache record.
    pub no_cache_filter: Vec<String>,
    /// The platform to build for.
    pub platform: Platform,
    /// Network of RUN steps that name none.
    pub network: Network,
    /// `--add-host`: name and address.
    pub add_hosts: Vec<(String, String)>,
    /// `--secret`: where each id's content is.
    pub secrets: BTreeMap<String, SecretSource>,
    /// `--ssh`: each id's socket.
    pub agents: BTreeMap<String, PathBuf>,
    /// No time stamp in the image is later than this, and its own is this (seconds since 1970).
    pub source_date_epoch: Option<i64>,
}
