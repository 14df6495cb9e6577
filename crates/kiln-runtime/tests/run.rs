//! Running processes as root.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use kiln_runtime::{Cancel, Exit, Network, RuntimeError};
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn output_and_exit_code() {
    if !privileged() {
        return;
    }
    let done = Bed::new().sh("echo hello; echo oops >&2; exit 7");
    assert_eq!(done.code(), 7);
    assert_eq!(done.out, "hello\n");
    assert_eq!(done.err, "oops\n");
}

#[test]
fn much_output_arrives_whole() {
    if !privileged() {
        return;
    }
    let done = Bed::new().sh("i=0; while [ $i -lt 30000 ]; do echo 0123456789; i=$((i+1)); done");
    assert_eq!(done.code(), 0);
    assert_eq!(done.out.len(), 330_000);
}

#[test]
fn missing_and_forbidden_commands() {
    if !privileged() {
        return;
    }
    let bed = Bed::new();
    let done = bed.run(&process(&["foo"]));
    assert!(matches!(done.error(), RuntimeError::NotFound(_)));
    assert_eq!(done.error().exit_code(), Some(127));
    assert_eq!(
        done.error().to_string(),
        "exec: \"foo\": executable file not found in $PATH"
    );
    let done = bed.run(&process(&["/no/such"]));
    assert_eq!(done.error().exit_code(), Some(127));
    fs::write(bed.lower.join("bin/data"), "x").unwrap();
    for name in ["data", "/bin", "/bin/data"] {
        let done = bed.run(&process(&[name]));
        assert_eq!(done.error().exit_code(), Some(126), "{name}");
    }
    let done = bed.run(&process(&[]));
    assert!(matches!(done.error(), RuntimeError::Setup(_)));
}

#[test]
fn a_signal_from_outside_is_told() {
    if !privileged() {
        return;
    }
    let killer = std::thread::spawn(|| {
        eventually("sleep runs", || !processes("sleep\x0041414").is_empty());
        // The mark is in the command line of the container's first process.
        let pids = processes("sleep\x0041414");
        let status = Command::new("kill")
            .arg("-9")
            .arg(pids[0].to_string())
            .status();
        assert!(status.unwrap().success());
    });
    let done = Bed::new().run(&process(&["sleep", "41414"]));
    killer.join().unwrap();
    assert_eq!(done.exit.unwrap(), Exit::Signal(9));
}

#[test]
fn standard_input() {
    if !privileged() {
        return;
    }
    let bed = Bed::new();
    let mut p = process(&["sh"]);
    p.stdin = Some(b"echo from a script\necho $((40 + 2))\n".to_vec());
    assert_eq!(bed.run(&p).out, "from a script\n42\n");
    assert_eq!(bed.sh("cat; readlink /proc/self/fd/0").out, "/dev/null\n");
}

#[test]
fn the_working_directory() {
    if !privileged() {
        return;
    }
    let bed = Bed::new();
    fs::create_dir_all(bed.lower.join("a/b")).unwrap();
    let mut p = process(&["pwd"]);
    p.cwd = "/a/b".into();
    assert_eq!(bed.run(&p).out, "/a/b\n");
    std::os::unix::fs::symlink("/proc/self/fd", bed.lower.join("a/fds")).unwrap();
    for fd in 0..20 {
        for dir in ["/proc/self/fd", "/a/fds", "/proc/1/fd"] {
            p.cwd = format!("{dir}/{fd}");
            let done = bed.run(&p);
            assert!(matches!(done.error(), RuntimeError::Setup(_)), "{}", p.cwd);
        }
    }
    for dir in ["/missing", "/proc/sys", "/proc/1/root", "/proc/self/cwd/.."] {
        p.cwd = dir.into();
        let done = bed.run(&p);
        assert!(
            done.exit.is_err() || done.out == "/\n",
            "{dir}: {}",
            done.out
        );
    }
}

#[test]
fn only_three_descriptors() {
    if !privileged() {
        return;
    }
    // The fourth is the directory being listed.
    let done = Bed::new().sh("for fd in /proc/self/fd/*; do echo ${fd##*/}; done");
    let shell: Vec<&str> = done.out.lines().filter(|fd| *fd != "3").collect();
    assert_eq!(shell, ["0", "1", "2"]);
    let done = Bed::new().run(&process(&["ls", "/proc/self/fd"]));
    assert_eq!(done.out, "0\n1\n2\n3\n");
}

