//! Changes of the Dockerfile's text and of how a build is asked for.

use serde_json::json;

use super::{build, changed, never};
use crate::harness::{Kiln, Project};

const TEXT: &str = "\
FROM busybox
RUN echo a > /a
RUN echo b > /b
COPY file /file
RUN echo c > /c
";

fn project() -> (Kiln, Project) {
    let (kiln, project) = (Kiln::new(), Project::new(TEXT).with("file", "content\n"));
    build(&kiln, &project, &[]);
    (kiln, project)
}

/// Builds `TEXT`, then with something in it replaced.
fn with(old: &str, new: &str) -> super::Told {
    let (kiln, project) = project();
    assert!(TEXT.contains(old));
    project.write("Dockerfile", TEXT.replace(old, new));
    build(&kiln, &project, &[])
}

#[test]
fn nothing() {
    let (kiln, project) = project();
    build(&kiln, &project, &[]).all_cached();
}

#[test]
fn a_comment() {
    with("RUN echo b", "# a comment\nRUN echo b").all_cached();
}

#[test]
fn white_space_between_words() {
    with("COPY file /file", "COPY   file   /file").all_cached();
    with("RUN echo b", "RUN    echo b").all_cached();
}

#[test]
fn white_space_in_a_command() {
    with("RUN echo b >", "RUN echo  b >").because(
        "RUN echo  b > /b",
        changed("instruction", "", "RUN echo b > /b", "RUN echo  b > /b"),
        &["COPY file /file", "RUN echo c > /c"],
    );
}

#[test]
fn metadata() {
    with("RUN echo b", "LABEL a=b\nEXPOSE 80\nRUN echo b").all_cached();
    let (kiln, project) = project();
    build(&kiln, &project, &["--label", "x=y"]).all_cached();
}

#[test]
fn a_command() {
    with("echo b", "echo B").because(
        "RUN echo B > /b",
        changed("instruction", "", "RUN echo b > /b", "RUN echo B > /b"),
        &["COPY file /file", "RUN echo c > /c"],
    );
}

#[test]
fn inserted() {
    let told = with("RUN echo b", "RUN echo new\nRUN echo b");
    told.because(
        "RUN echo new",
        never(),
        &["RUN echo b > /b", "COPY file /file", "RUN echo c > /c"],
    );
    // What was there before is known though it moved.
    assert!(told.step("RUN echo c > /c")["last_ms"].is_u64());
    assert!(told.step("RUN echo new")["last_ms"].is_null());
}

#[test]
fn inserted_at_the_begin() {
    with("RUN echo a", "RUN echo new\nRUN echo a").because(
        "RUN echo new",
        never(),
        &[
            "RUN echo a > /a",
            "RUN echo b > /b",
            "COPY file /file",
            "RUN echo c > /c",
        ],
    );
}

#[test]
fn removed() {
    let cause = json!({ "why": "before", "old": "RUN echo b > /b", "new": "RUN echo a > /a" });
    with("RUN echo b > /b\n", "").because("COPY file /file", cause, &["RUN echo c > /c"]);
    let cause = json!({ "why": "before", "old": "RUN echo a > /a", "new": "FROM busybox" });
    with("RUN echo a > /a\n", "").because(
        "RUN echo b > /b",
        cause,
        &["COPY file /file", "RUN echo c > /c"],
    );
}

#[test]
fn destination_and_flags_of_copy() {
    for new in [
        "COPY file /other",
        "COPY --chmod=600 file /file",
        "COPY --chown=1:1 file /file",
        "ADD file /file",
    ] {
        let told = with("COPY file /file", new);
        match new.starts_with("ADD") {
            true => told.because(new, never(), &["RUN echo c > /c"]),
            false => told.because(
                new,
                changed("instruction", "", "COPY file /file", new),
                &["RUN echo c > /c"],
            ),
        }
    }
}

#[test]
fn another_source() {
    let (kiln, project) = project();
    project.write("elsewhere", "other\n");
    let new = "COPY elsewhere /file";
    project.write("Dockerfile", TEXT.replace("COPY file /file", new));
    build(&kiln, &project, &[]).because(
        new,
        changed("instruction", "", "COPY file /file", new),
        &["RUN echo c > /c"],
    );
}

