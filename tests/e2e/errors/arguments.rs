//! Mistakes on the command line.

use super::{assert_fails, works};
use crate::harness::{Kiln, Project};

#[test]
fn a_command_line_that_is_not_understood() {
    let kiln = Kiln::new();
    let here = Project::new("FROM busybox\n");
    let dir = here.dir().to_str().unwrap();
    let lines: [&[&str]; 10] = [
        &["build", "--no-such-flag", dir],
        &["build", "--no-cahce", dir],
        &["build"],
        &["build", dir, dir],
        &["frobnicate"],
        &[],
        &["images", "--format"],
        &["rmi"],
        &["history"],
        &["build", "--progress", "fancy", dir],
    ];
    for line in lines {
        let done = kiln.run(line);
        assert_eq!(done.code, Some(125), "{}", done.report());
        assert!(!done.err().is_empty(), "{}", done.report());
        assert!(done.out().is_empty(), "{}", done.report());
    }
    let near = kiln.run(["build", "--no-cahce", dir]).err();
    assert!(near.contains("--no-cache"), "{near}");
    let help = kiln.ok(["build", "--help"]).out();
    assert!(help.contains("--build-arg"), "{help}");
}

#[test]
fn arguments_that_make_no_sense() {
    let kiln = Kiln::new();
    let here = Project::new("FROM busybox\n");
    let table: [(&[&str], &str); 12] = [
        (&["-t", "UPPER"], "UPPER"),
        (&["-t", "a:b:c"], "a:b:c"),
        (&["-t", ""], "tag"),
        (&["--target", "nope"], "\"nope\""),
        (&["--platform", "nonsense/of/all/kinds"], "nonsense"),
        (
            &["--platform", "linux/arm64"],
            "linux/amd64, not for linux/arm64",
        ),
        (&["--network", "bridge0"], "bridge0"),
        (&["--add-host", "nohost"], "nohost"),
        (&["--add-host", "h:999.1.1.1"], "999.1.1.1"),
        (&["-o", "type=nope,dest=x"], "type=nope"),
        (&["-o", "type=local"], "dest"),
        (&["-f", "missing.Dockerfile"], "missing.Dockerfile"),
    ];
    for (args, says) in table {
        let done = kiln.try_build(here.dir(), args);
        assert_fails(done, 1, &[says]);
    }
    works(&kiln);
}

#[test]
fn images_that_are_not_there() {
    let kiln = Kiln::new();
    let lines: [&[&str]; 6] = [
        &["inspect", "nope"],
        &["history", "nope"],
        &["tag", "nope", "x"],
        &["rmi", "nope"],
        &["save", "nope"],
        &["save", "busybox", "nope"],
    ];
    for line in lines {
        let done = kiln.run(line);
        assert_eq!(done.code, Some(1), "{}", done.report());
        assert!(
            done.err().contains("No such image: nope"),
            "{}",
            done.report()
        );
    }
    assert_fails(kiln.run(["tag", "busybox", "Bad Name"]), 1, &["Bad Name"]);
}

#[test]
fn a_store_that_cannot_be() {
    let kiln = Kiln::empty();
    let file = kiln.file("a-file");
    std::fs::write(&file, "").unwrap();
    let done = kiln.run(["--root", file.to_str().unwrap(), "images"]);
    assert_fails(done, 1, &["a-file"]);
    let broken = kiln.file("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("kiln.db"), "this is no database\n".repeat(500)).unwrap();
    let done = kiln.run(["--root", broken.to_str().unwrap(), "images"]);
    assert_fails(done, 1, &["kiln.db", "damaged"]);
}
