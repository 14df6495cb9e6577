//! A control group of a container's own, version 1 or 2, where one is to be
//! had: as root, or where a part of the hierarchy is the user's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::container::spec::Limits;

const MOUNT: &str = "/sys/fs/cgroup";
/// What containers of root lie in.
const PARENT: &str = "kiln";
/// The hierarchies of version 1 that a container is put into.
const V1: [&str; 5] = ["freezer", "memory", "pids", "cpu", "cpuacct"];

/// How long the kernel may take to freeze all processes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A control group: one directory, or with version 1 one for each hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cgroup {
    V2(PathBuf),
    V1(Vec<(String, PathBuf)>),
}

/// What a container uses at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Usage {
    /// Nanoseconds of processor time so far.
    pub cpu: u64,
    /// Bytes of memory, caches that can be dropped left out.
    pub memory: u64,
    /// The most it may have; 0 for no limit.
    pub memory_limit: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Bytes received and sent.
    pub network: (u64, u64),
    /// Bytes read from and written to disks.
    pub disk: (u64, u64),
}

impl Cgroup {
    /// Makes the group of a container; nothing where none is to be had.
    pub fn make(id: &str) -> Option<Cgroup> {
        if Path::new(MOUNT).join("cgroup.controllers").exists() {
            let dir = v2_parent()?.join(format!("kiln-{id}"));
            return fs::create_dir(&dir).ok().map(|()| Cgroup::V2(dir));
        }
        let mut made = Vec::new();
        for name in V1 {
            let parent = Path::new(MOUNT).join(name).join(PARENT);
            if let Some(dir) = make_in(&parent, id) {
                made.push((name.to_owned(), dir));
            }
        }
        (!made.is_empty()).then_some(Cgroup::V1(made))
    }

    /// The group whose directories are these.
    pub fn of_paths(paths: &[String]) -> Option<Cgroup> {
        match paths {
            [] => None,
            [one] if one.contains("/kiln-") => Some(Cgroup::V2(one.into())),
            many => Some(Cgroup::V1(
                many.iter()
                    .filter_map(|path| {
                        let below = path.strip_prefix(MOUNT)?.trim_start_matches('/');
                        let name = below.split('/').next()?.to_owned();
                        Some((name, PathBuf::from(path)))
                    })
                    .collect(),
            )),
        }
    }

    /// Its directories.
    pub fn paths(&self) -> Vec<String> {
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        match self {
            Cgroup::V2(dir) => vec![text(dir)],
            Cgroup::V1(dirs) => dirs.iter().map(|(_, dir)| text(dir)).collect(),
        }
    }

    fn dir(&self, controller: &str) -> Option<&Path> {
        match self {
            Cgroup::V2(dir) => Some(dir),
            Cgroup::V1(dirs) => dirs
                .iter()
                .find(|(name, _)| name == controller)
                .map(|(_, dir)| dir.as_path()),
        }
    }

    /// Puts this process into it.
    pub fn enter(&self) -> io::Result<()> {
        for path in self.paths() {
            fs::write(Path::new(&path).join("cgroup.procs"), "0")?;
        }
        Ok(())
    }

    /// Sets limits; the error names the one that can't be had.
    pub fn limit(&self, limits: &Limits) -> Result<(), String> {
        let v2 = matches!(self, Cgroup::V2(_));
        let set = |flag: &str, controller: &str, file: &str, value: String| {
            let dir = self.dir(controller);
            let dir =
                dir.ok_or_else(|| format!("{flag}: there is no {controller} control group"))?;
            fs::write(dir.join(file), value)
                .map_err(|e| format!("{flag}: {}: {e}", dir.join(file).display()))
        };
        if limits.memory > 0 {
            let file = if v2 {
                "memory.max"
            } else {
                "memory.limit_in_bytes"
            };
            set("--memory", "memory", file, limits.memory.to_string())?;
        }
        if limits.pids > 0 {
            set("--pids-limit", "pids", "pids.max", limits.pids.to_string())?;
        }
        if limits.nano_cpus > 0 {
            const PERIOD: u64 = 100_000;
            let quota = limits.nano_cpus.saturating_mul(PERIOD) / 1_000_000_000;
            let quota = quota.max(1000);
            if v2 {
                set("--cpus", "cpu", "cpu.max", format!("{quota} {PERIOD}"))?;
            } else {
                set("--cpus", "cpu", "cpu.cfs_period_us", PERIOD.to_string())?;
                set("--cpus", "cpu", "cpu.cfs_quota_us", quota.to_string())?;
            }
        }
        Ok(())
    }

    /// Whether all processes can be stopped by it.
    pub fn can_freeze(&self) -> bool {
        match self {
            Cgroup::V2(dir) => dir.join("cgroup.freeze").exists(),
            Cgroup::V1(_) => self.dir("freezer").is_some(),
        }
    }

