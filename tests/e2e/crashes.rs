//! `kill -9` at any moment: what was built before is whole, and nothing stays.

use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::harness::{Kiln, Project, assert_all_cached, assert_nothing_left, leftovers};

const KILLS: u64 = 50;

/// Numbers that look random and are the same in each run (SplitMix64).
fn pseudo_random(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[test]
fn fifty_kills_lose_nothing() {
    let kiln = Kiln::new();
    let keep = Project::new("FROM busybox\nCOPY keep /keep\nRUN echo kept > /kept\nWORKDIR /w\n")
        .with("keep", "to be kept\n");
    kiln.build(keep.dir(), &["-t", "keep"]);
    let archive = kiln.save("keep");

    let mut killed = 0;
    for n in 0..KILLS {
        let victim = Project::new(&format!(
            "FROM busybox AS a\nRUN seq 1 20000 > /a{n}\n\
             FROM busybox\nCOPY files /files\nRUN echo {n} > /n; cp -r /files /again\n\
             RUN seq 1 40000 > /more; cp -r /again /files /\nRUN cp -r /files /once-more\n\
             COPY --from=a /a{n} /\nRUN rm -r /files\nWORKDIR /w{n}\n"
        ));
        for f in 0..150 {
            victim.write(&format!("files/{f}"), format!("{n} {f}\n").repeat(100));
        }
        let mut build = kiln
            .command(["build", "-q", "-t", "victim"])
            .arg(victim.dir())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let delay = Duration::from_micros(1000 + pseudo_random(n) % 150_000);
        std::thread::sleep(delay);
        let pid = Pid::from_child(&build);
        // Now all of it at once, now kiln alone, whose helpers then have to notice.
        let _ = match n % 2 {
            0 => kill_process_group(pid, Signal::KILL),
            _ => kill_process(pid, Signal::KILL),
        };
        if !build.wait().unwrap().success() {
            killed += 1;
        }
        assert!(
            kiln.save("keep") == archive,
            "after kill {n} (at {delay:?}) the image from before is another one"
        );
        assert_all_cached(&kiln.build(keep.dir(), &["-t", "keep"]));
    }
    assert!(
        killed >= KILLS / 2,
        "only {killed} builds were killed before their end"
    );
    kiln.ok(["images"]);
    assert_nothing_left(&kiln);

    // No half-made layer is taken for a whole one: all come out as in a new store.
    let last = Project::new("FROM busybox\nRUN echo after > /after\n");
    kiln.build(last.dir(), &["-t", "last"]);
    assert_eq!(kiln.cat("last", "/after"), "after\n");
    kiln.ok(["rmi", "-f", "keep", "last"]);
}

#[test]
fn a_layer_that_was_cut_short_is_not_reused() {
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox\nCOPY files /files\nRUN cat /files/* > /all\n");
    for f in 0..200 {
        project.write(&format!("files/{f:03}"), format!("{f}\n").repeat(500));
    }
    let whole: String = (0..200).map(|f| format!("{f}\n").repeat(500)).collect();
    for n in 0..12 {
        let mut build = kiln
            .command(["build", "-q", "--no-cache", "-t", "x"])
            .arg(project.dir())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(5 + 12 * n));
        let _ = kill_process_group(Pid::from_child(&build), Signal::KILL);
        build.wait().unwrap();
        kiln.build(project.dir(), &["-t", "x"]);
        let image = kiln.image("x");
        assert!(image.tree.text("/all") == whole, "after kill {n}");
        for f in 0..200 {
            let text = image.tree.text(&format!("/files/{f:03}"));
            assert!(
                text == format!("{f}\n").repeat(500),
                "file {f} after kill {n}"
            );
        }
    }
    assert_eq!(leftovers(kiln.store()), Vec::<String>::new());
}
