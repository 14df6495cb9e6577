//! What a COPY source names: paths and patterns to a sorted list of entries with their stats.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use kiln_dockerfile::{Ignore, glob_match};
use kiln_tree::{Kind, Meta, Root, meta_at, read_dir_sorted};
use rustix::fs::OFlags;

use crate::error::{BuildError, IoContext};

/// A root that files are copied from, with what is hidden from the build.
pub struct Tree<'a> {
    /// The files.
    pub root: &'a Root,
    /// `.dockerignore`.
    pub ignore: Option<&'a Ignore>,
    /// The ignore file's name for messages.
    pub ignore_name: &'a str,
    /// What messages call the tree: `the build context`, `stage "build"`.
    pub name: &'a str,
}

/// One file, directory or link to copy.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Path in the tree, without a leading slash.
    pub path: PathBuf,
    /// Path below the match: empty for the match itself.
    pub below: PathBuf,
    /// Its stat.
    pub meta: Meta,
    /// A symbolic link's target.
    pub link: Option<OsString>,
}

/// One match of a source: a file, or a directory with all that is below it, parents first.
#[derive(Debug)]
pub struct Match {
    /// Base name of the match, for `dest/name`.
    pub name: OsString,
    /// Path of the match in the tree.
    pub path: PathBuf,
    /// The match first, then what is below it.
    pub entries: Vec<Entry>,
}

impl Match {
    /// True when the match is a directory, so that its content is copied.
    pub fn is_dir(&self) -> bool {
        self.entries
            .first()
            .is_some_and(|e| e.meta.kind == Kind::Dir)
    }
}

/// Cleans a source path: no leading slash, no `.`; one that leaves the tree is refused.
fn clean(source: &str, tree: &Tree) -> Result<String, BuildError> {
    let mut parts: Vec<&str> = Vec::new();
    for part in source.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() && !source.starts_with('/') {
                    return Err(BuildError::new(format!(
                        "forbidden path outside {}: {source}",
                        tree.name
                    ))
                    .hint("paths of COPY and ADD are relative to the context's root; build with a context further up"));
                }
            }
            other => parts.push(other),
        }
    }
    Ok(parts.join("/"))
}

fn is_pattern(part: &str) -> bool {
    part.contains(['*', '?', '[', '\\'])
}

/// All matches of one source, in byte order of their paths.
pub fn list(tree: &Tree, source: &str, exclude: &Ignore) -> Result<Vec<Match>, BuildError> {
    let path = clean(source, tree)?;
    let paths = if is_pattern(&path) {
        expand_pattern(tree, &path)?
    } else {
        vec![PathBuf::from(&path)]
    };
    let mut out = Vec::new();
    for p in paths {
        if let Some(m) = one(tree, &p, exclude)? {
            out.push(m);
        }
    }
    // docker lets a pattern match nothing.
    if out.is_empty() && !is_pattern(&path) {
        return Err(not_found(tree, source, &path));
    }
    Ok(out)
}

/// What lies at exactly this path; behind a link, that counts which the ignore file says of what
/// the link leads to.
pub fn exact(tree: &Tree, source: &str) -> Result<Match, BuildError> {
    let mut path = clean(source, tree)?;
    if tree.ignore.is_some_and(|i| !i.is_empty())
        && let Some(real) = resolved(tree.root, &path)
    {
        path = real;
    }
    let none = Ignore::parse("").map_err(|e| BuildError::new(e.to_string()))?;
    one(tree, Path::new(&path), &none)?.ok_or_else(|| not_found(tree, source, &path))
}

/// The path without links, where it leads to something.
fn resolved(root: &Root, path: &str) -> Option<String> {
    let name = |fd: BorrowedFd| {
        let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
        std::fs::read_link(link).ok()
    };
    let fd = root.open_at(Path::new(path), OFlags::PATH).ok()?;
    let (top, here) = (name(root.as_fd())?, name(fd.as_fd())?);
    let below = here.strip_prefix(top).ok()?;
    below.to_str().map(str::to_owned)
}

fn expand_pattern(tree: &Tree, pattern: &str) -> Result<Vec<PathBuf>, BuildError> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.split('/') {
        let mut next = Vec::new();
        for dir in &found {
            if !is_pattern(part) {
                let path = dir.join(part);
                if tree.root.symlink_metadata(&path).is_ok() {
                    next.push(path);
                }
                continue;
            }
            let Ok(fd) = tree.root.open_dir(dir) else {
                continue;
            };
            for name in read_dir_sorted(fd.as_fd()).unwrap_or_default() {
                let hit = glob_match(part, &name.to_string_lossy())
                    .map_err(|e| BuildError::new(format!("bad pattern {pattern:?}: {e}")))?;
                if hit {
                    next.push(dir.join(name));
                }
            }
        }
        found = next;
    }
    Ok(found)
}

