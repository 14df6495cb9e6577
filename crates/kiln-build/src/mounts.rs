//! The mounts of a RUN: planned ([`plan_mount`]), looked at for the step's key ([`inputs`]), and
//! attached while the step runs ([`attach`]).

mod agent;
pub mod attach;
mod cache_dir;
mod context_view;
pub mod inputs;
mod secret;

use std::path::Path;

use kiln_dockerfile::{Flag, Mount, Span, parse_mount};
use kiln_oci::Digest;
use kiln_runtime::Cancel;
use kiln_store::Store;

use crate::context::Context;
use crate::error::BuildError;
use crate::instruction::clean_join;
use crate::options::BuildOptions;
use crate::plan::{CopyFrom, Scope};

pub use cache_dir::NAMESPACE_ARG;
pub use secret::MAX_SECRET;

/// One mount of a RUN.
#[derive(Debug, Clone, PartialEq)]
pub struct MountOp {
    /// Where it stands.
    pub span: Span,
    /// What it is; targets are absolute, and all that have one by default have it.
    pub mount: Mount,
    /// What `from` names: of a bind mount without it, the context.
    pub from: Option<CopyFrom>,
}

impl MountOp {
    /// The path it is seen at; a secret may be a variable alone.
    pub fn target(&self) -> Option<&str> {
        match &self.mount {
            Mount::Bind(m) => Some(&m.target),
            Mount::Cache(m) => Some(&m.target),
            Mount::Tmpfs(m) => Some(&m.target),
            Mount::Secret(m) => m.target.as_deref(),
            Mount::Ssh(m) => m.target.as_deref(),
        }
    }
}

/// Plans the mount of a flag behind `before`, in a step of `file` with that working directory.
/// `find` tells what a `from` names.
pub fn plan_mount(
    flag: &Flag,
    before: &[MountOp],
    (escape, scope, cwd): (char, &Scope, &str),
    file: &str,
    find: impl FnOnce(&str) -> Result<CopyFrom, BuildError>,
) -> Result<MountOp, BuildError> {
    let mut mount = parse_mount(flag, escape, scope).map_err(|e| {
        let span = e.span;
        BuildError::from(e).at(file, span)
    })?;
    let absolute = |target: &mut String| {
        *target = clean_join(cwd, target);
        match target.as_str() {
            "/" => Err(BuildError::new("invalid mount target \"/\"")
                .hint("a mount can't hide the whole root: name a directory in it")),
            _ => Ok(()),
        }
    };
    let mut from = None;
    match &mut mount {
        Mount::Bind(m) => {
            absolute(&mut m.target)?;
            from = Some(match &m.from {
                Some(word) => find_source(word, find)?,
                None => CopyFrom::Context,
            });
        }
        Mount::Cache(m) => {
            m.id.get_or_insert_with(|| clean(&m.target));
            absolute(&mut m.target)?;
            if let Some(word) = m.from.as_deref().filter(|w| *w != "scratch") {
                from = Some(find_source(word, find)?);
            }
        }
        Mount::Tmpfs(m) => absolute(&mut m.target)?,
        Mount::Secret(m) => m.target.as_mut().map_or(Ok(()), absolute)?,
        Mount::Ssh(m) => {
            let agents = before.iter().filter(|o| matches!(o.mount, Mount::Ssh(_)));
            let number = agents.count();
            let usual = || format!("/run/buildkit/ssh_agent.{number}");
            absolute(m.target.get_or_insert_with(usual))?;
        }
    }
    Ok(MountOp {
        span: flag.span,
        mount,
        from,
    })
}

fn find_source(
    word: &str,
    find: impl FnOnce(&str) -> Result<CopyFrom, BuildError>,
) -> Result<CopyFrom, BuildError> {
    match word {
        "scratch" => Ok(CopyFrom::Image {
            name: word.to_owned(),
            layers: Vec::new(),
        }),
        _ => find(word),
    }
}

/// As Go's `path.Clean`, for the id a cache has by its target: relative paths stay relative.
fn clean(path: &str) -> String {
    let whole = clean_join("/", path);
    match path.starts_with('/') {
        true => whole,
        false => whole.trim_start_matches('/').to_owned(),
    }
}

/// What the mounts of one step are made from.
pub struct Mounting<'a> {
    /// Layers and caches.
    pub store: &'a Store,
    /// Absent where the build has none.
    pub context: Option<&'a Context>,
    /// Secrets and agents.
    pub options: &'a BuildOptions,
    /// Ends waiting for a cache.
    pub cancel: &'a Cancel,
    /// The step's own directory.
    pub dir: &'a Path,
    /// The mounts.
    pub ops: &'a [MountOp],
    /// The layers of what each `from` names.
    pub layers: &'a [Option<Vec<Digest>>],
}

impl<'a> Mounting<'a> {
    /// The mounts with the layers of their `from`.
    fn each(&self) -> impl Iterator<Item = (&'a MountOp, Option<&'a Vec<Digest>>)> {
        let layers = self.layers.iter().map(Option::as_ref);
        self.ops.iter().zip(layers)
    }

    /// Points an error at the mount.
    fn place(&self, e: BuildError, op: &MountOp) -> BuildError {
        match e.cancelled {
            true => e,
            false => e.at(&self.options.dockerfile_name, op.span),
        }
    }
}

/// What messages call the tree a mount is from.
fn tree_name(op: &MountOp, options: Option<&str>) -> String {
    match (&op.from, options) {
        (Some(CopyFrom::Image { name, .. }), _) => format!("image {name}"),
        (Some(CopyFrom::Stage(_)), Some(name)) => format!("stage {name:?}"),
        _ => "the build context".to_owned(),
    }
}

/// The name a `from` is written with.
fn written_from(op: &MountOp) -> Option<&str> {
    match &op.mount {
        Mount::Bind(m) => m.from.as_deref(),
        Mount::Cache(m) => m.from.as_deref(),
        _ => None,
    }
}
