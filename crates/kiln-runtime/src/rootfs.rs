//! Making the root file system complete and entering it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, mkdirat, openat, statx};
use rustix::mount::{MountAttrFlags, MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::{chdir, fchdir, pivot_root, umask};

use crate::error::{RuntimeError, Step};
use crate::mounts::{attach, clone_at, is_dir, new_fs, open_in, open_plain};
use crate::process::Spec;
use crate::sys;
use crate::{dev, procfs, volumes};

/// Makes `root` the root file system of this process, complete with
/// `/proc`, `/sys`, `/dev` and the files of `/etc` that describe the host.
///
/// Every target is found below `root` by descriptor, and everything is
/// attached by descriptor: no path of the root is ever looked up as one of
/// the host.
pub(crate) fn enter(spec: &Spec, root: OwnedFd, volumes: Vec<OwnedFd>) -> Result<(), RuntimeError> {
    enter_with(spec, root, |root, scratch| {
        volumes::mount_all(&spec.volumes, volumes, root, scratch)
    })
}

/// As [`enter`], with something else being mounted below the complete root;
/// a scratch file system is there for it.
pub(crate) fn enter_with(
    spec: &Spec,
    root: OwnedFd,
    more: impl FnOnce(&OwnedFd, &OwnedFd) -> Result<(), RuntimeError>,
) -> Result<(), RuntimeError> {
    umask(Mode::empty());
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .step("make mounts private")?;
    let proc = procfs::new_proc().step("make /proc")?;
    let sysfs = procfs::new_sys().step("make /sys")?;
    let scratch = Scratch::new(spec)?;
    let place = open_plain(&scratch.0, "root").step("open the place of the root")?;
    attach(&root, place).step("mount the root file system")?;

    attach(&proc, ordinary_dir(&root, "/proc")?).step("mount /proc")?;
    attach(&sysfs, ordinary_dir(&root, "/sys")?).step("mount /sys")?;
    let empty = open_plain(&scratch.0, "empty").step("open the empty directory")?;
    procfs::restrict_proc(&proc, &empty)?;
    procfs::restrict_sys(&sysfs, &empty)?;
    dev::mount(target(&root, "/dev", true)?)?;
    for name in ["resolv.conf", "hosts", "hostname"] {
        let path = format!("/etc/{name}");
        let file = scratch.file(name).step(format!("make {path}"))?;
        attach(file, target(&root, &path, false)?).step(format!("mount {path}"))?;
    }
    more(&root, &scratch.0)?;
    pivot(&root).step("change the root")
}

/// A small file system of our own: the sources of mounts. It is attached
/// over the host's `/proc`, which is not needed any more, and goes away
/// together with the host's root. (Over that root itself it would be what
/// is taken off in its stead.)
struct Scratch(OwnedFd);

impl Scratch {
    fn new(spec: &Spec) -> Result<Scratch, RuntimeError> {
        let quiet = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let fs = new_fs("tmpfs", &[("mode", "755"), ("size", "16m")], quiet);
        let fs = fs.step("make a scratch file system")?;
        for dir in ["root", "empty"] {
            mkdirat(&fs, dir, Mode::from_raw_mode(0o755)).step("make a directory")?;
        }
        let process = &spec.process;
        let hostname = format!("{}\n", process.hostname);
        for (name, text) in [
            ("resolv.conf", &spec.resolv_conf[..]),
            ("hosts", process.hosts_file().as_bytes()),
            ("hostname", hostname.as_bytes()),
        ] {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            openat(&fs, name, flags, Mode::from_raw_mode(0o644))
                .map_err(io::Error::from)
                .and_then(|fd| File::from(fd).write_all(text))
                .step(format!("write {name}"))?;
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let host = openat(CWD, "/proc", flags, Mode::empty()).step("open /proc")?;
        attach(&fs, host).step("mount a scratch file system")?;
        let empty = open_plain(&fs, "empty").and_then(|fd| clone_at(fd, false));
        let empty = empty.step("make an empty directory")?;
        sys::mount_setattr(&empty, sys::RDONLY, false).step("make it read-only")?;
        let place = open_plain(&fs, "empty").step("open the empty directory")?;
        attach(empty, place).step("mount the empty directory")?;
        Ok(Scratch(fs))
    }

    fn file(&self, name: &str) -> io::Result<OwnedFd> {
        clone_at(open_plain(&self.0, name)?, false)
    }
}

/// A mount point: what the processes in the root see at `path`.
fn target(root: &OwnedFd, path: &str, want_dir: bool) -> Result<OwnedFd, RuntimeError> {
    let fd = open_in(root, path, OFlags::PATH).step(format!("open {path}"))?;
    if is_dir(&fd).step(format!("look at {path}"))? != want_dir {
        let what = if want_dir { "not a" } else { "a" };
        return Err(RuntimeError::Setup(format!("{path} is {what} directory")));
    }
    Ok(fd)
}

/// A mount point that must not be reached through a link, so that the
/// kernel's files are where everybody looks for them.
fn ordinary_dir(root: &OwnedFd, path: &str) -> Result<OwnedFd, RuntimeError> {
    match open_plain(root, path.trim_start_matches('/')) {
        Err(e) if e.raw_os_error() == Some(libc::ELOOP) => Err(RuntimeError::Setup(format!(
            "{path} must be an ordinary directory, not a symbolic link"
        ))),
        result => result.step(format!("open {path}")),
    }
}

fn pivot(root: &OwnedFd) -> io::Result<()> {
    fchdir(root)?;
    // The old root ends up on top of the new one, and is taken off.
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    chdir("/")?;
    // A path that comes back up to the root sees what is on top of it.
    let seen = mount_id(CWD, "/proc/..", AtFlags::empty())?;
    if seen != mount_id(root, "", AtFlags::EMPTY_PATH)? {
        return Err(io::Error::other("the old root is still there"));
    }
    Ok(())
}

fn mount_id(dir: impl AsFd, path: &str, flags: AtFlags) -> io::Result<u64> {
    Ok(statx(dir, path, flags, StatxFlags::MNT_ID)?.stx_mnt_id)
}
