//! The build context: a directory, its ignore file, and the memory of its files' digests.

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use kiln_dockerfile::Ignore;
use kiln_tree::{Kind, Root};
use rustix::fs::OFlags;

use crate::error::{BuildError, IoContext};
use crate::listing::{Entry, Match, Tree};
use crate::statcache::StatCache;

/// An opened context.
pub struct Context {
    root: Root,
    ignore: Ignore,
    ignore_name: String,
    ignore_digest: String,
    cache: StatCache,
}

impl Context {
    /// Opens a directory; `ignore` is the text and name of its ignore file.
    pub fn open(
        dir: &Path,
        ignore: Option<(String, String)>,
        cache_file: impl FnOnce(&str) -> PathBuf,
    ) -> Result<Context, BuildError> {
        let dir = dir
            .canonicalize()
            .context("unable to prepare context: path", dir)?;
        let root = Root::open(&dir).context("opening the build context", &dir)?;
        let (text, ignore_name) =
            ignore.unwrap_or_else(|| (String::new(), ".dockerignore".to_owned()));
        let ignore =
            Ignore::parse(&text).map_err(|e| BuildError::new(format!("{ignore_name}:{e}")))?;
        Ok(Context {
            root,
            ignore,
            ignore_name,
            ignore_digest: blake3::hash(text.as_bytes()).to_hex()[..16].to_owned(),
            cache: StatCache::open(cache_file(&StatCache::name_for(&dir))),
        })
    }

    /// The context as a tree to list.
    pub fn tree(&self) -> Tree<'_> {
        Tree {
            root: &self.root,
            ignore: Some(&self.ignore),
            ignore_name: &self.ignore_name,
            name: "the build context",
        }
    }

    /// Name and digest of the ignore file.
    pub fn ignore_file(&self) -> (&str, &str) {
        (&self.ignore_name, &self.ignore_digest)
    }

    /// The line of the ignore file that hides a path which is there: `.dockerignore:2 (*.log)`.
    pub fn hides(&self, path: &str) -> Option<String> {
        self.root.symlink_metadata(Path::new(path)).ok()?;
        let (line, pattern) = self.ignore.deciding_line(path)?;
        let hides = self.ignore.excluded(path);
        hides.then(|| format!("{}:{line} ({pattern})", self.ignore_name))
    }

    /// The digests' memory.
    pub fn cache(&self) -> &StatCache {
        &self.cache
    }
}

/// Digest over what matches hold: names, kinds, modes, owners, contents and links; no times.
///
/// The digests of files are added to `digests`, in order.
pub fn digest_matches(
    root: &Root,
    matches: &[Match],
    cache: Option<&StatCache>,
    owners: bool,
    digests: &mut Vec<[u8; 32]>,
) -> Result<String, BuildError> {
    let mut hash = blake3::Hasher::new();
    let mut text = |t: &[u8]| {
        hash.update(&(t.len() as u64).to_le_bytes());
        hash.update(t);
    };
    for m in matches {
        text(m.name.as_bytes());
        for e in &m.entries {
            text(e.below.as_os_str().as_bytes());
            let kind = kind_letter(e.meta.kind);
            text(format!("{kind}{:o}", e.meta.mode).as_bytes());
            if owners {
                text(format!("{}:{}", e.meta.uid, e.meta.gid).as_bytes());
            }
            match e.meta.kind {
                Kind::File => {
                    let digest = file_digest(root, e, cache)?;
                    text(&digest);
                    digests.push(digest);
                }
                Kind::Symlink => text(e.link.as_deref().unwrap_or_default().as_bytes()),
                Kind::Char | Kind::Block => {
                    text(format!("{},{}", e.meta.rdev.0, e.meta.rdev.1).as_bytes());
                }
                _ => {}
            }
        }
    }
    Ok(hash.finalize().to_hex().to_string())
}

/// One letter for each kind of entry.
pub fn kind_letter(kind: Kind) -> char {
    match kind {
        Kind::File => 'f',
        Kind::Dir => 'd',
        Kind::Symlink => 'l',
        Kind::Char => 'c',
        Kind::Block => 'b',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
    }
}

fn file_digest(
    root: &Root,
    entry: &Entry,
    cache: Option<&StatCache>,
) -> Result<[u8; 32], BuildError> {
    if let Some(d) = cache.and_then(|c| c.get(&entry.path, &entry.meta)) {
        return Ok(d);
    }
    let began = SystemTime::now();
    let path = entry.path.as_path();
    let fd = root
        .open_at(path, OFlags::RDONLY | OFlags::NONBLOCK)
        .context("opening", path)?;
    let mut hash = blake3::Hasher::new();
    let mut names = vec![0u8; 1024];
    if let Ok(n) = rustix::fs::flistxattr(fd.as_fd(), &mut names)
        && n > 0
    {
        let mut sorted: Vec<&[u8]> = names[..n].split(|b| *b == 0).collect();
        sorted.sort();
        for name in sorted.into_iter().filter(|s| !s.is_empty()) {
            let mut value = vec![0u8; 65536];
            let len = rustix::fs::fgetxattr(fd.as_fd(), name, &mut value).unwrap_or(0);
            hash.update(name);
            hash.update(&value[..len]);
        }
    }
    hash.update_reader(std::fs::File::from(fd))
        .context("reading", path)?;
    let digest = *hash.finalize().as_bytes();
    if let Some(c) = cache {
        c.put(&entry.path, &entry.meta, digest, began);
    }
    Ok(digest)
}
