//! Stop, kill, wait, pause and let go on.

use std::time::{Duration, Instant};

use kiln_runtime::RuntimeError;
use kiln_runtime::monitor::{Connection, Piece, Status};
use kiln_store::Store;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::live::{Container, find, running};
use super::{Failure, signals};
use crate::BuildError;

/// How long a container may take to stop before it is killed.
const GRACE: u64 = 10;
/// How long the kernel may take to kill it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Stops a container: its signal first, then SIGKILL after `timeout` seconds, or never if that is
/// negative. One that doesn't run stays as it is.
pub fn stop(store: &Store, name: &str, timeout: Option<i64>) -> Result<(), Failure> {
    let container = find(store, name)?;
    if !container.is_running() {
        return Ok(());
    }
    let settings = &container.settings;
    let own = settings.stop_timeout.unwrap_or(GRACE);
    let grace = match timeout {
        Some(n) => u64::try_from(n).ok().map(Duration::from_secs),
        None => Some(Duration::from_secs(own)),
    };
    if signal(store, &container, settings.stop_signal())? && !ends_within(store, &container, grace)?
    {
        signal(store, &container, signals::KILL)?;
        if !ends_within(store, &container, Some(PATIENCE))? {
            return Err(Failure::new(format!(
                "cannot stop container {name}: it doesn't end"
            )));
        }
    }
    Ok(())
}

/// Sends a signal; with SIGKILL, waits for the end.
pub fn kill(store: &Store, name: &str, number: i32) -> Result<(), Failure> {
    let container = find(store, name)?;
    let refused = |e: BuildError| {
        Failure::from(BuildError {
            message: format!("Cannot kill container: {name}: {}", e.message),
            ..e
        })
    };
    if !container.is_running() {
        return Err(refused(container.not_running()));
    }
    if !signal(store, &container, number).map_err(|f| refused(*f.error))? {
        return Err(refused(container.not_running()));
    }
    if number == signals::KILL && !ends_within(store, &container, Some(PATIENCE))? {
        return Err(Failure::new(format!(
            "Cannot kill container: {name}: it doesn't end"
        )));
    }
    Ok(())
}

/// Sends a signal; `false` when there is nobody any more to send it.
pub(super) fn signal(store: &Store, container: &Container, number: i32) -> Result<bool, Failure> {
    match Connection::open(&container.dir(store)) {
        Ok(monitor) => match monitor.signal(number) {
            Ok(()) => Ok(true),
            // The monitor is gone, and the container with it.
            Err(RuntimeError::Sys { .. }) => Ok(false),
            Err(e) => Err(e.into()),
        },
        Err(_) => Ok(false),
    }
}

/// Whether a container ends in time.
pub(super) fn ends_within(
    store: &Store,
    container: &Container,
    time: Option<Duration>,
) -> Result<bool, Failure> {
    let Ok(monitor) = Connection::open(&container.dir(store)) else {
        return Ok(true);
    };
    if monitor.wait_later().is_err() {
        return Ok(true);
    }
    let until = time.map(|time| Instant::now() + time);
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = left.map(|left| Timespec {
            tv_sec: left.as_secs() as _,
            tv_nsec: left.subsec_nanos() as _,
        });
        let fd = monitor.fd();
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        let _ = poll(&mut fds, timeout.as_ref());
        if !fds[0].revents().is_empty() {
            match monitor.piece() {
                Ok(Piece::Output(..)) => continue,
                _ => return Ok(true),
            }
        }
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(false);
        }
    }
}

/// Waits for a container's end and gives its exit code; that of one that has ended is there at
/// once.
pub fn wait(store: &Store, name: &str) -> Result<i32, Failure> {
    let container = find(store, name)?;
    if container.is_running()
        && let Ok(monitor) = Connection::open(&container.dir(store))
        && let Ok(code) = monitor.wait()
    {
        return Ok(code);
    }
    Ok(find(store, &container.record.id).map_or(137, |c| c.state.exit_code))
}

/// Stops all processes of a container, until [`unpause`].
pub fn pause(store: &Store, name: &str) -> Result<(), Failure> {
    let container = running(store, name)?;
    if container.state.status == Status::Paused {
        return Err(Failure::new(format!("Container {name} is already paused")));
    }
    Ok(container.connect(store)?.freeze()?)
}

/// Lets the processes of a container go on.
pub fn unpause(store: &Store, name: &str) -> Result<(), Failure> {
    let container = running(store, name)?;
    if container.state.status != Status::Paused {
        return Err(Failure::new(format!("Container {name} is not paused")));
    }
    Ok(container.connect(store)?.thaw()?)
}
