//! Contexts and archives that are missing, broken or malicious.

use std::process::Command;

use super::{assert_fails, faults, works};
use crate::harness::{Kiln, Project, assert_nothing_left, base_tar, program, run, run_with};

#[test]
fn contexts_that_are_none() {
    let kiln = Kiln::new();
    let missing = kiln.file("missing");
    assert_fails(kiln.try_build(&missing, &[]), 1, &["missing", "not found"]);
    let file = kiln.file("a-file");
    std::fs::write(&file, "FROM busybox\n").unwrap();
    assert_fails(kiln.try_build(&file, &[]), 1, &["a-file"]);
    let empty = kiln.file("empty");
    std::fs::create_dir(&empty).unwrap();
    assert_fails(
        kiln.try_build(&empty, &[]),
        1,
        &["failed to read dockerfile", "no such file or directory"],
    );
    let ignore = Project::new("FROM busybox\nCOPY . /\n").with(".dockerignore", "a\n[b\n");
    assert_fails(kiln.try_build(ignore.dir(), &[]), 1, &[".dockerignore:2"]);
    works(&kiln);
}

#[test]
fn broken_contexts_on_standard_input() {
    let kiln = Kiln::new();
    let project =
        Project::new("FROM busybox\nCOPY big /big\n").with("big", "text\n".repeat(20_000));
    let tar = |args: &[&str]| {
        let mut command = Command::new(program("tar", "tar"));
        run(command
            .args(["-C", project.dir().to_str().unwrap()])
            .args(args)
            .arg("."))
        .ok()
        .stdout
    };
    let (plain, gz) = (tar(&["-cf", "-"]), tar(&["-czf", "-"]));
    let mut flipped = plain.clone();
    flipped[0..300].fill(b'x');
    let mut damaged = gz.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 40].fill(0xff);
    let cases: [(&str, Vec<u8>); 8] = [
        ("nothing", Vec::new()),
        ("white space", b"\n \n".to_vec()),
        (
            "no tar and no text",
            (0..4096u32).map(|n| n as u8).collect(),
        ),
        ("a cut tar", plain[..plain.len() / 2].to_vec()),
        ("a tar with a broken header", flipped),
        ("a cut gzip", gz[..gz.len() / 2].to_vec()),
        ("a damaged gzip", damaged),
        ("the head of a gzip", vec![0x1f, 0x8b, 8, 0]),
    ];
    for (name, input) in cases {
        let mut build = kiln.command(["build", "--progress", "plain", "-"]);
        let done = run_with(&mut build, input);
        let wrong = faults(&done, 1, &[], &[]);
        assert!(
            wrong.is_empty(),
            "{name}: {}\n{}",
            wrong.join("; "),
            done.report()
        );
        assert_nothing_left(&kiln);
    }
    works(&kiln);
}

#[test]
fn broken_archives_to_import() {
    let kiln = Kiln::empty();
    let base = base_tar();
    let cases: [(&str, &[u8]); 4] = [
        ("nothing", b""),
        ("text", b"this is no tar archive\n"),
        ("a cut tar", &base[..base.len() / 2]),
        ("an empty tar", &[0; 1024]),
    ];
    for (name, input) in cases {
        let mut import = kiln.command(["import", "-", "x"]);
        let done = run_with(&mut import, input.to_vec());
        let wrong = faults(&done, 1, &[], &[]);
        assert!(
            wrong.is_empty(),
            "{name}: {}\n{}",
            wrong.join("; "),
            done.report()
        );
        kiln.run(["inspect", "x"]).code(1);
        assert_nothing_left(&kiln);
    }
    assert_fails(
        kiln.run(["import", "missing.tar", "x"]),
        1,
        &["missing.tar"],
    );
}

#[test]
fn links_of_the_context_lead_nowhere_outside() {
    let kiln = Kiln::new();
    let secret = kiln.file("secret");
    std::fs::write(&secret, "secret of the host\n").unwrap();
    let project = Project::new("FROM busybox\nCOPY link /got\n").with("inside", "inside\n");
    std::os::unix::fs::symlink(&secret, project.path("link")).unwrap();
    assert_fails(
        kiln.try_build(project.dir(), &[]),
        1,
        &["Dockerfile:2:1", "link"],
    );
    let deep = Project::new("FROM busybox\nCOPY dir/secret /got\n");
    std::os::unix::fs::symlink(secret.parent().unwrap(), deep.path("dir")).unwrap();
    assert_fails(
        kiln.try_build(deep.dir(), &[]),
        1,
        &["Dockerfile:2:1", "dir/secret"],
    );
    let up = Project::new("FROM busybox\nCOPY link /got\n").with("inside", "inside\n");
    std::os::unix::fs::symlink("../../../../inside", up.path("link")).unwrap();
    kiln.build(up.dir(), &["-t", "x"]);
    assert_eq!(
        kiln.cat("x", "/got"),
        "inside\n",
        "the context's root is the root"
    );
    // As a Dockerfile of the context's own it may lead out: the user names the file.
    works(&kiln);
}
