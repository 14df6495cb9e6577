//! What becomes of further processes, and the checks of a container's health.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use super::clients::Client;
use super::control::Answer;
use super::execs::{self, Exec, News};
use super::launch::reap;
use super::serve::Monitor;
use super::state::write_state;
use crate::container::spec::ExecSpec;
use crate::error::RuntimeError;

impl Monitor {
    pub(super) fn of_client(&mut self, id: u64) -> Option<&mut Client> {
        self.clients.iter_mut().find(|c| c.id == id && id != 0)
    }

    pub(super) fn exec_news(&mut self, n: usize) {
        let Some(exec) = self.execs.get_mut(n) else {
            return;
        };
        let id = exec.client;
        match exec.hear() {
            News::None => {}
            News::Started => {
                let terminal = match exec.detach {
                    true => None,
                    false => exec.terminal.take(),
                };
                if let Some(client) = self.of_client(id) {
                    match terminal {
                        Some(fd) => client.answer_with(&Answer::Started, fd.as_fd()),
                        None => client.answer(&Answer::Started),
                    }
                }
            }
            News::Failed(e) => {
                let health = id == 0;
                exec.client = u64::MAX;
                if let Some(client) = self.of_client(id) {
                    client.answer(&Answer::Failed(e.kind(), e.to_string()));
                }
                if health {
                    self.check_ended(Err(e.to_string()));
                }
            }
        }
    }

    pub(super) fn exec_ended(&mut self, n: usize) {
        if n >= self.execs.len() {
            return;
        }
        // What it said last may not have been heard yet.
        while self.execs[n].socket.is_some() {
            self.exec_news(n);
        }
        let exec = self.execs.swap_remove(n);
        let code = reap(exec.pid);
        if exec.client == 0 {
            self.check_ended(Ok(code));
        } else if let Some(client) = self.of_client(exec.client) {
            client.answer(&Answer::Exited(code));
        }
    }

    /// Nobody reads what a detached process writes to its terminal.
    pub(super) fn drain_terminal(&mut self, n: usize) {
        let Some(exec) = self.execs.get_mut(n) else {
            return;
        };
        let mut buffer = [0; 4096];
        let read = exec
            .terminal
            .as_ref()
            .map(|fd| rustix::io::read(fd, &mut buffer));
        if !matches!(read, Some(Ok(1..)) | Some(Err(Errno::INTR))) {
            exec.terminal = None;
        }
    }

    pub(super) fn timers(&mut self) {
        let now = Instant::now();
        for exec in &mut self.execs {
            if exec.deadline.is_some_and(|at| at <= now) {
                exec.deadline = None;
                exec.kill();
                if let Some(checks) = &mut self.checks {
                    checks.late();
                }
            }
        }
        let frozen = self.is_frozen();
        if let Some(checks) = &mut self.checks
            && !frozen
            && checks.due().is_some_and(|at| at <= now)
        {
            self.begin_check();
        }
    }

    pub(super) fn begin_check(&mut self) {
        let Some(checks) = &mut self.checks else {
            return;
        };
        let mut process = self.launch.spec.process.clone();
        process.argv = checks.argv().to_vec();
        let exec = ExecSpec {
            process,
            tty: false,
            size: None,
            detach: true,
        };
        let begun = (|| -> Result<(Exec, OwnedFd), RuntimeError> {
            let io = |e: Errno| RuntimeError::Setup(format!("make a pipe: {e}"));
            let (pipe, out) = pipe_with(PipeFlags::CLOEXEC).map_err(io)?;
            let (stdin, _) = pipe_with(PipeFlags::CLOEXEC).map_err(io)?;
            rustix::io::ioctl_fionbio(&pipe, true).map_err(io)?;
            let err = rustix::io::fcntl_dupfd_cloexec(&out, 3).map_err(io)?;
            let exec = execs::begin(
                &self.launch.spec,
                &exec,
                self.pidfd.as_fd(),
                Some([stdin, out, err]),
                self.cgroup.as_ref(),
                0,
            )?;
            Ok((exec, pipe))
        })();
        match begun {
            Ok((mut exec, pipe)) => {
                exec.deadline = Some(checks.begin(pipe));
                self.execs.push(exec);
            }
            Err(e) => self.check_ended(Err(e.to_string())),
        }
    }

    pub(super) fn check_ended(&mut self, code: Result<i32, String>) {
        if let (Some(checks), Some(health)) = (&mut self.checks, &mut self.state.health) {
            checks.end(code, health);
            let _ = write_state(&self.dir, &self.state);
        }
    }
}
