//! `tag`, `rmi`, `import`.

use std::process::Command;

use super::app;
use crate::harness::{Dockerd, Kiln, base_tar, compare_trees, program, run_with};

#[test]
fn tag_and_rmi() {
    let kiln = Kiln::new();
    app(&kiln);
    let id = kiln.id("app:1");
    assert!(kiln.ok(["tag", "app:1", "other"]).out().is_empty());
    assert_eq!(kiln.id("other:latest"), id);
    kiln.ok(["tag", &id, "by-id:x"]);
    // A name moves to another image.
    kiln.ok(["tag", "busybox", "other"]);
    assert_eq!(kiln.id("other"), kiln.id("busybox"));

    let conflict = kiln.run(["rmi", &id]).code(1);
    assert!(
        conflict.err().contains("must be forced"),
        "{}",
        conflict.err()
    );
    assert_eq!(kiln.ok(["rmi", "by-id:x"]).out(), "Untagged: by-id:x");
    assert_eq!(
        kiln.ok(["rmi", "example.org/app:2"]).out(),
        "Untagged: example.org/app:2"
    );
    let last = kiln.ok(["rmi", "app:1"]).out();
    let mut lines = last.lines();
    assert_eq!(lines.next(), Some("Untagged: app:1"));
    assert_eq!(lines.next(), Some(format!("Deleted: {id}").as_str()));
    kiln.run(["inspect", &id]).code(1);

    app(&kiln);
    let forced = kiln.ok(["rmi", "--force", &kiln.id("app:1")]).out();
    assert!(forced.contains("Untagged: app:1"), "{forced}");
    assert!(forced.contains("Untagged: example.org/app:2"), "{forced}");
    let some = kiln.run(["rmi", "nope", "other"]).code(1);
    assert_eq!(
        some.out(),
        "Untagged: other:latest",
        "the others are removed all the same"
    );
    assert_eq!(
        kiln.ok(["image", "rm", "busybox"]).out().lines().next(),
        Some("Untagged: busybox:latest")
    );
    assert_eq!(kiln.ok(["images", "-q"]).out(), "");
}

#[test]
fn import_takes_what_docker_takes() {
    let docker = Dockerd::start();
    let pack = |name: &str, package: &str| {
        run_with(
            Command::new(program(name, package)).arg("-c"),
            base_tar().to_vec(),
        )
        .ok()
        .stdout
    };
    let tars = [
        base_tar().to_vec(),
        pack("gzip", "gzip"),
        pack("bzip2", "bzip2"),
        pack("xz", "xz-utils"),
        pack("zstd", "zstd"),
    ];
    let mut import = docker.command(["import", "-", "base"]);
    run_with(&mut import, base_tar().to_vec()).ok();
    let theirs = docker.image("base");
    for (n, tar) in tars.iter().enumerate() {
        let kiln = Kiln::empty();
        let file = kiln.file("base.tar");
        std::fs::write(&file, tar).unwrap();
        let id = kiln
            .ok(["import", "-m", "a remark", file.to_str().unwrap(), "base:v"])
            .out();
        assert_eq!(kiln.id("base:v"), id);
        let ours = kiln.image("base:v");
        let found = compare_trees(&ours.tree, &theirs.tree);
        assert!(found.is_empty(), "archive {n}: {found:#?}");
        assert_eq!(ours.config["history"][0]["comment"], "a remark");
    }
    let kiln = Kiln::empty();
    let mut nameless = kiln.command(["import", "--platform", "linux/arm64", "-"]);
    let id = run_with(&mut nameless, base_tar().to_vec()).ok().out();
    assert_eq!(kiln.inspect(&id)["Architecture"], "arm64");
    assert_eq!(
        kiln.ok(["images", "--format", "{{.Repository}}:{{.Tag}}"])
            .out(),
        "<none>:<none>"
    );
}