#[test]
fn working_directory() {
    let dir = "WORKDIR /x\nRUN echo b";
    let (kiln, project) = project();
    project.write("Dockerfile", TEXT.replace("RUN echo b", dir));
    build(&kiln, &project, &[]);
    let dir = dir.replace("/x", "/y");
    project.write("Dockerfile", TEXT.replace("RUN echo b", &dir));
    build(&kiln, &project, &[]).because(
        "WORKDIR /y",
        changed("instruction", "", "WORKDIR /x", "WORKDIR /y"),
        &["RUN echo b > /b", "COPY file /file", "RUN echo c > /c"],
    );
}

#[test]
fn user() {
    with("RUN echo c >", "USER 0:7\nRUN echo c >").because(
        "RUN echo c > /c",
        changed("user", "", "", "0:7"),
        &[],
    );
}

#[test]
fn shell() {
    with("RUN echo c", "SHELL [\"/bin/sh\", \"-ec\"]\nRUN echo c").because(
        "RUN echo c > /c",
        changed("shell", "", "/bin/sh -c", "/bin/sh -ec"),
        &[],
    );
}

#[test]
fn here_documents() {
    for head in ["", "#!/bin/sh\n"] {
        let kiln = Kiln::new();
        let text = |line: &str| format!("FROM busybox\nRUN <<EOF\n{head}echo 1\n{line}\nEOF\n");
        let project = Project::new(&text("echo 2"));
        build(&kiln, &project, &[]);
        project.write("Dockerfile", text("echo 3"));
        let line = if head.is_empty() { "line 2" } else { "line 3" };
        let cause = changed("heredoc", line, "echo 2", "echo 3");
        build(&kiln, &project, &[]).because("RUN <<EOF", cause, &[]);
    }
}

#[test]
fn network() {
    let (kiln, project) = project();
    build(&kiln, &project, &["--network", "none"]).because(
        "RUN echo a > /a",
        changed("network", "", "host", "none"),
        &["RUN echo b > /b", "COPY file /file", "RUN echo c > /c"],
    );
    let new = "RUN --network=none echo c > /c";
    with("RUN echo c > /c", new).because(
        new,
        changed("instruction", "", "RUN echo c > /c", new),
        &[],
    );
}

#[test]
fn hosts() {
    let (kiln, project) = project();
    build(&kiln, &project, &["--add-host", "db:10.0.0.1"]).because(
        "RUN echo a > /a",
        changed("host", "db", None::<&str>, "10.0.0.1"),
        &["RUN echo b > /b", "COPY file /file", "RUN echo c > /c"],
    );
}

#[test]
fn platform() {
    let kiln = Kiln::new();
    let project = Project::new("FROM scratch\nCOPY file /file\n").with("file", "1");
    build(&kiln, &project, &["--platform", "linux/amd64"]);
    build(&kiln, &project, &["--platform", "linux/arm64"]).because(
        "COPY file /file",
        changed("platform", "", "linux/amd64", "linux/arm64"),
        &[],
    );
}

#[test]
fn time_stamps() {
    let (kiln, project) = project();
    build(&kiln, &project, &["--reproducible"]).because(
        "RUN echo a > /a",
        changed("epoch", "", None::<&str>, "0"),
        &["RUN echo b > /b", "COPY file /file", "RUN echo c > /c"],
    );
}

#[test]
fn another_target() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox AS one\nRUN echo 1 > /1\nFROM one AS two\nRUN echo 2 > /2\n\
         FROM one AS three\nRUN echo 3 > /3\n",
    );
    build(&kiln, &project, &["--target", "two"]);
    build(&kiln, &project, &["--target", "one"]).all_cached();
    build(&kiln, &project, &[]).because("RUN echo 3 > /3", never(), &[]);
    // A stage goes on from another one: its steps stand in a row.
    project.write(
        "Dockerfile",
        "FROM busybox AS one\nRUN echo one > /1\nFROM one AS two\nRUN echo 2 > /2\n",
    );
    build(&kiln, &project, &[]).because(
        "RUN echo one > /1",
        changed("instruction", "", "RUN echo 1 > /1", "RUN echo one > /1"),
        &["RUN echo 2 > /2"],
    );
}

#[test]
fn back_and_forth() {
    let (kiln, project) = project();
    project.write("file", "other\n");
    let other = TEXT.replace("echo c", "echo C");
    project.write("Dockerfile", &other);
    build(&kiln, &project, &[]);
    // The copy is cached again, and its successor was built on another result of it.
    project.write("file", "content\n");
    let cause = json!({ "why": "before", "new": "COPY file /file",
        "cause": { "why": "files", "first": { "path": "file", "what": "content" } } });
    build(&kiln, &project, &[]).because("RUN echo C > /c", cause, &[]);
}
