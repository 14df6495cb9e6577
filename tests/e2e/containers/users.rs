//! The same as ordinary users, with and without subordinate ids.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::harness::{Done, run, run_with};
use crate::rootless::User;

fn walk(user: &User) {
    let kiln = |args: &[&str]| -> Done { run(&mut user.command(args)) };
    let out = |args: &[&str]| kiln(args).ok().out();
    let writer = "i=0; while :; do i=$((i+1)); echo $i > /t; mv /t /n; echo line $i; done";
    out(&["run", "-d", "--name", "uu", "busybox", "sh", "-c", writer]);
    super::wait_until("it writes", || {
        kiln(&["exec", "uu", "test", "-s", "/n"]).code == Some(0)
    });
    assert_eq!(
        kiln(&["exec", "uu", "sh", "-c", "rm /bin/vi; echo x > /x; exit 6"]).code,
        Some(6)
    );
    assert!(out(&["logs", "--tail", "1", "uu"]).starts_with("line "));
    out(&["pause", "uu"]);
    let number = || kiln(&["cp", "uu:/n", "-"]).ok().stdout;
    let before = number();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(number(), before, "it still writes");
    assert!(out(&["ps"]).contains("(Paused)"));
    out(&["unpause", "uu"]);
    super::wait_until("it goes on", || number() != before);
    out(&["commit", "uu", "made"]);
    assert_eq!(out(&["run", "--rm", "made", "cat", "/x"]), "x");
    kiln(&["run", "--rm", "made", "ls", "/bin/vi"]).code(1);
    let file = user.dir().join("f");
    std::fs::write(&file, "mine\n").unwrap();
    run(Command::new("chmod").arg("644").arg(&file)).ok();
    out(&["cp", file.to_str().unwrap(), "uu:/mine"]);
    assert_eq!(out(&["exec", "uu", "cat", "/mine"]), "mine");
    assert!(out(&["top", "uu"]).contains("sh -c"));
    out(&["stop", "-t", "0", "uu"]);
    assert_eq!(out(&["wait", "uu"]), "137");
    out(&["start", "uu"]);
    out(&["kill", "uu"]);
    // What can't be had is named.
    let limited = kiln(&["run", "--rm", "-m", "64m", "busybox", "true"]);
    if limited.code != Some(0) {
        assert_eq!(limited.code, Some(125));
        assert!(limited.err().contains("--memory"), "{}", limited.report());
    }
    for program in PROGRAMS {
        let path = path_with(user.dir(), &[program]);
        published(&|args| run(user.command(args).env("PATH", &path)));
    }
    out(&["rm", "uu"]);
    assert_eq!(out(&["ps", "-aq"]), "");
    user.assert_nothing_left();
}

#[test]
fn a_user_with_sub_ids() {
    let user = User::with_sub_ids();
    user.import_base().ok();
    walk(&user);
    let id = run(&mut user.command(&["run", "--rm", "-u", "app:staff", "busybox", "id"])).ok();
    assert_eq!(id.out(), "uid=1000(app) gid=50(staff)");
}

#[test]
fn a_user_without_sub_ids() {
    let user = User::without_sub_ids();
    // A base whose files are all root's.
    let root = crate::harness::Kiln::new();
    let base = crate::harness::Project::new("FROM scratch\nCOPY --from=busybox --chown=0:0 / /\n");
    let tar = root.file("t");
    root.build(
        base.dir(),
        &["-o", &format!("type=tar,dest={}", tar.display())],
    );
    let tar = std::fs::read(tar).unwrap();
    run_with(&mut user.command(&["import", "-", "busybox"]), tar).ok();
    walk(&user);
    let done = run(&mut user.command(&["run", "--rm", "-u", "1000", "busybox", "id"])).code(125);
    assert!(done.err().contains("/etc/subuid"), "{}", done.report());
}

/// The programs that give a container a network, the first one preferred.
const PROGRAMS: [&str; 2] = ["slirp4netns", "pasta"];

/// A directory for `PATH` with these of the programs, and what a user needs.
fn path_with(dir: &Path, programs: &[&str]) -> std::path::PathBuf {
    crate::harness::program("pasta", "passt");
    crate::harness::program("slirp4netns", "slirp4netns");
    let path = dir.join(format!("path-{}", programs.join("-")));
    std::fs::create_dir(&path).unwrap();
    for name in programs.iter().chain(&["newuidmap", "newgidmap"]) {
        symlink(Path::new("/usr/bin").join(name), path.join(name)).unwrap();
    }
    path
}

