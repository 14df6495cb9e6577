//! Bad input: a clear message, docker's exit code, nothing lost.

use super::Containers;

#[test]
fn exit_codes_of_run() {
    let kiln = Containers::new();
    let run = |args: &[&str]| kiln.run([&["run", "--rm"], args].concat());
    let missing = kiln.file("missing");
    let bind = format!("type=bind,src={},dst=/x", missing.display());
    for (args, code, text) in [
        (
            &["busybox", "nope"][..],
            127,
            "executable file not found in $PATH",
        ),
        (&["busybox", "/no/such"], 127, "no such file or directory"),
        (&["busybox", "/etc/passwd"], 126, "permission denied"),
        (&["busybox", "/etc"], 126, "permission denied"),
        (
            &["-u", "nosuch", "busybox", "true"],
            125,
            "unable to find user nosuch",
        ),
        (
            &["-u", "root:nosuch", "busybox", "true"],
            125,
            "unable to find group nosuch",
        ),
        (
            &["--mount", &bind, "busybox", "true"],
            125,
            "bind source path does not exist",
        ),
        (
            &["--privileged", "busybox", "true"],
            125,
            "--privileged is not supported",
        ),
        (
            &["--network", "nope", "busybox", "true"],
            125,
            "network nope not found",
        ),
        (
            &["--cap-add", "NOPE", "busybox", "true"],
            125,
            "invalid capability",
        ),
        (&["-w", "rel", "busybox", "true"], 125, "absolute path"),
        (
            &["--name", "-x", "busybox", "true"],
            125,
            "Invalid container name",
        ),
        (
            &["-m", "1k", "busybox", "true"],
            125,
            "Minimum memory limit",
        ),
        (
            &["--stop-signal", "NOPE", "busybox", "true"],
            125,
            "Invalid signal",
        ),
        (
            &["-v", "/a:/", "busybox", "true"],
            125,
            "destination can't be '/'",
        ),
        (&["-v", "/etc/passwd:/etc", "busybox", "true"], 125, "/etc"),
        (
            &["--pull", "never", "no/such", "true"],
            125,
            "No such image: no/such:latest",
        ),
        (&["--nope", "busybox", "true"], 125, "--nope"),
        (&["-it", "busybox", "true"], 125, "not a TTY"),
        (&["busybox", "sh", "-c", "exit 42"], 42, ""),
        (&["busybox", "sh", "-c", "kill -9 $$; sleep 1"], 0, ""),
    ] {
        let done = run(args);
        // The first process is safe from its own signals.
        if code == 0 {
            assert!(matches!(done.code, Some(0 | 137)), "{}", done.report());
            continue;
        }
        assert_eq!(done.code, Some(code), "{args:?}: {}", done.report());
        assert!(done.err().contains(text), "{args:?}: {}", done.report());
    }
    assert_eq!(
        kiln.out(&["ps", "-aq"]),
        "",
        "what couldn't start stays behind"
    );
    kiln.nothing_left();
}

#[test]
fn a_program_of_another_machine() {
    let kiln = Containers::new();
    let mut elf = vec![
        0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0xf3, 0,
    ];
    elf.resize(256, 0);
    let project = crate::harness::Project::new("FROM busybox\nCOPY --chmod=755 prog /prog\n")
        .with("prog", elf);
    kiln.build(project.dir(), &["-t", "odd"]);
    let done = kiln.run(["run", "--rm", "odd", "/prog"]).code(126);
    assert!(
        done.err().contains("exec format error"),
        "{}",
        done.report()
    );
    kiln.nothing_left();
}

