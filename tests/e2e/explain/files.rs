//! Changes of what a COPY copies.

use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::json;

use super::{build, changed, file};
use crate::harness::{Kiln, Project, run};

const COPY: &str = "COPY src /src";
const LAST: &str = "RUN echo last > /last";

fn project() -> (Kiln, Project) {
    let text = format!("FROM busybox\nRUN echo first > /first\n{COPY}\n{LAST}\n");
    let project = Project::new(&text)
        .with("src/a", "one\n")
        .with("src/b", "two two\n")
        .with("other", "not copied");
    symlink("a", project.path("src/link")).unwrap();
    let kiln = Kiln::new();
    build(&kiln, &project, &["-t", "x"]).because_all_new();
    (kiln, project)
}

impl super::Told {
    #[track_caller]
    fn because_all_new(&self) {
        let missed = self.missed();
        assert!(missed.len() > 1 && missed.iter().all(|s| s["cause"]["why"] == "never"));
    }
}

#[test]
fn touched() {
    let (kiln, project) = project();
    let touch = ["-d", "2001-02-03"];
    run(Command::new("touch").args(touch).arg(project.path("src/a"))).ok();
    build(&kiln, &project, &[]).all_cached();
}

#[test]
fn a_file_that_nothing_copies() {
    let (kiln, project) = project();
    project.write("other", "changed");
    build(&kiln, &project, &[]).all_cached();
}

#[test]
fn content() {
    let (kiln, project) = project();
    project.write("src/b", "two\n");
    let told = build(&kiln, &project, &[]);
    told.because(COPY, file("src/b", "content"), &[LAST]);
    let sizes = json!({ "first": { "old": { "size": 8 }, "new": { "size": 4 } }, "changed": 1 });
    told.because(COPY, sizes, &[LAST]);
    let first = &told.step(COPY)["cause"]["first"];
    let digest = |of: &str| first[of]["digest"].as_str().unwrap().len();
    assert_eq!((digest("old"), digest("new")), (12, 12));
    assert_ne!(first["old"]["digest"], first["new"]["digest"]);
}

#[test]
fn content_of_the_same_size_and_back_again() {
    let (kiln, project) = project();
    project.write("src/a", "ONE\n");
    build(&kiln, &project, &[]).because(COPY, file("src/a", "content"), &[LAST]);
    project.write("src/a", "one\n");
    build(&kiln, &project, &[]).all_cached();
}

#[test]
fn mode() {
    let (kiln, project) = project();
    project.chmod("src/a", 0o750);
    let cause = json!({ "why": "files", "first": { "path": "src/a", "what": "mode",
        "old": { "mode": "0644" }, "new": { "mode": "0750" } } });
    build(&kiln, &project, &[]).because(COPY, cause, &[LAST]);
}

#[test]
fn renamed() {
    let (kiln, project) = project();
    std::fs::rename(project.path("src/a"), project.path("src/z")).unwrap();
    let cause = json!({ "why": "files", "added": 1, "removed": 1, "changed": 0,
        "first": { "path": "src/z", "what": "name", "renamed_from": "src/a" } });
    build(&kiln, &project, &[]).because(COPY, cause, &[LAST]);
}

#[test]
fn added() {
    let (kiln, project) = project();
    project.write("src/new", "new");
    let cause = json!({ "why": "files", "added": 1, "first": { "path": "src/new",
        "what": "added", "old": null, "new": { "size": 3, "kind": "file" } } });
    build(&kiln, &project, &[]).because(COPY, cause, &[LAST]);
}

#[test]
fn removed() {
    let (kiln, project) = project();
    std::fs::remove_file(project.path("src/b")).unwrap();
    let cause = json!({ "why": "files", "removed": 1, "first": { "path": "src/b",
        "what": "removed", "new": null, "ignore": null } });
    build(&kiln, &project, &[]).because(COPY, cause, &[LAST]);
}

#[test]
fn link() {
    let (kiln, project) = project();
    std::fs::remove_file(project.path("src/link")).unwrap();
    symlink("b", project.path("src/link")).unwrap();
    let cause = json!({ "why": "files", "first": { "path": "src/link", "what": "target",
        "old": { "target": "a" }, "new": { "target": "b" } } });
    build(&kiln, &project, &[]).because(COPY, cause, &[LAST]);
}

#[test]
fn type_of_a_file() {
    let (kiln, project) = project();
    std::fs::remove_file(project.path("src/link")).unwrap();
    std::fs::create_dir(project.path("src/link")).unwrap();
    let cause = json!({ "why": "files", "first": { "path": "src/link", "what": "type",
        "old": { "kind": "link" }, "new": { "kind": "directory" } } });
    build(&kiln, &project, &[]).because(COPY, cause, &[LAST]);
}

