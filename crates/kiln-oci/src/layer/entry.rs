//! Unpacks the entries of one tar.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use kiln_tree::{Kind, Root, meta_at, remove_all, set_owner, set_xattr};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, chmodat, futimens, linkat, makedev,
    mkdirat, mknodat, openat, symlinkat, utimensat,
};
use rustix::io::Errno;
use tar::EntryType;

use super::apply::{Applied, ApplyOptions, Ids, Whiteouts};
use super::pax::{Fields, PaxFilter};
use super::recipe::Contents;
use super::{MAX_DEPTH, OPAQUE, OPAQUE_XATTRS, PAX_XATTR, TOO_DEEP, WHITEOUT, carried};
use crate::OciError;
use crate::guard::{Budget, Guard};

const BUFFER: usize = 128 * 1024;

/// Unpacks every entry of a tar.
pub(super) fn unpack(tar: impl Read, unpacker: &mut Unpacker<'_>) -> Result<(), OciError> {
    let (guard, budget) = Guard::new(tar);
    let (filter, records) = PaxFilter::new(guard);
    let mut archive = tar::Archive::new(filter);
    for entry in archive.entries().map_err(OciError::Tar)? {
        let mut entry = entry.map_err(OciError::Tar)?;
        budget.renew();
        let records = std::mem::take(&mut *records.borrow_mut());
        unpacker.entry(&mut entry, &records, &budget)?;
        budget.renew();
    }
    // To the very end: padding belongs to the digest, and a checksum may come last.
    let mut rest = archive.into_inner().into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(OciError::Tar)?;
    Ok(())
}

/// The state of unpacking one tar.
pub(super) struct Unpacker<'o> {
    root: Root,
    options: &'o ApplyOptions,
    /// The directory of the last entry, since the next is most likely there too.
    parent: Option<Parent>,
    /// Directories whose times are set at the end, when nothing more is written into them.
    times: Vec<(PathBuf, Timestamps)>,
    buffer: Vec<u8>,
    done: Applied,
    /// Who wants to know where contents are, and the files they were told of.
    recorder: Option<Recorder<'o>>,
}

/// A directory that was looked up.
struct Parent {
    /// As the tar calls it.
    path: PathBuf,
    fd: OwnedFd,
    /// Where it is, links followed; known while something is recorded.
    real: PathBuf,
}

struct Recorder<'o> {
    contents: Rc<RefCell<dyn Contents + 'o>>,
    /// Where they are, links followed: what replaces one may come by another way.
    files: BTreeSet<PathBuf>,
    /// Where the directory is that is unpacked to.
    root: PathBuf,
}

/// What an entry's header says, checked.
struct Head {
    path: PathBuf,
    /// The target of a link.
    link: Vec<u8>,
    mode: u32,
    owner: Option<(u32, u32)>,
    times: Timestamps,
    xattrs: Vec<(OsString, Vec<u8>)>,
}

impl<'o> Unpacker<'o> {
    pub(super) fn new(dir: BorrowedFd<'_>, options: &'o ApplyOptions) -> Result<Self, OciError> {
        let fd = dir
            .try_clone_to_owned()
            .map_err(OciError::io("opening the target directory"))?;
        Ok(Unpacker {
            root: Root::from_fd(fd),
            options,
            parent: None,
            times: Vec::new(),
            buffer: vec![0; BUFFER],
            done: Applied::default(),
            recorder: None,
        })
    }

    /// Has the place of each file's content recorded.
    pub(super) fn record(&mut self, contents: Rc<RefCell<dyn Contents + 'o>>) -> io::Result<()> {
        self.recorder = Some(Recorder {
            contents,
            files: BTreeSet::new(),
            root: real_path(&self.root.as_fd().try_clone_to_owned()?)?,
        });
        Ok(())
    }

