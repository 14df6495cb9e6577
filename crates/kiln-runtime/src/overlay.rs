//! Overlay mounts that belong to a descriptor and vanish with it.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, fstat, open};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, unmount,
};

use crate::error::{RuntimeError, Step};
use crate::mounts::clone_at;
use crate::sys;

/// Directories to see as one.
pub struct Overlay<'a> {
    /// The layers, top-most first.
    pub lowers: &'a [PathBuf],
    /// Where changes go, and the empty working directory this needs on the
    /// same file system. Without it the mount is read-only.
    pub upper: Option<(&'a Path, &'a Path)>,
}

/// Mounts an overlay without attaching it anywhere: the mount is the
/// descriptor, and goes away when that is closed.
///
/// A lower directory named more than once counts where it is upper-most. At
/// least one lower is needed; exactly one without an upper is shown as it is.
pub fn mount_overlay(o: &Overlay) -> Result<OwnedFd, RuntimeError> {
    mount(o, true)
}

/// As [`mount_overlay`], for changes that are to be on disk when a process in
/// it has made sure of that, and when it is unmounted.
pub fn mount_overlay_durable(o: &Overlay) -> Result<OwnedFd, RuntimeError> {
    mount(o, false)
}

fn mount(o: &Overlay, volatile: bool) -> Result<OwnedFd, RuntimeError> {
    let lowers = open_lowers(o.lowers)?;
    if let ([lower], None) = (&lowers[..], &o.upper) {
        return read_only_view(lower);
    }
    let upper = match o.upper {
        Some((upper, work)) => Some((open_dir(upper)?, open_dir(work)?)),
        None => None,
    };
    let layers = Layers {
        lowers: lowers.iter().map(fd_path).collect(),
        upper: upper.as_ref().map(|(u, w)| (fd_path(u), fd_path(w))),
        userxattr: !in_initial_user_namespace(),
        volatile,
    };
    match layers.mount_detached() {
        Ok(fd) => Ok(fd),
        Err(first) => match layers.mount_legacy() {
            Ok(fd) => Ok(fd),
            Err(_) => Err(first),
        },
    }
    .step("mount overlay")
}

fn open_dir(path: &Path) -> Result<OwnedFd, RuntimeError> {
    open(
        path,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .step(format!("open {}", path.display()))
}

fn open_lowers(paths: &[PathBuf]) -> Result<Vec<OwnedFd>, RuntimeError> {
    let mut seen = HashSet::new();
    let mut out = Vec::with_capacity(paths.len());
    for path in paths {
        let fd = open_dir(path)?;
        let stat = fstat(&fd).step(format!("stat {}", path.display()))?;
        if seen.insert((stat.st_dev, stat.st_ino)) {
            out.push(fd);
        }
    }
    Ok(out)
}

fn read_only_view(lower: &OwnedFd) -> Result<OwnedFd, RuntimeError> {
    let tree = clone_at(lower, false).step("clone the mount of a layer")?;
    match sys::mount_setattr(&tree, sys::RDONLY, false) {
        // Kernels before 5.12 cannot; nobody writes there anyway.
        Err(e) if e.raw_os_error() == Some(libc::ENOSYS) => Ok(()),
        result => result.step("make a layer read-only"),
    }?;
    Ok(tree)
}

/// A short name for a directory, free of characters that mean something in
/// mount options.
fn fd_path(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Whether no user namespace was entered: all ids are themselves.
fn in_initial_user_namespace() -> bool {
    fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_ascii_whitespace().eq(["0", "0", "4294967295"]))
}

struct Layers {
    lowers: Vec<String>,
    upper: Option<(String, String)>,
    userxattr: bool,
    volatile: bool,
}

impl Layers {
    /// Options with a value, the same for both ways of mounting.
    fn options(&self) -> [(&'static str, &'static str); 4] {
        // `off` may still follow, which does not go with `userxattr`.
        let redirect = if self.userxattr { "nofollow" } else { "off" };
        [
            ("redirect_dir", redirect),
            ("index", "off"),
            ("metacopy", "off"),
            ("xino", "off"),
        ]
    }

    fn flags(&self) -> Vec<&'static str> {
        let mut out = Vec::new();
        if self.upper.is_some() && self.volatile {
            out.push("volatile");
        }
        if self.userxattr {
            out.push("userxattr");
        }
        out
    }

    fn mount_detached(&self) -> io::Result<OwnedFd> {
        let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        let fill = || -> rustix::io::Result<()> {
            fsconfig_set_string(&fs, "source", "overlay")?;
            for lower in &self.lowers {
                fsconfig_set_string(&fs, "lowerdir+", lower.as_str())?;
            }
            if let Some((upper, work)) = &self.upper {
                fsconfig_set_string(&fs, "upperdir", upper.as_str())?;
                fsconfig_set_string(&fs, "workdir", work.as_str())?;
            }
            for (key, value) in self.options() {
                fsconfig_set_string(&fs, key, value)?;
            }
            for flag in self.flags() {
                fsconfig_set_flag(&fs, flag)?;
            }
            fsconfig_create(&fs)
        };
        fill().map_err(|e| with_kernel_log(&fs, e.into()))?;
        Ok(fsmount(
            &fs,
            FsMountFlags::FSMOUNT_CLOEXEC,
            MountAttrFlags::empty(),
        )?)
    }

    /// For kernels before 6.5: one option string, a directory to mount on,
    /// and a detached copy of that.
    fn mount_legacy(&self) -> io::Result<OwnedFd> {
        let mut data = format!("lowerdir={}", self.lowers.join(":"));
        if let Some((upper, work)) = &self.upper {
            data.push_str(&format!(",upperdir={upper},workdir={work}"));
        }
        for (key, value) in self.options() {
            data.push_str(&format!(",{key}={value}"));
        }
        for flag in self.flags() {
            data.push_str(&format!(",{flag}"));
        }
        if data.len() >= 4096 {
            return Err(io::Error::other("too many layers for this kernel"));
        }
        let data = std::ffi::CString::new(data)?;
        let point = scratch_dir()?;
        let result =
            rustix::mount::mount("overlay", &point, "overlay", MountFlags::empty(), &*data)
                .map_err(io::Error::from)
                .and_then(|()| {
                    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                    let tree = rustix::fs::openat(CWD, &point, flags, Mode::empty())
                        .map_err(io::Error::from)
                        .and_then(|dir| clone_at(dir, false));
                    let _ = unmount(&point, UnmountFlags::DETACH);
                    tree
                });
        let _ = fs::remove_dir(&point);
        result
    }
}

fn scratch_dir() -> io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let base = std::env::temp_dir();
    for n in 0..1000 {
        let path = base.join(format!("kiln-mount-{}-{n}", std::process::id()));
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
            result => return result.map(|()| path),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// What the kernel says about a refused configuration says more than the
/// error number.
fn with_kernel_log(fs: &OwnedFd, error: io::Error) -> io::Error {
    let mut said = String::new();
    let mut buffer = [0; 1024];
    while let Ok(n) = rustix::io::read(fs, &mut buffer) {
        if n == 0 || said.len() > 4096 {
            break;
        }
        said.push_str("; ");
        said.push_str(String::from_utf8_lossy(&buffer[..n]).trim());
    }
    if said.is_empty() {
        error
    } else {
        io::Error::new(error.kind(), format!("{error}{said}"))
    }
}
