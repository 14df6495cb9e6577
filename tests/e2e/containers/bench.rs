//! How long a container takes.

use std::time::{Duration, Instant};

use super::Containers;

#[test]
fn a_container_takes_little_time_speed() {
    let kiln = Containers::new();
    kiln.ok(["run", "--rm", "--network", "host", "busybox", "true"]);
    let best = (0..20)
        .map(|_| {
            let began = Instant::now();
            kiln.ok(["run", "--rm", "--network", "host", "busybox", "true"]);
            began.elapsed()
        })
        .min()
        .unwrap();
    // A debug build has the time of three.
    let limit = Duration::from_millis(if cfg!(debug_assertions) { 120 } else { 40 });
    assert!(best < limit, "{best:?}");
}
