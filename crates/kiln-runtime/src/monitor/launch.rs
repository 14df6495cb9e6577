//! A monitor's life: it starts the container, serves, and cleans up.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};
use rustix::process::{Pid, PidfdFlags, WaitOptions, WaitStatus, pidfd_open, setsid, waitpid};

use super::WORD;
use super::clients::Client;
use super::control::{Answer, Launch};
use super::log::Log;
use super::network::Joined;
use super::serve::Monitor;
use super::state::{Health, State, Status, boot_id, read_state, write_state};
use super::streams::Streams;
use crate::cgroup::Cgroup;
use crate::container::init;
use crate::error::{RuntimeError, Step};
use crate::freeze;
use crate::wire::{Report, message_pair, read_report, receive_message, send_byte};
use crate::{mounts, sys};

/// A container has come to its end, or never began.
#[derive(Debug)]
pub struct Ended {
    /// What was handed to [`start`](super::start) for this.
    pub after: String,
    /// Whether its command was executed.
    pub started: bool,
}

/// The time as RFC 3339 has it.
pub(super) fn now() -> String {
    jiff::Timestamp::now().to_string()
}

/// Acts as the monitor of a container when the program was started for that,
/// and tells whether it was. Must be the first thing `main` does.
///
/// `after` is called when the container has ended and its state is written,
/// with its lock still held.
pub fn monitor_if_asked(after: impl FnOnce(&Ended)) -> bool {
    if std::env::args_os().nth(1).is_none_or(|word| word != WORD) {
        return false;
    }
    if let Ok(caller) = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3) {
        let _ = run(caller, after);
    }
    true
}

/// What came with the first message.
struct Given {
    launch: Launch,
    dir: OwnedFd,
    lock: OwnedFd,
    root: OwnedFd,
}

fn receive(caller: &OwnedFd) -> Result<Given, RuntimeError> {
    let (_, fds) = receive_message(caller, &mut [0]).step("receive the specification")?;
    let mut fds = fds.into_iter();
    let (Some(memory), Some(dir), Some(lock), Some(root)) =
        (fds.next(), fds.next(), fds.next(), fds.next())
    else {
        return Err(RuntimeError::Setup("the caller is gone".into()));
    };
    let mut text = Vec::new();
    File::from(memory)
        .read_to_end(&mut text)
        .step("read the specification")?;
    let launch = serde_json::from_slice(&text).map_err(std::io::Error::from);
    Ok(Given {
        launch: launch.step("read the specification")?,
        dir,
        lock,
        root,
    })
}

fn run(caller: OwnedFd, after: impl FnOnce(&Ended)) -> Result<(), RuntimeError> {
    if let Ok(null) = openat(CWD, "/dev/null", OFlags::RDWR, Mode::empty()) {
        let _ = rustix::stdio::dup2_stdin(&null);
    }
    let _ = setsid();
    let Given {
        launch,
        dir,
        lock,
        root,
    } = receive(&caller)?;
    let mut caller = Client::new(0, caller);
    let mut state = State {
        boot: boot_id(),
        ..State::default()
    };
    let mut ended = Ended {
        after: launch.after.clone(),
        started: false,
    };
    let cgroup = Cgroup::make(&launch.spec.id);
    state.cgroup = cgroup.as_ref().map(Cgroup::paths).unwrap_or_default();
    let launched = begin(&launch, &dir, root, cgroup.clone(), &mut state);
    let mut monitor = match launched {
        Ok(launched) => launched.into_monitor(launch, dir, lock, state, cgroup),
        Err(e) => {
            if let Some(cgroup) = &cgroup {
                cgroup.remove();
            }
            // As it was before, but for the reason.
            let before = read_state(&dir).unwrap_or_default();
            let state = State {
                exit_code: e.exit_code().unwrap_or(128),
                error: e.to_string(),
                ..before
            };
            let _ = write_state(&dir, &state);
            after(&ended);
            drop(lock);
            caller.answer(&Answer::Failed(e.kind(), e.to_string()));
            return Ok(());
        }
    };
    ended.started = true;
    caller.attached = monitor.launch.attach.clone();
    caller.answer(&Answer::Started);
    monitor.clients.push(caller);
    let code = monitor.serve();
    monitor.finish(code, || after(&ended));
    Ok(())
}

/// A container whose command was executed.
struct Launched {
    init: Pid,
    pidfd: OwnedFd,
    streams: Streams,
    listener: OwnedFd,
    network: Option<Joined>,
}

/// Makes a socket in the container's directory, for those who come later.
fn listener(dir: &OwnedFd) -> std::io::Result<OwnedFd> {
    let _ = unlinkat(dir, "sock", AtFlags::empty());
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    let path = format!("/proc/self/fd/{}/sock", dir.as_raw_fd());
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    listen(&socket, 64)?;
    Ok(socket)
}

