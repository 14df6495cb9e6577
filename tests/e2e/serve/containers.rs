//! Containers, with docker's own engine and with Kiln's.

use std::process::Command;

use crate::harness::{Dockerd, run, run_with};

use super::Engine;

const LOOP: &str = "echo started; trap 'exit 0' TERM; while :; do sleep 0.1; done";

/// Code, output and errors of each command.
fn walk(docker: &dyn Fn(&[&str]) -> Command) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    let mut with = |args: &[&str], input: &str, errors: bool| {
        let done = run_with(&mut docker(args), input.into());
        let errors = if errors { done.err() } else { String::new() };
        let out = match args[0] {
            // Docker's order is another one each time.
            "diff" => {
                let mut lines: Vec<String> = done.out().lines().map(String::from).collect();
                lines.sort_unstable();
                lines.join("\n")
            }
            _ => done.out(),
        };
        let text = format!("{:?}\n{out}\n{errors}", done.code);
        seen.push((done.line, text));
    };
    let mut note = |args: &[&str]| with(args, "", true);
    let net = ["--network", "host"];
    let sh = ["busybox", "sh", "-c"];
    let fresh = |more: &[&'static str]| [&["run", "--rm"], &net[..], more].concat();
    note(&[&fresh(&sh)[..], &["echo out; echo err >&2; exit 3"]].concat());
    note(&fresh(&["-t", "busybox", "echo", "terminal"]));
    note(&fresh(&[
        "-e",
        "A=1",
        "-w",
        "/tmp",
        "busybox",
        "sh",
        "-c",
        "pwd; echo $A",
    ]));
    note(&fresh(&[
        "--entrypoint",
        "echo",
        "busybox",
        "entry",
        "point",
    ]));
    run(&mut docker(
        &[
            &["run", "-d", "--name", "walk", "-l", "x=y"],
            &net[..],
            &sh,
            &[LOOP],
        ]
        .concat(),
    ))
    .ok();
    let ps = [
        "ps",
        "-a",
        "--format",
        "{{.Image}} {{.Command}} {{.Names}} {{.State}}",
    ];
    note(&ps);
    note(&[
        "exec",
        "-e",
        "B=2",
        "walk",
        "sh",
        "-c",
        "echo $B; echo wrong >&2; exit 4",
    ]);
    note(&["exec", "-t", "walk", "echo", "terminal"]);
    note(&["logs", "walk"]);
    note(&["pause", "walk"]);
    note(&["pause", "nobody"]);
    note(&ps);
    note(&["unpause", "walk"]);
    note(&["exec", "walk", "sh", "-c", "echo new >/new; rm /etc/group"]);
    note(&["diff", "walk"]);
    run(&mut docker(&[
        "commit",
        "-m",
        "by hand",
        "-c",
        "CMD [\"cat\", \"/new\"]",
        "walk",
        "c:1",
    ]))
    .ok();
    note(&fresh(&["c:1"]));
    // Files out and in again, by way of the client's directory.
    note(&["cp", "walk:/new", "out"]);
    note(&["cp", "out", "walk:/tmp/in"]);
    note(&["cp", "walk:/home", "homes"]);
    note(&["cp", "homes", "walk:/tmp"]);
    note(&[
        "exec",
        "walk",
        "sh",
        "-c",
        "cat /tmp/in; ls /tmp/homes; stat -c %u /tmp/in",
    ]);
    note(&["cp", "walk:/nothing", "."]);
    note(&["export", "-o", "all.tar", "walk"]);
    note(&["stop", "-t", "5", "walk"]);
    note(&["wait", "walk"]);
    note(&["start", "walk"]);
    note(&["kill", "walk"]);
    note(&["wait", "walk"]);
    note(&["rename", "walk", "other"]);
    note(&ps);
    note(&["rm", "other"]);
    note(&["rm", "other"]);
    run(&mut docker(
        &[
            &["create", "--name", "once"],
            &net[..],
            &sh,
            &["echo once; exit 5"],
        ]
        .concat(),
    ))
    .ok();
    note(&["start", "-a", "once"]);
    note(&["logs", "--tail", "1", "once"]);
    note(&[
        "inspect",
        "-f",
        "{{.State.ExitCode}} {{.State.Status}} {{.Config.Cmd}}",
        "once",
    ]);
    note(&["container", "rm", "once"]);
    note(&["volume", "create", "kept"]);
    note(&fresh(&[
        "-v",
        "kept:/v",
        "busybox",
        "sh",
        "-c",
        "echo x >/v/f",
    ]));
    note(&fresh(&["-v", "kept:/v:ro", "busybox", "cat", "/v/f"]));
    note(&["volume", "ls", "-q"]);
    note(&["volume", "rm", "kept"]);
    note(&["ps", "-aq"]);
    with(&fresh(&["-i", "busybox", "cat"]), "input\n", true);
    with(&fresh(&["busybox", "nowhere"]), "", false);
    seen
}

#[test]
fn the_same_walk_says_the_same() {
    let dockerd = Dockerd::with_base();
    let theirs = walk(&|args| dockerd.command(args));
    let engine = Engine::with_base();
    let ours = walk(&|args| engine.command(args));
    assert_eq!(ours.len(), theirs.len());
    for ((line, ours), (_, theirs)) in ours.iter().zip(&theirs) {
        assert!(
            ours == theirs,
            "{line}\n--- kiln\n{ours}\n--- docker\n{theirs}\n{}",
            engine.log()
        );
    }
}

#[test]
fn what_kiln_has_not_is_refused_by_name() {
    let engine = Engine::with_base();
    for (flag, name) in [
        (&["--privileged"][..], "Privileged"),
        (&["--restart", "always"], "restart policy"),
        (&["--device", "/dev/null"], "Devices"),
        (&["--pid", "host"], "PidMode"),
        (&["--security-opt", "seccomp=unconfined"], "SecurityOpt"),
        (&["--network", "mine"], "network mine not found"),
    ] {
        let args = [&["create"], flag, &["busybox", "true"]].concat();
        let done = run(&mut engine.command(&args)).code(1);
        assert!(done.err().contains(name), "{}", done.err());
    }
    let missing = run(&mut engine.command(["exec", "nobody", "true"])).code(1);
    assert!(missing.err().contains("No such container: nobody"));
}

#[test]
fn containers_outlive_the_server() {
    let mut engine = Engine::with_base();
    let id = engine
        .ok([
            "run",
            "-d",
            "--network",
            "host",
            "busybox",
            "sh",
            "-c",
            LOOP,
        ])
        .out();
    engine.signal(rustix::process::Signal::TERM);
    assert_eq!(engine.wait(), Some(0));
    let state = ["inspect", "-f", "{{.State.Status}}", &id];
    assert_eq!(engine.kiln().ok(state).out(), "running");
    engine.kiln().ok(["rm", "-f", &id]);
}
