//! How much memory and time a command takes.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Done, Kiln, program, run_with};

/// What an archive of any size may take: 64 MiB.
pub const MEMORY: u64 = 64 << 10;

/// A command that has ended, and what it took.
pub struct Measured {
    pub done: Done,
    /// The most memory it had, in KiB.
    pub memory: u64,
    pub time: Duration,
}

/// Puts `time` before a command of kiln's, which tells of it in `report`.
///
/// What `wait4` says of a direct child would not do: a child begins with the memory of the process
/// it was forked from, and this one may have held an archive.
pub fn timed(kiln: &Kiln, args: &[&str], report: &str) -> Command {
    let plain = kiln.command(args);
    let mut command = Command::new(program("time", "time"));
    command
        .args(["-q", "-f", "%M", "-o"])
        .arg(kiln.file(report))
        .arg(Kiln::binary())
        .args(args);
    command.current_dir(plain.get_current_dir().unwrap());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// The memory that `time` reported.
pub fn memory(kiln: &Kiln, report: &str) -> u64 {
    let text = std::fs::read_to_string(kiln.file(report)).unwrap();
    let last = text.trim().lines().last().unwrap_or_default();
    last.parse().unwrap_or_else(|_| panic!("{text:?}"))
}

/// Runs a command of kiln's.
pub fn measured(kiln: &Kiln, args: &[&str], input: Vec<u8>) -> Measured {
    let began = Instant::now();
    let done = run_with(&mut timed(kiln, args, "time"), input);
    Measured {
        done,
        memory: memory(kiln, "time"),
        time: began.elapsed(),
    }
}

/// Runs a command of kiln's on a file as its standard input.
pub fn measured_on(kiln: &Kiln, args: &[&str], input: File) -> Measured {
    let began = Instant::now();
    let mut command = timed(kiln, args, "time");
    let line = format!("{command:?}");
    let mut child = command
        .stdin(input)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = Vec::new();
    let mut pipe = child.stderr.take().unwrap();
    pipe.read_to_end(&mut stderr).unwrap();
    let status = child.wait().unwrap();
    Measured {
        done: Done {
            line,
            code: status.code(),
            stdout: Vec::new(),
            stderr,
        },
        memory: memory(kiln, "time"),
        time: began.elapsed(),
    }
}
