//! One more process of a running container: `exec` and health checks.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Pid, set_dumpable_behavior, setsid, umask};
use rustix::thread::CapabilitySet;

use super::init::die_with_parent;
use super::pty;
use super::spec::ExecSpec;
use crate::cgroup::Cgroup;
use crate::error::{RuntimeError, Step};
use crate::process::Network;
use crate::wire::{Report, receive_byte, send_byte, send_message, send_report};
use crate::{confine, exec, init, sys};

/// What the process gets from the monitor.
pub(crate) struct Parts<'a> {
    pub exec: &'a ExecSpec,
    pub capabilities: u64,
    /// The container's first process.
    pub init: BorrowedFd<'a>,
    /// Whether the container has a network of its own.
    pub network: Network,
    pub stdio: Option<[OwnedFd; 3]>,
    pub cgroup: Option<&'a Cgroup>,
    /// To the monitor.
    pub socket: OwnedFd,
}

/// Enters the container and forks there; the process is a child of the
/// monitor, which is told its id by the socket. Runs in a child that ends.
pub(crate) fn main(parts: Parts) -> ! {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let socket = parts.socket.as_fd();
    match enter(&parts) {
        Ok(Some(pid)) => {
            let id = pid.as_raw_nonzero().get().to_ne_bytes();
            let message = [&b"P"[..], &id].concat();
            let _ = send_message(socket, &message, &[]);
            sys::exit_now(0)
        }
        Ok(None) => command(parts),
        Err(e) => {
            send_report(socket, &Report::Failed(e));
            sys::exit_now(1)
        }
    }
}

fn enter(parts: &Parts) -> Result<Option<Pid>, RuntimeError> {
    if let Some(cgroup) = parts.cgroup {
        cgroup.enter().step("enter the control group")?;
    }
    let mut flags = libc::CLONE_NEWPID
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    if parts.network == Network::None {
        flags |= libc::CLONE_NEWNET;
    }
    sys::enter_namespaces(parts.init, flags).step("enter the container")?;
    sys::fork_sibling().step("fork")
}

fn command(parts: Parts) -> ! {
    let Parts {
        exec,
        capabilities,
        stdio,
        socket,
        ..
    } = parts;
    let error = match prepare(exec, stdio, socket)
        .and_then(|()| become_command(exec, CapabilitySet::from_bits_retain(capabilities)))
    {
        Ok(never) => match never {},
        Err(e) => e,
    };
    send_report(sys::fd3(), &Report::Failed(error));
    sys::exit_now(1)
}

fn prepare(
    exec: &ExecSpec,
    stdio: Option<[OwnedFd; 3]>,
    socket: OwnedFd,
) -> Result<(), RuntimeError> {
    let high = |fd| rustix::io::fcntl_dupfd_cloexec(fd, 10).step("set up descriptors");
    let socket = high(socket)?;
    let stdio = match stdio {
        Some([a, b, c]) => Some([high(a)?, high(b)?, high(c)?]),
        None => None,
    };
    sys::dup_to_3(&socket).step("set up descriptors")?;
    setsid().step("make a session")?;
    sys::new_keyring();
    let mut master = None;
    match stdio {
        Some([stdin, stdout, stderr]) => {
            rustix::stdio::dup2_stdin(stdin).step("set up the standard input")?;
            rustix::stdio::dup2_stdout(stdout).step("set up the standard output")?;
            rustix::stdio::dup2_stderr(stderr).step("set up the standard error")?;
            init::own_stdio(exec.process.uid);
        }
        None => {
            let pty = pty::open(exec.size).step("make a terminal")?;
            let uid = Some(rustix::fs::Uid::from_raw(exec.process.uid));
            let _ = rustix::fs::fchown(&pty.slave, uid, None);
            pty::take(&pty.slave).step("take the terminal")?;
            master = Some(pty.master);
        }
    }
    send_byte(sys::fd3(), master.as_ref().map(|fd| fd.as_fd())).step("tell the monitor")?;
    if !matches!(receive_byte(sys::fd3()), Ok(true)) {
        return Err(RuntimeError::Setup("the monitor is gone".into()));
    }
    drop(master);
    umask(Mode::from_raw_mode(0o022));
    // Whatever is open above was the monitor's.
    std::mem::forget(socket);
    sys::close_from(4).step("close descriptors")
}

fn become_command(
    spec: &ExecSpec,
    capabilities: CapabilitySet,
) -> Result<std::convert::Infallible, RuntimeError> {
    let p = &spec.process;
    init::change_dir(&p.cwd)?;
    confine::drop_rights(p, capabilities)?;
    sys::reset_signals();
    die_with_parent()?;
    Err(exec::exec(p))
}
