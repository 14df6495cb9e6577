//! Terminals, made in the container's own `/dev/pts`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::process::ioctl_tiocsctty;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::mounts::is_device;

/// A new terminal: the side that shows it, and the side of the processes.
pub(crate) struct Pty {
    pub master: OwnedFd,
    pub slave: OwnedFd,
}

/// Makes a terminal. The root is the container's, whose processes may have
/// changed what they could: the device must be the one it should be.
pub(crate) fn open(size: Option<(u16, u16)>) -> io::Result<Pty> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = openat2(
        CWD,
        "/dev/pts/ptmx",
        flags,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS,
    )?;
    if !is_device(&master, (5, 2))? {
        return Err(io::Error::other("/dev/pts/ptmx is not the terminal device"));
    }
    unlockpt(&master)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    if let Some((rows, columns)) = size {
        resize(&master, rows, columns)?;
    }
    Ok(Pty { master, slave })
}

/// Tells the processes of a terminal its size.
pub(crate) fn resize(master: impl AsFd, rows: u16, columns: u16) -> io::Result<()> {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(tcsetwinsize(master, size)?)
}

/// Makes a terminal the one of this process, which leads a session.
pub(crate) fn take(slave: &OwnedFd) -> io::Result<()> {
    ioctl_tiocsctty(slave)?;
    rustix::stdio::dup2_stdin(slave)?;
    rustix::stdio::dup2_stdout(slave)?;
    Ok(rustix::stdio::dup2_stderr(slave)?)
}
