//! Commits: a consistent moment, thawed whatever happens.

use std::time::{Duration, Instant};

use super::{Containers, wait_until};

/// Writes two numbers as fast as it can, the first one first; between them in the order of names
/// lies much to copy.
const WRITER: &str = "dd if=/dev/urandom of=/b-filler bs=1M count=60 2>/dev/null
    i=0; while :; do i=$((i+1)); echo $i > /t; mv /t /a; echo $i > /t; mv /t /c; done";

fn start_writer(kiln: &Containers) {
    kiln.ok([
        "run", "-d", "--name", "writer", "busybox", "sh", "-c", WRITER,
    ]);
    wait_until("it writes", || {
        kiln.run(["exec", "writer", "test", "-s", "/c"]).code == Some(0)
    });
}

/// How far the second number is behind the first.
fn behind(kiln: &Containers, image: &str) -> i64 {
    let text = kiln.out(&["run", "--rm", image, "cat", "/a", "/c"]);
    let numbers: Vec<i64> = text.lines().map(|l| l.parse().unwrap()).collect();
    numbers[0] - numbers[1]
}

#[test]
fn a_commit_is_one_moment() {
    let kiln = Containers::new();
    start_writer(&kiln);
    for n in 0..3 {
        let name = format!("still:{n}");
        kiln.ok(["commit", "writer", &name]);
        let behind = behind(&kiln, &name);
        assert!(
            (0..=1).contains(&behind),
            "the copy saw several moments: {behind}"
        );
    }
    assert_eq!(kiln.state("writer")["Status"], "running");
    // Without the pause it does see several: what was written first is older.
    let torn = (0..5).any(|n| {
        let name = format!("torn:{n}");
        kiln.ok(["commit", "--pause=false", "writer", &name]);
        behind(&kiln, &name) < 0
    });
    assert!(
        torn,
        "the pause makes no difference: this test proves nothing"
    );
    kiln.nothing_left();
}

#[test]
fn a_commit_that_dies_lets_the_container_go_on() {
    let kiln = Containers::new();
    start_writer(&kiln);
    let count = || {
        kiln.out(&["exec", "writer", "cat", "/a"])
            .parse::<i64>()
            .unwrap_or(0)
    };
    for n in 0..5 {
        let mut commit = kiln.command(["commit", "writer", "x"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(10 + 12 * n));
        commit.kill().unwrap();
        commit.wait().unwrap();
        let began = Instant::now();
        wait_until("it goes on", || {
            kiln.run(["exec", "writer", "true"]).code == Some(0)
        });
        let before = count();
        wait_until("it writes", || count() > before);
        assert!(began.elapsed() < Duration::from_secs(10));
    }
    // A bad instruction is found before anything is stopped.
    let done = kiln.run(["commit", "-c", "RUN x", "writer"]).code(1);
    assert!(
        done.err().contains("RUN is not a valid change command"),
        "{}",
        done.report()
    );
    kiln.nothing_left();
}

#[test]
fn a_paused_container_stays_paused() {
    let kiln = Containers::new();
    kiln.ok([
        "run",
        "-d",
        "--name",
        "pp",
        "busybox",
        "sh",
        "-c",
        "echo x > /x; sleep 100",
    ]);
    wait_until("it wrote", || {
        kiln.run(["exec", "pp", "test", "-s", "/x"]).code == Some(0)
    });
    kiln.ok(["pause", "pp"]);
    kiln.ok(["commit", "pp", "img"]);
    assert_eq!(kiln.state("pp")["Status"], "paused");
    assert_eq!(kiln.cat("img", "/x"), "x\n");
    let history = kiln.out(&["history", "--no-trunc", "img"]);
    assert!(history.contains("kiln commit pp: sh -c"), "{history}");
    // The warning, and how to keep it still.
    assert!(kiln.ok(["commit", "pp"]).err().contains("WARNING"));
    assert_eq!(kiln.ok(["commit", "-q", "pp"]).err(), "");
    kiln.nothing_left();
}

#[test]
fn every_process_is_paused() {
    let kiln = Containers::new();
    let forks = "n() { while :; do (sh -c 'echo >> /count') & wait; done; }; n & n & n";
    kiln.ok(["run", "-d", "--name", "many", "busybox", "sh", "-c", forks]);
    let count = || kiln.ok(["cp", "many:/count", "-"]).stdout.len();
    wait_until("they write", || {
        kiln.run(["cp", "many:/count", "-"]).code == Some(0)
    });
    for _ in 0..5 {
        kiln.ok(["pause", "many"]);
        let before = count();
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(count(), before, "something still writes");
        kiln.ok(["unpause", "many"]);
        wait_until("they write again", || count() > before);
    }
    kiln.nothing_left();
}
