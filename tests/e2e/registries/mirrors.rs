//! Mirrors, which stand in for a registry that nobody asks here.

use std::process::Command;

use super::mock::{Mock, Reply, Site};
use super::registry::Registry;
use super::{told_digest, with_app};
use crate::harness::{Kiln, Project, assert_nothing_left, run};

/// A command that asks mirrors, in this order, before a registry.
fn mirrored(kiln: &Kiln, registry: &str, mirrors: &[String], args: &[&str]) -> Command {
    let file = kiln.file("registries.toml");
    std::fs::write(
        &file,
        format!("[registry.{registry:?}]\nmirrors = {mirrors:?}\n"),
    )
    .unwrap();
    let mut command = kiln.command(args);
    command.env("KILN_REGISTRIES", file);
    command
}

#[test]
fn a_mirror_stands_in_for_its_registry() {
    let registry = Registry::start();
    // Where a mirror of Docker Hub has what Docker Hub calls library/app.
    let there = registry.name("library/app:1");
    let (kiln, _) = with_app(&there);
    let digest = told_digest(&kiln.ok(["push", &there]));
    let mirrors = [registry.host()];
    let other = Kiln::empty();
    let pull = run(&mut mirrored(
        &other,
        "docker.io",
        &mirrors,
        &["pull", "app:1"],
    ))
    .ok();
    assert_eq!(told_digest(&pull), digest);
    assert!(
        pull.out().ends_with("docker.io/library/app:1"),
        "{}",
        pull.report()
    );
    assert_eq!(other.id("app:1"), kiln.id(&there));
    let name = format!("app@{digest}");
    assert_eq!(
        other.inspect("app:1")["RepoDigests"],
        serde_json::json!([name])
    );

    // Base images come from there, too.
    let third = Kiln::empty();
    let project = Project::new("FROM app:1\nUSER root\nRUN cat /d/sub/new > /seen\n");
    let dir = super::text(project.dir());
    run(&mut mirrored(
        &third,
        "docker.io",
        &mirrors,
        &["build", "-t", "built", dir],
    ))
    .ok();
    assert_eq!(third.cat("built", "seen"), "new\n");
}

#[test]
fn a_mirror_that_lies_or_is_gone_is_passed_over() {
    let site = Site::new();
    let wrong = |bytes: &[u8]| Reply::of("application/octet-stream", bytes.to_vec());
    let mut other = site.layer.clone();
    *other.last_mut().unwrap() ^= 1;
    let zeros = vec![0; other.len()];
    let registry = site.clone().start();
    for (what, mirror) in [
        ("nothing is there", None),
        ("has nothing", Some(Mock::start(|_| Reply::new(404)))),
        (
            "a page",
            Some(Mock::start(|_| Reply::of("text/html", "<html>"))),
        ),
        (
            "another config",
            Some(site.clone().config_is(wrong(b"{}")).start()),
        ),
        (
            "another layer",
            Some(site.clone().layer_is(wrong(&zeros)).start()),
        ),
        (
            "another end",
            Some(site.clone().layer_is(wrong(&other)).start()),
        ),
        (
            "no layer",
            Some(site.clone().layer_is(Reply::new(404)).start()),
        ),
    ] {
        let host = mirror.as_ref().map_or("127.0.0.1:1".to_owned(), Mock::host);
        let (kiln, name) = (Kiln::empty(), registry.name("app:1"));
        let mut pull = mirrored(&kiln, &registry.host(), &[host], &["pull", &name]);
        let pull = run(&mut pull);
        assert_eq!(pull.code, Some(0), "{what}: {}", pull.report());
        let tree = kiln.image(&name).tree;
        assert_eq!(tree.get("file").unwrap().content.len(), 100_000, "{what}");
        assert!(mirror.is_none_or(|m| !m.seen().is_empty()), "{what}");
        assert_nothing_left(&kiln);
    }
}
