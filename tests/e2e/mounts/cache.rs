//! Cache mounts over several builds.

use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::out_of;
use crate::harness::{Kiln, Project, assert_nothing_left};

fn cached_bytes(kiln: &Kiln) -> String {
    let df = kiln
        .ok(["system", "df", "--format", "{{.Type}} {{.Size}}"])
        .out();
    let line = df.lines().find(|l| l.starts_with("Build Cache")).unwrap();
    line.trim_start_matches("Build Cache ").to_owned()
}

fn dirs(kiln: &Kiln) -> usize {
    std::fs::read_dir(kiln.store().join("caches"))
        .unwrap()
        .count()
}

#[test]
fn kept_until_pruned() {
    let kiln = Kiln::new();
    let project = |n: u32| {
        Project::new(&format!(
            "FROM busybox\nRUN --mount=type=cache,target=/c echo {n} >> /c/log; cp /c/log /out; \
             dd if=/dev/zero of=/c/big bs=1M count=3\n"
        ))
    };
    assert_eq!(out_of(&kiln, &project(1), &[]), "1\n");
    assert_eq!(out_of(&kiln, &project(2), &[]), "1\n2\n");
    assert!(kiln.image("out").tree.get("/c").is_none());
    kiln.ok(["rmi", "out"]);
    let size = cached_bytes(&kiln);
    assert!(size.starts_with("3.1") && size.ends_with("MB"), "{size}");
    let pruned = kiln.ok(["builder", "prune", "-f"]).out();
    assert!(pruned.contains("Deleted cache mounts: 1"), "{pruned}");
    assert!(pruned.contains("Total reclaimed space: 3.1"), "{pruned}");
    assert_eq!((dirs(&kiln), cached_bytes(&kiln).as_str()), (0, "0B"));
    assert_eq!(out_of(&kiln, &project(3), &[]), "3\n");
    assert_nothing_left(&kiln);
}

#[test]
fn which_cache_it_is() {
    let kiln = Kiln::new();
    let build = |n: u32, options: &str, args: &[&str]| {
        let project = Project::new(&format!(
            "FROM busybox AS seed\nRUN mkdir /s && echo seed > /s/log && chmod 750 /s && chown 3:4 /s\n\
             FROM busybox\nWORKDIR /w\nRUN --mount=type=cache,{options} cd {}; echo {n} >> log; cp log /out; \
             stat -c '%a %u:%g' . >> /out\n",
            if options.contains("target=c") {
                "/w/c"
            } else {
                "/c"
            }
        ));
        out_of(&kiln, &project, args)
    };
    assert_eq!(build(1, "target=/c", &[]), "1\n755 0:0\n");
    assert_eq!(build(2, "target=/c", &[]), "1\n2\n755 0:0\n");
    assert_eq!(build(3, "target=/c,id=other", &[]), "3\n755 0:0\n");
    assert_eq!(
        build(4, "target=/c/,id=/c", &[]),
        "1\n2\n4\n755 0:0\n",
        "the id is the target"
    );
    assert_eq!(build(5, "target=c", &[]), "5\n755 0:0\n");
    let owned = "target=/c,uid=1000,gid=50,mode=0770";
    assert_eq!(build(6, owned, &[]), "6\n770 1000:50\n");
    assert_eq!(build(7, owned, &[]), "6\n7\n770 1000:50\n");
    let seeded = "target=/c,from=seed,source=/s";
    assert_eq!(build(8, seeded, &[]), "seed\n8\n750 3:4\n");
    assert_eq!(build(9, seeded, &[]), "seed\n8\n9\n750 3:4\n");
    let apart = ["--build-arg", "BUILDKIT_CACHE_MOUNT_NS=apart"];
    assert_eq!(build(10, "target=/c", &apart), "10\n755 0:0\n");
    let done = kiln.try_build(
        Project::new("FROM busybox\nRUN --mount=type=cache,target=/c,ro touch /c/x\n").dir(),
        &apart,
    );
    assert!(done.code(1).err().contains("Read-only file system"));
}

#[test]
fn twice_in_one_step() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox\nRUN --mount=type=cache,id=a,target=/x,sharing=locked \
         --mount=type=cache,id=a,target=/y,sharing=locked echo same > /x/f; cp /y/f /out\n",
    );
    assert_eq!(out_of(&kiln, &project, &[]), "same\n");
}

#[test]
fn killed_in_the_middle() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox\nRUN --mount=type=cache,target=/c,sharing=locked echo before > /c/f; sleep 60\n",
    );
    for _ in 0..3 {
        let mut build = kiln
            .command(["build", "-q"])
            .arg(project.dir())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        let written = || {
            let dirs = std::fs::read_dir(kiln.store().join("caches"));
            let dirs = dirs.into_iter().flatten().flatten();
            dirs.into_iter().any(|d| d.path().join("data/f").exists())
        };
        while !written() {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "the step does not begin"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = kill_process_group(Pid::from_child(&build), Signal::KILL);
        build.wait().unwrap();
    }
    // Nobody has the lock any more, and what was written is there.
    let after = Project::new(
        "FROM busybox\nRUN --mount=type=cache,target=/c,sharing=locked cp /c/f /out\n",
    );
    assert_eq!(out_of(&kiln, &after, &[]), "before\n");
    assert_nothing_left(&kiln);
    kiln.ok(["system", "prune", "-af"]);
    assert_eq!(dirs(&kiln), 0);
}
