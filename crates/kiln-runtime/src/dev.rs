//! `/dev`: the few devices every program expects.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, makedev, mkdirat, mknodat, openat, symlinkat};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use crate::error::{RuntimeError, Step};
use crate::mounts::{attach, clone_at, host_device, new_fs, open_plain};

const DEVICES: [(&str, (u32, u32)); 6] = [
    ("null", (1, 3)),
    ("zero", (1, 5)),
    ("full", (1, 7)),
    ("random", (1, 8)),
    ("urandom", (1, 9)),
    ("tty", (5, 0)),
];

const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

/// Mounts `/dev` on `target`.
pub(crate) fn mount(target: impl AsFd) -> Result<(), RuntimeError> {
    let nosuid = MountAttrFlags::MOUNT_ATTR_NOSUID;
    let noexec = nosuid | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let strict = nosuid | MountAttrFlags::MOUNT_ATTR_STRICTATIME;
    let dev = new_fs("tmpfs", &[("mode", "755"), ("size", "65536k")], strict);
    let dev = dev.step("make /dev")?;
    attach(&dev, target).step("mount /dev")?;
    for (name, number) in DEVICES {
        device(&dev, name, number).step(format!("make /dev/{name}"))?;
    }
    for (name, to) in LINKS {
        symlinkat(to, &dev, name).step(format!("make /dev/{name}"))?;
    }
    let options = [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620")];
    let with_gid = [&options[..], &[("gid", "5")]].concat();
    // Group 5 does not exist where only one id does.
    let pts = new_fs("devpts", &with_gid, noexec).or_else(|_| new_fs("devpts", &options, noexec));
    place(&dev, "pts", pts)?;
    let nodev = noexec | MountAttrFlags::MOUNT_ATTR_NODEV;
    let shm = new_fs("tmpfs", &[("mode", "1777"), ("size", "65536k")], nodev);
    place(&dev, "shm", shm)?;
    match new_fs("mqueue", &[], nodev) {
        // Not every kernel has message queues.
        Err(e) if e.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        mqueue => place(&dev, "mqueue", mqueue),
    }
}

fn place(dev: &OwnedFd, name: &str, mount: io::Result<OwnedFd>) -> Result<(), RuntimeError> {
    let step = || format!("mount /dev/{name}");
    let mount = mount.step(step())?;
    mkdirat(dev, name, Mode::from_raw_mode(0o755)).step(step())?;
    let target = open_plain(dev, name).step(step())?;
    attach(mount, target).step(step())
}

fn device(dev: &OwnedFd, name: &str, number: (u32, u32)) -> io::Result<()> {
    let mode = Mode::from_raw_mode(0o666);
    let node = makedev(number.0, number.1);
    match mknodat(dev, name, FileType::CharacterDevice, mode, node) {
        // In a user namespace nodes cannot be made: show those of the host.
        Err(Errno::PERM) => {
            let source = clone_at(host_device(name, number)?, false)?;
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::WRONLY;
            openat(dev, name, flags, Mode::empty())?;
            attach(source, open_plain(dev, name)?)
        }
        result => Ok(result?),
    }
}
