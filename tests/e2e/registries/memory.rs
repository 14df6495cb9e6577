//! How much memory and time pulls and pushes take.

use std::process::Command;
use std::time::{Duration, Instant};

use super::kills::large;
use super::random::Random;
use super::registry::Registry;
use super::{assert_complete, files};
use crate::harness::{Done, Kiln, Project, program, run};

/// What images of any size may take: 64 MiB, in KiB.
pub const MEMORY: u64 = 64 << 10;

/// A command that has ended, and what it took.
pub struct Measured {
    pub done: Done,
    /// The most memory it had, in KiB.
    pub memory: u64,
    pub time: Duration,
}

/// Runs a command of kiln's. `time` asks `wait4`; were this process to ask, a child's account would
/// begin with the memory of this process, which it was forked from.
pub fn measured(kiln: &Kiln, args: &[&str]) -> Measured {
    let plain = kiln.command(args);
    let report = kiln.file("time");
    let mut command = Command::new(program("time", "time"));
    command
        .args(["-q", "-f", "%M", "-o"])
        .arg(&report)
        .arg(Kiln::binary())
        .args(args);
    command.current_dir(plain.get_current_dir().unwrap());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let began = Instant::now();
    let done = run(&mut command);
    let time = began.elapsed();
    let text = std::fs::read_to_string(report).unwrap();
    let last = text.trim().lines().last().unwrap_or_default();
    Measured {
        memory: last.parse().unwrap_or_else(|_| panic!("{text:?}")),
        done,
        time,
    }
}

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
        let push = measured(&kiln, &["push", "--compression", compression, &name]);
        push.done.ok();
        let other = Kiln::empty();
        let pull = measured(&other, &["pull", &name]);
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
        let push = measured(&kiln, &["push", "--compression", compression, &name]);
        push.done.ok();
        let other = Kiln::empty();
        let pull = measured(&other, &["pull", &name]);
        pull.done.ok();
        assert!(
            push.memory <= MEMORY && pull.memory <= MEMORY,
            "{compression}: pushing took {} KiB, pulling {} KiB",
            push.memory,
            pull.memory
        );
    }
}
