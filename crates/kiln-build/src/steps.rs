//! One step: its key, and what it does when the cache has no answer.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use kiln_dockerfile::Ignore;
use kiln_oci::Digest;
use kiln_oci::layer::{ApplyOptions, Ids, Limits, Whiteouts, apply};
use kiln_runtime::{Cancel, Exit, Process, Stream};
use kiln_store::Input;
use kiln_tree::Root;
use rustix::fs::OFlags;

use crate::context::{Context, digest_matches};
use crate::copy::{Copier, Look};
use crate::error::{BuildError, IoContext, Kind};
use crate::fetch::{Download, download, git_checkout, parse_git};
use crate::key::KeyBuilder;
use crate::listing::{Match, Tree, list};
use crate::mounts::attach::Attached;
use crate::mounts::inputs::Input as MountInput;
use crate::plan::{CopyFrom, CopyOp, RunOp, Source, WorkdirOp};
use crate::snapshot::{Snapshot, Writable};
use crate::users::{owner, process_user};

/// The key of a step, and what it covers.
pub struct Key {
    /// In hexadecimal.
    pub id: String,
    /// What it was made of.
    pub inputs: Vec<Input>,
}

fn begin(domain: &'static str, parent: &Snapshot, platform: &str) -> KeyBuilder {
    let mut k = KeyBuilder::new(domain);
    k.add("parent", "state", parent.state.clone());
    k.add("parent", "layers", parent.chain());
    k.add("platform", "", platform);
    k
}

fn finish(k: KeyBuilder) -> Key {
    let (id, inputs) = k.finish();
    Key { id, inputs }
}

/// The key of a RUN.
pub fn run_key(op: &RunOp, mounts: &[MountInput], parent: &Snapshot, platform: &str) -> Key {
    let mut k = begin("run/1", parent, platform);
    for arg in &op.argv {
        k.add("argv", "", arg.clone());
    }
    if let Some(script) = &op.script {
        k.add("script", "", script.clone());
    }
    for e in &op.env {
        let (name, value) = e.split_once('=').unwrap_or((e, ""));
        k.add("env", name, value);
    }
    k.add("user", "", op.user.clone());
    k.add("cwd", "", op.cwd.clone());
    k.add("network", "", format!("{:?}", op.network));
    for (host, ip) in &op.hosts {
        k.add("host", host, ip.clone());
    }
    for m in mounts {
        k.add("mount", &m.name, m.value.clone());
    }
    finish(k)
}

/// The key of a WORKDIR.
pub fn workdir_key(op: &WorkdirOp, parent: &Snapshot, platform: &str) -> Key {
    let mut k = begin("workdir/2", parent, platform);
    k.add("path", "", op.path.clone());
    k.add("user", "", op.user.clone());
    finish(k)
}

/// Makes the working directory in a writable view.
pub fn workdir(op: &WorkdirOp, target: &Writable) -> Result<(), BuildError> {
    let root = target.root()?;
    let (uid, gid) = match op.user.as_str() {
        "" => (0, 0),
        user => {
            let user = process_user(&root, user)?;
            (user.uid, user.gid)
        }
    };
    root.mkdir_all(Path::new(&op.path), 0o755, uid, gid)
        .map(|_| ())
        .map_err(|e| BuildError::caused(format_args!("cannot make directory {}", op.path), &e))
}

/// The script of a `#!` heredoc inside the container; it is taken away afterwards.
const SCRIPT: &str = "/.kiln-heredoc";

