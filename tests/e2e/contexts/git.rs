//! Git repositories as contexts and as sources of ADD.

use std::path::Path;
use std::process::Command;

use super::{assert_built, build, project};
use crate::harness::{Kiln, Project, Server, assert_nothing_left, program, run};

/// A repository with two commits, the first one tagged, as static files of a web server.
fn repository(project: &Project) -> Server {
    let git = program("git", "git");
    let dir = project.dir();
    let run_git = |args: &[&str]| {
        let mut command = Command::new(&git);
        command
            .current_dir(dir)
            .args(["-c", "user.name=n", "-c", "user.email=e@example.org"])
            .args(args)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        run(&mut command).ok()
    };
    run_git(&["init", "-q", "-b", "main"]);
    run_git(&["add", "-A"]);
    run_git(&["commit", "-q", "-m", "one"]);
    run_git(&["tag", "v1"]);
    project.write("dir/file", "second commit\n");
    project.write("sub/Dockerfile", "FROM busybox\nCOPY only /only\n");
    project.write("sub/only", "below\n");
    run_git(&["add", "-A"]);
    run_git(&["commit", "-q", "-m", "two"]);
    run_git(&["clone", "-q", "--bare", ".", "bare.git"]);
    run_git(&["-C", "bare.git", "update-server-info"]);
    let mut files = Vec::new();
    collect(&dir.join("bare.git"), "repo.git", &mut files);
    Server::start(files)
}

fn collect(dir: &Path, prefix: &str, out: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}/{}", entry.file_name().display());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &name, out);
        } else {
            out.push((name, std::fs::read(entry.path()).unwrap()));
        }
    }
}

#[test]
fn git_repositories() {
    let (kiln, project) = (Kiln::new(), project());
    let web = repository(&project);
    let url = format!("{}/repo.git", web.url());
    build(&kiln, &[&url], "").ok();
    let image = kiln.image("x");
    assert_eq!(image.tree.text("/ctx/dir/file"), "second commit\n");
    assert!(
        image.tree.get("/ctx/.git").is_none(),
        "no history in the context"
    );
    build(&kiln, &[&format!("{url}#v1")], "").ok();
    assert_built(&kiln);
    build(&kiln, &[&format!("{url}#main:sub")], "").ok();
    assert_eq!(kiln.cat("x", "/only"), "below\n");
    for bad in [
        "#nosuch",
        "#main:nosuch",
        "#main:../..",
        "#--upload-pack=touch /tmp/x",
    ] {
        let done = build(&kiln, &[&format!("{url}{bad}")], "").code(1);
        let errors = done
            .err()
            .lines()
            .filter(|l| l.starts_with("ERROR"))
            .count();
        assert_eq!(errors, 1, "{}", done.report());
        assert_nothing_left(&kiln);
    }
}

#[test]
fn add_from_git() {
    let (kiln, project) = (Kiln::new(), project());
    let web = repository(&project);
    let from = Project::new(&format!(
        "FROM busybox\nADD {}/repo.git#v1 /src\n",
        web.url()
    ));
    kiln.build(from.dir(), &["-t", "x"]);
    let image = kiln.image("x");
    assert_eq!(image.tree.text("/src/dir/file"), "from the context\n");
    assert!(image.tree.get("/src/.git").is_none());
}

#[test]
fn local_repositories_are_refused() {
    let (kiln, project) = (Kiln::new(), project());
    let _web = repository(&project);
    let bare = project.path("bare.git");
    let done = build(&kiln, &[&format!("file://{}", bare.display())], "").code(1);
    assert_eq!(
        done.err()
            .lines()
            .filter(|l| l.starts_with("ERROR"))
            .count(),
        1
    );
    let add = Project::new(&format!(
        "FROM busybox\nADD file://{} /src\n",
        bare.display()
    ));
    kiln.try_build(add.dir(), &[]).code(1);
    assert_nothing_left(&kiln);
}
