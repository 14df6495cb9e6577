//! What a monitor does while its container runs.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{SocketFlags, accept_with};
use rustix::process::{Pid, geteuid};

use super::MESSAGE;
use super::clients::Client;
use super::control::{Answer, Launch};
use super::execs::Exec;
use super::health::Checks;
use super::launch::{now, reap};

use super::log::Log;
use super::network::Joined;
use super::state::{State, Status, write_state};
use super::streams::Streams;
use crate::cgroup::Cgroup;
use crate::freeze::Stopped;
use crate::wire::receive_message;

/// How much input waits for the container.
const INPUT: usize = 128 * 1024;

/// How the processes are kept still.
pub(super) enum Frozen {
    No,
    Group,
    Signals(Stopped),
}

/// A monitor whose container runs.
pub(super) struct Monitor {
    pub(super) launch: Launch,
    pub(super) clients: Vec<Client>,
    pub(super) dir: OwnedFd,
    pub(super) lock: Option<OwnedFd>,
    pub(super) state: State,
    pub(super) cgroup: Option<Cgroup>,
    pub(super) init: Pid,
    pub(super) pidfd: OwnedFd,
    pub(super) streams: Streams,
    pub(super) listener: OwnedFd,
    pub(super) log: Option<Log>,
    pub(super) network: Option<Joined>,
    pub(super) input: VecDeque<u8>,
    pub(super) input_ended: bool,
    pub(super) execs: Vec<Exec>,
    pub(super) checks: Option<Checks>,
    pub(super) frozen: Frozen,
    pub(super) paused: bool,
    pub(super) next_id: u64,
}

/// What a descriptor that is polled belongs to.
#[derive(Clone, Copy)]
enum Token {
    Init,
    Listener,
    Output(usize),
    Input,
    Client(usize),
    Exec(usize),
    ExecSocket(usize),
    ExecTerminal(usize),
    Check,
}

