//! Running a program to its end, with a limit on the time it may take.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than any command of these tests takes on a slow machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A program that has ended.
pub struct Done {
    /// What was run, for messages.
    pub line: String,
    /// Its exit code; nothing where a signal ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Done {
    /// Standard output without the white space at its end.
    pub fn out(&self) -> String {
        text(&self.stdout)
    }

    /// Standard error without the white space at its end.
    pub fn err(&self) -> String {
        text(&self.stderr)
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn code(self, wanted: i32) -> Done {
        assert!(
            self.code == Some(wanted),
            "expected exit code {wanted}\n{}",
            self.report()
        );
        self
    }

    /// Asserts success.
    #[track_caller]
    pub fn ok(self) -> Done {
        self.code(0)
    }

    /// All there is to know, for messages.
    pub fn report(&self) -> String {
        format!(
            "command: {}\nexit code: {:?}\nstdout:\n{}\nstderr:\n{}",
            self.line,
            self.code,
            self.out(),
            self.err()
        )
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

/// Runs a command with nothing on standard input.
pub fn run(command: &mut Command) -> Done {
    run_with(command, Vec::new())
}

/// Runs a command with `input` on standard input.
pub fn run_with(command: &mut Command, input: Vec<u8>) -> Done {
    let line = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{line}: {e}"));
    let mut stdin = child.stdin.take().unwrap();
    // A program that fails early closes its standard input, which is no error here.
    std::thread::spawn(move || drop(stdin.write_all(&input)));
    let stdout = collect(child.stdout.take().unwrap());
    let stderr = collect(child.stderr.take().unwrap());
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if began.elapsed() > LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    // A pipe that stays open after the end is held by a process that was left behind.
    let output = |pipe: Receiver<Vec<u8>>| {
        pipe.recv_timeout(Duration::from_secs(10))
            .unwrap_or_else(|_| panic!("{line}: a process it started still holds its output"))
    };
    let done = Done {
        stdout: output(stdout),
        stderr: output(stderr),
        code: status.and_then(|s| s.code()),
        line: line.clone(),
    };
    assert!(status.is_some(), "not finished in time\n{}", done.report());
    done
}

fn collect(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (to, from) = channel();
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let _ = pipe.read_to_end(&mut all);
        let _ = to.send(all);
    });
    from
}

/// Where a program is; fails with the Debian package that has it.
pub fn program(name: &str, package: &str) -> PathBuf {
    // The distribution's own come first: a wrapper elsewhere may not be the real thing.
    let usual = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    usual
        .into_iter()
        .chain(std::env::split_paths(&path))
        .map(|dir| dir.join(name))
        .find(|p| p.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: apt-get install {package}"))
}