    /// Stops all processes, or lets them go on; returns when they do.
    pub fn freeze(&self, frozen: bool) -> io::Result<()> {
        let began = Instant::now();
        loop {
            let done = match self {
                Cgroup::V2(dir) => {
                    fs::write(dir.join("cgroup.freeze"), if frozen { "1" } else { "0" })?;
                    let events = fs::read_to_string(dir.join("cgroup.events"))?;
                    let now = events.lines().any(|line| line == "frozen 1");
                    // What thaws needn't be waited for.
                    now || !frozen
                }
                Cgroup::V1(_) => {
                    let dir = self.dir("freezer").ok_or(io::ErrorKind::NotFound)?;
                    let file = dir.join("freezer.state");
                    // Written again and again: a process that forks meanwhile
                    // keeps the first attempt from coming to its end.
                    fs::write(&file, if frozen { "FROZEN" } else { "THAWED" })?;
                    let state = fs::read_to_string(&file)?;
                    state.trim() == if frozen { "FROZEN" } else { "THAWED" }
                }
            };
            if done {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                let _ = frozen.then(|| self.freeze(false));
                return Err(io::Error::other("the processes don't stop"));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Its processes.
    pub fn processes(&self) -> Vec<i32> {
        let first = self.paths().into_iter().next().unwrap_or_default();
        let text = fs::read_to_string(Path::new(&first).join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Removes it, with whatever still runs in it.
    pub fn remove(&self) {
        let began = Instant::now();
        let mut left = self.paths();
        loop {
            left.retain(|path| match fs::remove_dir(path) {
                Ok(()) => false,
                Err(e) => e.kind() != io::ErrorKind::NotFound,
            });
            if left.is_empty() || began.elapsed() > Duration::from_secs(2) {
                break;
            }
            for pid in self.processes() {
                if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
            }
            let _ = self.freeze(false);
            std::thread::sleep(Duration::from_millis(1));
        }
        // The last container takes what all lay in with it.
        if let Cgroup::V1(dirs) = self {
            for (_, dir) in dirs {
                let _ = dir.parent().map(fs::remove_dir);
            }
        }
    }

    /// Whether the kernel killed a process for want of memory.
    pub fn out_of_memory(&self) -> bool {
        let (file, key) = match self {
            Cgroup::V2(_) => ("memory.events", "oom_kill"),
            Cgroup::V1(_) => ("memory.oom_control", "oom_kill"),
        };
        let text = self.read("memory", file).unwrap_or_default();
        value(&text, key).is_some_and(|n| n > 0)
    }

    fn read(&self, controller: &str, file: &str) -> Option<String> {
        fs::read_to_string(self.dir(controller)?.join(file)).ok()
    }

    /// What its processes use; what isn't counted is 0.
    pub fn usage(&self) -> Usage {
        let number = |controller: &str, file: &str| -> u64 {
            let text = self.read(controller, file).unwrap_or_default();
            text.trim().parse().unwrap_or(0)
        };
        let stat = self.read("memory", "memory.stat").unwrap_or_default();
        match self {
            Cgroup::V2(_) => {
                let cpu = self.read("cpu", "cpu.stat").unwrap_or_default();
                let cached = value(&stat, "inactive_file").unwrap_or(0);
                Usage {
                    cpu: value(&cpu, "usage_usec").unwrap_or(0) * 1000,
                    memory: number("memory", "memory.current").saturating_sub(cached),
                    memory_limit: number("memory", "memory.max"),
                    pids: number("pids", "pids.current"),
                    ..Usage::default()
                }
            }
            Cgroup::V1(_) => {
                let cached = value(&stat, "total_inactive_file").unwrap_or(0);
                let limit = number("memory", "memory.limit_in_bytes");
                Usage {
                    cpu: number("cpuacct", "cpuacct.usage"),
                    memory: number("memory", "memory.usage_in_bytes").saturating_sub(cached),
                    memory_limit: if limit > 1 << 60 { 0 } else { limit },
                    pids: number("pids", "pids.current"),
                    ..Usage::default()
                }
            }
        }
    }
}

/// Makes a directory, and the one it lies in; that one may go away meanwhile.
fn make_in(parent: &Path, name: &str) -> Option<PathBuf> {
    for _ in 0..100 {
        let _ = fs::create_dir(parent);
        match fs::create_dir(parent.join(name)) {
            Ok(()) => return Some(parent.join(name)),
            Err(e) if e.kind() == io::ErrorKind::NotFound && parent.parent()?.exists() => {}
            Err(_) => return None,
        }
    }
    None
}

/// Where a group can be made with version 2: where all lie that isn't a
/// group of processes itself, for only that has controllers to hand down.
fn v2_parent() -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let own = Path::new(MOUNT).join(own);
    let mut dir = own.as_path();
    loop {
        let writable = rustix::fs::access(dir.join("cgroup.procs"), rustix::fs::Access::WRITE_OK);
        let inner = fs::read_to_string(dir.join("cgroup.subtree_control"))
            .is_ok_and(|text| text.contains("pids"));
        if writable.is_ok() && (inner || dir == Path::new(MOUNT)) {
            if !inner {
                let _ = fs::write(dir.join("cgroup.subtree_control"), "+memory +pids +cpu");
            }
            return Some(dir.to_owned());
        }
        if dir == Path::new(MOUNT) {
            // Without controllers it still freezes.
            let writable =
                rustix::fs::access(own.join("cgroup.procs"), rustix::fs::Access::WRITE_OK);
            return writable.is_ok().then_some(own);
        }
        dir = dir.parent()?;
    }
}

/// The number after a word, one of a line each.
fn value(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, number) = line.split_once(' ')?;
        (name == key).then(|| number.trim().parse().ok())?
    })
}
