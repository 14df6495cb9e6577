//! All tags of a repository, and what a registry says of an image.

use serde_json::Value;

use super::registry::Registry;
use super::{assert_complete, error_line, raw, told_digest};
use crate::harness::{Kiln, Project};

/// Builds an image of one file.
fn build(kiln: &Kiln, name: &str, text: &str) {
    let project = Project::new("FROM scratch\nCOPY text /\n").with("text", text);
    kiln.build(project.dir(), &["-t", name]);
}

#[test]
fn all_tags_go_and_come() {
    let registry = Registry::start();
    let repository = registry.name("team/app");
    let kiln = Kiln::empty();
    let tags = ["1", "2", "latest", "v1.0-rc_1"];
    for tag in tags {
        build(&kiln, &format!("{repository}:{tag}"), tag);
    }
    // Neither of these is of the repository.
    build(&kiln, &registry.name("team/application:1"), "x");
    build(&kiln, &registry.name("app:1"), "x");
    kiln.ok(["push", "-a", &repository]);
    let puts = registry.asked(&["PUT"]).into_iter();
    let mut puts: Vec<String> = puts.filter(|a| a.contains("/manifests/")).collect();
    puts.sort();
    assert_eq!(
        puts,
        tags.map(|t| format!("PUT /v2/team/app/manifests/{t}"))
    );

    let other = Kiln::empty();
    let pull = other.ok(["pull", "--all-tags", &repository]);
    for tag in tags {
        let name = format!("{repository}:{tag}");
        assert!(pull.out().contains(&name), "{}", pull.report());
        assert_eq!(other.id(&name), kiln.id(&name));
        assert_eq!(other.cat(&name, "text"), tag);
        assert_complete(&name, &kiln.id(&name));
    }
    let listed = other
        .ok(["images", "--format", "{{.Repository}}:{{.Tag}}"])
        .out();
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort();
    assert_eq!(listed, tags.map(|t| format!("{repository}:{t}")));

    for args in [
        ["pull", "-a", &format!("{repository}:1")],
        ["push", "-a", &format!("{repository}:1")],
    ] {
        let error = error_line(kiln.run(args));
        assert!(
            error.contains("tag can't be used with --all-tags"),
            "{error}"
        );
    }
    let absent = registry.name("nobody/nothing");
    let error = error_line(kiln.run(["push", "-a", &absent]));
    assert!(error.contains(&absent), "{error}");
    let error = error_line(kiln.run(["pull", "-a", &absent]));
    assert!(error.contains(&absent), "{error}");
}

#[test]
fn what_is_absent_is_named() {
    let registry = Registry::start();
    let kiln = Kiln::empty();
    let name = registry.name("app:1");
    let error = error_line(kiln.run(["push", &name]));
    assert!(error.contains(&name), "{error}");
    let error = error_line(kiln.run(["pull", &name]));
    assert!(
        error.contains(&name) && error.contains("not found"),
        "{error}"
    );
    let error = error_line(kiln.run(["pull", "127.0.0.1:1/app"]));
    assert!(error.contains("can't connect to 127.0.0.1:1"), "{error}");
    let digest = format!("{name}@sha256:{}", "0".repeat(64));
    let error = error_line(kiln.run(["push", &digest]));
    assert!(error.contains("a digest can't be pushed to"), "{error}");
    let error = error_line(kiln.run(["pull", &digest]));
    assert!(error.contains(&"0".repeat(64)), "{error}");
}

#[test]
fn an_image_is_inspected_where_it_is() {
    let registry = Registry::start();
    let name = registry.name("app:1");
    let kiln = Kiln::empty();
    let project = Project::new("FROM scratch\nCOPY Dockerfile /\nENV A=b\n");
    kiln.build(project.dir(), &["-t", &name]);
    let digest = told_digest(&kiln.ok(["push", &name]));
    let other = Kiln::empty();
    let by_digest = format!("{}@{digest}", registry.name("app"));
    for name in [&name, &by_digest] {
        let done = other.ok(["inspect", "--remote", name]);
        let all: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(all[0]["Digest"], digest);
        assert_eq!(all[0]["Manifest"], raw(name).0);
        assert_eq!(
            all[0]["Config"]["config"]["Env"][1],
            "A=b",
            "{}",
            done.report()
        );
    }
    let format = ["inspect", "--remote", "-f", "{{.Digest}}", &name];
    assert_eq!(other.ok(format).out(), digest);
    // Nothing came into the store.
    assert_eq!(other.ok(["images", "-q"]).out(), "");
    let blobs = registry.asked(&["GET"]).into_iter();
    let layer = raw(&name).0["layers"][0]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let layers = blobs.filter(|a| a.contains(&layer));
    assert_eq!(layers.count(), 0);
    let error = error_line(other.run(["inspect", "--remote", &registry.name("app:2")]));
    assert!(error.contains("app:2"), "{error}");
}
