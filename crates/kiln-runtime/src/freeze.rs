//! Stopping all processes of a container, and counting them, where there is
//! no control group to do it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// One process, as `/proc/<pid>/stat` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub parent: i32,
    /// One letter.
    pub state: char,
    /// Clock ticks since boot: with the id it names a process for good.
    pub started: u64,
    /// Clock ticks of processor time.
    pub ticks: u64,
    pub threads: u64,
    /// Pages of memory.
    pub pages: u64,
}

/// Reads the state of a process; nothing when it is gone.
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse(text: &str) -> Option<Stat> {
    // The name before may hold anything, parentheses too.
    let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_whitespace().collect();
    let number = |n: usize| fields.get(n)?.parse::<u64>().ok();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        ticks: number(11)? + number(12)?,
        threads: number(17)?,
        started: number(19)?,
        pages: number(21)?,
    })
}

/// The processes that descend from `roots`, these included.
pub(crate) fn family(roots: &[i32]) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for entry in entries {
        let pid = entry.file_name().to_str().and_then(|s| s.parse().ok());
        if let Some(pid) = pid
            && let Some(stat) = stat(pid)
        {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut seen = HashSet::new();
    let mut todo = roots.to_vec();
    let mut out = Vec::new();
    while let Some(pid) = todo.pop() {
        if seen.insert(pid) {
            out.push(pid);
            todo.extend(children.get(&pid).into_iter().flatten());
        }
    }
    out.sort_unstable();
    out
}

/// Processes that were stopped; each goes on when told, and only then.
#[derive(Default)]
pub(crate) struct Stopped(Vec<OwnedFd>);

impl Stopped {
    /// Stops the processes that descend from `roots`, until no new one
    /// appears.
    pub fn all(roots: &[i32]) -> io::Result<Stopped> {
        let mut stopped = Stopped::default();
        let mut known = HashSet::new();
        for _ in 0..1000 {
            let mut new = false;
            for pid in family(roots) {
                // The descriptor first: what is read afterwards is about the
                // process that it stands for, or about none.
                let Some(process) =
                    Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
                else {
                    continue;
                };
                let Some(stat) = stat(pid) else { continue };
                if !known.insert((pid, stat.started)) {
                    continue;
                }
                new = true;
                // What had been stopped before stays so afterwards.
                if !matches!(stat.state, 'T' | 't' | 'Z' | 'X')
                    && pidfd_send_signal(&process, Signal::STOP).is_ok()
                {
                    stopped.0.push(process);
                }
            }
            let running = known.iter().any(|(pid, started)| {
                stat(*pid).is_some_and(|s| {
                    s.started == *started && !matches!(s.state, 'T' | 't' | 'Z' | 'X')
                })
            });
            if !new && !running {
                return Ok(stopped);
            }
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
        stopped.go_on();
        Err(io::Error::other("the processes don't stop"))
    }

    /// Lets them go on.
    pub fn go_on(&mut self) {
        for process in self.0.drain(..) {
            let _ = pidfd_send_signal(&process, Signal::CONT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_states_of_odd_names() {
        let text = "7 (a) b (c)) S 3 7 7 0 -1 0 0 0 0 0 5 6 0 0 20 0 2 0 99 1000 42 0";
        let stat = parse(text).expect("a state");
        assert_eq!((stat.parent, stat.state, stat.started), (3, 'S', 99));
        assert_eq!((stat.ticks, stat.threads, stat.pages), (11, 2, 42));
        assert!(parse("7 (x").is_none());
    }

    #[test]
    fn stops_children_and_lets_them_go_on() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sleep 9 & wait"])
            .spawn()
            .expect("a child");
        let pid = child.id() as i32;
        while family(&[pid]).len() < 2 {
            std::thread::yield_now();
        }
        let mut stopped = Stopped::all(&[pid]).expect("stopped");
        let family = family(&[pid]);
        assert!(
            family
                .iter()
                .all(|p| stat(*p).is_some_and(|s| s.state == 'T'))
        );
        stopped.go_on();
        for pid in family.iter().rev() {
            let pid = Pid::from_raw(*pid).expect("a pid");
            rustix::process::kill_process(pid, Signal::KILL).expect("killed");
        }
        child.wait().expect("waited");
    }
}
