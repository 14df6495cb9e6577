//! A directory to a tar: the same directory always gives the same bytes.
//!
//! Names are sorted, times whole seconds, owners numbers only. The format is ustar; what doesn't
//! fit there (long names, extended attributes, times before 1970) goes into PAX records.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use kiln_tree::{Kind, Meta, meta_at, read_dir_sorted, xattrs_of};
use rustix::fs::{Mode, OFlags, openat, readlinkat};
use tar::{Builder, EntryType, Header};

use super::times::open_dir;
use super::{MAX_DEPTH, OPAQUE, OPAQUE_XATTRS, PAX_XATTR, TOO_DEEP, WHITEOUT, carried};
use crate::{Digest, Hasher, OciError};

/// How much of a file is read at once.
const BUFFER: usize = 256 * 1024;

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The digest of the tar.
    pub diff_id: Digest,
    /// The bytes of files and of links' targets, each of several hard links counted once: what
    /// docker calls the size.
    pub size: u64,
    /// The bytes of the tar.
    pub tar_size: u64,
    /// How many entries it has, deletions included.
    pub entries: u64,
}

/// Writes what is below `dir` (but not `dir` itself) to `out` as a layer's tar, and takes its
/// digest on the way.
pub fn write_dir(dir: BorrowedFd<'_>, out: impl Write) -> Result<Written, OciError> {
    let mut writer = Writer {
        tar: Builder::new(Tee::new(out)),
        links: HashMap::new(),
        buffer: vec![0; BUFFER],
        size: 0,
        entries: 0,
        depth: 0,
    };
    let mut path = Vec::new();
    writer.directory(dir, &mut path)?;
    let (size, entries) = (writer.size, writer.entries);
    let tee = writer
        .tar
        .into_inner()
        .map_err(OciError::io("writing the archive"))?;
    Ok(Written {
        size,
        entries,
        ..tee.finish()?
    })
}

/// Takes the digest and counts the bytes of what it passes on.
pub(super) struct Tee<W> {
    hash: Hasher,
    count: u64,
    out: W,
}

impl<W: Write> Tee<W> {
    pub(super) fn new(out: W) -> Tee<W> {
        Tee {
            hash: Hasher::new(),
            count: 0,
            out,
        }
    }

    /// Digest and size of all that was written.
    pub(super) fn finish(mut self) -> Result<Written, OciError> {
        self.out
            .flush()
            .map_err(OciError::io("writing the archive"))?;
        Ok(Written {
            diff_id: self.hash.finish(),
            tar_size: self.count,
            size: 0,
            entries: 0,
        })
    }
}

impl<W: Write> Write for Tee<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(bytes)?;
        self.hash.write_all(bytes)?;
        self.count += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

struct Writer<W: Write> {
    tar: Builder<Tee<W>>,
    /// First name of each inode with several.
    links: HashMap<(u64, u64), Vec<u8>>,
    buffer: Vec<u8>,
    size: u64,
    entries: u64,
    depth: usize,
}

impl<W: Write> Writer<W> {
    fn directory(&mut self, dir: BorrowedFd<'_>, path: &mut Vec<u8>) -> Result<(), OciError> {
        if self.depth > MAX_DEPTH {
            let mut name = String::from_utf8_lossy(path).into_owned();
            name = name.chars().take(100).chain("…".chars()).collect();
            let why = TOO_DEEP.to_owned();
            return Err(OciError::Entry { name, why });
        }
        self.depth += 1;
        let names = read_dir_sorted(dir).map_err(reading(path))?;
        for name in names {
            let length = path.len();
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            self.entry(dir, &name, path)?;
            path.truncate(length);
        }
        self.depth -= 1;
        Ok(())
    }

    fn entry(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        path: &mut Vec<u8>,
    ) -> Result<(), OciError> {
        let meta = meta_at(dir, name).map_err(reading(path))?;
        if meta.is_whiteout() {
            return self.marker(&whiteout_of(path));
        }
        if meta.kind == Kind::Socket {
            // Of use to the process that made it only; no tar can hold one.
            return Ok(());
        }
        if meta.nlink > 1 && meta.kind != Kind::Dir {
            let id = (meta.dev, meta.ino);
            if let Some(first) = self.links.get(&id) {
                let mut entry = Entry::new(&meta, EntryType::Link);
                entry.link_to(first);
                return self.append(entry, path);
            }
            self.links.insert(id, path.clone());
        }
        let mut entry = Entry::new(&meta, entry_type(meta.kind));
        let mut opaque = false;
        for (key, value) in xattrs_of(dir, name).map_err(reading(path))? {
            opaque |= OPAQUE_XATTRS.iter().any(|x| key == *x) && value == b"y";
            if carried(key.as_bytes()) {
                entry.record(&format!("{PAX_XATTR}{}", key.to_string_lossy()), &value);
            }
        }
        match meta.kind {
            Kind::Dir => {
                let length = path.len();
                path.push(b'/');
                self.append(entry, path)?;
                if opaque {
                    self.marker(&[path.as_slice(), OPAQUE].concat())?;
                }
                path.truncate(length);
                let child = open_dir(dir, name).map_err(reading(path))?;
                return self.directory(child.as_fd(), path);
            }
            Kind::File => {
                entry.header.set_size(meta.size);
                self.append(entry, path)?;
                return self.content(dir, name, path, meta.size);
            }
            Kind::Symlink => {
                let target = readlinkat(dir, name, Vec::new()).map_err(io::Error::from);
                let target = target.map_err(reading(path))?;
                self.size += target.as_bytes().len() as u64;
                entry.link_to(target.as_bytes());
            }
            Kind::Char | Kind::Block => {
                let (major, minor) = meta.rdev;
                let header = &mut entry.header;
                header
                    .set_device_major(major)
                    .and_then(|()| header.set_device_minor(minor))
                    .map_err(reading(path))?;
            }
            Kind::Fifo | Kind::Socket => {}
        }
        self.append(entry, path)
    }