/// Ports of the host lead to those of a container.
fn published(kiln: &dyn Fn(&[&str]) -> Done) {
    let out = |args: &[&str]| kiln(args).ok().out();
    let free = [0, 1].map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let [port, second] = free.each_ref().map(|l| l.local_addr().unwrap().port());
    drop(free);
    let publish = format!("127.0.0.1:{port}:80");
    let all = format!("{second}:80");
    let serve = [
        "run",
        "-d",
        "--name",
        "web",
        "-p",
        &publish,
        "-p",
        &all,
        "busybox",
        "sh",
        "-c",
        "echo served > /x; httpd -f -h /",
    ];
    out(&serve);
    assert!(out(&["port", "web", "80"]).contains(&format!("127.0.0.1:{port}")));
    let busybox = crate::harness::program("busybox", "busybox-static");
    for port in [port, second] {
        let url = format!("http://127.0.0.1:{port}/x");
        let get = || run(Command::new(&busybox).args(["wget", "-qO-", &url]));
        super::wait_until("it serves", || get().out() == "served");
    }
    let taken = kiln(&["run", "--rm", "-p", &publish, "busybox", "true"]).code(125);
    assert!(
        taken.err().contains("port is already allocated"),
        "{}",
        taken.report()
    );
    // A network of its own, with a way out and a resolver, without the host's own ports.
    let routes = out(&["exec", "web", "ip", "route"]);
    let gateway = routes
        .split("default via ")
        .nth(1)
        .expect("a default route");
    let gateway = gateway.split(' ').next().unwrap();
    let resolv_conf = out(&["exec", "web", "cat", "/etc/resolv.conf"]);
    assert!(resolv_conf.contains("nameserver "), "{resolv_conf}");
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    for address in ["127.0.0.1", "10.0.2.2", gateway] {
        let done = kiln(&["exec", "web", "nc", "-w", "1", address, &port]);
        assert_ne!(done.code, Some(0), "{}", done.report());
    }
    out(&["rm", "-f", "web"]);
}

#[test]
fn root_publishes_ports() {
    let kiln = super::Containers::new();
    for program in PROGRAMS {
        let path = path_with(kiln.store().parent().unwrap(), &[program]);
        published(&|args| run(kiln.command(args).env("PATH", &path)));
    }
    kiln.nothing_left();
}

#[test]
fn the_network_ends_with_a_monitor_that_is_killed() {
    let kiln = super::Containers::new();
    for program in PROGRAMS {
        let path = path_with(kiln.store().parent().unwrap(), &[program]);
        let start = ["run", "-d", "busybox", "sleep", "1000"];
        let id = run(kiln.command(start).env("PATH", &path)).ok().out();
        let state = kiln.store().join("containers").join(&id).join("state.json");
        let state: serde_json::Value =
            serde_json::from_slice(&std::fs::read(state).unwrap()).unwrap();
        let helper = &state["helpers"][0][0];
        let proc = Path::new("/proc").join(helper.to_string());
        let name = std::fs::read_to_string(proc.join("comm")).unwrap();
        let known = ["pasta", "passt", "slirp4netns"];
        assert!(known.iter().any(|k| name.starts_with(k)), "{name}");
        super::monitors(kiln.store())
            .into_iter()
            .for_each(super::kill);
        super::wait_until("it ends", || !proc.exists());
    }
    kiln.nothing_left();
}

#[test]
fn without_a_program_the_network_is_the_hosts() {
    let kiln = super::Containers::new();
    let path = path_with(kiln.store().parent().unwrap(), &[]);
    let kiln_run = |args: &[&str]| run(kiln.command(["run", "--rm"]).args(args).env("PATH", &path));
    let here = std::fs::read_link("/proc/self/ns/net").unwrap();
    let done = kiln_run(&["busybox", "readlink", "/proc/self/ns/net"]).ok();
    assert_eq!(done.out(), here.to_str().unwrap());
    assert_eq!(
        done.err().trim(),
        "WARNING: The container uses the host's network; for a network of its own install pasta \
         (package passt) or slirp4netns"
    );
    for asked in ["host", "none"] {
        let done = kiln_run(&["--network", asked, "busybox", "true"]).ok();
        assert_eq!(done.err(), "");
    }
    let done = kiln_run(&["-p", "8080:80", "busybox", "true"]).code(125);
    assert!(done.err().contains("install pasta"), "{}", done.report());
    assert!(!done.err().contains("WARNING"), "{}", done.report());
    kiln.nothing_left();
}