#[test]
fn confinement_of_root() {
    if !privileged() {
        return;
    }
    let done = Bed::new().sh("cat /proc/self/status");
    for line in [
        "CapInh:\t0000000000000000",
        "CapPrm:\t00000000a80425fb",
        "CapEff:\t00000000a80425fb",
        "CapBnd:\t00000000a80425fb",
        "CapAmb:\t0000000000000000",
        "Seccomp:\t2",
        "NoNewPrivs:\t0",
    ] {
        assert!(done.out.contains(line), "{line}: {}", done.out);
    }
    let bed = Bed::new();
    for script in [
        "unshare -U true",
        "unshare -m true",
        "mount -t tmpfs x /bin",
        "echo 1 > /proc/sys/kernel/panic",
        "touch /sys/x",
        "hostname other",
        "touch /proc/acpi/x",
    ] {
        assert_ne!(bed.sh(script).code(), 0, "{script}");
    }
    assert_eq!(bed.sh("chroot / true").code(), 0);
    assert_eq!(bed.sh("cat /proc/timer_list /proc/keys | wc -c").out, "0\n");
}

#[test]
fn confinement_of_a_user() {
    if !privileged() {
        return;
    }
    let bed = Bed::new();
    let mut p = process(&[
        "sh",
        "-c",
        "id; cat /proc/self/status; echo hi > /dev/stderr",
    ]);
    (p.uid, p.gid, p.groups) = (1234, 1235, vec![1236, 1237]);
    let done = bed.run(&p);
    assert_eq!(done.err, "hi\n");
    for line in [
        "uid=1234 gid=1235 groups=1236,1237",
        "CapInh:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "CapBnd:\t00000000a80425fb",
        "Seccomp:\t2",
    ] {
        assert!(done.out.contains(line), "{line}: {}", done.out);
    }
}

#[test]
fn the_network() {
    if !privileged() {
        return;
    }
    let bed = Bed::new();
    let mut p = process(&["sh", "-c", "ls /sys/class/net; ip addr show lo"]);
    p.network = Network::None;
    let done = bed.run(&p);
    assert!(done.out.starts_with("lo\n"), "{}", done.out);
    assert!(done.out.contains("LOOPBACK,UP"), "{}", done.out);
    assert_eq!(done.out.matches("link/").count(), 1);
    let done = bed.sh("cat /etc/hosts /etc/hostname; hostname");
    assert!(done.out.contains("10.1.2.3\tregistry\n"));
    assert!(done.out.ends_with("probe\nprobe\n"));
    let host = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    assert_eq!(bed.sh("cat /etc/resolv.conf").out, host);
}

#[test]
fn the_host_is_not_to_be_seen() {
    if !privileged() {
        return;
    }
    let bed = Bed::new();
    for path in [
        "/..",
        "/etc/..",
        "/proc/..",
        "/dev/pts/../..",
        "/proc/1/root",
    ] {
        let done = bed.run(&process(&["ls", path]));
        assert_eq!(done.out, "bin\ndev\netc\nproc\nsys\n", "{path}");
    }
    let done = bed.sh("ps; cat /proc/mounts");
    assert!(!done.out.contains("ext4"), "{}", done.out);
    assert!(done.out.lines().count() < 40, "{}", done.out);
}

#[test]
fn changes_land_in_the_upper_directory() {
    if !privileged() {
        return;
    }
    let bed = Bed::new();
    let before = fs::metadata(&bed.lower).unwrap().modified().unwrap();
    assert_eq!(bed.sh("mkdir /new; echo x > /new/file").code(), 0);
    assert_eq!(tree(&bed.upper), ["new", "new/file"]);
    assert_eq!(
        tree(&bed.lower)
            .iter()
            .filter(|n| !n.starts_with("bin"))
            .count(),
        0
    );
    assert_eq!(
        fs::metadata(&bed.lower).unwrap().modified().unwrap(),
        before
    );
}

#[test]
fn stubs_leave_no_trace() {
    if !privileged() {
        return;
    }
    let bed = Bed::new();
    let root = bed.mount();
    let old = fs::metadata(&bed.upper).unwrap().modified().unwrap();
    let done = run_in(&root, &process(&["ls", "/etc"]), &Cancel::new());
    assert_eq!(done.out, "hostname\nhosts\nresolv.conf\n");
    assert!(tree(&bed.upper).is_empty());
    assert_eq!(fs::metadata(&bed.upper).unwrap().modified().unwrap(), old);
    // The same root again, and a failure in between.
    let done = run_in(&root, &process(&["nope"]), &Cancel::new());
    assert_eq!(done.error().exit_code(), Some(127));
    let script = "echo 1 >> /etc/hosts; touch /etc/mine; cat /etc/hosts | wc -l";
    let done = run_in(&root, &process(&["sh", "-c", script]), &Cancel::new());
    assert_eq!(done.out, "4\n");
    assert_eq!(tree(&bed.upper), ["etc", "etc/mine"]);
}

