//! What a process sees besides its root: mounts of its own.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Gid, Mode, OFlags, Uid, fchmod, fchown, fstat, fstatfs, mkdirat, openat};
use rustix::mount::MountAttrFlags;
use serde::{Deserialize, Serialize};

use crate::error::{RuntimeError, Step};
use crate::mounts::{attach, clone_at, is_dir, new_fs, open_in, open_plain};
use crate::stubs::Stubs;
use crate::sys;

/// More mounts than one message has descriptors for are refused.
pub(crate) const MOST: usize = 200;

/// Something to be seen at a path of the root.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Where, absolute. What is not there is made for the time of the process.
    pub target: String,
    /// Whether it can't be written.
    pub read_only: bool,
    /// What.
    pub source: Source,
}

/// What is mounted.
#[derive(Clone, Debug)]
pub enum Source {
    /// What lies at a path in a detached mount; symbolic links don't lead out of that.
    Tree {
        /// The mount, which is used up.
        mount: Arc<OwnedFd>,
        /// The path; empty for the mount's root.
        path: String,
    },
    /// An empty directory in memory.
    Tmpfs {
        /// The most it holds, in bytes.
        size: Option<u64>,
    },
    /// A file in memory.
    File {
        /// What is in it.
        content: Private,
        /// Its mode.
        mode: u32,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
    },
}

/// Bytes that no message shows.
#[derive(Clone)]
pub struct Private(pub Vec<u8>);

impl fmt::Debug for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(private)")
    }
}

/// A detached mount of the file or directory a descriptor names, with all that is mounted below
/// it. What is mounted there later stays there.
pub fn detach(fd: BorrowedFd) -> Result<OwnedFd, RuntimeError> {
    let mount = clone_at(fd, true).step("clone a mount")?;
    sys::make_private(&mount).step("make a mount private")?;
    Ok(mount)
}

/// A mount as the helper is told of it; trees and files come as descriptors, in the same order.
#[derive(Serialize, Deserialize)]
pub(crate) struct Volume {
    target: String,
    read_only: bool,
    is_dir: bool,
    /// Nothing was there before.
    fresh: bool,
    kind: Kind,
}

#[derive(Serialize, Deserialize)]
enum Kind {
    Tree { path: String },
    Tmpfs { size: Option<u64> },
    File { mode: u32, uid: u32, gid: u32 },
}

/// Makes the mount points, and what the helper is to be told and given.
pub(crate) fn prepare(
    mounts: &[Mount],
    root: BorrowedFd,
    stubs: &mut Stubs,
    file: impl Fn(&[u8]) -> io::Result<OwnedFd>,
) -> Result<(Vec<Volume>, Vec<Arc<OwnedFd>>), RuntimeError> {
    if mounts.len() > MOST {
        return Err(RuntimeError::Setup(format!(
            "{} mounts are more than the {MOST} a step may have",
            mounts.len()
        )));
    }
    let (mut volumes, mut fds) = (Vec::new(), Vec::new());
    let mut sorted: Vec<&Mount> = mounts.iter().collect();
    sorted.sort_by(|a, b| a.target.cmp(&b.target));
    let mut above: Vec<&str> = vec!["/proc", "/sys", "/dev"];
    for mount in sorted {
        let target = mount.target.as_str();
        let (kind, is_dir) = match &mount.source {
            Source::Tree { mount, path } => {
                let is_dir = match path.as_str() {
                    "" => is_dir(mount),
                    path => open_in(mount, path, OFlags::PATH).and_then(is_dir),
                };
                fds.push(mount.clone());
                let kind = Kind::Tree { path: path.clone() };
                (kind, is_dir.step(format!("look at {path}"))?)
            }
            Source::Tmpfs { size } => (Kind::Tmpfs { size: *size }, true),
            Source::File {
                content,
                mode,
                uid,
                gid,
            } => {
                let fd = file(&content.0).step(format!("write the file for {target}"))?;
                fds.push(Arc::new(fd));
                let (mode, uid, gid) = (*mode, *uid, *gid);
                (Kind::File { mode, uid, gid }, false)
            }
        };
        // Inside of another mount, what is below that doesn't count.
        let inside = above.iter().any(|a| is_below(target, a));
        let fresh = !inside
            && stubs
                .ensure(root, target, is_dir)
                .step(format!("make the mount point {target}"))?;
        above.push(target);
        volumes.push(Volume {
            target: target.to_owned(),
            read_only: mount.read_only,
            is_dir,
            fresh,
            kind,
        });
    }
    Ok((volumes, fds))
}

