//! Pulls at the same time.

use std::collections::BTreeMap;

use super::kills::large;
use super::registry::Registry;
use crate::harness::{Kiln, Project, assert_nothing_left, run};

/// How often each blob was fetched.
fn fetched(registry: &Registry) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for asked in registry.asked(&["GET"]) {
        if let Some((_, blob)) = asked.split_once("/blobs/") {
            *all.entry(blob.to_owned()).or_default() += 1;
        }
    }
    all
}

/// Runs commands on one store at the same time; all must succeed.
fn at_once(kiln: &Kiln, commands: &[&[&str]]) {
    std::thread::scope(|s| {
        let all: Vec<_> = commands
            .iter()
            .map(|args| s.spawn(|| run(&mut kiln.command(*args))))
            .collect();
        for one in all {
            one.join().unwrap().ok();
        }
    });
}

#[test]
fn two_pulls_of_one_image_fetch_each_blob_once() {
    let registry = Registry::start();
    let (kiln, name) = (Kiln::new(), registry.name("large:1"));
    large(&kiln, &name);
    let other = Kiln::empty();
    // A store that is there already: what is timed is the pulls.
    other.ok(["images"]);
    registry.forget();
    at_once(&other, &[&["pull", &name], &["pull", &name]]);
    let fetched = fetched(&registry);
    let layers = super::layers(&super::raw(&name).0).len();
    assert_eq!(fetched.len(), layers + 1, "{fetched:?}");
    assert!(fetched.values().all(|n| *n == 1), "{fetched:?}");
    assert_eq!(other.id(&name), kiln.id(&name));
    assert!(other.save(&name) == kiln.save(&name), "another image");
    assert_nothing_left(&other);
}

#[test]
fn pulls_and_builds_share_layers() {
    let registry = Registry::start();
    let (kiln, base) = (Kiln::new(), registry.name("base:1"));
    large(&kiln, &base);
    let top = registry.name("top:1");
    let project = Project::new(&format!("FROM {base}\nRUN echo top > /top\n"));
    kiln.build(project.dir(), &["-t", &top]);
    kiln.ok(["push", &top]);
    let other = Kiln::empty();
    other.ok(["images"]);
    registry.forget();
    let build = ["build", "-t", "built", super::text(project.dir())];
    at_once(&other, &[&["pull", &base], &["pull", &top], &build]);
    // Two configs, and no layer twice.
    let fetched = fetched(&registry);
    let layers = super::layers(&super::raw(&top).0);
    for (_, digest, _) in &layers {
        assert_eq!(fetched.get(digest), Some(&1), "{fetched:?}");
    }
    assert_eq!(other.id(&base), kiln.id(&base));
    assert_eq!(other.id(&top), kiln.id(&top));
    assert_eq!(other.cat("built", "top"), "top\n");
    assert!(other.save(&top) == kiln.save(&top), "another image");
    assert_nothing_left(&other);
}
