//! Being attached to a container: its output here, the user's input and signals there.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use kiln_runtime::Stream;
use kiln_runtime::monitor::{Connection, Piece};
use signal_hook::consts::{
    SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH,
};
use signal_hook::iterator::Signals;

use super::terminal::{DetachKeys, Raw, size};

/// How somebody is attached.
#[derive(Clone, Copy)]
pub struct How {
    /// Input is passed on.
    pub stdin: bool,
    /// The container has a terminal.
    pub tty: bool,
    /// Signals are passed on.
    pub signals: bool,
}

/// How it came to an end.
pub enum End {
    /// The container ended.
    Exited(i32),
    /// The user left it running.
    Detached,
    /// Its monitor is gone.
    Gone,
}

/// Catches signals from now on, those that come before the container runs, too: all that are to
/// be passed on, or only that the terminal has another size.
pub fn watch(all: bool) -> Result<Signals> {
    let passed = [
        SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
    ];
    let passed = passed.into_iter().filter(|_| all);
    Signals::new(passed.chain([SIGWINCH])).context("watching signals")
}

/// Stays attached until the container ends or the user leaves it. `dir` is the container's.
pub fn stay(connection: Connection, dir: &Path, how: How, signals: Option<Signals>) -> Result<End> {
    let connection = Arc::new(connection);
    let left = Arc::new(AtomicBool::new(false));
    let _raw = match how.tty && how.stdin {
        true => Raw::stdin(),
        false => None,
    };
    if how.tty
        && let Some((rows, columns)) = size()
    {
        let _ = connection.size(rows, columns);
    }
    if let Some(mut signals) = signals {
        let (connection, dir) = (connection.clone(), dir.to_owned());
        std::thread::spawn(move || {
            for signal in signals.forever() {
                if signal == SIGWINCH {
                    if let (true, Some((rows, columns))) = (how.tty, size()) {
                        let _ = connection.size(rows, columns);
                    }
                } else if how.signals
                    && let Ok(other) = Connection::open(&dir)
                {
                    let _ = other.signal(signal);
                }
            }
        });
    }
    if how.stdin {
        let (connection, left) = (connection.clone(), left.clone());
        std::thread::spawn(move || input(&connection, how.tty, &left));
    }
    let mut out = std::io::stdout().lock();
    let mut err = std::io::stderr().lock();
    loop {
        match connection.piece().context("reading from the container")? {
            Piece::Output(Stream::Stdout, bytes) => {
                out.write_all(&bytes)
                    .and_then(|()| out.flush())
                    .context("writing to standard output")?;
            }
            Piece::Output(Stream::Stderr, bytes) => {
                err.write_all(&bytes).context("writing to standard error")?;
            }
            Piece::Exited(code) => return Ok(End::Exited(code)),
            Piece::Gone if left.load(Ordering::SeqCst) => return Ok(End::Detached),
            Piece::Gone => return Ok(End::Gone),
        }
    }
}

fn input(connection: &Connection, tty: bool, left: &AtomicBool) {
    let mut stdin = std::io::stdin().lock();
    let mut buffer = vec![0; 16 * 1024];
    let mut keys = DetachKeys::default();
    loop {
        match stdin.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                let (bytes, leave) = match tty {
                    true => keys.filter(&buffer[..n]),
                    false => (buffer[..n].to_vec(), false),
                };
                if connection.input(&bytes).is_err() {
                    return;
                }
                if leave {
                    left.store(true, Ordering::SeqCst);
                    let _ = rustix::net::shutdown(connection.fd(), rustix::net::Shutdown::Both);
                    return;
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    let _ = connection.input_end();
}
