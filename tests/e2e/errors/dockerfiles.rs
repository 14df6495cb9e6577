//! Mistakes in Dockerfiles, and steps that fail.

use super::table::{BAD, Bad};
use super::{assert_fails, faults, works};
use crate::harness::{Kiln, Project, Server, assert_nothing_left};

#[test]
fn bad_dockerfiles() {
    let kiln = Kiln::new();
    let web = Server::start([("there", b"x".to_vec())]);
    let mut report = String::new();
    for Bad {
        name,
        dockerfile,
        files,
        args,
        place,
        says,
    } in BAD
    {
        let project = Project::new(&dockerfile.replace("@URL@", &web.url()));
        for (file, text) in *files {
            project.write(file, text);
        }
        let done = kiln.try_build(project.dir(), args);
        let at = format!("ERROR: {place}: ");
        let places: &[&str] = if place.is_empty() { &[] } else { &[&at] };
        let wrong = faults(&done, 1, places, says);
        if !wrong.is_empty() {
            report.push_str(&format!("\n{name}: {}\n{}\n", wrong.join("; "), done.err()));
        }
        assert_nothing_left(&kiln);
    }
    assert!(report.is_empty(), "{report}");
    assert!(BAD.len() >= 50, "the table has lost its lines");
    works(&kiln);
}

#[test]
fn a_failed_run_shows_its_place_and_its_output() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox\n\
         RUN echo first step\n\
         # a comment\n\
         RUN echo said on stdout; \\\n    echo said on stderr >&2; \\\n    exit 7\n\
         RUN echo never\n",
    );
    let done = kiln.try_build(project.dir(), &[]);
    let done = assert_fails(done, 1, &["ERROR: Dockerfile:4:1: ", "exit code: 7"]);
    let err = done.err();
    for line in [
        "   3 |     # a comment",
        "   4 | >>> RUN echo said on stdout; \\",
        "   6 | >>>     exit 7",
        "   7 |     RUN echo never",
    ] {
        assert!(err.lines().any(|l| l == line), "no line {line:?} in\n{err}");
    }
    let repeated = err.split("------\n > ").nth(1).unwrap_or_default();
    let repeated = repeated.split("------").next().unwrap_or_default();
    for text in ["said on stdout", "said on stderr"] {
        let lines: Vec<&str> = repeated.lines().skip(1).collect();
        assert!(
            lines.iter().any(|l| l.ends_with(text)),
            "{text} is not repeated in\n{err}"
        );
    }
    assert!(
        !err.contains("never\n#"),
        "goes on after the failure\n{err}"
    );
    works(&kiln);
}

#[test]
fn a_failed_stage_ends_the_others() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox AS slow\nRUN sleep 100\n\
         FROM busybox AS bad\nRUN sleep 0.3; exit 3\n\
         FROM busybox\nCOPY --from=slow / /s\nCOPY --from=bad / /b\n",
    );
    let began = std::time::Instant::now();
    let done = kiln.try_build(project.dir(), &[]);
    assert_fails(done, 1, &["ERROR: Dockerfile:4:1: ", "exit code: 3"]);
    assert!(began.elapsed().as_secs() < 20, "waited for the other stage");
    works(&kiln);
}
