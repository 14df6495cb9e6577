//! `exec`: a process in a container, on pipes or a terminal of its own.

use std::io::{IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context as _, Result, bail};
use kiln_engine::containers::{self, ExecRequest};
use kiln_runtime::monitor::{Piece, Started};
use kiln_store::Store;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use signal_hook::consts::SIGWINCH;
use signal_hook::iterator::Signals;

use super::args::ExecArgs;
use super::ends_with;
use super::flags::environment;
use super::terminal::{Raw, size};
use crate::exit::Exit;

/// `kiln exec`
pub fn run(store: &Store, a: &ExecArgs) -> Result<()> {
    if a.privileged {
        bail!("--privileged is not supported: containers never get all of the host's rights");
    }
    if a.tty && a.interactive && !a.detach && !std::io::stdin().is_terminal() {
        bail!("the input device is not a TTY");
    }
    let Some((container, argv)) = a.command.split_first() else {
        bail!("a container and a command are needed");
    };
    let (env, _) = environment(&a.env_file, &a.env)?;
    let request = ExecRequest {
        argv: argv.to_vec(),
        env,
        cwd: a.workdir.clone(),
        user: a.user.clone(),
        tty: a.tty,
        size: size(),
        detach: a.detach,
    };
    let code = match a.tty {
        true => on_terminal(store, container, &request, a.interactive)?,
        false => on_pipes(store, container, &request, a.interactive && !a.detach)?,
    };
    match code {
        0 => Ok(()),
        code => Err(Exit::quiet(u8::try_from(code).unwrap_or(255)).into()),
    }
}

fn on_pipes(store: &Store, name: &str, request: &ExecRequest, interactive: bool) -> Result<i32> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).context("making a pipe");
    let (their_in, stdin) = pipe()?;
    let (stdout, their_out) = pipe()?;
    let (stderr, their_err) = pipe()?;
    let fds = [their_in.as_fd(), their_out.as_fd(), their_err.as_fd()];
    let started = containers::exec(store, name, request, &fds).map_err(ends_with)?;
    drop((their_in, their_out, their_err));
    if request.detach {
        return Ok(0);
    }
    match interactive {
        true => {
            std::thread::spawn(move || feed(stdin.into()));
        }
        false => drop(stdin),
    }
    relay(&started, [stdout, stderr])
}

/// Passes standard input on until its end.
fn feed(mut to: std::fs::File) {
    let mut buffer = vec![0; 16 * 1024];
    let mut stdin = std::io::stdin().lock();
    loop {
        match stdin.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => {
                if to.write_all(&buffer[..n]).is_err() {
                    return;
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Passes output on until the process ends.
fn relay(started: &Started, pipes: [OwnedFd; 2]) -> Result<i32> {
    for pipe in &pipes {
        rustix::io::ioctl_fionbio(pipe, true).context("setting up a pipe")?;
    }
    let mut open = [true, true];
    loop {
        let connection = started.connection.fd();
        let mut fds = vec![PollFd::from_borrowed_fd(connection, PollFlags::IN)];
        let which: Vec<usize> = (0..2).filter(|n| open[*n]).collect();
        fds.extend(which.iter().map(|n| PollFd::new(&pipes[*n], PollFlags::IN)));
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e).context("waiting for output"),
        }
        let ended = !fds[0].revents().is_empty();
        let ready: Vec<usize> = which
            .iter()
            .zip(&fds[1..])
            .filter(|(_, fd)| !fd.revents().is_empty())
            .map(|(n, _)| *n)
            .collect();
        drop(fds);
        for n in ready {
            open[n] = pass(pipes[n].as_fd(), n, false)?;
        }
        if ended {
            match started
                .connection
                .piece()
                .context("hearing from the container")?
            {
                Piece::Exited(code) => {
                    for (n, pipe) in pipes.iter().enumerate() {
                        pass(pipe.as_fd(), n, true)?;
                    }
                    return Ok(code);
                }
                Piece::Output(..) => {}
                // The container has ended, and all in it.
                Piece::Gone => return Ok(137),
            }
        }
    }
}

/// Passes on what a pipe holds; `false` at its end.
fn pass(pipe: BorrowedFd, n: usize, all: bool) -> Result<bool> {
    let mut buffer = [0; 32 * 1024];
    loop {
        match rustix::io::read(pipe, &mut buffer) {
            Ok(0) => return Ok(false),
            Ok(len) => {
                let bytes = &buffer[..len];
                match n {
                    0 => {
                        let mut out = std::io::stdout().lock();
                        out.write_all(bytes).and_then(|()| out.flush())
                    }
                    _ => std::io::stderr().lock().write_all(bytes),
                }
                .context("passing output on")?;
                if !all {
                    return Ok(true);
                }
            }
            Err(Errno::AGAIN) => return Ok(true),
            Err(Errno::INTR) => {}
            // What a terminal says at its end.
            Err(Errno::IO) => return Ok(false),
            Err(e) => return Err(e).context("reading output"),
        }
    }
}

fn on_terminal(store: &Store, name: &str, request: &ExecRequest, interactive: bool) -> Result<i32> {
    let started = containers::exec(store, name, request, &[]).map_err(ends_with)?;
    let Some(terminal) = &started.terminal else {
        return match request.detach {
            true => Ok(0),
            false => bail!("the process has no terminal"),
        };
    };
    let copy = |what| -> Result<OwnedFd> { terminal.try_clone().context(what) };
    let resized = copy("the terminal")?;
    let mut signals = Signals::new([SIGWINCH]).context("watching signals")?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if let Some((rows, columns)) = size() {
                let size = rustix::termios::Winsize {
                    ws_row: rows,
                    ws_col: columns,
                    ws_xpixel: 0,
                    ws_ypixel: 0,
                };
                let _ = rustix::termios::tcsetwinsize(&resized, size);
            }
        }
    });
    let raw = match interactive {
        true => {
            // The end of the user's input is no end of a terminal.
            let to = copy("the terminal")?;
            std::thread::spawn(move || feed(to.into()));
            Raw::stdin()
        }
        false => None,
    };
    let output = copy("the terminal")?;
    let (never, _keep) = pipe_with(PipeFlags::CLOEXEC).context("making a pipe")?;
    let code = relay(&started, [output, never]);
    drop(raw);
    code
}
