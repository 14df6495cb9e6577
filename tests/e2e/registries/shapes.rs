//! Images of unusual shapes.

use super::registry::Registry;
use super::{assert_complete, layers, told_digest};
use crate::harness::{Kiln, Project};

#[test]
fn an_image_without_layers() {
    let registry = Registry::start();
    let (kiln, name) = (Kiln::empty(), registry.name("empty:1"));
    let project = Project::new("FROM scratch\nLABEL a=b\n");
    kiln.build(project.dir(), &["-t", &name]);
    let digest = told_digest(&kiln.ok(["push", &name]));
    let (manifest, _) = assert_complete(&name, &kiln.id(&name));
    assert_eq!(layers(&manifest), []);
    let other = Kiln::empty();
    assert_eq!(told_digest(&other.ok(["pull", &name])), digest);
    assert_eq!(other.id(&name), kiln.id(&name));
    assert_eq!(other.inspect(&name)["Config"]["Labels"]["a"], "b");
}

#[test]
fn a_layer_that_is_there_twice() {
    let registry = Registry::start();
    let (kiln, name) = (Kiln::empty(), registry.name("twice:1"));
    let dockerfile = "FROM scratch\nCOPY a /a\nCOPY b /b\nCOPY a /a\nCOPY a /a\n";
    let project = Project::new(dockerfile).with("a", "a").with("b", "b");
    kiln.build(project.dir(), &["-t", &name]);
    kiln.ok(["push", &name]);
    let (manifest, _) = assert_complete(&name, &kiln.id(&name));
    let all = layers(&manifest);
    assert_eq!(all.len(), 4);
    assert_eq!((&all[0], &all[0]), (&all[2], &all[3]));
    // It goes once,
    let puts = registry.asked(&["PUT"]).into_iter();
    let blobs = puts.filter(|a| a.contains("/blobs/")).count();
    assert_eq!(blobs, 3, "two layers and the config");
    // and comes once.
    registry.forget();
    let other = Kiln::empty();
    other.ok(["pull", &name]);
    let gets = registry.asked(&["GET"]).into_iter();
    assert_eq!(gets.filter(|a| a.contains("/blobs/")).count(), 3);
    assert_eq!(other.id(&name), kiln.id(&name));
    assert_eq!(other.save(&name), kiln.save(&name));
}

#[test]
fn an_image_of_many_layers() {
    let registry = Registry::start();
    let (kiln, name) = (Kiln::empty(), registry.name("many:1"));
    let mut dockerfile = "FROM scratch\n".to_owned();
    let mut project = Project::new("");
    for n in 0..40 {
        project = project.with(&format!("f{n}"), format!("{n}"));
        dockerfile += &format!("COPY f{n} /f{n}\n");
    }
    project.write("Dockerfile", dockerfile);
    kiln.build(project.dir(), &["-t", &name]);
    kiln.ok(["push", &name]);
    assert_complete(&name, &kiln.id(&name));
    let other = Kiln::empty();
    other.ok(["pull", &name]);
    assert_eq!(other.save(&name), kiln.save(&name));
    assert_eq!(other.cat(&name, "f39"), "39");
}