fn is_below(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Mounts the volumes in the complete root; `scratch` is an attached file system of our own.
pub(crate) fn mount_all(
    volumes: &[Volume],
    fds: Vec<OwnedFd>,
    root: &OwnedFd,
    scratch: &OwnedFd,
) -> Result<(), RuntimeError> {
    let mut fds = fds.into_iter();
    for (n, volume) in volumes.iter().enumerate() {
        let place = || -> io::Result<OwnedFd> {
            let name = format!("volume-{n}");
            mkdirat(scratch, name.as_str(), Mode::from_raw_mode(0o700))?;
            open_plain(scratch, &name)
        };
        let point = volume.point(root)?;
        let mount = match &volume.kind {
            Kind::Tmpfs { size } => tmpfs(volume, *size, &point),
            Kind::Tree { path } => given(&mut fds).and_then(|fd| tree(fd, path, place)),
            Kind::File { mode, uid, gid } => {
                given(&mut fds).and_then(|fd| file(fd, (*mode, *uid, *gid), place))
            }
        };
        let step = || format!("mount {}", volume.target);
        let mount = mount.step(step())?;
        if volume.read_only {
            sys::mount_setattr(&mount, sys::RDONLY, true).step(step())?;
        }
        attach(mount, point).step(step())?;
    }
    Ok(())
}

fn given(fds: &mut impl Iterator<Item = OwnedFd>) -> io::Result<OwnedFd> {
    fds.next()
        .ok_or_else(|| io::Error::other("its descriptor is missing"))
}

impl Volume {
    /// The mount point, made if it is inside of another mount and not there.
    fn point(&self, root: &OwnedFd) -> Result<OwnedFd, RuntimeError> {
        const PROC_SUPER_MAGIC: i64 = 0x9fa0;
        let target = &self.target;
        let mut stubs = Stubs::default();
        let made = stubs.ensure(root.as_fd(), target, self.is_dir);
        // In a mount they stay, as an image's layer has none of them.
        stubs.keep();
        made.step(format!("make the mount point {target}"))?;
        let point = open_in(root, target, OFlags::PATH).step(format!("open {target}"))?;
        let fs = fstatfs(&point).step(format!("look at {target}"))?;
        if fs.f_type as i64 == PROC_SUPER_MAGIC {
            return Err(RuntimeError::Setup(format!(
                "{target} is inside of /proc, where nothing may be mounted"
            )));
        }
        Ok(point)
    }
}

/// As runc does it: a directory that was there before lends its mode.
fn tmpfs(volume: &Volume, size: Option<u64>, point: &OwnedFd) -> io::Result<OwnedFd> {
    let mode = match volume.fresh {
        true => 0o1777,
        false => fstat(point)?.st_mode & 0o7777,
    };
    let (mode, size) = (format!("{mode:o}"), size.map(|s| s.to_string()));
    let mut options = vec![("mode", mode.as_str())];
    options.extend(size.as_deref().map(|s| ("size", s)));
    new_fs("tmpfs", &options, MountAttrFlags::MOUNT_ATTR_NOSUID)
}

fn tree(
    mount: OwnedFd,
    path: &str,
    place: impl Fn() -> io::Result<OwnedFd>,
) -> io::Result<OwnedFd> {
    sys::make_private(&mount)?;
    if path.is_empty() {
        return Ok(mount);
    }
    // Parts are taken of attached mounts only.
    attach(&mount, place()?)?;
    clone_at(open_in(&mount, path, OFlags::PATH)?, true)
}

fn file(
    content: OwnedFd,
    (mode, uid, gid): (u32, u32, u32),
    place: impl Fn() -> io::Result<OwnedFd>,
) -> io::Result<OwnedFd> {
    let mut bytes = Vec::new();
    File::from(content).read_to_end(&mut bytes)?;
    let quiet = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let fs = new_fs("tmpfs", &[("mode", "700")], quiet)?;
    attach(&fs, place()?)?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let fd = openat(&fs, "file", flags, Mode::from_raw_mode(0o600))?;
    let mut file = File::from(fd);
    file.write_all(&bytes)?;
    fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    fchmod(&file, Mode::from_raw_mode(mode))?;
    clone_at(open_plain(&fs, "file")?, false)
}
