//! Images by filter.

use super::{NAMES, listed, sorted, stocked};
use crate::harness::{Dockerd, Kiln, run_with};

#[test]
fn filters_choose_images() {
    let kiln = Kiln::new();
    let nameless = stocked(&kiln);
    let none = "<none>:<none>";
    let cases: &[(&[&str], &[&str])] = &[
        (&["-f", "dangling=true"], &[none]),
        (
            &["-f", "dangling=false"],
            &[
                "busybox:latest",
                "example.org/team/old:2",
                "new:1",
                "new:2",
                "old:1",
            ],
        ),
        (
            &["-f", "label=tier"],
            &[none, "example.org/team/old:2", "new:1", "new:2", "old:1"],
        ),
        (&["-f", "label=tier=new"], &["new:1", "new:2"]),
        (&["-f", "label=tier=NEW"], &[]),
        (
            &["-f", "label=tier", "-f", "label=stage"],
            &[none, "example.org/team/old:2", "old:1"],
        ),
        (&["-f", "label=stage=x", "-f", "label=stage=y"], &[]),
        (&["-f", "reference=new"], &["new:1", "new:2"]),
        (&["-f", "reference=new:*"], &["new:1", "new:2"]),
        (&["-f", "reference=*:1"], &["new:1", "old:1"]),
        (&["-f", "reference=*ew:[13]"], &["new:1"]),
        (&["-f", "reference=old"], &["old:1"]),
        (&["-f", "reference=*/*/old"], &["example.org/team/old:2"]),
        (
            &["-f", "reference=example.org/*/*:2"],
            &["example.org/team/old:2"],
        ),
        (
            &["-f", "reference=new:1", "-f", "reference=old:1"],
            &["new:1", "old:1"],
        ),
        (&["-f", "reference=nothing*"], &[]),
        (
            &["-f", "before=new:1"],
            &[none, "example.org/team/old:2", "old:1"],
        ),
        (
            &["-f", "since=old:1"],
            &[none, "busybox:latest", "new:1", "new:2"],
        ),
        (&["-f", "since=old:1", "-f", "before=new:1"], &[none]),
        (
            &["-f", "until=2018-01-01T00:00:00Z"],
            &["example.org/team/old:2", "old:1"],
        ),
        (
            &["-f", "until=1560000000"],
            &[none, "example.org/team/old:2", "old:1"],
        ),
        (
            &["-f", "until=24h"],
            &[none, "example.org/team/old:2", "new:1", "new:2", "old:1"],
        ),
        (&["new"], &["new:1", "new:2"]),
        (&["new:2"], &["new:2"]),
        (&["old:2"], &[]),
        (&["example.org/team/old"], &["example.org/team/old:2"]),
        (&["example.org/*/*"], &["example.org/team/old:2"]),
        (&["docker.io/library/new:1"], &["new:1"]),
    ];
    let mut wrong = Vec::new();
    for (args, wanted) in cases {
        let found = listed(&kiln, args);
        if found != *wanted {
            wrong.push(format!("{args:?}: {found:?}, not {wanted:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let by_id = [
        "-f",
        &format!("before={}", kiln.id("new:1")),
        "-f",
        &format!("since={}", kiln.id("old:1")),
    ];
    assert_eq!(listed(&kiln, &by_id), [none]);
    let quiet = kiln
        .ok(["images", "-q", "--no-trunc", "-f", "dangling=1"])
        .out();
    assert_eq!(quiet, nameless);
    // One image with two names is one id.
    assert_eq!(kiln.ok(["images", "-q", "new"]).out().lines().count(), 1);
    for bad in [
        "dangling=maybe",
        "nonsense=1",
        "label",
        "until=yesterday",
        "reference=[a",
        "before=missing",
    ] {
        let done = kiln.run(["images", "-f", bad]).code(1);
        assert!(
            done.err().contains(bad.rsplit('=').next().unwrap()),
            "{}",
            done.report()
        );
        assert_eq!(
            done.err()
                .lines()
                .filter(|l| l.starts_with("ERROR"))
                .count(),
            1
        );
    }
}

/// The same archive and the same filters at dockerd.
#[test]
fn filters_choose_what_docker_chooses() {
    let (kiln, docker) = (Kiln::new(), Dockerd::start());
    let nameless = stocked(&kiln);
    let names = [
        "busybox",
        "old:1",
        "example.org/team/old:2",
        "new:1",
        "new:2",
    ];
    run_with(
        &mut docker.command(["load"]),
        kiln.ok(["save"].iter().chain(&names)).stdout,
    )
    .ok();
    run_with(&mut docker.command(["load"]), kiln.save(&nameless)).ok();
    let mut wrong = Vec::new();
    for args in [
        &[][..],
        &["-a"],
        &["-f", "dangling=true"],
        &["-f", "dangling=false"],
        &["-f", "label=tier"],
        &["-f", "label=tier=new"],
        &["-f", "label=tier", "-f", "label=stage"],
        &["-f", "reference=new"],
        &["-f", "reference=*:1"],
        &["-f", "reference=old"],
        &["-f", "reference=*/old"],
        &["-f", "reference=*/*/old"],
        &["-f", "reference=example.org/*"],
        &["-f", "reference=example.org/*/*"],
        &["-f", "reference=new:1", "-f", "reference=old:1"],
        &["-f", "before=new:1"],
        &["-f", "since=old:1"],
        &["new"],
        &["new:2"],
        &["n*"],
        &["example.org/team/old"],
    ] {
        let ours = listed(&kiln, args);
        let list = ["images", "--format", NAMES].iter().chain(args);
        let theirs = sorted(&docker.ok(list));
        if ours != theirs {
            wrong.push(format!("{args:?}: {ours:?}, docker has {theirs:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn digests_are_those_of_manifests() {
    let kiln = Kiln::new();
    let format = "{{.Repository}} {{.Digest}}";
    assert_eq!(
        kiln.ok(["images", "--format", format]).out(),
        "busybox <none>"
    );
    let table = kiln.ok(["images", "--digests"]).out();
    let heading: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(
        heading,
        [
            "REPOSITORY",
            "TAG",
            "DIGEST",
            "IMAGE",
            "ID",
            "CREATED",
            "SIZE"
        ]
    );
    assert!(table.lines().nth(1).unwrap().contains("<none>"), "{table}");
    // An OCI archive has a manifest, and with it a digest.
    let archive = kiln.ok(["save", "--format", "oci", "busybox"]).stdout;
    let mut manifest = None;
    for entry in tar::Archive::new(&archive[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path_bytes().as_ref() == b"index.json" {
            let index: serde_json::Value = serde_json::from_reader(&mut entry).unwrap();
            manifest = Some(index["manifests"][0]["digest"].as_str().unwrap().to_owned());
        }
    }
    let digest = manifest.unwrap();
    let other = Kiln::empty();
    run_with(&mut other.command(["load"]), archive).ok();
    let shown = other.ok(["images", "--format", format]).out();
    assert_eq!(shown, format!("busybox {digest}"));
    let table = other.ok(["images", "--digests"]).out();
    assert!(table.contains(&digest), "{table}");
    assert_eq!(other.ok(["images", "-q", "--digests"]).out().len(), 12);
}