#[test]
fn names_and_states() {
    let kiln = Containers::new();
    kiln.ok(["create", "--name", "made", "busybox", "true"]);
    kiln.ok(["run", "-d", "--name", "runs", "busybox", "sleep", "1000"]);
    for (args, text) in [
        (&["start", "nope"][..], "No such container: nope"),
        (&["stop", "nope"], "No such container: nope"),
        (&["logs", "nope"], "No such container: nope"),
        (&["rm", "runs"], "You cannot remove a running container"),
        (&["kill", "made"], "Cannot kill container: made: Container"),
        (&["pause", "made"], "is not running"),
        (&["unpause", "runs"], "is not paused"),
        (&["exec", "made", "true"], "is not running"),
        (&["attach", "made"], "stopped container"),
        (&["kill", "-s", "NOPE", "runs"], "Invalid signal: NOPE"),
        (
            &["cp", "made:/nope", "."],
            "Could not find the file /nope in container made",
        ),
        (
            &["cp", "x", "y"],
            "must specify at least one container source",
        ),
        (
            &["rename", "made", "runs"],
            "is already in use by container",
        ),
        (&["ps", "-f", "nope=1"], "invalid filter"),
        (&["volume", "rm", "nope"], "no such volume"),
        (&["rmi", "busybox"], "is being used by running container"),
        (&["top", "made"], "is not running"),
        (&["exec", "runs", "nope"], "executable file not found"),
    ] {
        let done = kiln.run(args);
        assert!(!matches!(done.code, Some(0)), "{args:?}: {}", done.report());
        assert!(done.err().contains(text), "{args:?}: {}", done.report());
    }
    let done = kiln
        .run(["create", "--name", "made", "busybox", "true"])
        .code(125);
    assert!(done.err().contains("already in use"), "{}", done.report());
    kiln.run(["exec", "runs", "nope"]).code(127);
    kiln.run(["exec", "runs", "/etc/passwd"]).code(126);
    kiln.run(["exec", "made", "true"]).code(1);
    kiln.ok(["rm", "-f", "runs"]);
    let done = kiln.run(["rmi", "busybox"]).code(1);
    assert!(
        done.err().contains("(must force) - container"),
        "{}",
        done.report()
    );
    // By force it goes, and the container still runs.
    kiln.ok(["rmi", "-f", "busybox"]);
    kiln.ok(["start", "-a", "made"]);
    kiln.nothing_left();
}

#[test]
fn ambiguous_ids_list_the_candidates() {
    let kiln = Containers::new();
    let ids: Vec<String> = (0..17)
        .map(|_| kiln.out(&["create", "busybox", "true"]))
        .collect();
    // Seventeen ids begin with sixteen digits.
    let first = |id: &String| id.as_bytes()[0];
    let twice = ids
        .iter()
        .find(|a| ids.iter().filter(|b| first(a) == first(b)).count() > 1)
        .unwrap();
    let done = kiln.run(["start", &twice[..1]]).code(1);
    let err = done.err();
    assert!(err.contains("ambiguous"), "{err}");
    for id in ids.iter().filter(|id| first(id) == first(twice)) {
        assert!(err.contains(&id[..12]), "{err}");
    }
    kiln.nothing_left();
}

#[test]
fn images_for_another_platform() {
    let kiln = Containers::new();
    let (host, other) = match std::env::consts::ARCH {
        "aarch64" => ("linux/arm64", "linux/amd64"),
        _ => ("linux/amd64", "linux/arm64"),
    };
    let base = crate::harness::Project::new("FROM busybox\n");
    let tar = kiln.file("base.tar");
    kiln.build(
        base.dir(),
        &["-o", &format!("type=tar,dest={}", tar.display())],
    );
    kiln.ok(["import", "--platform", other, tar.to_str().unwrap(), "odd"]);
    let done = kiln.run(["run", "--rm", "odd", "echo", "ran"]).ok();
    assert_eq!(done.out(), "ran");
    assert_eq!(
        done.err().trim(),
        format!(
            "WARNING: The requested image's platform ({other}) does not match the detected host \
             platform ({host}) and no specific platform was requested"
        )
    );
    let done = kiln.run(["run", "--rm", "--platform", other, "odd", "true"]);
    assert_eq!(done.ok().err(), "");
    kiln.nothing_left();
}
