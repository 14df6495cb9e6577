//! A container can't reach the host.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::{Containers, wait_until};
use crate::harness::Project;

fn sh(kiln: &Containers, script: &str) -> crate::harness::Done {
    kiln.run(["run", "--rm", "busybox", "sh", "-c", script])
}

#[test]
fn capabilities_and_the_filter_are_dockers() {
    let kiln = Containers::new();
    let status = sh(&kiln, "cat /proc/self/status").ok().out();
    let field = |name: &str| {
        let line = status.lines().find(|l| l.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(field(set), "00000000a80425fb", "{set}");
    }
    assert_eq!(field("CapAmb"), "0000000000000000");
    assert_eq!(field("Seccomp:"), "2");
    // The same for what is run later, and as nobody nothing.
    kiln.ok(["run", "-d", "--name", "cc", "busybox", "sleep", "100"]);
    let inside = kiln.out(&[
        "exec",
        "cc",
        "grep",
        "-E",
        "Cap(Prm|Bnd)|Seccomp:",
        "/proc/self/status",
    ]);
    assert_eq!(inside.matches("00000000a80425fb").count(), 2, "{inside}");
    assert!(inside.contains("Seccomp:\t2"), "{inside}");
    let nobody = kiln.out(&[
        "exec",
        "-u",
        "app",
        "cc",
        "grep",
        "CapEff",
        "/proc/self/status",
    ]);
    assert!(nobody.ends_with("0000000000000000"), "{nobody}");
    for refused in [
        "mount -t tmpfs x /tmp",
        "unshare -U true",
        "mknod /x b 8 0 && cat /x",
        "hostname evil",
        "echo 1 > /proc/sys/kernel/panic",
        "echo x > /proc/sysrq-trigger",
        "cat /proc/kcore | head -c 1 | grep .",
        "touch /sys/x",
        "chroot /proc/1/root/proc/1/cwd ls /nothing-here",
    ] {
        let done = sh(&kiln, refused);
        assert_ne!(done.code, Some(0), "{refused}: {}", done.report());
    }
    let caps = |flags: &[&str]| {
        let args = [
            &["run", "--rm"],
            flags,
            &["busybox", "grep", "CapEff", "/proc/self/status"],
        ];
        kiln.out(&args.concat())
    };
    assert!(caps(&["--cap-drop", "ALL"]).ends_with("\t0000000000000000"));
    assert!(caps(&["--cap-drop", "all", "--cap-add", "kill"]).ends_with("\t0000000000000020"));
    let mount = [
        "run",
        "--rm",
        "--cap-add",
        "SYS_ADMIN",
        "busybox",
        "mount",
        "-t",
        "tmpfs",
        "x",
        "/tmp",
    ];
    kiln.ok(mount);
    kiln.nothing_left();
}

#[test]
fn no_descriptor_and_no_directory_of_the_host() {
    let kiln = Containers::new();
    for script in ["ls -l /proc/self/fd", "ls -l /proc/1/fd"] {
        let fds = sh(&kiln, script).ok().out();
        assert!(!fds.contains(kiln.store().to_str().unwrap()), "{fds}");
        let names: Vec<&str> = fds.lines().filter_map(|l| l.split("-> ").nth(1)).collect();
        for name in names {
            assert!(
                name.starts_with("pipe:")
                    || name.starts_with("/dev/null")
                    || name.starts_with("/proc/"),
                "{fds}"
            );
        }
    }
    // The working directory as a way out.
    for n in 0..20 {
        let dir = format!("/proc/self/fd/{n}");
        let done = kiln.run(["run", "--rm", "-w", &dir, "busybox", "ls", "../../.."]);
        assert_ne!(done.code, Some(0), "{dir}: {}", done.report());
    }
    kiln.ok(["run", "-d", "--name", "cc", "busybox", "sleep", "100"]);
    for n in 0..20 {
        let dir = format!("/proc/self/fd/{n}");
        let done = kiln.run(["exec", "-w", &dir, "cc", "ls", "../../.."]);
        assert_ne!(done.code, Some(0), "{dir}: {}", done.report());
        let done = kiln.run([
            "exec",
            "cc",
            "sh",
            "-c",
            &format!("cd /proc/1/fd/{n} && ls .."),
        ]);
        assert_ne!(done.code, Some(0), "{dir}: {}", done.report());
    }
    // What a process is given is a pipe, even where the caller has a directory there.
    let mut exec = kiln.command(["exec", "-i", "cc", "ls", "/proc/self/fd/0/.."]);
    exec.stdin(std::fs::File::open("/").unwrap());
    assert!(!exec.status().unwrap().success());
    kiln.nothing_left();
}

#[test]
fn the_program_itself_cant_be_changed_from_inside() {
    let kiln = Containers::new();
    let before = std::fs::metadata(crate::harness::Kiln::binary()).unwrap();
    // The first process is Kiln's own with --init.
    let script =
        "for f in /proc/1/exe /proc/self/../1/exe; do echo x >> $f && exit 0; done; exit 9";
    kiln.run(["run", "--rm", "--init", "busybox", "sh", "-c", script])
        .code(9);
    let with_rights = [
        "run",
        "--rm",
        "--init",
        "--cap-add",
        "SYS_PTRACE",
        "busybox",
        "sh",
        "-c",
        script,
    ];
    kiln.run(with_rights).code(9);
    // A script that has the one who starts it execute itself again.
    let project = Project::new("FROM busybox\nCOPY --chmod=755 trap /trap\n")
        .with("trap", "#!/proc/self/exe\n");
    kiln.build(project.dir(), &["-t", "trap"]);
    kiln.run(["run", "--rm", "trap", "/trap"]);
    kiln.ok(["run", "-d", "--name", "cc", "trap", "sleep", "100"]);
    let race = "for i in $(seq 400); do for p in /proc/[0-9]*; do echo x >> $p/exe; done; done 2>/dev/null; true";
    let mut racer = kiln
        .command(["exec", "cc", "sh", "-c", race])
        .spawn()
        .unwrap();
    for _ in 0..20 {
        kiln.run(["exec", "cc", "/trap"]);
        kiln.run(["exec", "cc", "true"]);
    }
    kiln.ok(["kill", "cc"]);
    racer.wait().unwrap();
    let after = std::fs::metadata(crate::harness::Kiln::binary()).unwrap();
    assert_eq!((before.len(), before.mtime()), (after.len(), after.mtime()));
    kiln.nothing_left();
}

#[test]
fn mount_targets_stay_inside() {
    let kiln = Containers::new();
    let outside = kiln.file("outside");
    std::fs::create_dir(&outside).unwrap();
    let target = outside.to_str().unwrap();
    let project = Project::new(&format!(
        "FROM busybox\nRUN ln -s {target} /link && ln -s ../../../../..{target} /up && ln -s /proc/self/cwd /magic\n"
    ));
    kiln.build(project.dir(), &["-t", "links"]);
    let source = kiln.file("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("f"), "f").unwrap();
    let source = source.to_str().unwrap();
    for place in ["/link/sub", "/up/sub", "/link", "/up"] {
        let mount = format!("{source}:{place}");
        let done = kiln.run(["run", "--rm", "-v", &mount, "links", "ls", place]);
        assert_eq!(done.out(), "f", "{place}: {}", done.report());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0, "{place}");
    }
    let mount = format!("{source}:/magic/x");
    kiln.run(["run", "--rm", "-v", &mount, "links", "true"]);
    for place in ["/proc/self", "/proc"] {
        let mount = format!("{source}:{place}");
        let done = kiln.run(["run", "--rm", "-v", &mount, "busybox", "true"]);
        assert!(done.err().contains("inside /proc"), "{}", done.report());
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    kiln.nothing_left();
}

#[test]
fn copies_stay_inside() {
    let kiln = Containers::new();
    let outside = kiln.file("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "secret\n").unwrap();
    let path = outside.to_str().unwrap();
    let script = format!(
        "ln -s {path} /dir; ln -s {path}/secret /file; ln -s ../../../../../../..{path} /up
         ln -s /proc/1/root /magic; ln -s {path}/new /new; echo ready > /ready; sleep 100"
    );
    kiln.ok([
        "run", "-d", "--name", "evil", "busybox", "sh", "-c", &script,
    ]);
    wait_until("it is ready", || {
        kiln.run(["exec", "evil", "test", "-s", "/ready"]).code == Some(0)
    });
    let mine = kiln.file("mine");
    std::fs::write(&mine, "mine\n").unwrap();
    let mine = mine.to_str().unwrap();
    for to in [
        "/dir/x",
        "/up/x",
        "/dir",
        "/file",
        "/new",
        "/dir/",
        "/magic/tmp/x",
    ] {
        kiln.run(["cp", mine, &format!("evil:{to}")]);
    }
    let tar = crate::harness::run_with(
        &mut kiln.command(["cp", "-", "evil:/dir"]),
        kiln.ok(["cp", "evil:/etc", "-"]).stdout,
    );
    assert_ne!(tar.code, Some(0), "there is no such directory inside");
    let names: Vec<_> = std::fs::read_dir(&outside)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["secret"]);
    assert_eq!(
        std::fs::read_to_string(outside.join("secret")).unwrap(),
        "secret\n"
    );
    for from in [
        "/dir/secret",
        "/up/secret",
        "/magic/../../..",
        "/proc/1/cwd",
    ] {
        let to = kiln.file("got");
        let _ = std::fs::remove_dir_all(&to);
        kiln.run(["cp", "-L", &format!("evil:{from}"), to.to_str().unwrap()]);
        assert!(!to.join("secret").exists(), "{from}");
        assert_ne!(
            std::fs::read_to_string(&to).unwrap_or_default(),
            "secret\n",
            "{from}"
        );
    }
    // The link itself may be taken; it is the user's business where it leads.
    let to = kiln.file("link");
    kiln.ok(["cp", "evil:/up", to.to_str().unwrap()]);
    assert!(std::fs::symlink_metadata(&to).unwrap().is_symlink());
    kiln.nothing_left();
}

#[test]
fn devices_of_the_host_are_out_of_reach() {
    let kiln = Containers::new();
    let null = std::fs::metadata("/dev/null").unwrap().permissions().mode();
    sh(
        &kiln,
        "chmod 600 /dev/null /dev/zero /dev/stdin; chown 1000 /dev/null; true",
    )
    .ok();
    let after = std::fs::metadata("/dev/null").unwrap();
    assert_eq!((after.permissions().mode(), after.uid()), (null, 0));
    // A container's device files stay in it.
    kiln.ok([
        "run",
        "--name",
        "dev",
        "busybox",
        "sh",
        "-c",
        "mknod /d b 8 0; mkdir /t; mknod /t/c c 1 3; echo f > /t/f",
    ]);
    let to = kiln.file("t");
    kiln.ok(["cp", "dev:/t", to.to_str().unwrap()]);
    assert!(to.join("f").exists() && !to.join("c").exists());
    kiln.nothing_left();
}
