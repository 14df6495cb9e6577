//! Connections that break, again and again.

use super::kills::large;
use super::random::Random;
use super::registry::Registry;
use super::relay::{Cut, Relay};
use super::{assert_complete, told_digest};
use crate::harness::{Done, Kiln, assert_nothing_left};

/// How many connections are cut, at least.
const CUTS: usize = 10;

/// Runs a command until it succeeds, and not often; what failed said so in one line.
#[track_caller]
fn insist(kiln: &Kiln, args: &[&str]) -> Done {
    for _ in 0..CUTS {
        let done = kiln.run(args);
        if done.code == Some(0) {
            return done;
        }
        let error = super::error_line(done);
        assert!(
            error.contains("broke") || error.contains("can't connect"),
            "{error}"
        );
        assert_nothing_left(kiln);
    }
    panic!("{args:?} didn't succeed in {CUTS} tries");
}

/// The name of something behind a relay.
fn behind(relay: &Relay, rest: &str) -> String {
    format!("127.0.0.1:{}/{rest}", relay.port())
}

/// The first connections are cut after so many bytes.
fn cutter(registry: &Registry, seed: u64, cut: impl Fn(u64) -> Cut + Send + 'static) -> Relay {
    let mut random = Random::seeded(seed);
    let points: Vec<u64> = (0..CUTS + 3)
        .map(|n| match n {
            // In the middle of a head, too.
            0 => random.between(1, 100),
            _ => random.between(50_000, 3 << 20),
        })
        .collect();
    registry.cutter(move |n| points.get(n).map_or(Cut::Never, |at| cut(*at)))
}

#[test]
fn a_pull_goes_on_where_it_was_cut() {
    let registry = Registry::start();
    let (kiln, name) = (Kiln::new(), registry.name("large:1"));
    let digest = large(&kiln, &name);
    for seed in [1, 2] {
        let relay = cutter(&registry, seed, Cut::Down);
        let (other, cut_name) = (Kiln::empty(), behind(&relay, "large:1"));
        let pull = insist(&other, &["pull", &cut_name]);
        assert_eq!(told_digest(&pull), digest);
        // A connection that was opened in vain carries nothing that could be cut.
        assert!(relay.cuts() >= CUTS, "{}: {}", relay.cuts(), pull.report());
        assert_eq!(other.id(&cut_name), kiln.id(&name));
        // What has come doesn't come again.
        let seen = relay.seen();
        assert!(seen.iter().any(|a| a.header("range").is_some()), "{seen:?}");
        // The archive has the name in it, which isn't the same.
        other.ok(["tag", &cut_name, &name]);
        other.ok(["rmi", &cut_name]);
        assert!(other.save(&name) == kiln.save(&name), "another image");
        assert_nothing_left(&other);
    }
}

#[test]
fn a_push_that_was_cut_is_complete_in_the_end() {
    let registry = Registry::start();
    let (kiln, name) = (Kiln::new(), registry.name("large:1"));
    let digest = large(&kiln, &name);
    for (seed, cut) in [(3, Cut::Up as fn(u64) -> Cut), (4, Cut::Down)] {
        // Another registry, which has none of it.
        let empty = Registry::start();
        // What comes back from a push is little.
        let relay = cutter(&empty, seed, move |at| match cut(at) {
            Cut::Down(at) => Cut::Down(at % 900),
            other => other,
        });
        let cut_name = behind(&relay, "large:1");
        kiln.ok(["tag", &name, &cut_name]);
        let push = insist(&kiln, &["push", &cut_name]);
        assert_eq!(told_digest(&push), digest);
        assert!(relay.cuts() >= CUTS, "{}: {}", relay.cuts(), push.report());
        assert_complete(&empty.name("large:1"), &kiln.id(&name));
        assert_nothing_left(&kiln);
    }
}
