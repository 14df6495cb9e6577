//! A dockerd of the test's own: private directories, private mounts, no network setup.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{Archive, Done, Image, base_tar, program, run, run_with};

/// A running daemon; it ends with the value, and with the test if that is killed.
pub struct Dockerd {
    dir: TempDir,
    daemon: Child,
}

impl Dockerd {
    /// Starts a daemon and waits until it answers.
    pub fn start() -> Dockerd {
        // A short name: the path of a socket may have no more than 107 bytes.
        let dir = tempfile::Builder::new().prefix("kd-").tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let log = std::fs::File::create(at("log")).unwrap();
        // In a mount namespace of its own nothing stays mounted, however the daemon ends.
        let daemon = Command::new(program("setpriv", "util-linux"))
            .args(["--pdeathsig", "KILL", "unshare", "--mount"])
            .arg(program("dockerd", "docker.io"))
            .arg("--data-root")
            .arg(at("data"))
            .arg("--exec-root")
            .arg(at("exec"))
            .arg("--pidfile")
            .arg(at("pid"))
            .arg("--host")
            .arg(format!("unix://{}", at("sock").display()))
            .args(["--storage-driver", "overlay2", "--bridge", "none"])
            .args([
                "--iptables=false",
                "--ip6tables=false",
                "--ip-forward=false",
            ])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        std::fs::create_dir(at("config")).unwrap();
        let mut docker = Dockerd { dir, daemon };
        docker.wait_until_it_answers();
        docker
    }

    /// A daemon that has `busybox:latest`.
    pub fn with_base() -> Dockerd {
        let docker = Dockerd::start();
        let mut import = docker.command(["import", "-", "busybox:latest"]);
        run_with(&mut import, base_tar().to_vec()).ok();
        docker
    }

    fn wait_until_it_answers(&mut self) {
        let began = Instant::now();
        while run(&mut self.command(["version"])).code != Some(0) {
            let ended = self.daemon.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < Duration::from_secs(60),
                "dockerd does not answer ({ended:?}):\n{}",
                std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A docker command on this daemon.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(program("docker", "docker.io"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env(
                "DOCKER_HOST",
                format!("unix://{}", self.dir.path().join("sock").display()),
            )
            .env("DOCKER_CONFIG", self.dir.path().join("config"))
            .env("DOCKER_BUILDKIT", "1")
            .env_remove("DOCKER_CONTEXT")
            .env_remove("SOURCE_DATE_EPOCH");
        command
    }

    /// Runs a docker command that must succeed.
    #[track_caller]
    pub fn ok<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Done {
        run(&mut self.command(args)).ok()
    }

    /// Builds a directory, however that ends. RUN uses the host's network: there is no bridge.
    pub fn try_build(&self, context: &Path, args: &[&str]) -> Done {
        let mut command = self.command(["build", "--progress", "plain", "--network", "host"]);
        run(command.args(args).arg(context))
    }

    /// An image, by way of `save`.
    #[track_caller]
    pub fn image(&self, name: &str) -> Image {
        Archive::read(&self.ok(["save", name]).stdout).image()
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.daemon);
        let _ = kill_process(pid, Signal::TERM);
        let began = Instant::now();
        while let Ok(None) = self.daemon.try_wait() {
            if began.elapsed() > Duration::from_secs(10) {
                let _ = self.daemon.kill();
                let _ = self.daemon.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
