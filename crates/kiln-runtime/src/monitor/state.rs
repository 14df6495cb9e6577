//! `state.json`: what became of a container.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat, renameat, unlinkat};
use serde::{Deserialize, Serialize};

use crate::cgroup::Cgroup;
use crate::freeze;

/// How far a container is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It never ran.
    #[default]
    Created,
    /// It runs.
    Running,
    /// All its processes are stopped.
    Paused,
    /// It ran.
    Exited,
}

/// The outcome of one check of a container's health.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Check {
    /// When it began (RFC 3339).
    pub start: String,
    /// When it was over.
    pub end: String,
    /// The exit code, -1 for one that took too long.
    pub exit_code: i32,
    /// What it wrote, the beginning.
    pub output: String,
}

/// A container's health.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Health {
    /// `starting`, `healthy` or `unhealthy`.
    pub status: String,
    /// Failures in a row.
    pub failing_streak: u32,
    /// The last checks.
    pub log: Vec<Check>,
}

/// What became of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// How far it is.
    pub status: Status,
    /// Its first process, 0 when it doesn't run.
    pub pid: i32,
    /// When that began, in ticks since boot.
    pub pid_started: u64,
    /// When it was started (RFC 3339).
    pub started_at: String,
    /// When it ended.
    pub finished_at: String,
    /// What it ended with.
    pub exit_code: i32,
    /// Why it could not be started.
    pub error: String,
    /// The kernel killed a process of it for want of memory.
    pub oom_killed: bool,
    /// The boot of the kernel it was started in.
    pub boot: String,
    /// The directories of its control group.
    pub cgroup: Vec<String>,
    /// The mounts' and networks' helper processes: id and start.
    pub helpers: Vec<(i32, u64)>,
    /// Its health, where it is checked on.
    pub health: Option<Health>,
}

const NAME: &str = "state.json";
const NEW: &str = "state.json.new";

/// Identifies the running kernel.
pub fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// Reads the state in a container's directory; one that was never written is
/// that of a container that never ran.
pub fn read_state(dir: impl AsFd) -> io::Result<State> {
    let file = match openat(dir, NAME, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Ok(State::default()),
        result => result?,
    };
    let mut text = Vec::new();
    File::from(file).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(io::Error::from)
}

/// Writes the state; whoever reads it sees the old or the new one, whole.
pub fn write_state(dir: impl AsFd, state: &State) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let file: OwnedFd = openat(&dir, NEW, flags, Mode::from_raw_mode(0o600))?;
    let text = serde_json::to_vec(state).map_err(io::Error::from)?;
    let done = File::from(file)
        .write_all(&text)
        .and_then(|()| Ok(renameat(&dir, NEW, &dir, NAME)?));
    if done.is_err() {
        let _ = unlinkat(&dir, NEW, rustix::fs::AtFlags::empty());
    }
    done
}

/// Ends what a monitor that was killed left behind: processes and control
/// group. The caller has the container's lock.
pub fn clean_up(state: &State) {
    if state.boot != boot_id() {
        return;
    }
    let own = [(state.pid, state.pid_started)];
    for (pid, started) in own.iter().chain(&state.helpers) {
        use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
        // The descriptor first: then what is read is about that process.
        if let Some(process) =
            Pid::from_raw(*pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
            && freeze::stat(*pid).is_some_and(|stat| stat.started == *started)
        {
            let _ = pidfd_send_signal(&process, Signal::KILL);
        }
    }
    if let Some(cgroup) = Cgroup::of_paths(&state.cgroup) {
        let _ = cgroup.freeze(false);
        cgroup.remove();
    }
}