impl Monitor {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        launch: Launch,
        (dir, lock): (OwnedFd, OwnedFd),
        state: State,
        cgroup: Option<Cgroup>,
        (init, pidfd): (Pid, OwnedFd),
        streams: Streams,
        listener: OwnedFd,
        log: Option<Log>,
        network: Option<Joined>,
    ) -> Monitor {
        let checks = launch.spec.health.clone().map(Checks::new);
        Monitor {
            launch,
            clients: Vec::new(),
            dir,
            lock: Some(lock),
            state,
            cgroup,
            init,
            pidfd,
            streams,
            listener,
            log,
            network,
            input: VecDeque::new(),
            input_ended: false,
            execs: Vec::new(),
            checks,
            frozen: Frozen::No,
            paused: false,
            next_id: 1,
        }
    }

    /// Serves until the container's first process, and all others with it,
    /// has ended; gives its exit code.
    pub fn serve(&mut self) -> i32 {
        loop {
            let ready = self.wait();
            for (token, flags) in ready {
                match token {
                    // All others are dead when this one can be waited for.
                    Token::Init => return reap(self.init),
                    Token::Listener => self.accept(),
                    Token::Output(n) => {
                        self.read_output(n, false);
                    }
                    Token::Input => self.write_input(),
                    Token::Client(n) => self.client(n, flags),
                    Token::Exec(n) => self.exec_ended(n),
                    Token::ExecSocket(n) => self.exec_news(n),
                    Token::ExecTerminal(n) => self.drain_terminal(n),
                    Token::Check => {
                        if let Some(checks) = &mut self.checks {
                            checks.read();
                        }
                    }
                }
            }
            self.sweep();
            self.timers();
        }
    }

    /// Waits for something to happen.
    fn wait(&self) -> Vec<(Token, PollFlags)> {
        let mut tokens = vec![Token::Init, Token::Listener];
        let mut fds = vec![
            PollFd::new(&self.pidfd, PollFlags::IN),
            PollFd::new(&self.listener, PollFlags::IN),
        ];
        let slow = self.clients.iter().any(Client::is_slow);
        for (n, (_, fd)) in self.streams.outputs().into_iter().enumerate() {
            if let Some(fd) = fd
                && !slow
            {
                tokens.push(Token::Output(n));
                fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
            }
        }
        if let Some(fd) = self.streams.input()
            && !self.input.is_empty()
        {
            tokens.push(Token::Input);
            fds.push(PollFd::from_borrowed_fd(fd, PollFlags::OUT));
        }
        for (n, client) in self.clients.iter().enumerate() {
            let mut flags = PollFlags::empty();
            if self.input.len() < INPUT {
                flags |= PollFlags::IN;
            }
            if client.has_queue() {
                flags |= PollFlags::OUT;
            }
            tokens.push(Token::Client(n));
            fds.push(PollFd::new(&client.socket, flags));
        }
        for (n, exec) in self.execs.iter().enumerate() {
            tokens.push(Token::Exec(n));
            fds.push(PollFd::new(&exec.pidfd, PollFlags::IN));
            if let Some(socket) = &exec.socket {
                tokens.push(Token::ExecSocket(n));
                fds.push(PollFd::new(socket, PollFlags::IN));
            }
            if let (Some(terminal), true) = (&exec.terminal, exec.detach && exec.socket.is_none()) {
                tokens.push(Token::ExecTerminal(n));
                fds.push(PollFd::new(terminal, PollFlags::IN));
            }
        }
        if let Some(pipe) = self.checks.as_ref().and_then(Checks::pipe) {
            tokens.push(Token::Check);
            fds.push(PollFd::from_borrowed_fd(pipe, PollFlags::IN));
        }
        let timeout = self.next_timer().map(|at| {
            let left = at.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            Timespec {
                tv_sec: left.as_secs() as _,
                tv_nsec: left.subsec_nanos() as _,
            }
        });
        if poll(&mut fds, timeout.as_ref()).is_err() {
            return Vec::new();
        }
        let mut out: Vec<(Token, PollFlags)> = tokens
            .into_iter()
            .zip(&fds)
            .filter(|(_, fd)| !fd.revents().is_empty())
            .map(|(token, fd)| (token, fd.revents()))
            .collect();
        // Lists are worked on from their ends, so that numbers stay right;
        // the end of all comes last.
        out.reverse();
        out
    }

    fn next_timer(&self) -> Option<Instant> {
        let due = self.checks.as_ref().filter(|_| !self.is_frozen())?.due();
        let deadlines = self.execs.iter().filter_map(|exec| exec.deadline);
        deadlines.chain(due).min()
    }

    pub(super) fn is_frozen(&self) -> bool {
        !matches!(self.frozen, Frozen::No)
    }

    /// Takes a piece of output, or all there is; `false` at its end.
    fn read_output(&mut self, n: usize, all: bool) -> bool {
        let mut buffer = [0; MESSAGE / 2];
        loop {
            let [first, second] = self.streams.outputs();
            let (stream, fd) = if n == 0 { first } else { second };
            let Some(fd) = fd else { return false };
            match rustix::io::read(fd, &mut buffer) {
                Ok(len) if len > 0 => {
                    let bytes = &buffer[..len];
                    if let Some(log) = &mut self.log {
                        log.write(stream, bytes);
                    }
                    for client in &mut self.clients {
                        client.output(stream, bytes);
                    }
                    if !all {
                        return true;
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return true,
                // A terminal that no process has open any more says EIO.
                _ => {
                    match (n, self.streams.terminal.is_some()) {
                        (0, true) => self.streams.terminal = None,
                        (0, false) => self.streams.stdout = None,
                        _ => self.streams.stderr = None,
                    }
                    return false;
                }
            }
        }
    }

    pub(super) fn write_input(&mut self) {
        let Some(fd) = self.streams.input() else {
            self.input.clear();
            return;
        };
        let (front, _) = self.input.as_slices();
        match rustix::io::write(fd, front) {
            Ok(n) => {
                self.input.drain(..n);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => {
                self.input.clear();
                self.streams.stdin = None;
            }
        }
        self.end_input();
    }

    pub(super) fn end_input(&mut self) {
        if self.input_ended && self.input.is_empty() {
            self.streams.stdin = None;
        }
    }

    fn accept(&mut self) {
        let Ok(socket) = accept_with(&self.listener, SocketFlags::CLOEXEC) else {
            return;
        };
        // The directory is the user's alone; this is for certain.
        if socket_peercred(&socket).is_ok_and(|peer| peer.uid == geteuid()) {
            self.clients.push(Client::new(self.next_id, socket));
            self.next_id += 1;
        }
    }

    fn client(&mut self, n: usize, flags: PollFlags) {
        let Some(client) = self.clients.get_mut(n) else {
            return;
        };
        if flags.contains(PollFlags::OUT) {
            client.flush();
        }
        if !flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            return;
        }
        let mut buffer = vec![0; MESSAGE];
        match receive_message(&client.socket, &mut buffer) {
            Ok((len, fds)) if len > 0 => self.message(n, &buffer[..len], fds),
            _ => client.gone = true,
        }
    }

    /// Forgets clients that are gone, and what they asked for.
    fn sweep(&mut self) {
        let gone = |c: &Client| c.gone;
        if !self.clients.iter().any(gone) {
            return;
        }
        let held = self.clients.iter().any(|c| c.gone && c.holds);
        let stdin = self
            .clients
            .iter()
            .any(|c| c.gone && c.attached.as_ref().is_some_and(|a| a.stdin));
        self.clients.retain(|c| !c.gone);
        if held {
            let _ = self.thaw_if_free();
        }
        if stdin {
            self.no_more_input();
        }
    }

    /// Writes down how the container ended, cleans up, and tells everybody.
    pub fn finish(mut self, code: i32, after: impl FnOnce()) {
        for n in [0, 1] {
            self.read_output(n, true);
        }
        if let Some(log) = &mut self.log {
            log.finish();
        }
        for exec in std::mem::take(&mut self.execs) {
            let code = reap(exec.pid);
            if let Some(client) = self.of_client(exec.client) {
                client.answer(&Answer::Exited(code));
            }
        }
        if let Some(network) = self.network.take() {
            network.end();
        }
        self.state.oom_killed = self.cgroup.as_ref().is_some_and(Cgroup::out_of_memory);
        if let Some(cgroup) = self.cgroup.take() {
            cgroup.remove();
        }
        let _ = unlinkat(&self.dir, "sock", AtFlags::empty());
        self.state.status = Status::Exited;
        self.state.exit_code = code;
        self.state.finished_at = now();
        self.state.pid = 0;
        self.state.cgroup.clear();
        self.state.helpers.clear();
        let _ = write_state(&self.dir, &self.state);
        after();
        // From here on the container may be started again or removed.
        self.lock = None;
        for client in &mut self.clients {
            if client.waits || client.attached.is_some() {
                client.answer(&Answer::Exited(code));
            }
        }
        self.flush_all();
    }

    /// Stays until everybody has read what there is for them.
    fn flush_all(&mut self) {
        loop {
            self.clients.retain(Client::has_queue);
            if self.clients.is_empty() {
                return;
            }
            let mut fds: Vec<PollFd> = self
                .clients
                .iter()
                .map(|c| PollFd::new(&c.socket, PollFlags::OUT))
                .collect();
            if poll(&mut fds, None).is_err() {
                continue;
            }
            drop(fds);
            for client in &mut self.clients {
                client.flush();
            }
        }
    }
}
