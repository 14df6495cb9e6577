//! Further processes in a container, from the request to their end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::launch::reap;
use crate::cgroup::Cgroup;
use crate::container::join;
use crate::container::spec::{ContainerSpec, ExecSpec};
use crate::error::{RuntimeError, Step};
use crate::sys;
use crate::wire::{Report, message_pair, read_report, receive_message, send_byte};

/// A process that was asked for.
pub(super) struct Exec {
    /// Who asked, 0 for nobody.
    pub client: u64,
    pub pid: Pid,
    pub pidfd: OwnedFd,
    /// Until the command is executed.
    pub socket: Option<OwnedFd>,
    /// Its terminal, for a client that hasn't got it yet or for nobody.
    pub terminal: Option<OwnedFd>,
    pub detach: bool,
    /// When it is to be killed.
    pub deadline: Option<Instant>,
}

/// What happened to a process.
pub(super) enum News {
    /// Nothing new.
    None,
    /// The command is executed.
    Started,
    /// It is not, and won't be.
    Failed(RuntimeError),
}

/// Forks the process into the container.
pub(super) fn begin(
    spec: &ContainerSpec,
    exec: &ExecSpec,
    init: BorrowedFd,
    stdio: Option<[OwnedFd; 3]>,
    cgroup: Option<&Cgroup>,
    client: u64,
) -> Result<Exec, RuntimeError> {
    let (socket, theirs) = message_pair()?;
    let Some(between) = sys::fork().step("fork")? else {
        join::main(join::Parts {
            exec,
            capabilities: spec.capabilities,
            init,
            network: spec.process.network,
            stdio,
            cgroup,
            socket: theirs,
        })
    };
    drop((theirs, stdio));
    reap(between);
    let mut out = None;
    let mut terminal = None;
    let mut ready = false;
    // The one between has told the id or a failure; the process itself may
    // have been quicker.
    while out.is_none() {
        let mut buffer = vec![0; 16 * 1024];
        let (n, fds) = receive_message(&socket, &mut buffer).step("hear from the process")?;
        match &buffer[..n] {
            [] => return Err(RuntimeError::Setup("the process died".into())),
            [b'P', id @ ..] => {
                let id = <[u8; 4]>::try_from(id).map(i32::from_ne_bytes);
                out = id.ok().and_then(Pid::from_raw);
            }
            [b'f'] => {
                ready = true;
                terminal = fds.into_iter().next();
            }
            report => match read_report(report) {
                Some(Report::Failed(e)) => return Err(e),
                _ => return Err(RuntimeError::Setup("the process talks nonsense".into())),
            },
        }
    }
    let pid = out.ok_or_else(|| RuntimeError::Setup("the process has no id".into()))?;
    // It is our child: its id stays its own until it is waited for.
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).step("open the process")?;
    if ready {
        let _ = send_byte(&socket, None);
    }
    Ok(Exec {
        client,
        pid,
        pidfd,
        socket: Some(socket),
        terminal,
        detach: exec.detach,
        deadline: None,
    })
}

impl Exec {
    /// Reads what the process sends before it executes the command.
    pub fn hear(&mut self) -> News {
        let Some(socket) = &self.socket else {
            return News::None;
        };
        let mut buffer = vec![0; 16 * 1024];
        match receive_message(socket.as_fd(), &mut buffer) {
            Ok((0, _)) | Err(Errno::CONNRESET) => {
                self.socket = None;
                News::Started
            }
            Ok((n, fds)) => match read_report(&buffer[..n]) {
                Some(Report::Failed(e)) => {
                    self.socket = None;
                    News::Failed(e)
                }
                _ => {
                    self.terminal = fds.into_iter().next();
                    let _ = send_byte(socket, None);
                    News::None
                }
            },
            Err(_) => News::None,
        }
    }

    /// Kills it.
    pub fn kill(&self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}