    /// Sets what could not be set before.
    pub(super) fn finish(self) -> Applied {
        for (path, times) in self.times.iter().rev() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            // What the tar replaced meanwhile has its own times.
            if let Ok(dir) = self.root.open_at(path, flags) {
                let _ = futimens(&dir, times);
            }
        }
        self.done
    }

    fn entry<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        records: &Fields,
        budget: &Budget,
    ) -> Result<(), OciError> {
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        self.done.entries += 1;
        if self.done.entries > self.options.limits.entries {
            let most = self.options.limits.entries;
            return Err(OciError::Limit(format!("more than {most} entries")));
        }
        let head = self.head(entry, records)?;
        let shown = head.path.display().to_string();
        self.place(entry, kind, head, budget).map_err(|e| match e {
            Failure::Io(source) => OciError::Io {
                what: format!("unpacking {shown:?}"),
                source,
            },
            Failure::Read(e) => OciError::Tar(e),
            Failure::Bad(why) => OciError::Entry { name: shown, why },
            Failure::Limit(why) => OciError::Limit(why),
        })
    }

    fn head<R: Read>(&self, entry: &tar::Entry<'_, R>, records: &Fields) -> Result<Head, OciError> {
        let of = |key: &[u8]| records.get(key);
        let raw = match of(b"path") {
            Some(path) => path.clone(),
            None => entry.path_bytes().into_owned(),
        };
        let bad = |why: &str| {
            let mut name = String::from_utf8_lossy(&raw).into_owned();
            if name.chars().count() > 200 {
                name = name.chars().take(200).chain("…".chars()).collect();
            }
            OciError::Entry {
                name,
                why: why.to_owned(),
            }
        };
        if raw.len() > self.options.limits.name {
            return Err(bad("the name is too long"));
        }
        let path = clean(&raw).map_err(bad)?;
        if path.components().count() > MAX_DEPTH {
            return Err(bad(TOO_DEEP));
        }
        let mut xattrs = Vec::new();
        let mut precise = None;
        for (key, value) in records {
            if let Some(name) = key.strip_prefix(PAX_XATTR.as_bytes()) {
                if carried(name) {
                    xattrs.push((OsString::from_vec(name.to_vec()), value.clone()));
                }
            } else if key == b"mtime" {
                precise = parse_time(value);
            } else if key.starts_with(b"GNU.sparse.") {
                return Err(bad(
                    "sparse files in PAX form are not supported; make the archive without --sparse",
                ));
            }
        }
        let link = match of(b"linkpath") {
            Some(link) => link.clone(),
            None => entry.link_name_bytes().unwrap_or_default().into_owned(),
        };
        let header = entry.header();
        let old = header.as_old();
        let number = |field: &[u8], n: io::Result<u64>| match n {
            // Some writers leave fields empty, which other readers take for zero.
            Err(_) if field.iter().all(|b| matches!(b, 0 | b' ')) => Ok(0),
            other => other.map_err(OciError::Tar),
        };
        let id = |n: u64| u32::try_from(n).map_err(|_| bad("the owner's number is out of range"));
        let owner = match self.options.ids {
            Ids::Own => None,
            Ids::Keep => Some((
                id(number(&old.uid, header.uid())?)?,
                id(number(&old.gid, header.gid())?)?,
            )),
        };
        let mtime = match precise {
            Some(time) => time,
            None => Timespec {
                tv_sec: i64::try_from(number(&old.mtime, header.mtime())?).unwrap_or(i64::MAX),
                tv_nsec: 0,
            },
        };
        Ok(Head {
            path,
            link,
            mode: number(&old.mode, header.mode().map(u64::from))? as u32 & 0o7777,
            owner,
            times: Timestamps {
                last_access: mtime,
                last_modification: mtime,
            },
            xattrs,
        })
    }

    fn place<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        kind: EntryType,
        head: Head,
        budget: &Budget,
    ) -> Result<(), Failure> {
        let Some(name) = head.path.file_name().map(OsStr::to_owned) else {
            // The root itself.
            let dir = self.root.open_dir(Path::new("."))?;
            if kind == EntryType::Directory {
                self.dress(dir.as_fd(), OsStr::new("."), &head, true)?;
                self.times.push((PathBuf::from("."), head.times));
            }
            return Ok(());
        };
        let dir = self.parent_of(&head.path)?;
        let dir = dir.as_fd();
        let real = self.parent.as_ref().map(|p| p.real.join(&name));
        let real = real.unwrap_or_default();
        if self.options.whiteouts == Whiteouts::Overlay && name.as_bytes().starts_with(WHITEOUT) {
            return self.whiteout(dir, &name);
        }
        if kind == EntryType::Directory {
            self.directory(dir, &name, &head, &real)?;
            self.times.push((head.path, head.times));
            return Ok(());
        }
        self.clear(dir, &name, &real)?;
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                return self.file(entry, dir, &name, &head, &real, budget);
            }
            EntryType::Link => return self.hard_link(&head, dir, &name),
            EntryType::Symlink => {
                let target = &head.link;
                if target.is_empty() {
                    return Err(Failure::Bad("a symbolic link without a target".into()));
                }
                self.done.link_bytes += target.len() as u64;
                symlinkat(OsStr::from_bytes(target), dir, &name)?;
                // Paths that were resolved before may lead elsewhere now.
                self.parent = None;
            }
            EntryType::Fifo => mknodat(dir, &name, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?,
            EntryType::Char | EntryType::Block => {
                if !self.device(entry, kind, dir, &name)? {
                    return Ok(());
                }
            }
            other => {
                let why = format!("unknown type {:?}", char::from(other.as_byte()));
                return Err(Failure::Bad(why));
            }
        }
        self.dress(dir, &name, &head, kind != EntryType::Symlink)?;
        utimensat(dir, &name, &head.times, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(())
    }

    /// The directory an entry is in; one that is missing is made as tar does, root's and 0755.
    fn parent_of(&mut self, path: &Path) -> Result<OwnedFd, Failure> {
        let parent = path.parent().unwrap_or(Path::new(""));
        if let Some(known) = &self.parent
            && known.path == parent
        {
            return Ok(known.fd.try_clone()?);
        }
        let (uid, gid) = match self.options.ids {
            Ids::Keep => (0, 0),
            Ids::Own => (
                rustix::process::geteuid().as_raw(),
                rustix::process::getegid().as_raw(),
            ),
        };
        let (fd, _) = self.root.mkdir_all(parent, 0o755, uid, gid)?;
        let real = match &self.recorder {
            Some(recorder) => real_path(&fd)?
                .strip_prefix(&recorder.root)
                .map_err(|_| Failure::Bad("it is in a directory that was moved away".into()))?
                .to_owned(),
            None => PathBuf::new(),
        };
        self.parent = Some(Parent {
            path: parent.to_owned(),
            fd: fd.try_clone()?,
            real,
        });
        Ok(fd)
    }

    /// Makes room for an entry that is no directory.
    fn clear(&mut self, dir: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<(), Failure> {
        match meta_at(dir, name) {
            Ok(meta) => {
                if let Some(recorder) = &self.recorder
                    && recorder.holds(path)
                {
                    return Err(Failure::Bad("it is in the layer twice".into()));
                }
                if meta.kind == Kind::Dir {
                    self.parent = None;
                }
                Ok(remove_all(dir, name)?)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    fn directory(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        head: &Head,
        real: &Path,
    ) -> Result<(), Failure> {
        match mkdirat(dir, name, Mode::from_raw_mode(0o700)) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let there = meta_at(dir, name)?;
                if there.kind != Kind::Dir {
                    self.clear(dir, name, real)?;
                    mkdirat(dir, name, Mode::from_raw_mode(0o700))?;
                }
                // Deleted and made anew: what the layers below have in it stays deleted.
                if self.options.whiteouts == Whiteouts::Overlay && there.is_whiteout() {
                    set_opaque(dir, name)?;
                }
            }
            Err(e) => return Err(e.into()),
        }
        self.dress(dir, name, head, true)
    }

    fn file<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        head: &Head,
        real: &Path,
        budget: &Budget,
    ) -> Result<(), Failure> {
        let most = self.options.limits.bytes;
        if entry.size() > most - self.done.bytes {
            return Err(Failure::Limit(format!(
                "its files are larger than {most} bytes"
            )));
        }
        self.done.bytes += entry.size();
        if let Some(recorder) = &mut self.recorder
            && entry.header().entry_type() != EntryType::GNUSparse
            && entry.size() > 0
        {
            let mut contents = recorder.contents.borrow_mut();
            contents.file(real, entry.size())?;
            recorder.files.insert(real.to_owned());
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(dir, name, flags, Mode::from_raw_mode(0o600))?;
        let mut file = std::fs::File::from(fd);
        let mut left = entry.size();
        while left > 0 {
            let n = entry.read(&mut self.buffer).map_err(Failure::Read)?;
            budget.renew();
            if n == 0 {
                let e = io::Error::new(io::ErrorKind::UnexpectedEof, "it ends in a file");
                return Err(Failure::Read(e));
            }
            io::Write::write_all(&mut file, &self.buffer[..n])?;
            left = left.saturating_sub(n as u64);
        }
        self.dress(dir, name, head, true)?;
        Ok(futimens(&file, &head.times)?)
    }

    fn hard_link(&self, head: &Head, dir: BorrowedFd<'_>, name: &OsStr) -> Result<(), Failure> {
        let target =
            clean(&head.link).map_err(|why| Failure::Bad(format!("its link target: {why}")))?;
        let (from, from_name) = self.root.parent_of(&target)?;
        match linkat(&from, &from_name, dir, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Err(Failure::Bad(format!(
                "its link target {:?} is not there",
                target.display().to_string()
            ))),
            other => Ok(other?),
        }
    }

    /// Makes a device; false where only root could.
    fn device<R: Read>(
        &mut self,
        entry: &tar::Entry<'_, R>,
        kind: EntryType,
        dir: BorrowedFd<'_>,
        name: &OsStr,
    ) -> Result<bool, Failure> {
        // Fields that can't be read are empty ones: other readers take them for zero.
        let number = |n: io::Result<Option<u32>>| n.ok().flatten().unwrap_or(0);
        let major = number(entry.header().device_major());
        let minor = number(entry.header().device_minor());
        let kind = match kind {
            // To overlayfs this is a deletion, and nothing else ever has that number.
            EntryType::Char if (major, minor) == (0, 0) => return Ok(false),
            EntryType::Char => FileType::CharacterDevice,
            _ => FileType::BlockDevice,
        };
        let mode = Mode::from_raw_mode(0o600);
        match mknodat(dir, name, kind, mode, makedev(major, minor)) {
            Err(Errno::PERM) => {
                self.done.devices_skipped += 1;
                Ok(false)
            }
            other => Ok(other.map(|()| true)?),
        }
    }

    /// Turns a layer's deletion into overlayfs's. It is about the layers below: what this one has
    /// of that name stays (OCI layer.md, "Whiteouts").
    fn whiteout(&mut self, dir: BorrowedFd<'_>, name: &OsStr) -> Result<(), Failure> {
        if name.as_bytes() == OPAQUE {
            return set_opaque(dir, OsStr::new("."));
        }
        let hidden = OsStr::from_bytes(&name.as_bytes()[WHITEOUT.len()..]);
        if hidden.is_empty() || hidden == "." || hidden == ".." {
            return Err(Failure::Bad("a deletion of nothing".into()));
        }
        // aufs's own notes.
        if hidden.as_bytes().starts_with(WHITEOUT) {
            return Ok(());
        }
        match meta_at(dir, hidden) {
            Ok(meta) if meta.kind == Kind::Dir => set_opaque(dir, hidden),
            Ok(_) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let mode = Mode::from_raw_mode(0);
                Ok(mknodat(dir, hidden, FileType::CharacterDevice, mode, 0)?)
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Owner, attributes and mode, in this order: a change of owner takes set-id bits and
    /// capabilities away.
    fn dress(
        &self,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        head: &Head,
        has_mode: bool,
    ) -> Result<(), Failure> {
        if let Some((uid, gid)) = head.owner {
            set_owner(dir, name, uid, gid)?;
        }
        for (key, value) in &head.xattrs {
            match set_xattr(dir, name, key, value) {
                // A file system or user that can't have them: docker goes on too.
                Err(e) if matches!(kiln_tree::errno(&e), Some(Errno::OPNOTSUPP | Errno::PERM)) => {}
                other => other?,
            }
        }
        if has_mode {
            chmodat(dir, name, Mode::from_raw_mode(head.mode), AtFlags::empty())?;
        }
        Ok(())
    }
}

/// Marks a directory as hiding all that the layers below have in it.
fn set_opaque(dir: BorrowedFd<'_>, name: &OsStr) -> Result<(), Failure> {
    let [trusted, user] = OPAQUE_XATTRS.map(OsStr::new);
    // In a user namespace only the second can be set, and only that is looked at.
    match set_xattr(dir, name, trusted, b"y") {
        Err(e) if kiln_tree::errno(&e) == Some(Errno::PERM) => {
            Ok(set_xattr(dir, name, user, b"y")?)
        }
        other => Ok(other?),
    }
}

impl Recorder<'_> {
    /// Whether the content of this file, or of one below this directory, is in the recipe.
    fn holds(&self, path: &Path) -> bool {
        // What is below a path comes right after it.
        let mut from = self.files.range(path.to_owned()..);
        from.next().is_some_and(|f| f.starts_with(path))
    }
}

/// Where an open directory is.
fn real_path(dir: &OwnedFd) -> io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{}", dir.as_raw_fd()))
}

/// Why an entry could not be unpacked.
enum Failure {
    Io(io::Error),
    Read(io::Error),
    Bad(String),
    Limit(String),
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Failure {
        Failure::Io(e)
    }
}

impl From<Errno> for Failure {
    fn from(e: Errno) -> Failure {
        Failure::Io(e.into())
    }
}

/// A name without leading slashes, `.` and `..`; one that leads out is refused.
fn clean(raw: &[u8]) -> Result<PathBuf, &'static str> {
    if raw.contains(&0) {
        return Err("the name has a zero byte");
    }
    let mut path = PathBuf::new();
    for part in raw.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                if !path.pop() {
                    return Err("the name leads out of the directory it is unpacked in");
                }
            }
            name => path.push(OsStr::from_bytes(name)),
        }
    }
    Ok(path)
}

/// PAX times: seconds since 1970, perhaps negative, perhaps with a fraction.
fn parse_time(value: &[u8]) -> Option<Timespec> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let mut nanos: i64 = digits.parse().ok()?;
    if whole.starts_with('-') && nanos > 0 {
        seconds = seconds.checked_sub(1)?;
        nanos = 1_000_000_000 - nanos;
    }
    Some(Timespec {
        tv_sec: seconds,
        tv_nsec: nanos,
    })
}
