//! What a monitor does for those who ask it.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};

use super::control::{Answer, Request, tag};
use super::execs;
use super::launch::root_of;
use super::serve::{Frozen, Monitor};
use super::state::{Status, write_state};
use crate::cgroup::Usage;
use crate::container::pty;
use crate::container::spec::ExecSpec;
use crate::error::RuntimeError;
use crate::freeze::{self, Stopped};
use crate::process::Network;

impl Monitor {
    pub(super) fn message(&mut self, n: usize, message: &[u8], fds: Vec<OwnedFd>) {
        let attached = self.clients[n].attached.clone().unwrap_or_default();
        match message {
            [tag::REQUEST, text @ ..] => match serde_json::from_slice(text) {
                Ok(request) => self.request(n, request, fds),
                Err(_) => self.clients[n].gone = true,
            },
            [tag::INPUT, bytes @ ..]
                if attached.stdin && self.streams.input().is_some() && !self.input_ended =>
            {
                self.input.extend(bytes);
                self.write_input();
            }
            [tag::INPUT_END] if attached.stdin => self.no_more_input(),
            [tag::SIZE, a, b, c, d] => {
                if let Some(terminal) = &self.streams.terminal {
                    let rows = u16::from_ne_bytes([*a, *b]);
                    let columns = u16::from_ne_bytes([*c, *d]);
                    let _ = pty::resize(terminal, rows, columns);
                }
            }
            _ => {}
        }
    }

    pub(super) fn no_more_input(&mut self) {
        // A terminal has no end: whoever leaves it may come back.
        if self.launch.spec.stdin_once && !self.launch.spec.tty {
            self.input_ended = true;
            self.end_input();
        }
    }

    pub(super) fn request(&mut self, n: usize, request: Request, fds: Vec<OwnedFd>) {
        let failed = |e: RuntimeError| Answer::Failed(e.kind(), e.to_string());
        let done = |result: Result<(), RuntimeError>| match result {
            Ok(()) => Answer::Done,
            Err(e) => failed(e),
        };
        let answer = match request {
            Request::Attach(attach) => {
                self.clients[n].attached = Some(attach);
                Answer::Done
            }
            Request::Exec(exec) => match self.exec(self.clients[n].id, &exec, fds) {
                Ok(()) => return,
                Err(e) => failed(e),
            },
            Request::Signal(signal) => done(self.signal(signal)),
            Request::Freeze => {
                let result = self.still(true);
                self.paused = result.is_ok();
                self.tell_status();
                done(result)
            }
            Request::Thaw => {
                self.paused = false;
                let result = self.thaw_if_free();
                self.tell_status();
                done(result)
            }
            Request::Hold => {
                let result = self.still(true);
                self.clients[n].holds = result.is_ok();
                done(result)
            }
            Request::Wait => {
                self.clients[n].waits = true;
                return;
            }
            Request::Processes => Answer::Processes(self.processes()),
            Request::Usage => Answer::Usage(self.usage()),
            Request::Root => match root_of(self.init) {
                Ok(fd) => {
                    self.clients[n].answer_with(&Answer::Done, fd.as_fd());
                    return;
                }
                Err(e) => failed(RuntimeError::Setup(format!("the container's root: {e}"))),
            },
        };
        self.clients[n].answer(&answer);
    }