/// Whether an ignore file hides a path; one that is no text is matched as it would be shown.
fn hidden(ignore: Option<&Ignore>, path: &Path) -> bool {
    !path.as_os_str().is_empty() && ignore.is_some_and(|i| i.excluded(&path.to_string_lossy()))
}

fn one(tree: &Tree, path: &Path, exclude: &Ignore) -> Result<Option<Match>, BuildError> {
    // A link named as a source is followed, below the tree's root.
    let Ok(meta) = tree.root.metadata(path) else {
        return Ok(None);
    };
    let name = path.file_name().unwrap_or_default().to_owned();
    let is_dir = meta.kind == Kind::Dir;
    let mut hide = hidden(tree.ignore, path);
    // --exclude is about what is in a directory, or the file itself.
    hide |= !is_dir && hidden(Some(exclude), Path::new(&name));
    let mut entries = vec![Entry {
        path: path.to_owned(),
        below: PathBuf::new(),
        meta,
        link: None,
    }];
    if is_dir {
        let fd = tree.root.open_dir(path).context("opening", path)?;
        let walk = Walk {
            ignore: tree.ignore.filter(|i| !i.is_empty()),
            exclude: Some(exclude).filter(|i| !i.is_empty()),
        };
        walk.dir(fd.as_fd(), path, Path::new(""), &mut entries)?;
        if hide && entries.len() == 1 {
            return Ok(None);
        }
    } else if hide {
        return Ok(None);
    }
    Ok(Some(Match {
        name,
        path: path.to_owned(),
        entries,
    }))
}

/// How deep directories may lie in directories: a descriptor and a stack frame are needed for each.
const MAX_DEPTH: usize = 400;

struct Walk<'a> {
    ignore: Option<&'a Ignore>,
    exclude: Option<&'a Ignore>,
}

impl Walk<'_> {
    fn dir(
        &self,
        fd: BorrowedFd,
        path: &Path,
        below: &Path,
        out: &mut Vec<Entry>,
    ) -> Result<(), BuildError> {
        if below.components().count() > MAX_DEPTH {
            return Err(BuildError::new(format!(
                "{} has more than {MAX_DEPTH} directories in one another",
                below.components().take(3).collect::<PathBuf>().display()
            )));
        }
        for name in read_dir_sorted(fd).context("reading directory", path)? {
            let (child, child_below) = (path.join(&name), below.join(&name));
            let meta = match meta_at(fd, &name) {
                Ok(m) => m,
                // Gone since the directory was read.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e).context("reading", &child),
            };
            let is_dir = meta.kind == Kind::Dir;
            let sets = [(self.ignore, &child), (self.exclude, &child_below)];
            let hide = sets.iter().any(|(set, path)| hidden(*set, path));
            if hide {
                let deeper = is_dir
                    && sets.iter().all(|(set, path)| {
                        set.is_none_or(|s| s.may_include_below(&path.to_string_lossy()))
                    });
                if !deeper {
                    continue;
                }
            }
            let link = match meta.kind {
                Kind::Symlink => Some(read_link(fd, &name).context("reading", &child)?),
                _ => None,
            };
            let at = out.len();
            out.push(Entry {
                path: child.clone(),
                below: child_below.clone(),
                meta,
                link,
            });
            if is_dir {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let sub = rustix::fs::openat(fd, &name, flags, rustix::fs::Mode::empty())
                    .context("opening directory", &child)?;
                self.dir(sub.as_fd(), &child, &child_below, out)?;
                // Hidden, and nothing below it was brought back.
                if hide && out.len() == at + 1 {
                    out.truncate(at);
                }
            }
        }
        Ok(())
    }
}

fn read_link(dir: BorrowedFd, name: &OsStr) -> rustix::io::Result<OsString> {
    let target = rustix::fs::readlinkat(dir, name, Vec::new())?;
    Ok(OsString::from_vec(target.into_bytes()))
}

fn not_found(tree: &Tree, source: &str, path: &str) -> BuildError {
    let error = BuildError::new(format!("{source:?}: not found in {}", tree.name));
    if let Some(ignore) = tree.ignore {
        let there = tree.root.symlink_metadata(Path::new(path)).is_ok();
        if there && let Some((line, pattern)) = ignore.deciding_line(path) {
            return BuildError::new(format!(
                "{source:?}: excluded from {} by {}:{line} ({pattern})",
                tree.name, tree.ignore_name
            ))
            .hint(format!("add a line `!{path}` below it"));
        }
    }
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    let near = tree
        .root
        .open_dir(Path::new(dir))
        .ok()
        .and_then(|fd| read_dir_sorted(fd.as_fd()).ok())
        .unwrap_or_default()
        .into_iter()
        .filter_map(|n| n.into_string().ok())
        .map(|n| (kiln_dockerfile::edit_distance(name, &n), n))
        .filter(|(d, n)| *d <= 2.max(n.len() / 4) && *d < n.len())
        .min();
    match near {
        Some((_, n)) => error.hint(format!(
            "did you mean {}?",
            Path::new(dir).join(n).display()
        )),
        None => error,
    }
}
