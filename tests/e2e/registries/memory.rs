//! Pulls and pushes of a large image take no more memory than those of a small one.

use super::kills::large;
use super::random::Random;
use super::registry::Registry;
use super::{assert_complete, files};
use crate::harness::{Kiln, MEMORY, Project, measured};

#[test]
fn memory_of_push_and_pull_is_bounded() {
    let registry = Registry::start();
    let kiln = Kiln::empty();
    // 300 MiB in one layer.
    let random = Random::seeded(300).bytes(100 << 20);
    let names = ["a", "b", "c"].map(|n| (n, random.clone()));
    let dockerfile = "FROM scratch\nCOPY . /\n";
    let project = files(Project::new(dockerfile), &names);
    drop((random, names));
    kiln.build(project.dir(), &["-t", "large"]);
    let id = kiln.id("large");
    drop(project);
    for compression in ["gzip", "zstd"] {
        let name = registry.name(&format!("{compression}:1"));
        kiln.ok(["tag", "large", &name]);
        let push = measured(
            &kiln,
            &["push", "--compression", compression, &name],
            Vec::new(),
        );
        push.done.ok();
        let other = Kiln::empty();
        let pull = measured(&other, &["pull", &name], Vec::new());
        pull.done.ok();
        assert_eq!(other.id(&name), id);
        assert!(
            push.memory <= MEMORY && pull.memory <= MEMORY,
            "{compression}: pushing took {} KiB, pulling {} KiB",
            push.memory,
            pull.memory
        );
        if compression == "gzip" {
            assert_complete(&name, &id);
        }
    }
}

#[test]
fn memory_of_several_layers_at_once_is_bounded() {
    let registry = Registry::start();
    let (kiln, name) = (Kiln::new(), registry.name("large:1"));
    large(&kiln, &name);
    for compression in ["gzip", "zstd"] {
        let empty = Registry::start();
        let name = empty.name("large:1");
        kiln.ok(["tag", &registry.name("large:1"), &name]);
        let push = measured(
            &kiln,
            &["push", "--compression", compression, &name],
            Vec::new(),
        );
        push.done.ok();
        let other = Kiln::empty();
        let pull = measured(&other, &["pull", &name], Vec::new());
        pull.done.ok();
        assert!(
            push.memory <= MEMORY && pull.memory <= MEMORY,
            "{compression}: pushing took {} KiB, pulling {} KiB",
            push.memory,
            pull.memory
        );
    }
}
