//! The caller's side: starts the helper, passes output on, waits.

use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::cancel::Cancel;
use crate::error::{RuntimeError, Step};
use crate::helper::WORD;
use crate::process::{Exit, Process, Spec, Stream};
use crate::stubs::Stubs;
use crate::volumes;
use crate::wire::{Report, message_pair, receive_report, send_fds};

static HELPER: OnceLock<PathBuf> = OnceLock::new();

/// Names the program to start as the helper, instead of the running one.
#[doc(hidden)]
pub fn use_helper(path: PathBuf) {
    let _ = HELPER.set(path);
}

/// The program to start as the helper.
pub(crate) fn helper() -> PathBuf {
    HELPER
        .get_or_init(|| match std::env::var_os("KILN_RUNTIME_HELPER") {
            Some(path) => PathBuf::from(path),
            None => own_program().unwrap_or_else(|_| PathBuf::from("/proc/self/exe")),
        })
        .clone()
}

/// This program, seen through a read-only mount that nobody else has: what
/// runs in a container can reach the program file of whoever is about to
/// enter, and must not be able to write it.
fn own_program() -> io::Result<PathBuf> {
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    let mode = rustix::fs::Mode::empty();
    let own = rustix::fs::openat(rustix::fs::CWD, "/proc/self/exe", flags, mode)?;
    let tree = crate::mounts::clone_at(own, false)?;
    crate::sys::mount_setattr(&tree, crate::sys::RDONLY, false)?;
    let path = format!("/proc/self/fd/{}", tree.as_raw_fd());
    // It is needed as long as this process lives.
    std::mem::forget(tree);
    Ok(PathBuf::from(path))
}

/// Runs a process to its end, in the root file system of which `root` is a
/// writable detached mount, and hands on what it writes as it comes.
///
/// Mount points that had to be made for it are removed afterwards.
pub fn run(
    root: BorrowedFd,
    p: &Process,
    output: &mut dyn FnMut(Stream, &[u8]),
    cancel: &Cancel,
) -> Result<Exit, RuntimeError> {
    if cancel.is_cancelled() {
        return Ok(Exit::Cancelled);
    }
    let mut stubs = Stubs::make(root)?;
    let (socket, mut child, stdout, stderr) = start(root, p, &mut stubs)?;
    let watched = watch(&socket, stdout, stderr, output, cancel);
    // The helper ends when the socket does, whatever happened here.
    drop(socket);
    let status = child.wait().step("wait for the helper")?;
    match watched? {
        (_, _, true) => Ok(Exit::Cancelled),
        (Some(e), _, _) => Err(e),
        (None, Some(exit), _) => Ok(exit),
        (None, None, _) => Err(RuntimeError::Setup(format!("the helper failed: {status}"))),
    }
}

fn start(
    root: BorrowedFd,
    p: &Process,
    stubs: &mut Stubs,
) -> Result<(OwnedFd, Child, OwnedFd, OwnedFd), RuntimeError> {
    let file = |content: &[u8]| memory_file("kiln-volume", content);
    let (volumes, volume_fds) = volumes::prepare(&p.mounts, root, stubs, file)?;
    let spec = Spec {
        process: p.clone(),
        resolv_conf: std::fs::read("/etc/resolv.conf").unwrap_or_default(),
        has_stdin: p.stdin.is_some(),
        volumes,
    };
    let spec = serde_json::to_vec(&spec).map_err(io::Error::from);
    let spec = spec.and_then(|spec| memory_file("kiln-spec", &spec));
    let spec = spec.step("write the specification")?;
    let stdin = match &p.stdin {
        Some(bytes) => Some(memory_file("stdin", bytes).step("write the standard input")?),
        None => None,
    };
    let (socket, theirs) = message_pair()?;
    let (stdout, their_stdout) = pipe_with(PipeFlags::CLOEXEC).step("make a pipe")?;
    let (stderr, their_stderr) = pipe_with(PipeFlags::CLOEXEC).step("make a pipe")?;
    for fd in [&stdout, &stderr] {
        rustix::io::ioctl_fionbio(fd, true).step("set up a pipe")?;
    }
    let mut fds = vec![spec.as_fd(), root];
    fds.extend(stdin.as_ref().map(|fd| fd.as_fd()));
    fds.extend(volume_fds.iter().map(|fd| fd.as_fd()));
    send_fds(&socket, &fds).step("send to the helper")?;
    let child = Command::new(helper())
        .arg(WORD)
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::from(their_stdout))
        .stderr(Stdio::from(their_stderr))
        .spawn()
        .step("start the helper")?;
    Ok((socket, child, stdout, stderr))
}