    pub(super) fn signal(&mut self, signal: i32) -> Result<(), RuntimeError> {
        let known = Signal::from_named_raw(signal)
            .ok_or_else(|| RuntimeError::Setup(format!("invalid signal: {signal}")))?;
        match pidfd_send_signal(&self.pidfd, known) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(e) => return Err(RuntimeError::Setup(format!("send signal {signal}: {e}"))),
        }
        // A process that is kept still would never know.
        if signal == libc::SIGKILL || signal == self.launch.spec.stop_signal {
            self.paused = false;
            let _ = self.still(false);
            self.tell_status();
        }
        Ok(())
    }

    /// Stops all processes, or lets them go on.
    pub(super) fn still(&mut self, still: bool) -> Result<(), RuntimeError> {
        let failed = |e: std::io::Error| RuntimeError::Setup(format!("pause the container: {e}"));
        match (still, &mut self.frozen) {
            (true, Frozen::No) => {
                self.frozen = match &self.cgroup {
                    Some(cgroup) if cgroup.can_freeze() => {
                        cgroup.freeze(true).map_err(failed)?;
                        Frozen::Group
                    }
                    _ => Frozen::Signals(Stopped::all(&self.roots()).map_err(failed)?),
                };
            }
            (true, _) | (false, Frozen::No) => {}
            (false, Frozen::Group) => {
                if let Some(cgroup) = &self.cgroup {
                    cgroup.freeze(false).map_err(failed)?;
                }
                self.frozen = Frozen::No;
            }
            (false, Frozen::Signals(stopped)) => {
                stopped.go_on();
                self.frozen = Frozen::No;
            }
        }
        Ok(())
    }

    pub(super) fn thaw_if_free(&mut self) -> Result<(), RuntimeError> {
        match self.paused || self.clients.iter().any(|c| c.holds && !c.gone) {
            true => Ok(()),
            false => self.still(false),
        }
    }

    /// Writes down whether the container is paused.
    pub(super) fn tell_status(&mut self) {
        self.state.status = match self.paused {
            true => Status::Paused,
            false => Status::Running,
        };
        let _ = write_state(&self.dir, &self.state);
    }

    pub(super) fn roots(&self) -> Vec<i32> {
        let execs = self.execs.iter().map(|exec| exec.pid);
        std::iter::once(self.init)
            .chain(execs)
            .map(|pid| pid.as_raw_nonzero().get())
            .collect()
    }

    pub(super) fn processes(&self) -> Vec<i32> {
        match &self.cgroup {
            Some(cgroup) => cgroup.processes(),
            None => freeze::family(&self.roots()),
        }
    }

    pub(super) fn usage(&self) -> Usage {
        let mut usage = match &self.cgroup {
            Some(cgroup) => cgroup.usage(),
            None => Usage::default(),
        };
        if self.cgroup.is_none() {
            let page = rustix::param::page_size() as u64;
            let tick = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
            let stats = self.processes().into_iter().filter_map(freeze::stat);
            for stat in stats {
                usage.pids += stat.threads;
                usage.memory += stat.pages * page;
                usage.cpu += stat.ticks * tick;
            }
        }
        if self.launch.spec.process.network == Network::Host {
            return usage;
        }
        let pid = self.init.as_raw_nonzero();
        let network = std::fs::read_to_string(format!("/proc/{pid}/net/dev"));
        for line in network.unwrap_or_default().lines() {
            let Some((name, numbers)) = line.split_once(':') else {
                continue;
            };
            let numbers: Vec<u64> = numbers
                .split_whitespace()
                .filter_map(|n| n.parse().ok())
                .collect();
            if let (false, Some(received), Some(sent)) =
                (name.trim() == "lo", numbers.first(), numbers.get(8))
            {
                usage.network.0 += received;
                usage.network.1 += sent;
            }
        }
        usage
    }

    pub(super) fn exec(
        &mut self,
        client: u64,
        exec: &ExecSpec,
        fds: Vec<OwnedFd>,
    ) -> Result<(), RuntimeError> {
        if self.is_frozen() {
            let what = "the container is paused, unpause the container before exec";
            return Err(RuntimeError::Setup(what.into()));
        }
        let stdio = match (exec.tty, <[OwnedFd; 3]>::try_from(fds)) {
            (true, _) => None,
            // Anything else, a directory say, could be a way out.
            (false, Ok(fds)) if fds.iter().all(is_pipe) => Some(fds),
            _ => return Err(RuntimeError::Setup("exec needs three pipes".into())),
        };
        let begun = execs::begin(
            &self.launch.spec,
            exec,
            self.pidfd.as_fd(),
            stdio,
            self.cgroup.as_ref(),
            client,
        )?;
        self.execs.push(begun);
        Ok(())
    }
}

fn is_pipe(fd: &OwnedFd) -> bool {
    fstat(fd).is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Fifo)
}
