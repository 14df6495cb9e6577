//! How much memory and time a command takes.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Done, Kiln, program, run_with};

/// What an image or an archive of any size may take: 64 MiB, in KiB.
pub const MEMORY: u64 = 64 << 10;

/// A command that has ended, and what it took.
pub struct Measured {
    pub done: Done,
    /// The most memory it had, in KiB.
    pub memory: u64,
    pub time: Duration,
    /// The time that it computed, which other work of the machine does not make longer.
    pub cpu: Duration,
}

/// Puts `time` before a command of kiln's, which tells of it in `report`.
///
/// What `wait4` says of a direct child would not do: a child begins with the memory of the process
/// it was forked from, and this one may have held an archive.
pub fn timed(kiln: &Kiln, args: &[&str], report: &str) -> Command {
    let plain = kiln.command(args);
    let mut command = Command::new(program("time", "time"));
    command
        .args(["-q", "-f", "%M %U %S", "-o"])
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

/// What `time` reported: memory in KiB, and seconds in the program and in the kernel.
fn reported(kiln: &Kiln, report: &str) -> (u64, Duration) {
    let text = std::fs::read_to_string(kiln.file(report)).unwrap();
    let last = text.trim().lines().last().unwrap_or_default();
    let numbers: Vec<f64> = last.split(' ').filter_map(|n| n.parse().ok()).collect();
    let &[memory, user, system] = numbers.as_slice() else {
        panic!("{text:?}")
    };
    (memory as u64, Duration::from_secs_f64(user + system))
}

/// The memory that `time` reported, in KiB.
pub fn memory(kiln: &Kiln, report: &str) -> u64 {
    reported(kiln, report).0
}

/// Runs a command of kiln's.
pub fn measured(kiln: &Kiln, args: &[&str], input: Vec<u8>) -> Measured {
    let began = Instant::now();
    let done = run_with(&mut timed(kiln, args, "time"), input);
    account(kiln, done, began)
}

fn account(kiln: &Kiln, done: Done, began: Instant) -> Measured {
    let time = began.elapsed();
    let (memory, cpu) = reported(kiln, "time");
    Measured {
        done,
        memory,
        time,
        cpu,
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
    let done = Done {
        line,
        code: status.code(),
        stdout: Vec::new(),
        stderr,
    };
    account(kiln, done, began)
}
