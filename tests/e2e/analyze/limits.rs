//! Exit codes, and what is refused.

use super::wasteful;

#[test]
fn limits_fail_the_command() {
    let (kiln, _project) = wasteful();
    let over = kiln
        .run(["analyze", "--fail-over", "1MB", "wasteful"])
        .code(1);
    assert_eq!(
        over.err(),
        "ERROR: wasteful: 1.38MB wasted, more than --fail-over 1MB"
    );
    assert!(
        over.out().contains("LAYER"),
        "the report is there all the same"
    );
    kiln.ok(["analyze", "--fail-over", "1380001", "wasteful"]);
    kiln.run(["analyze", "--fail-over", "1380000", "wasteful"])
        .code(1);
    let both = [
        "analyze",
        "--fail-over=0",
        "--lowest-efficiency=0.99",
        "wasteful",
    ];
    let low = kiln.run(both).code(1).err();
    assert!(
        low.contains("more than --fail-over 0B; efficiency 0."),
        "{low}"
    );
    kiln.ok(["analyze", "--lowest-efficiency", "0.2", "wasteful"]);
    kiln.ok([
        "analyze",
        "--fail-over=0",
        "--lowest-efficiency=1",
        "busybox",
    ]);
}

#[test]
fn what_is_refused() {
    let (kiln, _project) = wasteful();
    for (line, code, message) in [
        (&["analyze", "nope"][..], 1, "nope:latest"),
        (
            &["analyze", "--fail-over", "many", "busybox"],
            125,
            "a size is a number",
        ),
        (
            &["analyze", "--lowest-efficiency", "95", "busybox"],
            125,
            "from 0 to 1",
        ),
        (&["analyze", "--format", "xml", "busybox"], 125, "xml"),
        (&["analyze"], 125, "IMAGE"),
        (&["analyze", "--html", "/nope/x", "busybox"], 1, "/nope/x"),
        (
            &["analyze", "--browse", "busybox"],
            1,
            "--browse needs a terminal",
        ),
        (
            &["analyze", "-i", "--format", "json", "busybox"],
            125,
            "--format",
        ),
    ] {
        let done = kiln.run(line).code(code);
        assert!(done.err().contains(message), "{}", done.report());
    }
}

#[test]
fn images_by_any_name() {
    let (kiln, _project) = wasteful();
    let id = kiln.id("wasteful");
    let first = kiln.ok(["analyze", "wasteful"]).out();
    for name in [
        &id,
        &id["sha256:".len()..][..12],
        "docker.io/library/wasteful:latest",
    ] {
        assert_eq!(kiln.ok(["analyze", name]).out(), first, "{name}");
    }
}
