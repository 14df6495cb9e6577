//! What is remembered of builds, and how it is shown.

use serde_json::Value;

use super::{build, changed};
use crate::harness::{Kiln, Project, run};

const TEXT: &str = "FROM busybox\nCOPY file /file\nRUN cat /file\n";

fn edited() -> (Kiln, Project) {
    let (kiln, project) = (Kiln::new(), Project::new(TEXT).with("file", "1\n"));
    kiln.build(project.dir(), &["-t", "x"]);
    project.write("file", "22\n");
    (kiln, project)
}

#[test]
fn in_words() {
    let (kiln, project) = edited();
    let done = kiln.build(project.dir(), &["-t", "x", "--explain"]);
    let err = done.err();
    let at = err.find("cache: 2 of 2 steps were not cached").expect(&err);
    let told = &err[at..];
    for words in [
        "base     [1/3] FROM busybox  sha256:",
        "MISSED   [2/3] COPY file /file",
        "         file: content changed, 2 -> 3 bytes, digest ",
        "         took with it [3/3]; all: ",
        " when they were built last",
        "MISSED   [3/3] RUN cat /file",
        "         only because [2/3] was redone",
    ] {
        assert!(told.contains(words), "{words:?} is not in\n{told}");
    }
    assert_eq!(done.out(), "");
    let again = kiln.build(project.dir(), &["-t", "x", "--explain"]).err();
    assert!(
        again.contains("cache: all of 2 steps were cached"),
        "{again}"
    );
    assert!(
        again.contains("cached   [3/3] RUN cat /file  made "),
        "{again}"
    );
    // Without the flag nothing is told.
    let silent = kiln.build(project.dir(), &["--no-cache"]).err();
    assert!(!silent.contains("cache:"), "{silent}");
    let quiet = kiln.build(project.dir(), &["-q", "--explain"]);
    assert!(
        quiet.err().starts_with("cache: all of 2"),
        "{}",
        quiet.report()
    );
    assert!(quiet.out().starts_with("sha256:"), "{}", quiet.report());
}

#[test]
fn as_json_lines() {
    let (kiln, project) = edited();
    let mut command = kiln.command(["build", "--progress=rawjson", "--explain"]);
    let done = run(command.arg(project.dir())).ok();
    let lines: Vec<Value> = done
        .err()
        .lines()
        .map(|l| serde_json::from_str(l).expect(l))
        .collect();
    let told = lines.iter().find(|l| l.get("explanation").is_some());
    let steps = &told.expect("an explanation")["explanation"]["steps"];
    assert_eq!(steps[1]["cause"]["first"]["path"], "file");
    assert_eq!(steps[2]["cause"]["step"], steps[1]["id"]);
}

#[test]
fn why_of_an_image() {
    let (kiln, project) = edited();
    let first = kiln.id("x");
    kiln.build(project.dir(), &["-t", "y"]);
    let other =
        Project::new("FROM busybox AS b\nRUN echo 1 > /1\nFROM busybox\nCOPY --from=b /1 /\n");
    kiln.build(other.dir(), &["-t", "z"]);
    let why = |args: &[&str]| kiln.ok(["why"].iter().chain(args)).out();
    let short = |id: &str| id.trim_start_matches("sha256:")[..12].to_owned();
    // Of another image than the last build's, by name and by id.
    for name in ["y", "y:latest", &short(&kiln.id("y"))] {
        let told = why(&[name]);
        assert!(told.contains("file: content changed"), "{told}");
        assert!(told.contains("cache: 2 of 2"), "{told}");
    }
    assert!(why(&[&short(&first)]).contains("never built here"));
    // Without a name it is the last build.
    let last = why(&[]);
    assert!(
        last.contains("z:latest") && last.contains("[b 2/2] RUN echo 1"),
        "{last}"
    );
    // Single steps.
    let step = why(&["y", "--step", "3"]);
    assert!(
        step.contains("only because [2/3]") && !step.contains("COPY"),
        "{step}"
    );
    assert!(why(&["z", "--step", "b/2"]).contains("[b 2/2] RUN echo 1"));
    assert!(why(&["z", "--step", "2"]).contains("[stage-1 2/2] COPY"));
    assert!(why(&["y", "--step", "#2"]).contains("[2/3] COPY"));
    let format = why(&["y", "--step", "2", "--format", "{{.cause.first.path}}"]);
    assert_eq!(format, "file");
    let wrong = kiln.run(["why", "y", "--step", "9"]).code(1).err();
    assert!(
        wrong.contains("no step \"9\"") && wrong.contains("1, 2, 3"),
        "{wrong}"
    );
    // Built again from the cache it is the same image, and that is what is told.
    kiln.build(project.dir(), &["-t", "y"]);
    assert!(why(&["y"]).contains("all of 2 steps were cached"));
}

#[test]
fn what_was_not_built_here() {
    let kiln = Kiln::new();
    let none = kiln.run(["why"]).code(1).err();
    assert!(
        none.contains("nothing has been built in this store"),
        "{none}"
    );
    let imported = kiln.run(["why", "busybox"]).code(1).err();
    assert!(
        imported.contains("nothing is known of how it was built"),
        "{imported}"
    );
    kiln.run(["why", "absent"]).code(1);
}

#[test]
fn failed_builds() {
    let kiln = Kiln::new();
    let text = |a: &str| format!("FROM busybox\nENV A={a}\nRUN echo $A > /a\nRUN test $A = 1\n");
    let project = Project::new(&text("1"));
    kiln.build(project.dir(), &["-t", "x"]);
    project.write("Dockerfile", text("2"));
    let told = build(&kiln, &project, &[]);
    assert_eq!(told.done.code, Some(1));
    told.because(
        "RUN echo $A > /a",
        changed("env", "A", "1", "2"),
        &["RUN test $A = 1"],
    );
    assert_eq!(told.step("RUN test $A = 1")["failed"], true);
    assert_eq!(told.step("RUN echo $A > /a")["failed"], false);
    let last = kiln.ok(["why"]).out();
    assert!(
        last.contains("error: ") && last.contains("FAILED   [3/3] RUN test"),
        "{last}"
    );
    let words = kiln.try_build(project.dir(), &["--explain"]).err();
    assert!(words.contains("cached   [2/3] RUN echo $A"), "{words}");
    assert!(kiln.ok(["why", "x"]).out().contains("never built here"));
}

#[test]
fn secrets_of_proxies_are_not_kept() {
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox\nRUN echo 1\nRUN echo 2\n");
    let arg = "HTTP_PROXY=http://user:hunter2@proxy:1";
    kiln.build(project.dir(), &["--build-arg", arg]);
    let told = kiln.ok(["why", "--format", "json"]).out();
    assert!(
        told.contains("RUN echo 1") && !told.contains("hunter2"),
        "{told}"
    );
    let log = std::fs::read(kiln.store().join("kiln.db-wal")).unwrap();
    assert!(!log.windows(7).any(|w| w == b"hunter2"));
}
