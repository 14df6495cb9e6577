//! Lists of what a COPY copied, small enough to be kept, and what differs between two of them.

use std::collections::BTreeMap;
use std::io::Read;

use super::{Cause, FileAspect, FileChange, FileState, FilesChanged, What};

/// Longer lists are not kept.
const LONGEST: usize = 1_000_000;
/// No list takes more when it is unpacked.
const LARGEST: u64 = 256 << 20;
/// How much of a digest is kept.
pub const DIGEST: usize = 12;
const MAGIC: &[u8; 4] = b"kls1";

/// One thing that was copied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Its path in the context, or wherever it comes from.
    pub path: Vec<u8>,
    /// `f`, `d`, `l`, `c`, `b`, `p`, `s`; `i` for a here-document, `u` for a download.
    pub kind: u8,
    /// Permissions.
    pub mode: u32,
    /// User and group, where they count.
    pub owner: Option<(u32, u32)>,
    /// Bytes.
    pub size: u64,
    /// Begin of the digest of what has content.
    pub digest: [u8; DIGEST],
    /// A link's target, a device's number.
    pub target: Vec<u8>,
}

/// All that a COPY copied, in order.
#[derive(Debug, Default)]
pub struct Listing {
    rows: Vec<Row>,
    truncated: bool,
}

impl Listing {
    /// Adds one thing.
    pub fn push(&mut self, row: Row) {
        if self.rows.len() < LONGEST {
            self.rows.push(row);
        } else {
            self.truncated = true;
        }
    }

    /// The bytes to keep; nothing for a list that is too long.
    pub fn encode(&self) -> Option<Vec<u8>> {
        if self.truncated {
            return None;
        }
        let mut out = MAGIC.to_vec();
        let mut before: &[u8] = b"";
        for row in &self.rows {
            // Paths of one directory begin alike.
            let same = before.iter().zip(&row.path).take_while(|(a, b)| a == b);
            let same = same.count().min(usize::from(u16::MAX));
            let rest = row.path.get(same..)?;
            out.extend(u16::try_from(same).ok()?.to_le_bytes());
            out.extend(u16::try_from(rest.len()).ok()?.to_le_bytes());
            out.extend(rest);
            out.push(row.kind);
            out.extend(row.mode.to_le_bytes());
            out.push(u8::from(row.owner.is_some()));
            if let Some((uid, gid)) = row.owner {
                out.extend(uid.to_le_bytes());
                out.extend(gid.to_le_bytes());
            }
            out.extend(row.size.to_le_bytes());
            out.extend(row.digest);
            out.extend(u16::try_from(row.target.len()).ok()?.to_le_bytes());
            out.extend(&row.target);
            before = &row.path;
        }
        let mut packer = zstd::Encoder::new(Vec::new(), 1).ok()?;
        // A list that was torn by a power cut is recognised.
        packer.include_checksum(true).ok()?;
        std::io::Write::write_all(&mut packer, &out).ok()?;
        packer.finish().ok()
    }

    /// Reads a list that was kept; nothing where it is damaged.
    pub fn decode(bytes: &[u8]) -> Option<Listing> {
        let mut all = Vec::new();
        let unpacker = zstd::Decoder::new(bytes).ok()?;
        unpacker.take(LARGEST).read_to_end(&mut all).ok()?;
        let mut rest = all.strip_prefix(MAGIC)?;
        let mut rows: Vec<Row> = Vec::new();
        while !rest.is_empty() {
            let same = usize::from(u16::from_le_bytes(take(&mut rest)?));
            let len = usize::from(u16::from_le_bytes(take(&mut rest)?));
            let mut path = match rows.last() {
                Some(before) => before.path.get(..same)?.to_vec(),
                None => Vec::new(),
            };
            path.extend(split(&mut rest, len)?);
            let [kind] = take(&mut rest)?;
            let mode = u32::from_le_bytes(take(&mut rest)?);
            let owner = match take(&mut rest)? {
                [0] => None,
                _ => Some((
                    u32::from_le_bytes(take(&mut rest)?),
                    u32::from_le_bytes(take(&mut rest)?),
                )),
            };
            let size = u64::from_le_bytes(take(&mut rest)?);
            let digest = take(&mut rest)?;
            let len = usize::from(u16::from_le_bytes(take(&mut rest)?));
            rows.push(Row {
                path,
                kind,
                mode,
                owner,
                size,
                digest,
                target: split(&mut rest, len)?.to_vec(),
            });
        }
        let truncated = false;
        Some(Listing { rows, truncated })
    }

    fn by_path(&self) -> BTreeMap<&[u8], &Row> {
        self.rows.iter().map(|r| (r.path.as_slice(), r)).collect()
    }

    /// Whether at least half of the longer list's paths are in the other one, too.
    pub fn akin(&self, other: &Listing) -> bool {
        let (a, b) = (self.by_path(), other.by_path());
        let common = a.keys().filter(|p| b.contains_key(*p)).count();
        2 * common >= a.len().max(b.len())
    }