#[test]
fn files_of_the_image_stay_as_they_are() {
    if !privileged() {
        return;
    }
    let bed = Bed::new();
    for dir in ["etc", "proc", "sys", "dev"] {
        fs::create_dir(bed.lower.join(dir)).unwrap();
    }
    for name in ["hosts", "resolv.conf", "hostname"] {
        fs::write(bed.lower.join("etc").join(name), "image\n").unwrap();
    }
    assert_eq!(
        bed.sh("echo x >> /etc/hosts; cat /etc/hostname").out,
        "probe\n"
    );
    assert!(tree(&bed.upper).is_empty());
}

#[test]
fn links_in_the_root_lead_nowhere_else() {
    if !privileged() {
        return;
    }
    let bed = Bed::new();
    let victim = bed.dir.path().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::create_dir(bed.lower.join("etc")).unwrap();
    let link = |to: &std::path::Path, at: std::path::PathBuf| std::os::unix::fs::symlink(to, at);
    link(&victim, bed.lower.join("dev")).unwrap();
    // Not below the first: what is mounted there would hide it.
    let other = bed.dir.path().join("other");
    fs::create_dir(&other).unwrap();
    link(&other.join("resolv"), bed.lower.join("etc/resolv.conf")).unwrap();
    let up = format!("../../../../../../..{}/hosts", other.display());
    link(up.as_ref(), bed.lower.join("etc/hosts")).unwrap();
    let done = bed.sh("cat /etc/hosts; ls -l /dev/null; readlink /etc/resolv.conf");
    assert_eq!(done.code(), 0, "{}", done.err);
    assert!(done.out.contains("registry"));
    assert!(tree(&victim).is_empty() && tree(&other).is_empty());
    assert!(tree(&bed.upper).iter().all(|name| name == "etc"));
    assert!(fs::read_link(bed.lower.join("dev")).is_ok());

    for name in ["proc", "sys"] {
        let bed = Bed::new();
        link(&victim, bed.lower.join(name)).unwrap();
        let done = bed.run(&process(&["true"]));
        assert!(
            done.error().to_string().contains("symbolic link"),
            "{}",
            done.error()
        );
        assert!(tree(&victim).is_empty());
        assert!(tree(&bed.upper).is_empty());
    }
}

#[test]
fn cancelling_kills() {
    if !privileged() {
        return;
    }
    let cancel = Cancel::new();
    let thread = {
        let cancel = cancel.clone();
        std::thread::spawn(move || {
            eventually("sleep runs", || !processes("sleep\x0042424").is_empty());
            cancel.cancel();
        })
    };
    let began = Instant::now();
    let bed = Bed::new();
    let script = "trap '' TERM INT HUP; sleep 42424 & sleep 42424; sleep 42424";
    let done = run_in(&bed.mount(), &process(&["sh", "-c", script]), &cancel);
    thread.join().unwrap();
    assert_eq!(done.exit.unwrap(), Exit::Cancelled);
    assert!(began.elapsed() < Duration::from_secs(8));
    assert!(processes("sleep\x0042424").is_empty());
    let done = run_in(&bed.mount(), &process(&["true"]), &cancel);
    assert_eq!(done.exit.unwrap(), Exit::Cancelled);
}

#[test]
fn what_stays_in_the_background_dies_with_the_command() {
    if !privileged() {
        return;
    }
    let done = Bed::new().sh("sleep 43434 & echo started");
    assert_eq!((done.code(), done.out.as_str()), (0, "started\n"));
    assert!(processes("sleep\x0043434").is_empty());
}

#[test]
fn nothing_outlives_a_killed_caller() {
    if !privileged() {
        return;
    }
    let bed = Bed::new();
    let scratch = bed.dir.path().join("scratch");
    for uid in ["0", "77"] {
        let mut caller = Command::new(PROBE)
            .args([bed.lower.to_str().unwrap(), scratch.to_str().unwrap()])
            .args(["1", uid, "host", "sleep", "45454"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually("sleep runs", || !processes("sleep\x0045454\0").is_empty());
        std::thread::sleep(Duration::from_millis(100));
        caller.kill().unwrap();
        caller.wait().unwrap();
        eventually("all are dead", || processes("45454").is_empty());
    }
}
