//! Where a build puts its result, and what it says meanwhile.

use std::process::Command;

use serde_json::Value;

use super::app;
use crate::harness::{
    Archive, Done, Kiln, Project, Tree, assert_nothing_left, compare_trees, program, run,
};

/// The files of the image `app:1`.
fn files(kiln: &Kiln) -> Tree {
    kiln.image("app:1").tree
}

fn built(kiln: &Kiln, args: &[&str]) -> Done {
    let project = Project::new("FROM app:1\nUSER root\nRUN echo more > /more\n");
    kiln.build(project.dir(), args)
}

#[test]
fn results_go_where_they_are_wanted() {
    let kiln = Kiln::new();
    app(&kiln);
    let dest = |kind: &str, name: &str| format!("type={kind},dest={}", kiln.file(name).display());

    built(&kiln, &["-t", "more", "-o", &dest("tar", "t.tar")]);
    let whole = kiln.image("more").tree;
    let tar = std::fs::read(kiln.file("t.tar")).unwrap();
    let found = compare_trees(&Tree::of_layers([tar.as_slice()]).unwrap(), &whole);
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(
        built(&kiln, &["-o", "-"]).stdout,
        tar,
        "on standard output too"
    );
    assert_eq!(built(&kiln, &["-o", "type=tar"]).stdout, tar);

    built(&kiln, &["-o", &dest("local", "dir")]);
    let packed = run(Command::new(program("tar", "tar"))
        .arg("-C")
        .arg(kiln.file("dir"))
        .args(["--format=pax", "-cf", "-", "."]));
    let found = compare_trees(
        &Tree::of_layers([packed.ok().stdout.as_slice()]).unwrap(),
        &whole,
    );
    let found: Vec<_> = found
        .iter()
        .filter(|f| !f.starts_with("path: /: "))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
    built(&kiln, &["--output", kiln.file("dir2").to_str().unwrap()]);
    assert_eq!(
        std::fs::read_to_string(kiln.file("dir2/more")).unwrap(),
        "more\n"
    );

    built(&kiln, &["-t", "more", "-o", &dest("docker", "d.tar")]);
    let archive = std::fs::read(kiln.file("d.tar")).unwrap();
    assert_eq!(archive, kiln.save("more"));
    let named = built(&kiln, &["-o", "type=docker,name=named:1"]).stdout;
    assert_eq!(Archive::read(&named).image().tags, ["named:1"]);
    built(&kiln, &["-o", "type=image,name=imaged"]);
    assert_eq!(kiln.id("imaged"), kiln.id("more"));
    assert_nothing_left(&kiln);
    assert!(
        compare_trees(&files(&kiln), &whole).len() == 1,
        "only /more is new"
    );
}

#[test]
fn ids_and_metadata() {
    let kiln = Kiln::new();
    app(&kiln);
    let (iid, metadata) = (kiln.file("iid"), kiln.file("metadata"));
    let quiet = built(
        &kiln,
        &[
            "-q",
            "-t",
            "more",
            "--iidfile",
            iid.to_str().unwrap(),
            "--metadata-file",
            metadata.to_str().unwrap(),
        ],
    );
    let id = kiln.id("more");
    assert_eq!(quiet.out(), id);
    assert_eq!(quiet.err(), "", "quiet says nothing else");
    assert_eq!(std::fs::read_to_string(iid).unwrap(), id);
    let metadata: Value = serde_json::from_slice(&std::fs::read(metadata).unwrap()).unwrap();
    assert_eq!(metadata["containerimage.config.digest"], id);
    assert_eq!(metadata["image.name"], "docker.io/library/more:latest");
}

#[test]
fn progress_in_its_forms() {
    let kiln = Kiln::new();
    let project =
        Project::new("FROM busybox\nRUN echo to stdout; echo to stderr >&2; printf unended\n");
    let err = kiln.build(project.dir(), &["-t", "x"]).err();
    for text in [
        " [2/2] RUN echo to stdout",
        " to stdout",
        " to stderr",
        " unended",
        " DONE ",
    ] {
        assert!(err.contains(text), "{text:?} not in\n{err}");
    }
    assert!(
        err.contains("naming to docker.io/library/x:latest done"),
        "{err}"
    );

    let mut command = kiln.command(["build", "--progress", "rawjson", "--no-cache"]);
    let json = run(command.arg(project.dir())).ok().err();
    let events: Vec<Value> = json
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let logs = events.iter().filter_map(|e| e["logs"].as_array()).flatten();
    // "to stderr\n"
    let said = logs.filter(|l| l["stream"] == 2 && l["data"] == "dG8gc3RkZXJyCg==");
    assert_eq!(said.count(), 1, "{json}");
    assert!(json.contains("writing image sha256:"), "{json}");

    // On a terminal lines are redrawn; `script` gives kiln one.
    let script = program("script", "bsdutils");
    let line = format!(
        "{} build --no-cache {}",
        Kiln::binary().display(),
        project.dir().display()
    );
    let mut command = Command::new(script);
    command
        .args(["-qec", &line, "/dev/null"])
        .env("KILN_ROOT", kiln.store())
        .env("TERM", "xterm");
    let done = run(&mut command).ok();
    let shown = done.out();
    assert!(shown.contains("RUN echo to stdout"), "{shown}");
    assert!(shown.contains("FINISHED"), "{shown}");

    let mut auto = kiln.command(["build", "--no-cache"]);
    let plain = run(auto.arg(project.dir()).env("BUILDKIT_PROGRESS", "quiet")).ok();
    assert_eq!(plain.err(), "", "the environment chooses the form");
}