    /// What differs from an older list, and what of it comes first: changes before renames, what is
    /// new and what is gone; the Dockerfile and the ignore file last, since who changes these means
    /// something else by it.
    pub fn difference(&self, old: &Listing) -> Option<Cause> {
        let (a, b) = (old.by_path(), self.by_path());
        let mut found: Vec<(u32, FileChange)> = Vec::new();
        let (mut changed, mut added, mut removed) = (0, 0, 0);
        for (path, new) in &b {
            match a.get(path) {
                Some(old) => {
                    let Some(aspect) = aspect(old, new) else {
                        continue;
                    };
                    if new.kind == b'i' && old.kind == b'i' {
                        return Some(Cause::Changed {
                            what: What::Heredoc,
                            name: String::from_utf8_lossy(path).into_owned(),
                            old: Some(hex(&old.digest)),
                            new: Some(hex(&new.digest)),
                        });
                    }
                    changed += 1;
                    found.push((0, change(path, aspect, Some(old), Some(new))));
                }
                None => {
                    added += 1;
                    found.push((2, change(path, FileAspect::Added, None, Some(new))));
                }
            }
        }
        for (path, old) in &a {
            if !b.contains_key(path) {
                removed += 1;
                found.push((3, change(path, FileAspect::Removed, Some(old), None)));
            }
        }
        rename(&mut found);
        for (rank, change) in &mut found {
            if is_about_the_build(&change.path) {
                *rank = 9;
            }
        }
        found.sort_by(|(a, x), (b, y)| (a, &x.path).cmp(&(b, &y.path)));
        let (_, first) = found.into_iter().next()?;
        Some(Cause::Files(Box::new(FilesChanged {
            from: None,
            through: None,
            first,
            changed,
            added,
            removed,
        })))
    }
}

/// A file that is gone and one that is new with the same content are one that was renamed.
fn rename(found: &mut [(u32, FileChange)]) {
    let content = |s: &Option<FileState>| {
        let state = s.as_ref().filter(|s| !s.digest.is_empty() && s.size > 0);
        state.map(|s| (s.digest.clone(), s.size))
    };
    let mut gone: BTreeMap<(String, u64), (String, Option<FileState>)> = BTreeMap::new();
    for (_, c) in found.iter().filter(|(_, c)| c.what == FileAspect::Removed) {
        if let Some(key) = content(&c.old) {
            gone.insert(key, (c.path.clone(), c.old.clone()));
        }
    }
    for (rank, c) in found {
        if c.what == FileAspect::Added
            && let Some((path, old)) = content(&c.new).and_then(|key| gone.remove(&key))
        {
            *rank = 1;
            c.what = FileAspect::Name;
            c.renamed_from = Some(path);
            c.old = old;
        }
    }
}

/// Whether a file says how to build, and is seldom meant to be copied.
pub fn is_about_the_build(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.ends_with(".dockerignore") || name == "Dockerfile" || name.ends_with(".Dockerfile")
}

fn aspect(old: &Row, new: &Row) -> Option<FileAspect> {
    match () {
        () if old.kind != new.kind => Some(FileAspect::Type),
        () if old.digest != new.digest => Some(FileAspect::Content),
        () if old.target != new.target => Some(FileAspect::Target),
        () if old.mode != new.mode => Some(FileAspect::Mode),
        () if old.owner != new.owner => Some(FileAspect::Owner),
        () => None,
    }
}

fn change(path: &[u8], what: FileAspect, old: Option<&Row>, new: Option<&Row>) -> FileChange {
    let path = match path {
        b"" => ".".to_owned(),
        p => String::from_utf8_lossy(p).into_owned(),
    };
    FileChange {
        path,
        what,
        old: old.map(state),
        new: new.map(state),
        renamed_from: None,
        ignore: None,
    }
}

fn state(row: &Row) -> FileState {
    let kind = match row.kind {
        b'd' => "directory",
        b'l' => "link",
        b'c' | b'b' => "device",
        b'p' => "pipe",
        b's' => "socket",
        b'i' => "here-document",
        b'u' => "download",
        _ => "file",
    };
    let content = matches!(row.kind, b'f' | b'i' | b'u');
    FileState {
        kind: kind.to_owned(),
        mode: format!("{:04o}", row.mode),
        owner: row.owner.map(|(u, g)| format!("{u}:{g}")),
        size: if content { row.size } else { 0 },
        digest: if content {
            hex(&row.digest)
        } else {
            String::new()
        },
        target: (!row.target.is_empty()).then(|| String::from_utf8_lossy(&row.target).into_owned()),
    }
}

fn hex(digest: &[u8; DIGEST]) -> String {
    digest.iter().take(6).map(|b| format!("{b:02x}")).collect()
}

fn split<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
