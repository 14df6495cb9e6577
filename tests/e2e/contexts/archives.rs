//! Archives and Dockerfiles on standard input and at URLs.

use std::path::Path;
use std::process::Command;

use super::{assert_built, build, project};
use crate::harness::{
    Kiln, Server, assert_all_cached, assert_nothing_left, program, run, run_with,
};

fn tar(dir: &Path, flags: &str) -> Vec<u8> {
    for (name, package) in [
        ("gzip", "gzip"),
        ("xz", "xz-utils"),
        ("bzip2", "bzip2"),
        ("zstd", "zstd"),
    ] {
        program(name, package);
    }
    let mut command = Command::new(program("tar", "tar"));
    let words: Vec<&str> = flags.split_whitespace().collect();
    run(command
        .arg("-C")
        .arg(dir)
        .args(words)
        .args(["-cf", "-", "."]))
    .ok()
    .stdout
}

#[test]
fn archives_on_standard_input() {
    let project = project();
    for flags in [
        "",
        "-z",
        "-J",
        "-j",
        "--zstd",
        "--format=pax",
        "--format=ustar",
    ] {
        let kiln = Kiln::new();
        build(&kiln, &["-"], tar(project.dir(), flags)).ok();
        assert_built(&kiln);
    }
}

#[test]
fn another_dockerfile_of_an_archive() {
    let (kiln, project) = (Kiln::new(), project());
    let archive = tar(project.dir(), "-z");
    build(&kiln, &["-f", "other.Dockerfile", "-"], archive.clone()).ok();
    assert_eq!(kiln.cat("x", "/other"), "from the context\n");
    let err = build(&kiln, &["-f", "missing", "-"], archive).code(1).err();
    assert!(
        err.contains("open missing: no such file or directory"),
        "{err}"
    );
}

#[test]
fn the_same_archive_again_comes_from_the_cache() {
    let (kiln, project) = (Kiln::new(), project());
    build(&kiln, &["-"], tar(project.dir(), "")).ok();
    run(Command::new("touch").arg(project.path("dir/file"))).ok();
    assert_all_cached(&build(&kiln, &["-"], tar(project.dir(), "-z")));
    // And so does the directory itself.
    assert_all_cached(&kiln.build(project.dir(), &[]));
}

#[test]
fn a_dockerfile_alone_on_standard_input() {
    let kiln = Kiln::new();
    build(&kiln, &["-"], "FROM busybox\nRUN echo alone > /alone\n").ok();
    assert_eq!(kiln.cat("x", "/alone"), "alone\n");
    let done = build(&kiln, &["-"], "FROM busybox\nCOPY f /f\n").code(1);
    assert!(done.err().contains("Dockerfile:2:1: "), "{}", done.report());
    assert!(done.err().contains("no context"), "{}", done.report());
    let gz = run_with(
        Command::new(program("gzip", "gzip")).arg("-c"),
        b"FROM busybox\nRUN echo packed > /packed\n".to_vec(),
    );
    build(&kiln, &["-"], gz.ok().stdout).ok();
    assert_eq!(kiln.cat("x", "/packed"), "packed\n");
}

#[test]
fn a_dockerfile_on_standard_input_with_a_directory() {
    let (kiln, project) = (Kiln::new(), project());
    let dir = project.dir().to_str().unwrap();
    build(&kiln, &["-f", "-", dir], "FROM busybox\nCOPY . /ctx\n").ok();
    assert_built(&kiln);
    let both = build(&kiln, &["-f", "-", "-"], "FROM busybox\n").code(1);
    assert!(
        both.err().contains("can't use stdin for both"),
        "{}",
        both.report()
    );
}

#[test]
fn archives_at_a_url() {
    let project = project();
    let web = Server::start([
        ("ctx.tar", tar(project.dir(), "")),
        ("ctx.tar.gz", tar(project.dir(), "-z")),
        (
            "Dockerfile",
            b"FROM busybox\nRUN echo web > /web\n".to_vec(),
        ),
        ("garbage", vec![7; 2000]),
    ]);
    for name in ["ctx.tar", "ctx.tar.gz"] {
        let kiln = Kiln::new();
        build(&kiln, &[&format!("{}/{name}", web.url())], "").ok();
        assert_built(&kiln);
    }
    let kiln = Kiln::new();
    build(&kiln, &[&format!("{}/Dockerfile", web.url())], "").ok();
    assert_eq!(kiln.cat("x", "/web"), "web\n");
    for name in ["missing.tar", "garbage"] {
        let done = build(&kiln, &[&format!("{}/{name}", web.url())], "").code(1);
        let errors = done
            .err()
            .lines()
            .filter(|l| l.starts_with("ERROR"))
            .count();
        assert_eq!(errors, 1, "{}", done.report());
        assert_nothing_left(&kiln);
    }
}