pub(crate) fn memory_file(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = std::fs::File::from(memfd_create(name, MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// What was learnt: a failure to set up, the exit, whether it was cancelled.
type Watched = (Option<RuntimeError>, Option<Exit>, bool);

fn watch(
    socket: &OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
    output: &mut dyn FnMut(Stream, &[u8]),
    cancel: &Cancel,
) -> Result<Watched, RuntimeError> {
    let mut pipes = [
        (Stream::Stdout, Some(stdout)),
        (Stream::Stderr, Some(stderr)),
    ];
    let mut buffer = vec![0; 64 * 1024];
    let (mut failed, mut exit, mut cancelled) = (None, None, false);
    // Without a descriptor to wait for, look at the flag now and then.
    let tick = Timespec {
        tv_sec: 0,
        tv_nsec: 50_000_000,
    };
    loop {
        let mut fds = vec![PollFd::new(socket, PollFlags::IN)];
        fds.extend(
            pipes
                .iter()
                .filter_map(|(_, fd)| fd.as_ref())
                .map(|fd| PollFd::new(fd, PollFlags::IN)),
        );
        let wake = cancel.fd();
        if let (Some(fd), false) = (&wake, cancelled) {
            fds.push(PollFd::new(fd, PollFlags::IN));
        }
        match poll(&mut fds, wake.is_none().then_some(&tick)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e).step("wait for output"),
        }
        let told = !fds[0].revents().is_empty();
        drop(fds);
        for (stream, pipe) in &mut pipes {
            if !drain(*stream, pipe, &mut buffer, false, output)? {
                *pipe = None;
            }
        }
        if cancel.is_cancelled() && !cancelled && exit.is_none() {
            cancelled = true;
            // The helper kills everything and still tells the status.
            let _ = shutdown(socket, Shutdown::Write);
        }
        if !told {
            continue;
        }
        match receive_report(socket) {
            Ok(Some(Report::Failed(e))) => failed = Some(e),
            Ok(Some(Report::Exited(code))) => exit = Some(Exit::Code(code)),
            Ok(Some(Report::Killed(signal))) => exit = Some(Exit::Signal(signal)),
            Err(Errno::INTR) => continue,
            Ok(None) | Err(_) => {
                // Every process that could write is dead.
                for (stream, pipe) in &mut pipes {
                    drain(*stream, pipe, &mut buffer, true, output)?;
                }
                return Ok((failed, exit, cancelled));
            }
        }
    }
}

/// Passes on what a pipe holds, once or until it is empty; `false` at its
/// end.
fn drain(
    stream: Stream,
    pipe: &Option<OwnedFd>,
    buffer: &mut [u8],
    all: bool,
    output: &mut dyn FnMut(Stream, &[u8]),
) -> Result<bool, RuntimeError> {
    let Some(pipe) = pipe else { return Ok(false) };
    loop {
        match rustix::io::read(pipe, &mut *buffer) {
            Ok(0) => return Ok(false),
            Ok(n) => output(stream, &buffer[..n]),
            Err(Errno::AGAIN) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e).step("read output"),
        }
        if !all {
            return Ok(true);
        }
    }
}
