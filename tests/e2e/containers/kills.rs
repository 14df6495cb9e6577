//! Monitors and containers that are killed leave nothing, and `ps` knows.

use rustix::process::Pid;

use super::{Containers, cgroups, kill, monitors, wait_until};
use crate::harness::leftovers;

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % below
    }
}

#[test]
fn fifty_containers_killed_at_random() {
    let kiln = Containers::new();
    let mut random = Numbers(7);
    let mut ids = String::new();
    let mark = format!("MARK={}", kiln.store().display());
    let script = "sleep 1000 & sleep 1000 & echo started; wait";
    for n in 0..50 {
        let rm = if n % 2 == 0 { "--rm" } else { "--init" };
        let args = [
            "run", "-d", rm, "-e", &mark, "-v", "/data", "busybox", "sh", "-c", script,
        ];
        let id = kiln.out(&args);
        ids.push_str(&format!("{id}\n"));
        match random.next(5) {
            0 => monitors(kiln.store()).into_iter().for_each(kill),
            1 => {
                let pid = kiln.state(&id)["Pid"].as_i64().unwrap();
                kill(Pid::from_raw(pid as i32).unwrap());
            }
            2 => {
                kiln.ok(["pause", &id]);
                monitors(kiln.store()).into_iter().for_each(kill);
            }
            3 => {
                let mut exec = kiln
                    .command(["exec", &id, "sleep", "1000"])
                    .spawn()
                    .unwrap();
                monitors(kiln.store()).into_iter().for_each(kill);
                exec.wait().unwrap();
            }
            _ => {
                kiln.run(["rm", "-f", &id]).ok();
            }
        }
        if random.next(2) == 0 {
            // Whatever was killed isn't shown as running.
            wait_until("it is seen", || {
                let running = kiln.out(&["ps", "-q"]);
                running.lines().count() == monitors(kiln.store()).len()
            });
        }
        let left = kiln.run(["ps", "-aq"]).out();
        for id in left.lines() {
            kiln.run(["rm", "-fv", id]).ok();
        }
    }
    assert_eq!(kiln.out(&["ps", "-aq"]), "");
    wait_until("nothing is left", || leftovers(kiln.store()).is_empty());
    assert!(cgroups(&ids).is_empty(), "{:?}", cgroups(&ids));
    assert_eq!(
        std::fs::read_dir(kiln.store().join("containers"))
            .unwrap()
            .count(),
        0
    );
    kiln.ok(["volume", "prune", "-f"]);
    assert_eq!(kiln.out(&["volume", "ls", "-q"]), "");
}

#[test]
fn a_killed_monitor_shows_as_exited() {
    let kiln = Containers::new();
    kiln.ok(["run", "-d", "--name", "gone", "busybox", "sleep", "1000"]);
    let pid = kiln.state("gone")["Pid"].as_i64().unwrap();
    monitors(kiln.store()).into_iter().for_each(kill);
    wait_until("it is seen", || kiln.state("gone")["Status"] == "exited");
    assert_eq!(kiln.state("gone")["ExitCode"], 137);
    wait_until("its process is gone", || {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !state.contains("(sleep)")
    });
    // It starts again as if nothing had been.
    kiln.ok(["start", "gone"]);
    assert_eq!(kiln.state("gone")["Status"], "running");
    kiln.nothing_left();
}

#[test]
fn a_reboot_ends_containers() {
    let kiln = Containers::new();
    let id = kiln.out(&["run", "-d", "--name", "boot", "busybox", "sleep", "1000"]);
    let pids = monitors(kiln.store());
    pids.iter().copied().for_each(kill);
    wait_until("it is seen", || kiln.state("boot")["Status"] == "exited");
    // As the file would be found after another boot.
    let file = kiln.store().join("containers").join(&id).join("state.json");
    let mut state: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    state["boot"] = "another".into();
    state["status"] = "running".into();
    std::fs::write(&file, state.to_string()).unwrap();
    assert_eq!(kiln.state("boot")["Status"], "exited");
    assert_eq!(kiln.state("boot")["ExitCode"], 255);
    kiln.nothing_left();
}
