//! A root file system of busybox, and running things in it.
#![allow(dead_code, clippy::unwrap_used)]

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use kiln_runtime::{
    Cancel, Exit, Network, Overlay, Process, RuntimeError, Stream, mount_overlay, run, use_helper,
};
use tempfile::TempDir;

/// The program that acts as the helper.
pub const PROBE: &str = env!("CARGO_BIN_EXE_kiln-runtime-probe");

/// Whether the tests that need root can run; with root, busybox must be there.
pub fn privileged() -> bool {
    let root =
        fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    if !root {
        eprintln!("skipped: needs root");
        return false;
    }
    assert!(
        Path::new("/bin/busybox").exists(),
        "needs /bin/busybox: apt-get install busybox-static"
    );
    true
}

/// A lower directory with busybox, an upper and a working directory.
pub struct Bed {
    pub dir: TempDir,
    pub lower: PathBuf,
    pub upper: PathBuf,
    pub work: PathBuf,
}

/// What came of a run.
pub struct Done {
    pub exit: Result<Exit, RuntimeError>,
    pub out: String,
    pub err: String,
}

impl Done {
    pub fn code(&self) -> i32 {
        match &self.exit {
            Ok(Exit::Code(code)) => *code,
            other => panic!("{other:?}; {}", self.err),
        }
    }

    pub fn error(&self) -> &RuntimeError {
        match &self.exit {
            Err(e) => e,
            Ok(exit) => panic!("{exit:?}: {}{}", self.out, self.err),
        }
    }
}

impl Bed {
    pub fn new() -> Bed {
        use_helper(PROBE.into());
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let [lower, upper, work] = ["lower", "upper", "work"].map(|n| dir.path().join(n));
        for dir in [&lower, &upper, &work] {
            fs::create_dir(dir).unwrap();
        }
        let bin = lower.join("bin");
        fs::create_dir(&bin).unwrap();
        fs::copy("/bin/busybox", bin.join("busybox")).unwrap();
        for name in [
            "sh", "cat", "ls", "id", "ip", "grep", "sleep", "pwd", "true", "unshare", "mount",
            "chroot", "hostname", "stat", "touch", "mkdir", "ps", "readlink", "wc",
        ] {
            symlink("busybox", bin.join(name)).unwrap();
        }
        Bed {
            dir,
            lower,
            upper,
            work,
        }
    }

    /// A mount of its own: an upper directory that was written without waiting for the disk can't
    /// be mounted again.
    pub fn mount(&self) -> OwnedFd {
        for dir in [&self.upper, &self.work] {
            let _ = fs::remove_dir_all(dir);
            fs::create_dir(dir).unwrap();
        }
        mount_overlay(&Overlay {
            lowers: std::slice::from_ref(&self.lower),
            upper: Some((&self.upper, &self.work)),
        })
        .unwrap()
    }

    pub fn run(&self, process: &Process) -> Done {
        run_in(&self.mount(), process, &Cancel::new())
    }

    pub fn sh(&self, script: &str) -> Done {
        self.run(&process(&["sh", "-c", script]))
    }
}

/// Runs a process, collecting what it writes.
pub fn run_in(root: &OwnedFd, process: &Process, cancel: &Cancel) -> Done {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut collect = |stream, bytes: &[u8]| match stream {
        Stream::Stdout => out.extend_from_slice(bytes),
        Stream::Stderr => err.extend_from_slice(bytes),
    };
    let exit = run(root.as_fd(), process, &mut collect, cancel);
    Done {
        exit,
        out: String::from_utf8_lossy(&out).into_owned(),
        err: String::from_utf8_lossy(&err).into_owned(),
    }
}

/// A process as root with nothing special.
pub fn process(argv: &[&str]) -> Process {
    Process {
        argv: argv.iter().map(|s| s.to_string()).collect(),
        env: vec!["PATH=/bin:/usr/bin".into()],
        cwd: "/".into(),
        uid: 0,
        gid: 0,
        groups: Vec::new(),
        network: Network::Host,
        hosts: vec![("registry".into(), "10.1.2.3".into())],
        hostname: "probe".into(),
        mounts: Vec::new(),
        stdin: None,
    }
}

/// The processes of the host whose command line contains `text`.
pub fn processes(text: &str) -> Vec<i32> {
    let mut out = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(text) {
            out.push(pid);
        }
    }
    out
}

/// Waits until `done`, for some seconds at most.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("never: {what}");
}

/// The names below a directory, sorted.
pub fn tree(dir: &Path) -> Vec<String> {
    let mut out = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(at) = todo.pop() {
        for entry in fs::read_dir(at).unwrap().flatten() {
            let path = entry.path();
            out.push(path.strip_prefix(dir).unwrap().display().to_string());
            if entry.file_type().unwrap().is_dir() {
                todo.push(path);
            }
        }
    }
    out.sort();
    out
}
