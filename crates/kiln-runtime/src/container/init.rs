//! The first process of a container, from the fork to its command.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, openat};
use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{
    DumpableBehavior, Signal, set_dumpable_behavior, set_parent_process_death_signal, setsid, umask,
};
use rustix::thread::{CapabilitySet, UnshareFlags};

use super::spec::ContainerSpec;
use super::{mounts, pty, reaper};
use crate::cgroup::Cgroup;
use crate::error::{RuntimeError, Step};
use crate::mounts::{attach, clone_at};
use crate::process::{Network, Spec};
use crate::wire::{Report, receive_byte, send_byte, send_report};
use crate::{confine, exec, init, rootfs, sys};

/// What the process gets from its monitor.
pub(crate) struct Parts<'a> {
    pub spec: &'a ContainerSpec,
    /// A writable detached mount.
    pub root: OwnedFd,
    /// Standard input, which may be nothing, output and error; absent with a
    /// terminal.
    pub stdio: Option<(Option<OwnedFd>, [OwnedFd; 2])>,
    pub cgroup: Option<&'a Cgroup>,
    /// To the monitor.
    pub socket: OwnedFd,
}

/// Becomes the command, or reports why not.
pub(crate) fn main(parts: Parts) -> ! {
    let spec = parts.spec;
    let error = match prepare(parts).and_then(|()| become_command(spec)) {
        Ok(never) => match never {},
        Err(e) => e,
    };
    // As long as the descriptors of the monitor are there, so is the socket,
    // at 3 if it got that far.
    send_report(sys::fd3(), &Report::Failed(error));
    sys::exit_now(1)
}

fn prepare(parts: Parts) -> Result<(), RuntimeError> {
    let Parts {
        spec,
        root,
        stdio,
        cgroup,
        socket: monitor,
    } = parts;
    // Nothing below is to be seen or touched by anybody in the container.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let p = &spec.process;
    let root = keep_3_free(root)?;
    let monitor = keep_3_free(monitor)?;
    sys::dup_to_3(&monitor).step("set up descriptors")?;
    if let Some(cgroup) = cgroup {
        cgroup.enter().step("enter the control group")?;
    }
    let root = crate::mounts::clone_at(&root, true).unwrap_or(root);
    let mut flags =
        UnshareFlags::NEWNS | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS | UnshareFlags::NEWCGROUP;
    if p.network == Network::None {
        flags |= UnshareFlags::NEWNET;
    }
    sys::unshare(flags).step("make namespaces")?;
    if p.network == Network::None {
        let any = socket(AddressFamily::INET, SocketType::DGRAM, None);
        sys::loopback_up(any.step("make a socket")?).step("bring the loopback interface up")?;
    }
    setsid().step("make a session")?;
    sys::new_keyring();
    rustix::system::sethostname(p.hostname.as_bytes()).step("set the host name")?;
    let etc = Spec {
        process: p.clone(),
        resolv_conf: spec.resolv_conf.clone(),
        has_stdin: false,
        volumes: Vec::new(),
    };
    rootfs::enter_with(&etc, root, |root, _| {
        for mount in &spec.mounts {
            mounts::mount(root, mount)?;
        }
        match spec.read_only {
            true => sys::mount_setattr(root, sys::RDONLY, false).step("make the root read-only"),
            false => Ok(()),
        }
    })?;
    match stdio {
        Some((stdin, [stdout, stderr])) => {
            init::set_stdin(stdin).step("set up the standard input")?;
            rustix::stdio::dup2_stdout(stdout).step("set up the standard output")?;
            rustix::stdio::dup2_stderr(stderr).step("set up the standard error")?;
            init::own_stdio(p.uid);
            tell_and_wait(None)?;
        }
        None => terminal(spec)?,
    }
    umask(Mode::from_raw_mode(0o022));
    std::mem::forget(monitor);
    sys::close_from(4).step("close descriptors")
}

/// Descriptor 3 is where the socket goes.
fn keep_3_free(fd: OwnedFd) -> Result<OwnedFd, RuntimeError> {
    rustix::io::fcntl_dupfd_cloexec(fd, 10).step("set up descriptors")
}

fn terminal(spec: &ContainerSpec) -> Result<(), RuntimeError> {
    let pty = pty::open(spec.size).step("make a terminal")?;
    let uid = Some(rustix::fs::Uid::from_raw(spec.process.uid));
    let _ = rustix::fs::fchown(&pty.slave, uid, None);
    // The console is that terminal.
    let console = || -> std::io::Result<()> {
        mknodat(
            CWD,
            "/dev/console",
            FileType::RegularFile,
            Mode::from_raw_mode(0o600),
            0,
        )?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let place = openat(CWD, "/dev/console", flags, Mode::empty())?;
        attach(clone_at(&pty.slave, false)?, place)
    };
    console().step("make /dev/console")?;
    pty::take(&pty.slave).step("take the terminal")?;
    tell_and_wait(Some(pty.master))
}

/// Tells the monitor that all is made, and waits until it has done its part.
fn tell_and_wait(master: Option<OwnedFd>) -> Result<(), RuntimeError> {
    send_byte(sys::fd3(), master.as_ref().map(|fd| fd.as_fd())).step("tell the monitor")?;
    match receive_byte(sys::fd3()) {
        Ok(true) => Ok(()),
        _ => Err(RuntimeError::Setup("the monitor is gone".into())),
    }
}

fn become_command(spec: &ContainerSpec) -> Result<std::convert::Infallible, RuntimeError> {
    let p = &spec.process;
    init::change_dir(&p.cwd)?;
    if spec.init {
        // The one that stays behind keeps its rights over its children; it
        // dies with the monitor as the command does.
        die_with_parent()?;
        reaper::stay(spec.tty).step("make the first process")?;
    }
    confine::drop_rights(p, CapabilitySet::from_bits_retain(spec.capabilities))?;
    sys::reset_signals();
    // A change of identity clears this, so it comes last.
    die_with_parent()?;
    Err(exec::exec(p))
}

/// Has this process killed when its parent dies. One that is dead already is
/// known by its end of the socket.
pub(crate) fn die_with_parent() -> Result<(), RuntimeError> {
    set_parent_process_death_signal(Some(Signal::KILL)).step("set the death signal")?;
    let fd3 = sys::fd3();
    let mut fds = [PollFd::new(&fd3, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let _ = poll(&mut fds, Some(&now));
    match fds[0].revents().contains(PollFlags::HUP) {
        true => Err(RuntimeError::Setup("the monitor is gone".into())),
        false => Ok(()),
    }
}
