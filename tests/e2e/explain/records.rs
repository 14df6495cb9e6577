//! Which records there are, and which one a miss is compared with.

use serde_json::json;

use super::{build, changed, file};
use crate::harness::{Kiln, Project};

const TEXT: &str = "FROM busybox\nRUN echo a > /a\nCOPY . /all\nRUN make\n";

fn text(name: &str) -> String {
    TEXT.replace("RUN make", &format!("RUN echo {name} > /made"))
}

#[test]
fn another_base() {
    let kiln = Kiln::new();
    let project = Project::new("FROM base\nRUN echo a > /a\nRUN echo b > /b\n");
    let base = Project::new("FROM busybox\nRUN echo 1 > /base\n");
    build(&kiln, &base, &["-t", "base"]);
    build(&kiln, &project, &[]);
    let old = format!("base ({})", kiln.id("base"));
    // The name is given to another image.
    base.write("Dockerfile", "FROM busybox\nRUN echo 2 > /base\n");
    build(&kiln, &base, &["-t", "base"]);
    let new = format!("base ({})", kiln.id("base"));
    assert_ne!(old, new);
    build(&kiln, &project, &[]).because(
        "RUN echo a > /a",
        changed("base", "", old, new.clone()),
        &["RUN echo b > /b"],
    );
    // Another name, in the Dockerfile.
    project.write(
        "Dockerfile",
        "FROM busybox\nRUN echo a > /a\nRUN echo b > /b\n",
    );
    let busybox = format!("busybox ({})", kiln.id("busybox"));
    build(&kiln, &project, &[]).because(
        "RUN echo a > /a",
        changed("base", "", new, busybox.clone()),
        &["RUN echo b > /b"],
    );
    // An argument names it.
    let tail = "RUN echo a > /a\nRUN echo b > /b\n";
    project.write("Dockerfile", format!("ARG B=busybox\nFROM $B\n{tail}"));
    build(&kiln, &project, &[]).all_cached();
    kiln.ok(["tag", "base", "third"]);
    build(&kiln, &project, &["--build-arg", "B=third"]).all_cached();
}

#[test]
fn without_the_cache() {
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox AS one\nRUN echo 1\nFROM one AS two\nRUN echo 2\n");
    build(&kiln, &project, &[]);
    let told = build(&kiln, &project, &["--no-cache"]);
    for step in ["RUN echo 1", "RUN echo 2"] {
        assert_eq!(told.step(step)["cause"]["why"], "no-cache");
        assert!(told.step(step)["last_ms"].is_u64());
    }
    let told = build(&kiln, &project, &["--no-cache-filter", "two"]);
    told.because("RUN echo 2", json!({ "why": "no-cache-filter" }), &[]);
}

#[test]
fn pruned() {
    let kiln = Kiln::new();
    let project = Project::new(&text("x")).with("file", "1");
    build(&kiln, &project, &["-t", "x"]);
    kiln.ok(["builder", "prune", "-f"]);
    let told = build(&kiln, &project, &["-t", "x"]);
    assert_eq!(told.missed().len(), 3);
    for step in told.missed() {
        assert_eq!(step["cause"]["why"], "pruned", "{step}");
    }
    build(&kiln, &project, &[]).all_cached();
    // Something else changed as well: what, nobody knows any more.
    kiln.ok(["builder", "prune", "-f"]);
    project.write("file", "2");
    let told = build(&kiln, &project, &[]);
    assert_eq!(told.step("RUN echo a > /a")["cause"]["why"], "pruned");
    assert_eq!(told.step("COPY . /all")["cause"]["why"], "others-pruned");
}

#[test]
fn a_layer_that_is_gone() {
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox\nRUN echo a > /a\nRUN echo b > /b\n");
    build(&kiln, &project, &["-t", "x"]);
    let layers = kiln.inspect("x")["RootFS"]["Layers"].clone();
    let last = layers.as_array().unwrap().last().unwrap().as_str().unwrap();
    let hex = last.trim_start_matches("sha256:");
    std::fs::remove_dir_all(kiln.store().join("layers").join(hex)).unwrap();
    build(&kiln, &project, &[]).because("RUN echo b > /b", json!({ "why": "layer-gone" }), &[]);
}

#[test]
fn other_projects_are_not_compared_with() {
    let kiln = Kiln::new();
    let ours = Project::new(&text("ours"))
        .with("a", "1")
        .with("b", "1")
        .with("c", "1");
    build(&kiln, &ours, &[]);
    // The same words, other files: new, and not "a was removed".
    let theirs = Project::new(&text("theirs"))
        .with("x", "1")
        .with("y", "1")
        .with("z", "1");
    let told = build(&kiln, &theirs, &[]);
    let missed = told.missed();
    assert_eq!(missed.len(), 2);
    assert!(missed.iter().all(|s| s["cause"]["why"] == "never"));
}

#[test]
fn many_other_projects_do_not_hide_the_right_record() {
    let kiln = Kiln::new();
    let ours = Project::new(&text("ours")).with("a", "1").with("b", "1");
    build(&kiln, &ours, &[]);
    for n in 0..20 {
        let other = Project::new(&text(&n.to_string())).with("a", n.to_string());
        build(&kiln, &other, &[]);
    }
    ours.write("a", "2");
    let told = build(&kiln, &ours, &[]);
    told.because(
        "COPY . /all",
        file("a", "content"),
        &["RUN echo ours > /made"],
    );
    let sizes = json!({ "first": { "old": { "size": 1 } }, "changed": 1, "removed": 0 });
    told.because("COPY . /all", sizes, &["RUN echo ours > /made"]);
}

#[test]
fn the_same_project_in_another_directory() {
    let kiln = Kiln::new();
    let project = || {
        let project = Project::new(&text("x").replace("COPY . ", "COPY src "));
        project.with("src/a", "1").with("src/b", "1")
    };
    build(&kiln, &project(), &[]);
    let again = project().with("src/a", "22");
    let copy = "COPY src /all";
    build(&kiln, &again, &[]).because(copy, file("src/a", "content"), &["RUN echo x > /made"]);
    // And with an instruction edited, which has no earlier record of that text or that place.
    let edited = project();
    let old = "RUN echo x > /made";
    let new = "RUN echo y > /made";
    edited.write("Dockerfile", text("y").replace("COPY . ", "COPY src "));
    build(&kiln, &edited, &[]).because(new, changed("instruction", "", old, new), &[]);
}

#[test]
fn many_files_are_told_apart() {
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox\nCOPY src /src\n");
    for n in 0..3000 {
        project.write(&format!("src/d{}/f{n}", n % 30), n.to_string());
    }
    build(&kiln, &project, &[]);
    project.write("src/d7/f1027", "changed");
    let cause = json!({ "why": "files", "changed": 1, "added": 0, "removed": 0,
        "first": { "path": "src/d7/f1027", "what": "content" } });
    build(&kiln, &project, &[]).because("COPY src /src", cause, &[]);
}
