//! The metadata of one layer's directory.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use kiln_tree::{Kind, Meta, Root, meta_at, read_dir_sorted, xattrs_of};
use rustix::fs::{Mode, OFlags, openat};

/// The attributes of a directory that hides all below it.
const OPAQUE: [&str; 2] = ["trusted.overlay.opaque", "user.overlay.opaque"];
const CAPABILITY: &str = "security.capability";
/// Layers are refused that go deeper; a descriptor and a stack frame are needed for each.
const MAX_DEPTH: usize = 400;

/// An entry of a layer, before or below its parent's others in the order of the list.
pub(crate) struct Scanned {
    /// The index of its directory in the list; `None` in the layer's root.
    pub parent: Option<u32>,
    pub name: OsString,
    pub meta: Meta,
    /// Hides what lower layers have in it.
    pub opaque: bool,
    /// The kernel's form of its capabilities.
    pub capability: Option<Box<[u8]>>,
}

/// A failure, and where it happened.
pub(crate) struct ScanError {
    pub path: Vec<u8>,
    pub source: io::Error,
}

/// Lists a layer; directories come before what is in them.
pub(crate) fn scan(root: &Root) -> Result<Vec<Scanned>, ScanError> {
    let mut walk = Walk {
        found: Vec::new(),
        path: Vec::new(),
    };
    match walk.directory(root.as_fd(), None, 0) {
        Ok(()) => Ok(walk.found),
        Err(source) => Err(ScanError {
            path: walk.path,
            source,
        }),
    }
}

struct Walk {
    found: Vec<Scanned>,
    /// Where the walk is, for messages.
    path: Vec<u8>,
}

impl Walk {
    fn directory(
        &mut self,
        dir: BorrowedFd<'_>,
        parent: Option<u32>,
        depth: usize,
    ) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(io::Error::other("directories lie too deep in one another"));
        }
        for name in read_dir_sorted(dir)? {
            let length = self.path.len();
            if length > 0 {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name.as_bytes());
            self.entry(dir, name, parent, depth)?;
            self.path.truncate(length);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        dir: BorrowedFd<'_>,
        name: OsString,
        parent: Option<u32>,
        depth: usize,
    ) -> io::Result<()> {
        let meta = meta_at(dir, &name)?;
        if meta.kind == Kind::Socket {
            // No tar holds one.
            return Ok(());
        }
        let mut opaque = false;
        let mut capability = None;
        // What nobody may execute gives no capabilities.
        let may_have = meta.kind == Kind::Dir || meta.kind == Kind::File && meta.mode & 0o111 != 0;
        if may_have {
            for (key, value) in xattrs_of(dir, &name)? {
                opaque |= OPAQUE.iter().any(|x| key == *x) && value == b"y";
                if key == CAPABILITY && meta.kind == Kind::File {
                    capability = Some(value.into_boxed_slice());
                }
            }
        }
        let child = match meta.kind {
            Kind::Dir => Some(open_dir(dir, &name)?),
            _ => None,
        };
        let index = u32::try_from(self.found.len()).map_err(io::Error::other)?;
        self.found.push(Scanned {
            parent,
            name,
            meta,
            opaque,
            capability,
        });
        match child {
            Some(child) => self.directory(child.as_fd(), Some(index), depth + 1),
            None => Ok(()),
        }
    }
}

fn open_dir(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(dir, name, flags, Mode::empty())?)
}

/// Opens a file of a layer for reading.
pub(crate) fn open_file(root: &Root, path: &[u8]) -> io::Result<std::fs::File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = root.open_at(Path::new(OsStr::from_bytes(path)), flags)?;
    Ok(std::fs::File::from(fd))
}
