//! Changes of what a RUN mounts.

use serde_json::json;

use super::{build, file};
use crate::harness::{Kiln, Project};

#[test]
fn files_of_the_context() {
    let kiln = Kiln::new();
    let run = "RUN --mount=target=/ctx,source=src cat /ctx/* > /all";
    let project = Project::new(&format!("FROM busybox\n{run}\nRUN echo end\n"))
        .with("src/a", "1")
        .with("src/b", "1")
        .with("other", "1");
    build(&kiln, &project, &[]);
    project.write("other", "2");
    build(&kiln, &project, &[]).all_cached();
    project.write("src/b", "22");
    let told = build(&kiln, &project, &[]);
    told.because(run, file("src/b", "content"), &["RUN echo end"]);
    project.write(".dockerignore", "src/a\n");
    let cause = json!({ "why": "files", "first": { "path": "src/a", "what": "removed",
        "ignore": ".dockerignore:1 (src/a)" } });
    build(&kiln, &project, &[]).because(run, cause, &["RUN echo end"]);
}

#[test]
fn files_of_another_stage() {
    let kiln = Kiln::new();
    let text = |word: &str| {
        format!(
            "FROM busybox AS one\nRUN echo {word} > /one\n\
             FROM busybox\nRUN --mount=from=one,target=/in cat /in/one\n"
        )
    };
    let project = Project::new(&text("a"));
    build(&kiln, &project, &[]);
    project.write("Dockerfile", text("b"));
    let told = build(&kiln, &project, &[]);
    let cause = &told.step("RUN --mount=from=one,target=/in cat /in/one")["cause"];
    assert_eq!(cause["what"], "mount", "{cause}");
    assert_eq!(cause["name"], "/in", "{cause}");
}

#[test]
fn how_a_mount_is_made() {
    let kiln = Kiln::new();
    let text = |id: &str| format!("RUN --mount=type=cache,id={id},target=/c echo > /c/f");
    let project = Project::new(&format!("FROM busybox\n{}\n", text("a")));
    build(&kiln, &project, &[]);
    project.write("Dockerfile", format!("FROM busybox\n{}\n", text("b")));
    let cause = json!({ "why": "changed", "what": "mount", "name": "/c" });
    build(&kiln, &project, &[]).because(&text("b"), cause, &[]);
}

#[test]
fn secrets_count_by_their_names() {
    let kiln = Kiln::new();
    let run = "RUN --mount=type=secret,id=s,env=TOKEN test -n \"$TOKEN\"";
    let project = Project::new(&format!("FROM busybox\n{run}\n"));
    let secret = kiln.file("s");
    let argument = format!("id=s,src={}", secret.display());
    for text in ["xyzzy-1", "xyzzy-2"] {
        std::fs::write(&secret, text).unwrap();
        let told = build(&kiln, &project, &["--secret", &argument]);
        match text {
            "xyzzy-1" => assert_eq!(told.missed().len(), 1),
            _ => told.all_cached(),
        }
    }
    let new = run.replace("id=s", "id=t");
    project.write("Dockerfile", format!("FROM busybox\n{new}\n"));
    let argument = format!("id=t,src={}", secret.display());
    let told = build(&kiln, &project, &["--secret", &argument]);
    let cause = json!({ "why": "changed", "what": "mount", "name": "TOKEN" });
    told.because(&new, cause, &[]);
    let kept = kiln.ok(["why", "--format", "json"]).out();
    assert!(
        kept.contains("id=\\\"t\\\"") && !kept.contains("xyzzy"),
        "{kept}"
    );
    for name in ["kiln.db", "kiln.db-wal"] {
        let bytes = std::fs::read(kiln.store().join(name)).unwrap();
        assert!(!bytes.windows(5).any(|w| w == b"xyzzy"), "{name}");
    }
}
