//! Contexts that are no directory: archives and Dockerfiles on standard input, URLs, git.

mod archives;
mod git;
mod malicious;

use crate::harness::{Done, Kiln, Project, assert_nothing_left, run_with};

fn project() -> Project {
    Project::new("FROM busybox\nCOPY . /ctx\nCMD [\"cat\", \"/ctx/dir/file\"]\n")
        .with("dir/file", "from the context\n")
        .with("other.Dockerfile", "FROM busybox\nCOPY dir/file /other\n")
        .with(".dockerignore", "*.log\n")
        .with("x.log", "ignored\n")
}

/// Builds with `input` on standard input.
fn build(kiln: &Kiln, args: &[&str], input: impl Into<Vec<u8>>) -> Done {
    let mut command = kiln.command(["build", "--progress", "plain", "-t", "x"]);
    run_with(command.args(args), input.into())
}

#[track_caller]
fn assert_built(kiln: &Kiln) {
    let image = kiln.image("x");
    assert_eq!(image.tree.text("/ctx/dir/file"), "from the context\n");
    assert!(
        image.tree.get("/ctx/x.log").is_none(),
        ".dockerignore counts"
    );
    let file = image.tree.get("/ctx/dir/file").unwrap();
    assert_eq!((file.uid, file.gid), (0, 0));
    assert_nothing_left(kiln);
}
