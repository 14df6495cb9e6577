//! Signals during a build: it ends soon and leaves nothing.

use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::harness::{Kiln, Project, assert_nothing_left, leftovers};

/// A build under way, killed if the test fails.
struct Build(Child);

impl Drop for Build {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Build {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }
}

/// Starts a build in a process group of its own and waits until its RUN runs.
fn start(kiln: &Kiln, project: &Project) -> Build {
    let log = std::fs::File::create(kiln.file("log")).unwrap();
    let build = kiln
        .command(["build", "--progress", "plain", "-t", "x"])
        .arg(project.dir())
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let build = Build(build);
    // All that is looked for afterwards must be seen now, or its absence would say nothing.
    let signs = ["kiln-runtime-helper)", "(sleep 100)", "tmp/"];
    let began = Instant::now();
    loop {
        let now = leftovers(kiln.store()).join("\n");
        let log = log_of(kiln);
        let runs = log.lines().any(|l| l.ends_with(" under way"));
        if runs && signs.iter().all(|s| now.contains(s)) {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{log}\nseen:\n{now}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    build
}

fn log_of(kiln: &Kiln) -> String {
    std::fs::read_to_string(kiln.file("log")).unwrap()
}

/// Waits for the end, which must come soon; gives the exit code.
fn end(mut build: Build) -> Option<i32> {
    let began = Instant::now();
    loop {
        if let Some(status) = build.0.try_wait().unwrap() {
            return status.code();
        }
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "the build goes on"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn after(kiln: &Kiln) {
    let log = log_of(kiln);
    let errors: Vec<&str> = log.lines().filter(|l| l.starts_with("ERROR")).collect();
    assert_eq!(errors, ["ERROR: build cancelled"], "{log}");
    assert_nothing_left(kiln);
    kiln.run(["inspect", "x"]).code(1);
    let good = Project::new("FROM busybox\nRUN echo fine > /fine\n");
    kiln.build(good.dir(), &["-t", "x"]);
    assert_eq!(kiln.cat("x", "/fine"), "fine\n");
}

fn sleeper(kiln: &Kiln, before: &str) -> Project {
    Project::new(&format!(
        "FROM busybox\nENV STORE={}\n\
         RUN {before} echo under way; sleep 100 & sleep 100; sleep 100\n",
        kiln.store().display()
    ))
}

#[test]
fn ctrl_c_ends_a_run() {
    let kiln = Kiln::new();
    let project = sleeper(&kiln, "");
    let build = start(&kiln, &project);
    // A terminal sends it to the whole foreground group.
    kill_process_group(build.pid(), Signal::INT).unwrap();
    assert_eq!(end(build), Some(1));
    after(&kiln);
}

#[test]
fn a_signal_to_kiln_alone_ends_a_run() {
    for signal in [Signal::INT, Signal::TERM] {
        let kiln = Kiln::new();
        let project = sleeper(&kiln, "");
        let build = start(&kiln, &project);
        kill_process(build.pid(), signal).unwrap();
        assert_eq!(end(build), Some(1));
        after(&kiln);
    }
}

#[test]
fn a_run_that_ignores_signals_ends_too() {
    let kiln = Kiln::new();
    let project = sleeper(&kiln, "trap '' INT TERM HUP;");
    let build = start(&kiln, &project);
    kill_process_group(build.pid(), Signal::INT).unwrap();
    assert_eq!(end(build), Some(1));
    after(&kiln);
}

#[test]
fn stages_at_once_all_end() {
    let kiln = Kiln::new();
    let store = kiln.store().display();
    let project = Project::new(&format!(
        "FROM busybox AS a\nENV STORE={store}\nRUN sleep 100\n\
         FROM busybox AS b\nENV STORE={store}\nRUN sleep 1; echo under way; sleep 100\n\
         FROM busybox\nCOPY --from=a / /a\nCOPY --from=b / /b\n",
    ));
    let build = start(&kiln, &project);
    kill_process_group(build.pid(), Signal::INT).unwrap();
    assert_eq!(end(build), Some(1));
    after(&kiln);
}

#[test]
fn what_was_done_before_stays_in_the_cache() {
    let kiln = Kiln::new();
    let store = kiln.store().display();
    let text = format!("FROM busybox\nENV STORE={store}\nRUN echo done > /done\n");
    let project = Project::new(&format!("{text}RUN echo under way; sleep 100\n"));
    let build = start(&kiln, &project);
    kill_process(build.pid(), Signal::INT).unwrap();
    assert_eq!(end(build), Some(1));
    project.write("Dockerfile", text);
    crate::harness::assert_all_cached(&kiln.build(project.dir(), &[]));
}

#[test]
fn a_killed_build_takes_its_processes_along() {
    let kiln = Kiln::new();
    let project = sleeper(&kiln, "trap '' INT TERM HUP;");
    let mut build = start(&kiln, &project);
    // Only kiln itself: nothing gets a chance to clean up.
    build.0.kill().unwrap();
    build.0.wait().unwrap();
    let began = Instant::now();
    while leftovers(kiln.store())
        .iter()
        .any(|l| !l.starts_with("tmp/"))
    {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "still there: {:#?}",
            leftovers(kiln.store())
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    // The next run of any command cleans the rest.
    kiln.ok(["images"]);
    assert_nothing_left(&kiln);
}
