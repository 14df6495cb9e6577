//! What the commands do when all is well.

use std::io::{Read, Write};
use std::process::Stdio;

use super::{Containers, wait_until};
use crate::harness::run_with;

#[test]
fn output_input_and_exit_codes() {
    let kiln = Containers::new();
    let done = kiln.run([
        "run",
        "--name",
        "io",
        "busybox",
        "sh",
        "-c",
        "echo out; echo err >&2; exit 3",
    ]);
    assert_eq!(
        (done.code, done.out(), done.err()),
        (Some(3), "out".into(), "err".into())
    );
    let logs = kiln.ok(["logs", "io"]);
    assert_eq!((logs.out(), logs.err()), ("out".into(), "err".into()));
    assert_eq!(kiln.out(&["wait", "io"]), "3");
    let mut cat = kiln.command(["run", "--rm", "-i", "busybox", "cat"]);
    let big = vec![b'x'; 3 << 20];
    assert_eq!(run_with(&mut cat, big.clone()).ok().stdout, big);
    kiln.ok(["run", "-d", "--name", "cc", "busybox", "sleep", "1000"]);
    let mut cat = kiln.command(["exec", "-i", "cc", "cat"]);
    assert_eq!(run_with(&mut cat, big.clone()).ok().stdout, big);
    let done = kiln.run(["exec", "cc", "sh", "-c", "echo out; echo err >&2; exit 5"]);
    assert_eq!(
        (done.code, done.out(), done.err()),
        (Some(5), "out".into(), "err".into())
    );
    let seen = kiln.out(&[
        "exec",
        "-e",
        "A=1",
        "-w",
        "/etc",
        "-u",
        "app",
        "cc",
        "sh",
        "-c",
        "echo $A $PWD $(id -u) $HOME",
    ]);
    assert_eq!(seen, "1 /etc 1000 /home/app");
    kiln.ok(["exec", "-d", "cc", "sh", "-c", "echo done > /done"]);
    wait_until("it is done", || {
        kiln.run(["exec", "cc", "cat", "/done"]).out() == "done"
    });
    assert_eq!(kiln.out(&["exec", "-t", "cc", "tty"]), "/dev/pts/0");
    assert_eq!(
        kiln.out(&[
            "run",
            "--rm",
            "-t",
            "busybox",
            "sh",
            "-c",
            "tty; test -t 1 && test -c /dev/console && echo yes"
        ]),
        "/dev/pts/0\r\nyes"
    );
    kiln.nothing_left();
}

#[test]
fn what_flags_do() {
    let kiln = Containers::new();
    std::fs::write(kiln.file("env"), "# no\nA=file\nB=file\nUSERISH\n").unwrap();
    let env = kiln.file("env").display().to_string();
    let mut command = kiln.command([
        "run",
        "--rm",
        "--env-file",
        &env,
        "-e",
        "B=flag",
        "-e",
        "FROM_HERE",
        "--hostname",
        "box",
        "--add-host",
        "db:10.0.0.7",
        "-w",
        "/made/here",
        "--entrypoint",
        "sh",
        "busybox",
        "-c",
        "echo $A $B $FROM_HERE $HOSTNAME; hostname; pwd; grep db /etc/hosts; cat /etc/hostname",
    ]);
    let done = crate::harness::run(command.env("FROM_HERE", "here")).ok();
    assert_eq!(
        done.out(),
        "file flag here box\nbox\n/made/here\n10.0.0.7\tdb\nbox"
    );
    let cid = kiln.file("cid");
    let cid_text = cid.display().to_string();
    let id = kiln.out(&[
        "create",
        "--cidfile",
        &cid_text,
        "-l",
        "k=v",
        "--name",
        "made",
        "busybox",
        "true",
    ]);
    assert_eq!(std::fs::read_to_string(&cid).unwrap(), id);
    kiln.run(["create", "--cidfile", &cid_text, "busybox"])
        .code(125);
    assert_eq!(
        kiln.out(&["ps", "-aq", "--no-trunc", "-f", "label=k=v"]),
        id
    );
    assert_eq!(kiln.out(&["ps", "-q", "-f", "status=created"]), id[..12]);
    kiln.ok(["rename", "made", "other"]);
    assert_eq!(
        kiln.out(&[
            "container",
            "inspect",
            "-f",
            "{{.Name}} {{.State.Status}}",
            "other"
        ]),
        "/other created"
    );
    kiln.ok(["start", "other"]);
    kiln.ok(["wait", "other"]);
    assert_eq!(
        kiln.out(&["container", "prune", "-f"]).lines().next(),
        Some("Deleted Containers:")
    );
    let limits =
        "cat /proc/self/status | grep -c Pid; for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; wait";
    let done = kiln.run([
        "run",
        "--rm",
        "--pids-limit",
        "4",
        "-m",
        "32m",
        "--cpus",
        "0.5",
        "busybox",
        "sh",
        "-c",
        limits,
    ]);
    assert!(done.err().contains("can't fork"), "{}", done.report());
    let done = kiln.run([
        "run",
        "--name",
        "oom",
        "-m",
        "16m",
        "busybox",
        "sh",
        "-c",
        "dd if=/dev/zero of=/dev/shm/x bs=1M count=60",
    ]);
    assert_ne!(done.code, Some(0));
    assert_eq!(kiln.state("oom")["OOMKilled"], true, "{}", done.report());
    kiln.nothing_left();
}

