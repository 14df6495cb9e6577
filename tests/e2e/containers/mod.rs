//! Containers: run, looked at, committed.

mod bench;
mod commands;
mod commits;
mod confined;
mod errors;
mod files;
mod kills;
mod terminals;
mod users;
mod walk_through;

use std::ops::Deref;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Kiln, assert_nothing_left};

/// A store whose containers are removed at the end of the test, however it ends.
struct Containers(Kiln);

impl Containers {
    fn new() -> Containers {
        Containers(Kiln::new())
    }

    /// Runs a command and gives what it prints.
    #[track_caller]
    fn out(&self, args: &[&str]) -> String {
        self.ok(args).out()
    }

    /// `inspect` of one container.
    #[track_caller]
    fn state(&self, name: &str) -> Value {
        self.inspect(name)["State"].clone()
    }

    /// Removes all containers, and sees to it that nothing of them is left.
    #[track_caller]
    fn nothing_left(&self) {
        let all = self.out(&["ps", "-aq"]);
        for id in all.lines() {
            self.ok(["rm", "-fv", id]);
        }
        assert_nothing_left(self);
        let dirs = |name: &str| std::fs::read_dir(self.store().join(name)).unwrap().count();
        assert_eq!(dirs("containers"), 0);
        assert!(cgroups(&all).is_empty(), "{:?}", cgroups(&all));
    }
}

impl Deref for Containers {
    type Target = Kiln;

    fn deref(&self) -> &Kiln {
        &self.0
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        let all = self.run(["ps", "-aq"]).out();
        for id in all.lines() {
            self.run(["rm", "-f", id]);
        }
    }
}

/// Control groups of these containers.
fn cgroups(ids: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![Path::new("/sys/fs/cgroup").to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                let name = entry.file_name().into_string().unwrap_or_default();
                if ids.lines().any(|id| name.contains(id)) {
                    found.push(entry.path().display().to_string());
                }
                todo.push(entry.path());
            }
        }
    }
    found
}

/// The monitors of a store's containers.
fn monitors(store: &Path) -> Vec<Pid> {
    let store = store.to_str().unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |file: &str| {
            let data = std::fs::read(entry.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&data).into_owned()
        };
        let pid = entry.file_name().to_str().and_then(|p| p.parse().ok());
        if read("cmdline").ends_with("kiln-monitor\0") && read("environ").contains(store) {
            found.extend(pid.and_then(Pid::from_raw));
        }
    }
    found
}

fn kill(pid: Pid) {
    let _ = kill_process(pid, Signal::KILL);
}

/// Waits until something is so.
#[track_caller]
fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