#[test]
fn ignored() {
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox\nCOPY . /all\n")
        .with(".dockerignore", "*.log\n.dockerignore\nDockerfile\n")
        .with("kept", "1")
        .with("secret.txt", "2")
        .with("a.log", "3");
    build(&kiln, &project, &[]);
    project.write("a.log", "4");
    build(&kiln, &project, &[]).all_cached();
    project.write(".dockerignore", "*.log\n.dockerignore\nDockerfile\n*.txt\n");
    let cause = json!({ "why": "files", "removed": 1, "first": { "path": "secret.txt",
        "what": "removed", "ignore": ".dockerignore:4 (*.txt)" } });
    build(&kiln, &project, &[]).because("COPY . /all", cause, &[]);
    project.write(".dockerignore", ".dockerignore\nDockerfile\n*.txt\n");
    let cause = json!({ "why": "files", "added": 1, "first": { "path": "a.log",
        "what": "added", "ignore": ".dockerignore changed" } });
    build(&kiln, &project, &[]).because("COPY . /all", cause, &[]);
}

#[test]
fn the_dockerfile_itself() {
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox\nCOPY . /all\n").with("a", "1");
    build(&kiln, &project, &[]);
    project.write("Dockerfile", "FROM busybox\nCOPY . /all\nLABEL a=b\n");
    build(&kiln, &project, &[]).because("COPY . /all", file("Dockerfile", "content"), &[]);
    // Beside another file it is hardly what is meant.
    project.write("Dockerfile", "FROM busybox\nCOPY . /all\nLABEL a=c\n");
    project.write("a", "2");
    let told = build(&kiln, &project, &[]);
    told.because("COPY . /all", file("a", "content"), &[]);
    told.because("COPY . /all", json!({ "changed": 2 }), &[]);
}

#[test]
fn here_document() {
    let kiln = Kiln::new();
    let text = |body: &str| format!("FROM busybox\nCOPY <<EOF /file\n{body}\nEOF\n");
    let project = Project::new(&text("one"));
    build(&kiln, &project, &[]);
    project.write("Dockerfile", text("two"));
    let told = build(&kiln, &project, &[]);
    told.because(
        "COPY <<EOF /file",
        json!({ "why": "changed", "what": "heredoc", "name": "EOF" }),
        &[],
    );
}

#[test]
fn files_of_another_stage() {
    let kiln = Kiln::new();
    let text = |word: &str, more: &str| {
        format!(
            "FROM busybox AS one\nRUN echo {word} > /one{more}\nRUN echo 2 > /two\n\
             FROM busybox\nRUN echo begin\nCOPY --from=one /one /\nRUN echo end\n"
        )
    };
    let project = Project::new(&text("a", ""));
    build(&kiln, &project, &[]);
    // Other work, the same file.
    project.write("Dockerfile", text("a", " && true"));
    let old = "RUN echo a > /one";
    let root = "RUN echo a > /one && true";
    build(&kiln, &project, &[]).because(
        root,
        changed("instruction", "", old, root),
        &["RUN echo 2 > /two"],
    );
    project.write("Dockerfile", text("b", " && true"));
    let told = build(&kiln, &project, &[]);
    told.because(
        "RUN echo b > /one && true",
        changed("instruction", "", root, "RUN echo b > /one && true"),
        &[
            "RUN echo 2 > /two",
            "COPY --from=one /one /",
            "RUN echo end",
        ],
    );
    let cause = &told.step("COPY --from=one /one /")["cause"];
    assert_eq!(cause["from"], "stage \"one\"");
    assert_eq!(cause["first"]["path"], "one");
    assert_eq!(cause["through"], told.step("RUN echo 2 > /two")["id"]);
}

#[test]
fn owners_count_in_another_stage() {
    let kiln = Kiln::new();
    let text = |ids: &str| {
        format!(
            "FROM busybox AS one\nRUN echo 1 > /f && chown {ids} /f\n\
             FROM busybox\nCOPY --from=one /f /\n"
        )
    };
    let project = Project::new(&text("1:2"));
    build(&kiln, &project, &[]);
    project.write("Dockerfile", text("3:4"));
    let told = build(&kiln, &project, &[]);
    let first = &told.step("COPY --from=one /f /")["cause"]["first"];
    assert_eq!(first["what"], "owner");
    assert_eq!(first["old"]["owner"], "1:2");
    assert_eq!(first["new"]["owner"], "3:4");
}
