//! Cache mounts of several builds at once.

use std::process::{Child, Stdio};

use crate::harness::{Kiln, Project, assert_nothing_left};

/// Starts builds of the same script, in which `@N@` is a number, all at once; they must succeed.
fn all_at_once(kiln: &Kiln, builds: usize, sharing: &str, script: &str) {
    let projects: Vec<Project> = (0..builds)
        .map(|n| {
            let script = script.replace("@N@", &n.to_string());
            Project::new(&format!(
                "FROM busybox\nRUN --mount=type=cache,target=/c,sharing={sharing} {script}\n"
            ))
        })
        .collect();
    let children: Vec<Child> = projects
        .iter()
        .enumerate()
        .map(|(n, p)| {
            kiln.command(["build", "--progress", "plain", "-t", &format!("b{n}")])
                .arg(p.dir())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(std::fs::File::create(kiln.file(&format!("log{n}"))).unwrap())
                .spawn()
                .unwrap()
        })
        .collect();
    for (n, mut child) in children.into_iter().enumerate() {
        let status = child.wait().unwrap();
        let log = std::fs::read_to_string(kiln.file(&format!("log{n}"))).unwrap();
        assert!(status.success(), "build {n}: {status}\n{log}");
    }
}

/// Waits until the other build has left its mark, for some seconds at most.
const MEET: &str = "touch /c/@N@; i=0; while [ $(ls /c | wc -l) != 2 ]; do \
     sleep 0.1; i=$((i+1)); test $i -lt 150 || exit 9; done";

#[test]
fn locked_is_for_one_at_a_time() {
    let kiln = Kiln::new();
    let script =
        "mkdir /c/busy && sleep 0.4 && rmdir /c/busy && echo @N@ >> /c/log && cp /c/log /log";
    all_at_once(&kiln, 4, "locked", script);
    let mut lengths: Vec<usize> = (0..4)
        .map(|n| kiln.cat(&format!("b{n}"), "/log").lines().count())
        .collect();
    lengths.sort();
    assert_eq!(lengths, [1, 2, 3, 4], "each saw what those before it left");
    assert_nothing_left(&kiln);
}

#[test]
fn shared_is_for_all() {
    let kiln = Kiln::new();
    all_at_once(&kiln, 2, "shared", MEET);
    assert_nothing_left(&kiln);
}

#[test]
fn private_is_another_when_in_use() {
    let kiln = Kiln::new();
    let script = "touch /c/@N@; sleep 1.5; test $(ls /c | wc -l) = 1";
    all_at_once(&kiln, 2, "private", script);
    let count = || {
        std::fs::read_dir(kiln.store().join("caches"))
            .unwrap()
            .count()
    };
    assert_eq!(count(), 2);
    // Those that are there and free are used again.
    all_at_once(&kiln, 1, "private", "test $(ls /c | wc -l) = 1");
    assert_eq!(count(), 2);
    assert_nothing_left(&kiln);
}

#[test]
fn stages_of_one_build_lock_too() {
    let kiln = Kiln::new();
    let step = "RUN --mount=type=cache,target=/c,sharing=locked mkdir /c/busy && sleep 0.3 && rmdir /c/busy";
    let project = Project::new(&format!(
        "FROM busybox AS a\n{step} && touch /a\nFROM busybox AS b\n{step} && touch /b\n\
         FROM busybox\nCOPY --from=a /a /\nCOPY --from=b /b /\n"
    ));
    kiln.build(project.dir(), &[]);
}

#[test]
fn an_interrupt_ends_the_wait() {
    let kiln = Kiln::new();
    let start = |script: &str, log: &str| {
        let project = Project::new(&format!(
            "FROM busybox\nRUN --mount=type=cache,target=/c,sharing=locked {script}\n"
        ));
        let child = kiln
            .command(["build", "--progress", "plain"])
            .arg(project.dir())
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(kiln.file(log)).unwrap())
            .spawn()
            .unwrap();
        (project, child)
    };
    let terminate = |child: &Child| {
        let pid = rustix::process::Pid::from_child(child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    };
    let (_first, mut holder) = start("touch /c/held; sleep 50", "holder");
    while !kiln
        .store()
        .join("caches")
        .read_dir()
        .unwrap()
        .flatten()
        .any(|d| d.path().join("data/held").exists())
    {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let (_second, mut waiter) = start("true", "waiter");
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(waiter.try_wait().unwrap().is_none(), "it waits");
    let pruned = kiln.run(["builder", "prune", "-f"]);
    assert_ne!(pruned.code, None);
    assert!(
        kiln.store().join("caches").read_dir().unwrap().count() == 1,
        "in use: kept"
    );
    terminate(&waiter);
    assert_eq!(waiter.wait().unwrap().code(), Some(1));
    terminate(&holder);
    holder.wait().unwrap();
    assert_nothing_left(&kiln);
}
