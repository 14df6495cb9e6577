//! A `kiln serve` of the test's own.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::harness::{Done, Kiln, program, run};

/// A running server; it ends with the value.
pub struct Engine {
    kiln: Kiln,
    dir: TempDir,
    process: Child,
}

impl Engine {
    /// A server on a store, once it answers.
    pub fn on(kiln: Kiln) -> Engine {
        Engine::with(kiln, |_| {})
    }

    /// A server whose command is changed first.
    pub fn with(kiln: Kiln, change: impl FnOnce(&mut Command)) -> Engine {
        // A short name: the path of a socket may have no more than 107 bytes.
        let dir = tempfile::Builder::new().prefix("ks-").tempdir().unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut command = kiln.command(["serve", "-H"]);
        command.arg(format!("unix://{}", dir.path().join("sock").display()));
        change(&mut command);
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let engine = Engine { kiln, dir, process };
        let began = Instant::now();
        while std::os::unix::net::UnixStream::connect(engine.socket()).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "{}",
                engine.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        engine
    }

    /// A server that has `busybox:latest`.
    pub fn with_base() -> Engine {
        Engine::on(Kiln::new())
    }

    /// The store and its commands.
    pub fn kiln(&self) -> &Kiln {
        &self.kiln
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("sock")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// A docker command on this server, with the classic builder.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(program("docker", "docker.io"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("DOCKER_HOST", format!("unix://{}", self.socket().display()))
            .env("DOCKER_CONFIG", self.dir.path().join("config"))
            .env("DOCKER_BUILDKIT", "0")
            .env_remove("DOCKER_CONTEXT");
        command
    }

    /// Runs a docker command that must succeed.
    #[track_caller]
    pub fn ok<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Done {
        run(&mut self.command(args)).ok()
    }

    /// A request by curl: head and body of the answer.
    pub fn curl(&self, args: &[&str], path: &str) -> String {
        let mut command = Command::new(program("curl", "curl"));
        command.args(["-s", "-i", "--max-time", "20", "--unix-socket"]);
        command.arg(self.socket()).args(args);
        run(command.arg(format!("http://kiln{path}"))).out()
    }

    /// Sends a signal to the server.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Waits for the server's end; gives its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
            let began = Instant::now();
            while let Ok(None) = self.process.try_wait() {
                if began.elapsed() > Duration::from_secs(15) {
                    let _ = self.process.kill();
                    let _ = self.process.wait();
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}
