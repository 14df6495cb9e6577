//! Pulls that are killed, and done again.

use std::process::Stdio;
use std::time::Duration;

use super::random::Random;
use super::registry::Registry;
use super::relay::{Cut, Relay};
use super::{assert_complete, files, layers, raw, told_digest};
use crate::harness::{Kiln, Project, assert_nothing_left, run};

const LAYERS: usize = 5;

/// An image of several layers, 50 MiB that can't be compressed, in a registry.
pub fn large(kiln: &Kiln, name: &str) -> String {
    let mut random = Random::seeded(60);
    let mut dockerfile = "FROM busybox\n".to_owned();
    let mut project = Project::new("");
    for n in 0..LAYERS {
        let size = random.between(7 << 20, 14 << 20) as usize;
        project = files(project, &[(&format!("part{n}"), random.bytes(size))]);
        dockerfile += &format!("COPY part{n} /d/part{n}\n");
    }
    // What is deleted is deleted after a broken pull, too.
    dockerfile += "RUN rm /d/part0 && echo x > /d/x\n";
    project.write("Dockerfile", dockerfile);
    kiln.build(project.dir(), &["-t", name]);
    told_digest(&kiln.ok(["push", name]))
}

/// Pulls through a relay and kills that when so many bytes have come, and some time after; whether
/// it was still there.
fn pull_and_kill(kiln: &Kiln, relay: &Relay, name: &str, bytes: u64, later: Duration) -> bool {
    let until = relay.down() + bytes;
    let mut child = kiln
        .command(["pull", name])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while relay.down() < until && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(later);
    child.kill().unwrap();
    child.wait().unwrap().code().is_none()
}

/// The same image under the name of a relay.
fn behind(kiln: &Kiln, registry: &Registry, name: &str) -> (Relay, String) {
    let relay = registry.cutter(|_| Cut::Never);
    let other = format!("127.0.0.1:{}/large:1", relay.port());
    kiln.ok(["tag", name, &other]);
    kiln.ok(["rmi", name]);
    (relay, other)
}

#[test]
fn a_killed_pull_is_repeated_to_its_end() {
    let registry = Registry::start();
    let (kiln, name) = (Kiln::new(), registry.name("large:1"));
    let digest = large(&kiln, &name);
    let total: u64 = layers(&raw(&name).0).iter().map(|(_, _, size)| size).sum();
    let (relay, name) = behind(&kiln, &registry, &name);
    let (id, saved) = (kiln.id(&name), kiln.save(&name));
    let mut random = Random::seeded(10);
    let mut killed = 0;
    for n in 0..10 {
        let other = Kiln::empty();
        // Spread over the whole of it; the last ones while the last layers are put away.
        let bytes = (n * total / 9 + random.between(0, total / 20)).min(total);
        let later = Duration::from_millis(random.between(0, 20));
        killed += usize::from(pull_and_kill(&other, &relay, &name, bytes, later));
        // Whatever was there: the image is, or isn't.
        if run(&mut other.command(["inspect", &name])).code == Some(0) {
            assert_eq!(other.id(&name), id, "killed after {bytes} bytes");
        }
        let pull = other.ok(["pull", &name]);
        assert_eq!(told_digest(&pull), digest, "killed after {bytes} bytes");
        assert_eq!(other.id(&name), id, "killed after {bytes} bytes");
        let same = other.save(&name) == saved;
        assert!(same, "another image, killed after {bytes} bytes");
        assert_nothing_left(&other);
    }
    assert!(killed >= 8, "only {killed} of 10 were killed");
}

#[test]
fn a_pull_that_is_killed_again_and_again_ends_right() {
    let registry = Registry::start();
    let (kiln, name) = (Kiln::new(), registry.name("large:1"));
    large(&kiln, &name);
    let (relay, name) = behind(&kiln, &registry, &name);
    let other = Kiln::empty();
    let mut random = Random::seeded(11);
    for _ in 0..4 {
        let bytes = random.between(5 << 20, 40 << 20);
        pull_and_kill(&other, &relay, &name, bytes, Duration::ZERO);
    }
    other.ok(["pull", &name]);
    assert_eq!(other.id(&name), kiln.id(&name));
    assert!(other.save(&name) == kiln.save(&name), "another image");
    assert_nothing_left(&other);
}

#[test]
fn a_killed_push_is_repeated_to_its_end() {
    let registry = Registry::start();
    let (kiln, name) = (Kiln::new(), registry.name("large:1"));
    let digest = large(&kiln, &name);
    let mut random = Random::seeded(12);
    for n in 0..3 {
        // A registry that has none of it.
        let empty = Registry::start();
        let name = empty.name("large:1");
        kiln.ok(["tag", &registry.name("large:1"), &name]);
        let mut child = kiln
            .command(["push", &name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // When so many uploads have begun.
        let begun = |n: usize| empty.asked(&["POST"]).len() > n;
        while !begun(2 * n) && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(random.between(0, 60)));
        child.kill().unwrap();
        child.wait().unwrap();
        let push = kiln.ok(["push", &name]);
        assert_eq!(told_digest(&push), digest, "killed after {n} uploads");
        assert_complete(&name, &kiln.id(&name));
        assert_nothing_left(&kiln);
    }
}