/// Runs a command in a writable view, with what is attached until it ends.
pub fn run(
    op: &RunOp,
    target: &Writable,
    attached: Attached,
    epoch: Option<i64>,
    output: &mut dyn FnMut(Stream, &[u8]),
    cancel: &Cancel,
) -> Result<(), BuildError> {
    let root = target.root()?;
    let user = process_user(&root, &op.user)?;
    let mut env = op.env.clone();
    env.extend(op.proxy_env.iter().cloned());
    if !env.iter().any(|e| e.starts_with("HOME=")) {
        env.push(format!("HOME={}", user.home.as_deref().unwrap_or("/")));
    }
    if let Some(epoch) = epoch
        && !env.iter().any(|e| e.starts_with("SOURCE_DATE_EPOCH="))
    {
        env.push(format!("SOURCE_DATE_EPOCH={epoch}"));
    }
    attached.add_variables(&mut env);
    let mut argv = op.argv.clone();
    if let Some(script) = &op.script {
        let path = Path::new(SCRIPT);
        Copier::new(&root, Look::default()).content(&mut script.as_bytes(), path, 0o755, None)?;
        argv = vec![SCRIPT.to_owned()];
    }
    let shown = argv.join(" ");
    let result = kiln_runtime::run(
        target.fd(),
        &Process {
            argv,
            env,
            cwd: op.cwd.clone(),
            uid: user.uid,
            gid: user.gid,
            groups: user.groups,
            network: op.network,
            hosts: op.hosts.clone(),
            hostname: "kiln".to_owned(),
            mounts: attached.mounts.clone(),
            stdin: None,
        },
        output,
        cancel,
    );
    if op.script.is_some() {
        let (dir, name) = root
            .parent_of(Path::new(SCRIPT))
            .context("opening", Path::new("/"))?;
        kiln_tree::remove_all(dir.as_fd(), &name).context("removing", Path::new(SCRIPT))?;
    }
    // A shell says 128 and the signal, and so does docker.
    let (why, code) = match result {
        Ok(Exit::Code(0)) => return Ok(()),
        _ if cancel.is_cancelled() => return Err(BuildError::cancelled()),
        Ok(Exit::Code(code)) => (format!("exit code: {code}"), Some(code)),
        Ok(Exit::Signal(signal)) => (format!("killed by signal {signal}"), Some(128 + signal)),
        Ok(Exit::Cancelled) => return Err(BuildError::cancelled()),
        Err(e) => (e.to_string(), None),
    };
    let error = BuildError::new(format!(
        "process {shown:?} did not complete successfully: {why}"
    ));
    Err(match code.and_then(|c| u8::try_from(c).ok()) {
        Some(code) => error.of_kind(Kind::Command(code)),
        None => error,
    })
}

/// One source of a COPY, listed or fetched, ready to be digested and copied.
pub enum Found {
    /// Of the context, a stage or an image.
    Listed(Vec<Match>),
    /// A here-document's name and text.
    Inline(String, String),
    /// A download.
    File(Download),
    /// A git repository.
    Directory(Root, Vec<Match>),
}

/// A COPY whose sources are known.
pub struct PreparedCopy<'a> {
    /// What is to be done.
    pub op: &'a CopyOp,
    source: Option<&'a Root>,
    /// For each source what it names.
    pub found: Vec<Found>,
    exclude_text: String,
}

/// Where a COPY reads from.
pub struct CopySourceRoot<'a> {
    /// The context; absent where the build has none.
    pub context: Option<&'a Context>,
    /// The mounted stage or image of `--from`.
    pub from: Option<&'a Root>,
    /// What messages call it.
    pub name: &'a str,
}

/// Lists and fetches the sources.
pub fn prepare_copy<'a>(
    op: &'a CopyOp,
    roots: &'a CopySourceRoot<'a>,
    scratch: &Path,
) -> Result<PreparedCopy<'a>, BuildError> {
    let exclude_text = op.exclude.join("\n");
    let exclude =
        Ignore::parse(&exclude_text).map_err(|e| BuildError::new(format!("--exclude: {e}")))?;
    let tree = match (&op.from, roots.from, roots.context) {
        (CopyFrom::Context, _, Some(c)) => Some(c.tree()),
        (CopyFrom::Context, _, None) => None,
        (_, Some(root), _) => Some(Tree {
            root,
            ignore: None,
            ignore_name: "",
            name: roots.name,
        }),
        _ => None,
    };
    let mut found = Vec::new();
    for (n, source) in op.sources.iter().enumerate() {
        let dir = scratch.join(format!("source-{n}"));
        found.push(match source {
            Source::Path(p) => {
                let tree = tree.as_ref().ok_or_else(|| {
                    BuildError::new(format!("{p:?}: this build has no context to copy from"))
                })?;
                Found::Listed(list(tree, p, &exclude)?)
            }
            Source::Inline(name, text) => Found::Inline(name.clone(), text.clone()),
            Source::Url(url) => {
                std::fs::create_dir_all(&dir).context("creating", &dir)?;
                let got = download(url, &dir)?;
                check_sum(op, &got.file)?;
                Found::File(got)
            }
            Source::Git(url) => {
                std::fs::create_dir_all(&dir).context("creating", &dir)?;
                let git = parse_git(url)
                    .ok_or_else(|| BuildError::new(format!("not a git address: {url}")))?;
                let root = Root::open(&git_checkout(&git, &dir, op.keep_git_dir)?)
                    .context("opening", &dir)?;
                let tree = Tree {
                    root: &root,
                    ignore: None,
                    ignore_name: "",
                    name: "the repository",
                };
                let matches = list(&tree, ".", &exclude)?;
                Found::Directory(root, matches)
            }
        });
    }
    Ok(PreparedCopy {
        op,
        source: tree.map(|t| t.root),
        found,
        exclude_text,
    })
}

