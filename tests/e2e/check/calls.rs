//! `build --check` and `build --call`.

use serde_json::Value;

use crate::harness::{Kiln, Project, run_with};

const TEXT: &str = "\
# VERSION of the tool
ARG VERSION=1
FROM busybox AS tools
RUN --network=none true
# app is what we ship
FROM busybox AS app
ARG VERSION
COPY --from=tools /bin /b
CMD [\"true\"]
";

#[test]
fn a_check_builds_nothing() {
    let kiln = Kiln::new();
    let project = Project::new("from busybox\nRUN false\n");
    let dir = project.dir().display().to_string();
    for flag in ["--check", "--call=check"] {
        let done = kiln.run(["build", flag, &dir]);
        assert!(
            done.out().contains("[lower-case-instruction]"),
            "{}",
            done.report()
        );
    }
    let mut command = kiln.command(["build", "--check", "-f", "-", &dir]);
    let done = run_with(&mut command, b"FROM busybox\nRUNN x\n".to_vec()).code(1);
    assert!(
        done.out().contains("did you mean RUN?"),
        "{}",
        done.report()
    );
    assert_eq!(kiln.ok(["images", "-q"]).out().lines().count(), 1);
}

#[test]
fn outline_and_targets() {
    let kiln = Kiln::empty();
    let project = Project::new(TEXT);
    let dir = project.dir().display().to_string();
    let out = kiln.ok(["build", "--call", "outline", &dir]).out();
    let want = "\
TARGET:      app
DESCRIPTION: is what we ship

BUILD ARG    VALUE    DESCRIPTION
VERSION      1        of the tool";
    assert_eq!(out, want);
    let out = kiln.ok(["build", "--call", "targets", &dir]).out();
    assert_eq!(
        out,
        "TARGET           DESCRIPTION\ntools\napp (default)    is what we ship"
    );
    let done = kiln.ok(["build", "--call", "targets,format=json", &dir]);
    let all: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(all[1]["name"], "app");
    assert_eq!(all[0]["base"], "busybox");
    let e = kiln.run(["build", "--call", "outline", "--target", "no", &dir]);
    assert!(
        e.code(1)
            .err()
            .contains("target stage \"no\" could not be found")
    );
    let e = kiln.run(["build", "--call", "nothing", &dir]).code(1).err();
    assert!(
        e.contains("expected build, check, outline or targets"),
        "{e}"
    );
}

#[test]
fn a_build_says_what_buildkit_would_and_fails_where_told() {
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox\nenv A=b\n");
    let done = kiln.build(project.dir(), &[]);
    let want = "WARNING: ConsistentInstructionCasing: env is written ENV";
    assert!(done.err().contains(want), "{}", done.report());
    project.write("Dockerfile", "# check=error=true\nFROM busybox\nenv A=b\n");
    let done = kiln.try_build(project.dir(), &[]).code(1);
    let want = "Dockerfile:3:1: lint violation found for rules: ConsistentInstructionCasing";
    assert!(done.err().contains(want), "{}", done.report());
    project.write(
        "Dockerfile",
        "# check=skip=all;error=true\nFROM busybox\nenv A=b\n",
    );
    let done = kiln.build(project.dir(), &[]);
    assert!(!done.err().contains("WARNING"), "{}", done.report());
}
