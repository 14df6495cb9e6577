//! What is named by its digest.

use super::registry::Registry;
use super::{error_line, told_digest};
use crate::harness::{Kiln, Project};

/// Pushes an image of one file and gives its digest.
fn pushed(kiln: &Kiln, name: &str, text: &str) -> String {
    let project = Project::new("FROM busybox\nCOPY text /\n").with("text", text);
    kiln.build(project.dir(), &["-t", name]);
    told_digest(&kiln.ok(["push", name]))
}

#[test]
fn a_digest_is_pulled_whatever_the_tag_is_now() {
    let registry = Registry::start();
    let (kiln, name) = (Kiln::new(), registry.name("app:1"));
    let first = pushed(&kiln, &name, "first");
    let id = kiln.id(&name);
    let second = pushed(&kiln, &name, "second");
    assert_ne!(first, second);

    let by_digest = format!("{}@{first}", registry.name("app"));
    let other = Kiln::empty();
    let pull = other.ok(["pull", &by_digest]);
    assert_eq!(told_digest(&pull), first);
    assert!(pull.out().ends_with(&by_digest), "{}", pull.report());
    assert_eq!(other.id(&by_digest), id);
    assert_eq!(other.cat(&by_digest, "text"), "first");
    // Again: there is nothing to do.
    let again = other.ok(["pull", &by_digest]).out();
    assert!(again.contains("Image is up to date"), "{again}");
    // The tag goes on its own.
    other.ok(["pull", &name]);
    assert_eq!(other.cat(&name, "text"), "second");
    assert_eq!(other.id(&by_digest), id);
    // As for docker, a digest beside a tag decides, and the tag isn't looked at.
    let both = format!("{name}@{first}");
    other.ok(["pull", &both]);
    assert_eq!(other.id(&both), id);
    assert_eq!(other.cat(&name, "text"), "second");
    let inspected = other.inspect(&by_digest);
    assert_eq!(
        inspected["RepoDigests"],
        serde_json::json!([by_digest]),
        "{inspected}"
    );
}

#[test]
fn a_base_image_by_digest() {
    let registry = Registry::start();
    let (kiln, name) = (Kiln::new(), registry.name("app:1"));
    let first = pushed(&kiln, &name, "first");
    pushed(&kiln, &name, "second");
    let other = Kiln::empty();
    for base in [
        format!("{}@{first}", registry.name("app")),
        format!("{name}@{first}"),
    ] {
        let project = Project::new(&format!("FROM {base}\nRUN cat /text > /seen\n"));
        other.build(project.dir(), &["-t", "built"]);
        assert_eq!(other.cat("built", "seen"), "first");
    }
    // It is there now, and nobody is asked.
    let project = Project::new(&format!(
        "FROM {}@{first}\nRUN cat /text /text > /seen\n",
        registry.name("app")
    ));
    registry.forget();
    other.build(project.dir(), &["-t", "built"]);
    assert_eq!(other.cat("built", "seen"), "firstfirst");
    assert_eq!(registry.seen(), []);
    // One that isn't anywhere.
    let wrong = format!("{}@sha256:{}", registry.name("app"), "1".repeat(64));
    let project = Project::new(&format!("FROM {wrong}\n"));
    let failed = other.try_build(project.dir(), &[]).code(1);
    let err = failed.err();
    let line = err
        .lines()
        .find(|l| l.contains("ERROR: "))
        .unwrap_or_default();
    assert!(line.contains(&wrong), "{}", failed.report());
}

#[test]
fn the_digest_of_an_index() {
    let registry = Registry::start();
    let (kiln, list) = (Kiln::empty(), registry.name("app:1"));
    for platform in ["linux/amd64", "linux/arm64"] {
        let project = Project::new("FROM scratch\nCOPY text /\n").with("text", platform);
        let name = platform.rsplit('/').next().unwrap();
        kiln.build(project.dir(), &["-t", name, "--platform", platform]);
    }
    kiln.ok(["manifest", "create", &list, "amd64", "arm64"]);
    let digest = told_digest(&kiln.ok(["manifest", "push", &list]));
    let by_digest = format!("{}@{digest}", registry.name("app"));
    let other = Kiln::empty();
    let pull = other.ok(["pull", "--platform", "linux/arm64", &by_digest]);
    assert_eq!(told_digest(&pull), digest);
    // What a pull prints is a name of what it brought.
    assert_eq!(other.id(&by_digest), kiln.id("arm64"), "{}", pull.report());
    let fresh = Kiln::empty();
    let project = Project::new(&format!("FROM {by_digest}\nCOPY Dockerfile /\n"));
    for platform in ["linux/arm64", "linux/amd64", "linux/arm64"] {
        fresh.build(project.dir(), &["-t", "built", "--platform", platform]);
        assert_eq!(fresh.cat("built", "text"), platform);
        // The name is of the one that was wanted last.
        other.ok(["pull", "--platform", platform, &by_digest]);
        assert_eq!(other.cat(&by_digest, "text"), platform);
    }
}

#[test]
fn an_image_pulled_by_digest_is_no_litter() {
    let registry = Registry::start();
    let (kiln, name) = (Kiln::new(), registry.name("app:1"));
    let digest = pushed(&kiln, &name, "first");
    let by_digest = format!("{}@{digest}", registry.name("app"));
    let other = Kiln::empty();
    other.ok(["pull", &by_digest]);
    let listed = other.ok(["images", "--digests"]).out();
    assert!(listed.contains(&digest), "{listed}");
    assert!(listed.contains(&registry.name("app")), "{listed}");
    other.ok(["rmi", &by_digest]);
    assert_eq!(other.ok(["images", "-q"]).out(), "");
    error_line(other.run(["inspect", &by_digest]));
}