fn begin(
    launch: &Launch,
    dir: &OwnedFd,
    root: OwnedFd,
    cgroup: Option<Cgroup>,
    state: &mut State,
) -> Result<Launched, RuntimeError> {
    let spec = &launch.spec;
    match &cgroup {
        Some(cgroup) => cgroup.limit(&spec.limits).map_err(RuntimeError::Setup)?,
        None if !spec.limits.none() => {
            return Err(RuntimeError::Setup(
                "limits (--memory, --cpus, --pids-limit) need a control group, and none can be \
                 made here: run kiln as root, or where systemd has delegated one to the user"
                    .into(),
            ));
        }
        None => {}
    }
    let listener = listener(dir).step("make the container's socket")?;
    let (socket, theirs) = message_pair()?;
    let (mut streams, stdio) = Streams::make(spec).step("make pipes")?;
    let init = match sys::fork_into_new_pids().step("fork")? {
        Some(pid) => pid,
        None => init::main(init::Parts {
            spec,
            root,
            stdio,
            cgroup: cgroup.as_ref(),
            socket: theirs,
        }),
    };
    // The mount now belongs to the container, and goes away with it.
    drop((theirs, stdio, root));
    let pidfd = pidfd_open(init, PidfdFlags::empty()).step("open the process")?;
    let started = wait_ready(&socket, &mut streams).and_then(|()| {
        let network = match &spec.network {
            Some(network) => Some(Joined::new(network, init, dir)?),
            None => None,
        };
        state.pid = init.as_raw_nonzero().get();
        state.pid_started = freeze::stat(state.pid).map_or(0, |stat| stat.started);
        if let Some(child) = &network {
            let pid = child.id();
            let started = freeze::stat(pid).map_or(0, |stat| stat.started);
            state.helpers.push((pid, started));
        }
        state.status = Status::Running;
        state.started_at = now();
        state.health = spec.health.as_ref().map(|_| Health {
            status: "starting".into(),
            ..Health::default()
        });
        let gone = || RuntimeError::Setup("the container's first process is gone".into());
        send_byte(&socket, None).map_err(|_| gone())?;
        wait_executed(&socket)?;
        write_state(dir, state).step("write the container's state")?;
        Ok(network)
    });
    match started {
        Ok(network) => Ok(Launched {
            init,
            pidfd,
            streams,
            listener,
            network,
        }),
        Err(e) => {
            let _ = rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL);
            let _ = reap(init);
            let _ = unlinkat(dir, "sock", AtFlags::empty());
            Err(e)
        }
    }
}

impl Launched {
    fn into_monitor(
        self,
        launch: Launch,
        dir: OwnedFd,
        lock: OwnedFd,
        state: State,
        cgroup: Option<Cgroup>,
    ) -> Monitor {
        let log = Log::open(&dir, launch.spec.log_bytes.max(4096)).ok();
        Monitor::new(
            launch,
            (dir, lock),
            state,
            cgroup,
            (self.init, self.pidfd),
            self.streams,
            self.listener,
            log,
            self.network,
        )
    }
}

/// Waits until the container's first process has made everything; it sends
/// its terminal then, if it has one.
fn wait_ready(socket: &OwnedFd, streams: &mut Streams) -> Result<(), RuntimeError> {
    let mut buffer = vec![0; 16 * 1024];
    let (n, fds) = receive_message(socket, &mut buffer).step("hear from the container")?;
    if let Some(Report::Failed(e)) = read_report(&buffer[..n]) {
        return Err(e);
    }
    if n == 0 {
        return Err(RuntimeError::Setup(
            "the container's first process died".into(),
        ));
    }
    if let Some(master) = fds.into_iter().next() {
        streams.set_terminal(master).step("set up the terminal")?;
    }
    Ok(())
}

/// Waits until the command is executed: the socket is closed by that.
fn wait_executed(socket: &OwnedFd) -> Result<(), RuntimeError> {
    let mut buffer = vec![0; 16 * 1024];
    match receive_message(socket, &mut buffer) {
        Ok((0, _)) | Err(Errno::CONNRESET) => Ok(()),
        Ok((n, _)) => match read_report(&buffer[..n]) {
            Some(Report::Failed(e)) => Err(e),
            _ => Err(RuntimeError::Setup("the container talks nonsense".into())),
        },
        Err(e) => Err(e).step("hear from the container"),
    }
}

/// Waits for a child that has ended or will; gives its exit code as a shell
/// has it.
pub(super) fn reap(child: Pid) -> i32 {
    loop {
        match waitpid(Some(child), WaitOptions::empty()) {
            Ok(Some((_, status))) => return exit_code(status),
            Err(Errno::INTR) | Ok(None) => {}
            Err(_) => return 255,
        }
    }
}

fn exit_code(status: WaitStatus) -> i32 {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 255,
    }
}

/// A second descriptor of the root directory that processes see.
pub(super) fn root_of(init: Pid) -> std::io::Result<OwnedFd> {
    let path = format!("/proc/{}/root", init.as_raw_nonzero());
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = openat(CWD, path, flags, Mode::empty())?;
    if !mounts::is_dir(fd.as_fd())? {
        return Err(std::io::ErrorKind::NotADirectory.into());
    }
    Ok(fd)
}