    /// The file that stands for a deletion. When something was deleted is nobody's business, and
    /// would differ in each build.
    fn marker(&mut self, path: &[u8]) -> Result<(), OciError> {
        self.append(Entry::blank(), path)
    }

    fn append(&mut self, mut entry: Entry, path: &[u8]) -> Result<(), OciError> {
        entry.name(path);
        entry.header.set_cksum();
        entry.records.sort();
        let records = entry.records.iter();
        self.tar
            .append_pax_extensions(records.map(|(k, v)| (k.as_str(), v.as_slice())))
            .and_then(|()| self.tar.get_mut().write_all(entry.header.as_bytes()))
            .map_err(OciError::io("writing the archive"))?;
        self.entries += 1;
        Ok(())
    }

    fn content(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        path: &[u8],
        size: u64,
    ) -> Result<(), OciError> {
        self.size += size;
        if size == 0 {
            return Ok(());
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = openat(dir, name, flags, Mode::empty()).map_err(|e| reading(path)(e.into()))?;
        let mut file = std::fs::File::from(fd).take(size);
        let mut left = size;
        while left > 0 {
            let n = file.read(&mut self.buffer).map_err(reading(path))?;
            if n == 0 {
                let e = io::Error::other("the file became shorter while it was read");
                return Err(reading(path)(e));
            }
            left -= n as u64;
            self.tar
                .get_mut()
                .write_all(&self.buffer[..n])
                .map_err(OciError::io("writing the archive"))?;
        }
        let padding = (512 - size % 512) % 512;
        let zeros = [0; 512];
        self.tar
            .get_mut()
            .write_all(&zeros[..padding as usize])
            .map_err(OciError::io("writing the archive"))
    }
}

fn reading(path: &[u8]) -> impl FnOnce(io::Error) -> OciError + use<> {
    OciError::io(format!("reading {:?}", String::from_utf8_lossy(path)))
}

/// `a/b` to `a/.wh.b`.
fn whiteout_of(path: &[u8]) -> Vec<u8> {
    let base = path.iter().rposition(|b| *b == b'/').map_or(0, |i| i + 1);
    [&path[..base], WHITEOUT, &path[base..]].concat()
}

fn entry_type(kind: Kind) -> EntryType {
    match kind {
        Kind::Dir => EntryType::Directory,
        Kind::Symlink => EntryType::Symlink,
        Kind::Char => EntryType::Char,
        Kind::Block => EntryType::Block,
        Kind::Fifo => EntryType::Fifo,
        Kind::File | Kind::Socket => EntryType::Regular,
    }
}

/// One header, and the PAX records for what doesn't fit in it.
struct Entry {
    header: Header,
    records: Vec<(String, Vec<u8>)>,
}

impl Entry {
    /// An empty file that is nobody's.
    fn blank() -> Entry {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(0);
        Entry {
            header,
            records: Vec::new(),
        }
    }

    fn new(meta: &Meta, kind: EntryType) -> Entry {
        let mut entry = Entry::blank();
        entry.header.set_entry_type(kind);
        entry.header.set_mode(meta.mode);
        entry.header.set_uid(meta.uid.into());
        entry.header.set_gid(meta.gid.into());
        match u64::try_from(meta.mtime.0) {
            Ok(seconds) => entry.header.set_mtime(seconds),
            Err(_) => entry.record("mtime", meta.mtime.0.to_string().as_bytes()),
        }
        entry
    }

    fn record(&mut self, key: &str, value: &[u8]) {
        self.records.push((key.to_owned(), value.to_vec()));
    }

    /// Sets the target of a link: a text of its own, which is never cleaned.
    fn link_to(&mut self, target: &[u8]) {
        match self.header.as_old_mut().linkname.get_mut(..target.len()) {
            Some(field) => field.copy_from_slice(target),
            None => self.record("linkpath", target),
        }
    }

    fn name(&mut self, path: &[u8]) {
        let Some(ustar) = self.header.as_ustar_mut() else {
            return;
        };
        if let Some(field) = ustar.name.get_mut(..path.len()) {
            return field.copy_from_slice(path);
        }
        // The last slash that leaves at most 100 bytes after it, and 155 before it.
        let split = (path.len() - ustar.name.len() - 1..path.len() - 1)
            .find(|i| path[*i] == b'/' && *i <= ustar.prefix.len());
        match split {
            Some(at) => {
                ustar.prefix[..at].copy_from_slice(&path[..at]);
                let rest = &path[at + 1..];
                ustar.name[..rest.len()].copy_from_slice(rest);
            }
            None => {
                let end = path.len() - ustar.name.len();
                ustar.name.copy_from_slice(&path[end..]);
                self.record("path", path);
            }
        }
    }
}