#[test]
fn stopping_asks_first() {
    let kiln = Containers::new();
    let script = "trap 'echo bye; exit 9' USR1; echo up; while :; do sleep 0.05; done";
    kiln.ok([
        "run",
        "-d",
        "--stop-signal",
        "USR1",
        "--name",
        "cc",
        "busybox",
        "sh",
        "-c",
        script,
    ]);
    wait_until("it is up", || kiln.out(&["logs", "cc"]).contains("up"));
    kiln.ok(["stop", "cc"]);
    assert_eq!(kiln.state("cc")["ExitCode"], 9);
    assert!(kiln.out(&["logs", "cc"]).ends_with("bye"));
    kiln.ok(["restart", "-t", "1", "cc"]);
    wait_until("it is up again", || {
        kiln.out(&["logs", "cc"]).matches("up").count() == 2
    });
    // A paused one is stopped, too.
    kiln.ok(["pause", "cc"]);
    kiln.ok(["stop", "-t", "5", "cc"]);
    assert_eq!(kiln.state("cc")["ExitCode"], 9);
    kiln.ok(["start", "cc"]);
    kiln.ok(["kill", "-s", "SIGUSR1", "cc"]);
    assert_eq!(kiln.out(&["wait", "cc"]), "9");
    kiln.nothing_left();
}

#[test]
fn following_and_attaching() {
    let kiln = Containers::new();
    let script = "for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done; printf end";
    kiln.ok(["run", "-d", "--name", "cc", "busybox", "sh", "-c", script]);
    let all = "line 1\nline 2\nline 3\nline 4\nline 5\nend";
    assert_eq!(kiln.out(&["logs", "-f", "cc"]), all);
    assert_eq!(kiln.out(&["logs", "--tail", "2", "cc"]), "line 5\nend");
    assert_eq!(kiln.out(&["logs", "--since", "1h", "cc"]), all);
    assert_eq!(
        kiln.out(&["logs", "--since", "2099-01-01T00:00:00Z", "cc"]),
        ""
    );
    assert!(kiln.out(&["logs", "-t", "cc"]).starts_with("20"));
    kiln.ok([
        "run",
        "-d",
        "-i",
        "--name",
        "aa",
        "busybox",
        "sh",
        "-c",
        "while read l; do echo got $l; done",
    ]);
    let mut attach = kiln
        .command(["attach", "aa"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = attach.stdin.take().unwrap();
    stdin.write_all(b"this\n").unwrap();
    let mut seen = [0; 9];
    attach
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut seen)
        .unwrap();
    assert_eq!(&seen, b"got this\n");
    attach.kill().unwrap();
    attach.wait().unwrap();
    assert_eq!(
        kiln.state("aa")["Status"],
        "running",
        "nobody's going away ends it"
    );
    assert_eq!(kiln.out(&["logs", "aa"]), "got this");
    // Signals are passed on.
    let mut run = kiln
        .command([
            "run",
            "--rm",
            "busybox",
            "sh",
            "-c",
            "trap 'exit 4' TERM; echo up; while :; do sleep 0.05; done",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut up = [0; 3];
    run.stdout.as_mut().unwrap().read_exact(&mut up).unwrap();
    let pid = rustix::process::Pid::from_child(&run);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(4));
    kiln.nothing_left();
}

#[test]
fn health_is_checked() {
    let kiln = Containers::new();
    let args = [
        "run",
        "-d",
        "--name",
        "hh",
        "--health-cmd",
        "echo looked; test -e /ok",
        "--health-interval",
        "100ms",
        "--health-retries",
        "2",
        "--health-timeout",
        "500ms",
        "busybox",
        "sleep",
        "1000",
    ];
    kiln.ok(args);
    assert!(
        kiln.out(&["ps", "--format", "{{.Status}}"])
            .contains("(health: starting)")
    );
    wait_until("it is unhealthy", || {
        kiln.state("hh")["Health"]["Status"] == "unhealthy"
    });
    assert!(
        kiln.out(&["ps", "-f", "health=unhealthy"])
            .contains("(unhealthy)")
    );
    kiln.ok(["exec", "hh", "touch", "/ok"]);
    wait_until("it is healthy", || {
        kiln.state("hh")["Health"]["Status"] == "healthy"
    });
    assert_eq!(kiln.state("hh")["Health"]["Log"][0]["Output"], "looked\n");
    let late = [
        "run",
        "-d",
        "--name",
        "late",
        "--health-cmd",
        "sleep 100",
        "--health-interval",
        "50ms",
        "--health-timeout",
        "50ms",
        "--health-retries",
        "1",
        "busybox",
        "sleep",
        "1000",
    ];
    kiln.ok(late);
    wait_until("it takes too long", || {
        kiln.state("late")["Health"]["Status"] == "unhealthy"
    });
    kiln.nothing_left();
}

#[test]
fn what_containers_use_is_shown() {
    let kiln = Containers::new();
    kiln.ok([
        "run",
        "-d",
        "--init",
        "--name",
        "cc",
        "busybox",
        "sh",
        "-c",
        "dd if=/dev/zero of=/big bs=1M count=3 2>/dev/null; while :; do :; done",
    ]);
    wait_until("it wrote", || {
        kiln.out(&["ps", "-s", "--format", "{{.Size}}"])
            .starts_with("3.146MB (virtual")
    });
    let stats = kiln.out(&[
        "stats",
        "--no-stream",
        "--format",
        "{{.Name}} {{.CPUPerc}} {{.PIDs}}",
    ]);
    let fields: Vec<&str> = stats.split(' ').collect();
    assert_eq!(fields[0], "cc");
    assert!(
        fields[1].trim_end_matches('%').parse::<f64>().unwrap() > 1.0,
        "{stats}"
    );
    assert_eq!(fields[2], "2", "{stats}");
    assert_eq!(kiln.out(&["top", "cc"]).lines().count(), 3);
    assert!(
        kiln.out(&["system", "df"])
            .contains("Containers      1         1"),
        "{}",
        kiln.out(&["system", "df"])
    );
    kiln.nothing_left();
}
