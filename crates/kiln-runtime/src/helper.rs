//! The helper process: alone with its one thread it makes the namespaces,
//! starts the process in them, and sees to it that nothing outlives the
//! caller.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, pidfd_open, pidfd_send_signal, setsid,
    waitpid,
};
use rustix::thread::UnshareFlags;

use crate::error::{RuntimeError, Step};
use crate::process::{Network, Spec};
use crate::wire::{Report, receive_fds, send_report};
use crate::{idmap, init, mounts, sys};

/// The hidden first argument that makes the program the helper.
pub(crate) const WORD: &str = "kiln-runtime-helper";

/// Acts as the helper and never returns when the program was started for
/// that. Must be the first thing `main` does.
pub fn helper_main_if_asked() {
    if std::env::args_os().nth(1).is_none_or(|word| word != WORD) {
        return;
    }
    if std::env::args_os()
        .nth(2)
        .is_some_and(|word| word == idmap::HOLD)
    {
        sys::exit_now(i32::from(idmap::hold().is_err()));
    }
    let Ok(caller) = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3) else {
        sys::exit_now(1)
    };
    let report = match start(&caller) {
        Ok(child) => supervise(&caller, child),
        Err(e) => Report::Failed(e),
    };
    send_report(&caller, &report);
    sys::exit_now(0)
}

/// Starts the first process of the new namespaces.
fn start(caller: &OwnedFd) -> Result<Pid, RuntimeError> {
    let mut fds = receive_fds(caller)
        .step("receive the specification")?
        .into_iter();
    let (Some(spec), Some(root)) = (fds.next(), fds.next()) else {
        return Err(RuntimeError::Setup("the caller is gone".into()));
    };
    let mut bytes = Vec::new();
    File::from(spec)
        .read_to_end(&mut bytes)
        .step("read the specification")?;
    let spec: Spec = serde_json::from_slice(&bytes)
        .map_err(std::io::Error::from)
        .step("read the specification")?;
    let stdin = if spec.has_stdin { fds.next() } else { None };
    let volumes: Vec<OwnedFd> = fds.collect();
    // Signals of the caller's terminal are the caller's business.
    let _ = setsid();
    // Kernels before 6.15 do not copy detached mounts: move it then, which
    // works once.
    let root = mounts::clone_at(&root, true).unwrap_or(root);
    let mut flags = UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    if spec.process.network == Network::None {
        flags |= UnshareFlags::NEWNET;
    }
    sys::unshare(flags).step("make namespaces")?;
    if spec.process.network == Network::None {
        let any = socket(AddressFamily::INET, SocketType::DGRAM, None);
        let any = any.step("make a socket")?;
        sys::loopback_up(any).step("bring the loopback interface up")?;
    }
    match sys::fork().step("fork")? {
        Some(child) => Ok(child),
        None => init::main(&spec, root, volumes, stdin, caller),
    }
}

/// Waits for the process, killing it when the caller says so or is gone.
fn supervise(caller: &OwnedFd, child: Pid) -> Report {
    // The caller sees the end of the output only when nobody holds it.
    if let Ok(null) = openat(CWD, "/dev/null", OFlags::RDWR, Mode::empty()) {
        let _ = rustix::stdio::dup2_stdin(&null);
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
    if let Ok(process) = pidfd_open(child, PidfdFlags::empty()) {
        wait_or_kill(caller, &process);
    }
    loop {
        match waitpid(Some(child), WaitOptions::empty()) {
            Ok(Some((_, status))) => return ended(status),
            Err(rustix::io::Errno::INTR) | Ok(None) => {}
            Err(e) => {
                return Report::Failed(RuntimeError::Setup(format!("wait for the process: {e}")));
            }
        }
    }
}

fn wait_or_kill(caller: &OwnedFd, process: &OwnedFd) {
    loop {
        let mut fds = [
            PollFd::new(caller, PollFlags::IN),
            PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN),
        ];
        if poll(&mut fds, None).is_err() {
            continue;
        }
        if !fds[1].revents().is_empty() {
            return;
        }
        // The caller never says anything more: this is the end.
        if !fds[0].revents().is_empty() {
            let _ = pidfd_send_signal(process, Signal::KILL);
            return;
        }
    }
}

fn ended(status: WaitStatus) -> Report {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Report::Exited(code),
        (None, Some(signal)) => Report::Killed(signal),
        (None, None) => Report::Exited(-1),
    }
}