fn check_sum(op: &CopyOp, file: &Path) -> Result<(), BuildError> {
    let Some(wanted) = &op.checksum else {
        return Ok(());
    };
    let wanted: Digest = wanted
        .parse()
        .map_err(|e| BuildError::new(format!("--checksum={wanted}: {e}")))?;
    let mut hash = kiln_oci::Hasher::new();
    let mut f = std::fs::File::open(file).context("opening", file)?;
    std::io::copy(&mut f, &mut hash).context("reading", file)?;
    let got = hash.finish();
    if got == wanted {
        return Ok(());
    }
    Err(BuildError::new(format!(
        "digest mismatch {got}: --checksum says {wanted}"
    )))
}

impl PreparedCopy<'_> {
    /// Digest of everything that is copied; those of its files are added to `digests`, in order.
    pub fn content(
        &self,
        context: Option<&Context>,
        digests: &mut Vec<[u8; 32]>,
    ) -> Result<String, BuildError> {
        let mut hash = blake3::Hasher::new();
        for f in &self.found {
            let part = match f {
                Found::Listed(matches) => {
                    let root = self
                        .source
                        .ok_or_else(|| BuildError::new("no source root"))?;
                    let from_context = self.op.from == CopyFrom::Context;
                    let cache = context.filter(|_| from_context).map(Context::cache);
                    digest_matches(root, matches, cache, !from_context, digests)?
                }
                Found::Inline(name, text) => format!("{name}\0{text}"),
                Found::File(d) => {
                    let mut h = blake3::Hasher::new();
                    h.update_reader(std::fs::File::open(&d.file).context("opening", &d.file)?)
                        .context("reading", &d.file)?;
                    let digest = h.finalize();
                    digests.push(*digest.as_bytes());
                    format!("{}\0{}", d.name, digest.to_hex())
                }
                Found::Directory(root, matches) => {
                    digest_matches(root, matches, None, false, digests)?
                }
            };
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        Ok(hash.finalize().to_hex().to_string())
    }

    /// Copies into a writable view.
    pub fn execute(&self, target: &Writable) -> Result<(), BuildError> {
        let root = target.root()?;
        let owner = match &self.op.chown {
            Some(spec) => Some(owner(&root, spec)?),
            None if self.op.from == CopyFrom::Context => Some((0, 0)),
            None => None,
        };
        let look = Look {
            owner,
            mode: self.op.chmod,
        };
        let mut copier = Copier::new(&root, look);
        let dest = &self.op.dest;
        let total: usize = self.found.iter().map(Found::matches).sum();
        if total > 1 && !dest.ends_with('/') {
            return Err(BuildError::new(
                "When using COPY with more than one source file, the destination must be a directory and end with a /",
            ));
        }
        for (f, written) in self.found.iter().zip(&self.op.sources) {
            match f {
                Found::Listed(matches) => {
                    let source = self
                        .source
                        .ok_or_else(|| BuildError::new("no source root"))?;
                    for m in matches {
                        self.one(&mut copier, &root, source, m, pivot(written))?;
                    }
                }
                Found::Inline(name, text) => {
                    let path = copier.file_path(dest, name.as_ref());
                    copier.content(&mut text.as_bytes(), &path, 0o644, None)?;
                }
                Found::File(d) => self.downloaded(&mut copier, &root, d)?,
                Found::Directory(source, matches) => {
                    for m in matches {
                        copier.copy(source, m, dest)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn one(
        &self,
        copier: &mut Copier,
        root: &Root,
        source: &Root,
        m: &Match,
        pivot: usize,
    ) -> Result<(), BuildError> {
        if self.op.add && !m.is_dir() && self.op.unpack != Some(false) {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK;
            let fd = source.open_at(&m.path, flags).context("opening", &m.path)?;
            if let Some(tar) = open_archive(&std::fs::File::from(fd), &m.path)? {
                return extract(copier, root, &self.op.dest, tar, &m.path);
            }
        }
        if self.op.parents {
            let kept: PathBuf = m.path.components().skip(pivot).collect();
            let dir = match m.is_dir() {
                true => kept.as_path(),
                false => kept.parent().unwrap_or(Path::new("")),
            };
            let dest = Path::new(&self.op.dest).join(dir);
            let dest = dest.to_str().ok_or_else(|| {
                BuildError::new(format!("--parents: {} is not UTF-8", dest.display()))
            })?;
            return copier.copy(source, m, &format!("{}/", dest.trim_end_matches('/')));
        }
        copier.copy(source, m, &self.op.dest)
    }

    fn downloaded(&self, copier: &mut Copier, root: &Root, d: &Download) -> Result<(), BuildError> {
        let mut file = std::fs::File::open(&d.file).context("opening", &d.file)?;
        let name = Path::new(&d.name);
        if self.op.unpack == Some(true)
            && let Some(tar) = open_archive(&file, name)?
        {
            return extract(copier, root, &self.op.dest, tar, name);
        }
        if d.name.is_empty() && self.op.dest.ends_with('/') {
            return Err(BuildError::new(
                "cannot determine filename from the URL: name the file in the destination",
            ));
        }
        let path = copier.file_path(&self.op.dest, d.name.as_ref());
        copier.content(&mut file, &path, 0o600, Some(d.modified.unwrap_or(0)))
    }

    /// The key of this copy; `content` is the digest of what it copies.
    pub fn key(&self, content: &str, parent: &Snapshot, platform: &str) -> Key {
        copy_key(self.op, &self.exclude_text, content, parent, platform)
    }
}

/// The key of a copy whose content is known.
pub fn copy_key(
    op: &CopyOp,
    exclude: &str,
    content: &str,
    parent: &Snapshot,
    platform: &str,
) -> Key {
    let mut k = begin("copy/1", parent, platform);
    k.add("kind", "", if op.add { "add" } else { "copy" });
    k.add("content", "", content);
    k.add("dest", "", op.dest.clone());
    k.add("chown", "", op.chown.clone().unwrap_or_default());
    k.add(
        "chmod",
        "",
        op.chmod.map(|m| format!("{m:o}")).unwrap_or_default(),
    );
    k.add(
        "owners",
        "",
        if op.from == CopyFrom::Context {
            "root"
        } else {
            "source"
        },
    );
    k.add("exclude", "", exclude);
    k.add("parents", "", op.parents.to_string());
    if op.parents {
        for s in &op.sources {
            k.add("source", "", format!("{s:?}"));
        }
    }
    k.add("unpack", "", format!("{:?}", op.unpack));
    finish(k)
}

/// How many leading components of a source `--parents` leaves out: those before `/./`.
fn pivot(source: &Source) -> usize {
    let Source::Path(path) = source else { return 0 };
    let before = path.split_once("/./").map_or("", |(before, _)| before);
    before
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .count()
}

impl Found {
    fn matches(&self) -> usize {
        match self {
            Found::Listed(m) => m.len(),
            _ => 1,
        }
    }
}

/// A reader of the tar in a file, whatever it is compressed with; nothing where it is no tar.
fn open_archive(
    file: &std::fs::File,
    name: &Path,
) -> Result<Option<Box<dyn std::io::Read>>, BuildError> {
    use std::io::{Read, Seek};
    let mut probe = file.try_clone().context("opening", name)?;
    let reader = std::io::BufReader::new(file.try_clone().context("opening", name)?);
    let mut head = Vec::new();
    let is_tar = match kiln_oci::layer::decompress(Box::new(reader)) {
        Ok(r) => {
            r.take(512).read_to_end(&mut head).is_ok() && kiln_oci::layer::looks_like_tar(&head)
        }
        Err(_) => false,
    };
    if !is_tar {
        return Ok(None);
    }
    probe.rewind().context("reading", name)?;
    let reader = std::io::BufReader::with_capacity(1 << 17, probe);
    kiln_oci::layer::decompress(Box::new(reader))
        .map(Some)
        .context("decompressing", name)
}

fn extract(
    copier: &Copier,
    root: &Root,
    dest: &str,
    tar: Box<dyn std::io::Read>,
    name: &Path,
) -> Result<(), BuildError> {
    copier.directory(Path::new(dest))?;
    let dir = root
        .open_dir(Path::new(dest))
        .context("opening", Path::new(dest))?;
    let options = ApplyOptions {
        whiteouts: Whiteouts::Literal,
        limits: Limits::default(),
        // --chown is for the directories made on the way only, as docker has it.
        ids: Ids::Keep,
    };
    apply(tar, dir.as_fd(), &options)
        .map(|_| ())
        .map_err(|e| BuildError::caused(format_args!("extracting {}", name.display()), &e))
}

/// Where one step keeps its files.
pub fn step_dir(scratch: &Path, id: usize) -> PathBuf {
    scratch.join(format!("step-{id}"))
}
