//! Pruning while something else is at work.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::layers;
use crate::harness::{Kiln, Project, assert_nothing_left};

#[test]
fn a_prune_while_a_build_runs_breaks_nothing() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox AS one\nRUN echo one > /one\nRUN sleep 2; cat /one > /two\n\
         FROM busybox\nCOPY --from=one /two /three\nCOPY data /data\n",
    )
    .with("data", "data\n");
    let mut build = kiln.command(["build", "--progress", "plain", "-t", "built"]);
    let mut child = build
        .arg(project.dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_step(&kiln);
    let mut prunes = 0;
    while child.try_wait().unwrap().is_none() {
        for command in [
            &["builder", "prune", "-f"][..],
            &["image", "prune", "-af"],
            &["system", "prune", "-af"],
        ] {
            let done = kiln.run(command);
            // It may say that the store is in use; it may not wait for the build, nor break.
            assert!(matches!(done.code, Some(0 | 1)), "{}", done.report());
            assert!(!done.err().contains("panicked"), "{}", done.report());
            prunes += 1;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(prunes >= 6, "only {prunes} prunes");
    // A prune may have come after the end and taken it, but never half of it.
    if kiln.run(["inspect", "built"]).code == Some(0) {
        assert_eq!(kiln.cat("built", "/three"), "one\n");
        assert_eq!(kiln.cat("built", "/data"), "data\n");
    }
    assert_nothing_left(&kiln);
    kiln.ok(["system", "prune", "-af"]);
    assert_eq!(layers(&kiln).len(), 0, "nothing was forgotten");
    kiln.import_base();
    kiln.build(project.dir(), &["-t", "again"]);
    assert_eq!(kiln.cat("again", "/three"), "one\n");
}

/// Waits until the build's first step is stored.
fn wait_for_step(kiln: &Kiln) {
    let began = Instant::now();
    while layers(kiln).len() < 2 {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "the build does not begin"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_prune_while_an_image_is_saved_breaks_nothing() {
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox\nRUN head -c 30000000 /dev/urandom > /big\n");
    kiln.build(project.dir(), &["-t", "big"]);
    let id = kiln.id("big");
    // The reader takes its time: the writer is still at it when the image goes.
    let script = "\"$0\" save big | { head -c 1000000; sleep 1; cat; } > \"$1\"";
    let archive = kiln.file("big.tar");
    let plain = kiln.command(["save"]);
    let mut sh = Command::new("sh");
    sh.args(["-c", script]).arg(Kiln::binary()).arg(&archive);
    for (name, value) in plain.get_envs() {
        if let Some(value) = value {
            sh.env(name, value);
        }
    }
    let mut child = sh.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let done = kiln.run(["system", "prune", "-af"]);
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.report());
    assert!(child.wait().unwrap().success());
    let other = Kiln::empty();
    other.ok(["load", "-i", archive.to_str().unwrap()]);
    assert_eq!(other.id("big"), id, "the archive is whole");
    kiln.ok(["system", "prune", "-af"]);
    assert_eq!(layers(&kiln).len(), 0);
}
