//! `cp`, `diff`, `export`, mounts and volumes.

use super::Containers;
use crate::harness::{Tree, run_with};

#[test]
fn copies_follow_dockers_rules() {
    let kiln = Containers::new();
    let script = "mkdir -p /d/sub; echo one > /d/one; echo two > /d/sub/two; ln -s one /d/link; chmod 640 /d/one";
    kiln.ok(["run", "--name", "cc", "busybox", "sh", "-c", script]);
    let at = |name: &str| kiln.file(name);
    let path = |name: &str| kiln.file(name).display().to_string();
    kiln.ok(["cp", "cc:/d", &path("new")]);
    assert_eq!(std::fs::read_to_string(at("new/sub/two")).unwrap(), "two\n");
    kiln.ok(["cp", "cc:/d", &path("new")]);
    assert!(at("new/d/one").exists(), "into a directory that is there");
    std::fs::create_dir(at("flat")).unwrap();
    kiln.ok(["cp", "cc:/d/.", &path("flat")]);
    assert!(at("flat/one").exists() && at("flat/link").is_symlink());
    kiln.ok(["cp", "cc:/d/one", &path("flat/renamed")]);
    assert_eq!(
        std::fs::read_to_string(at("flat/renamed")).unwrap(),
        "one\n"
    );
    kiln.run(["cp", "cc:/d/one", &path("none/")]).code(1);
    kiln.run(["cp", "cc:/d", &path("flat/one")]).code(1);
    // And in.
    kiln.ok(["cp", &path("flat"), "cc:/in"]);
    kiln.ok(["cp", &path("flat"), "cc:/in"]);
    kiln.ok(["cp", &path("flat/one"), "cc:/in/"]);
    kiln.ok(["cp", &path("flat/one"), "cc:/in/other"]);
    kiln.run(["cp", &path("flat/one"), "cc:/nope/"]).code(1);
    kiln.run(["cp", &path("flat"), "cc:/in/one"]).code(1);
    let tar = kiln.ok(["cp", "cc:/in", "-"]).stdout;
    let tree = Tree::of_layers([tar.as_slice()]).unwrap();
    for name in ["in/one", "in/flat/sub/two", "in/other", "in/renamed"] {
        assert!(
            tree.get(name).is_some(),
            "{name} in {:?}",
            tree.paths().collect::<Vec<_>>()
        );
    }
    run_with(&mut kiln.command(["cp", "-", "cc:/tmp"]), tar).ok();
    let diff = kiln.out(&["diff", "cc"]);
    assert!(diff.contains("A /tmp/in/one"), "{diff}");
    let whole = kiln.ok(["export", "cc"]).stdout;
    let tree = Tree::of_layers([whole.as_slice()]).unwrap();
    assert_eq!(tree.text("/tmp/in/sub/two"), "two\n");
    kiln.nothing_left();
}

#[test]
fn volumes_keep_their_files() {
    let kiln = Containers::new();
    let project = crate::harness::Project::new(
        "FROM busybox\nRUN mkdir /data && echo seed > /data/seed && chown -R app /data\nVOLUME /data\n",
    );
    kiln.build(project.dir(), &["-t", "vols"]);
    kiln.ok([
        "run",
        "--rm",
        "-v",
        "named:/data",
        "vols",
        "sh",
        "-c",
        "echo more > /data/more",
    ]);
    let seen = kiln.out(&[
        "run",
        "--rm",
        "-v",
        "named:/data:ro",
        "vols",
        "sh",
        "-c",
        "cat /data/*; stat -c %U /data",
    ]);
    assert_eq!(seen, "more\nseed\napp");
    kiln.ok(["run", "--name", "anon", "vols", "touch", "/data/x"]);
    let names = kiln.out(&["volume", "ls", "-q"]);
    assert_eq!(names.lines().count(), 2, "{names}");
    let done = kiln
        .run([
            "volume",
            "rm",
            names.lines().find(|n| *n != "named").unwrap(),
        ])
        .code(1);
    assert!(done.err().contains("volume is in use"), "{}", done.report());
    kiln.ok(["rm", "-v", "anon"]);
    assert_eq!(kiln.out(&["volume", "ls", "-q"]), "named");
    kiln.ok(["volume", "prune", "-f"]);
    assert_eq!(
        kiln.out(&["volume", "ls", "-q"]),
        "named",
        "named ones stay"
    );
    let place = kiln.out(&["volume", "inspect", "-f", "{{.Mountpoint}}", "named"]);
    assert!(std::path::Path::new(&place).join("more").exists());
    kiln.ok(["volume", "rm", "named"]);
    assert_eq!(kiln.out(&["volume", "create", "again"]), "again");
    kiln.ok([
        "run",
        "--rm",
        "--mount",
        "type=volume,src=again,dst=/v",
        "-v",
        "/v/sub",
        "busybox",
        "touch",
        "/v/sub/x",
    ]);
    kiln.nothing_left();
}

#[test]
fn mounts_of_all_kinds() {
    let kiln = Containers::new();
    std::fs::write(kiln.file("f"), "host\n").unwrap();
    let file = format!("{}:/etc/motd:ro", kiln.file("f").display());
    let made = kiln.file("made");
    let dir = format!("{}:/made", made.display());
    let script = "cat /etc/motd; echo x > /etc/motd; echo y > /made/y; df /t | tail -n 1 | awk '{print $2}'; touch /ro; echo $?";
    let args = [
        "run",
        "--rm",
        "-v",
        &file,
        "-v",
        &dir,
        "--tmpfs",
        "/t:size=1m",
        "--read-only",
        "busybox",
        "sh",
        "-c",
        script,
    ];
    let done = kiln.ok(args);
    assert_eq!(done.out(), "host\n1024\n1", "{}", done.report());
    assert_eq!(std::fs::read_to_string(made.join("y")).unwrap(), "y\n");
    assert_eq!(std::fs::read_to_string(kiln.file("f")).unwrap(), "host\n");
    kiln.nothing_left();
}
