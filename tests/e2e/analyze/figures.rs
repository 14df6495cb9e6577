//! Bytes by layer, and what is wasted.

use serde_json::json;

use super::{bytes, members, report, wasteful};
use crate::harness::{Kiln, MEMORY, Project, base_tar, measured};

/// What docker counts as the size of the common base.
fn base_size() -> u64 {
    let mut archive = tar::Archive::new(base_tar());
    let sizes = archive.entries().unwrap().map(|e| {
        let e = e.unwrap();
        let target = e.link_name_bytes().map_or(0, |l| l.len() as u64);
        e.size() + target
    });
    sizes.sum()
}

/// The bytes of an image's files when its layers are mounted one upon the other, each of several
/// hard links counted once.
fn exported_size(kiln: &Kiln, image: &str) -> u64 {
    let tar = kiln.ok(["export", image]).stdout;
    let mut archive = tar::Archive::new(tar.as_slice());
    let sizes = archive.entries().unwrap().map(|e| {
        let e = e.unwrap();
        let symlink = e.header().entry_type().is_symlink();
        let target = e.link_name_bytes().filter(|_| symlink);
        e.size() + target.map_or(0, |t| t.len() as u64)
    });
    sizes.sum()
}

#[test]
fn every_wasted_byte_has_who_made_and_who_hid_it() {
    let (kiln, _project) = wasteful();
    let report = report(&kiln, "wasteful");
    assert_eq!(
        members(
            &report["wasted"],
            &["path", "bytes", "layer", "by", "how", "changed", "to"]
        ),
        [
            "/work/big 1000000 3 4 deleted - -",
            "/work/other 300000 7 8 replaced - -",
            "/work/moving 40001 3 6 moved - /there/moved",
            "/work/data 40000 3 5 copied [\"mode\"] -",
        ]
    );
    let wasted = 1_000_000 + 300_000 + 40_001 + 40_000;
    let visible = base_size() + 40_000 * 2 + 40_001 + 3;
    assert_eq!(report["wasted_bytes"], wasted);
    assert_eq!(report["visible_bytes"], visible);
    assert_eq!(report["bytes"], wasted + visible);
    let efficiency = visible as f64 / (wasted + visible) as f64;
    assert_eq!(report["efficiency"], efficiency);
    assert_eq!(report["bytes"], kiln.inspect("wasteful")["Size"]);
    assert_eq!(report["visible_bytes"], exported_size(&kiln, "wasteful"));
}

#[test]
fn layers_have_their_instructions() {
    let (kiln, _project) = wasteful();
    let report = report(&kiln, "wasteful");
    let base = base_size().to_string();
    let rows = members(
        &report["layers"],
        &[
            "number",
            "bytes",
            "wasted_bytes",
            "files",
            "deletions",
            "base",
            "instruction",
        ],
    );
    assert_eq!(
        rows,
        [
            &format!("1 {base} 0 4 0 busybox:latest Imported from -"),
            "2 0 0 0 0 - WORKDIR /work",
            "3 1080001 1080001 3 0 - COPY big data moving ./",
            "4 0 0 0 1 - RUN rm big",
            "5 40000 0 1 0 - RUN chmod 600 data && mkdir /there",
            "6 40001 0 1 1 - RUN mv moving /there/moved",
            "7 340000 300000 2 0 - COPY other data2 ./",
            "8 3 0 1 0 - COPY new other",
        ]
    );
    let steps = members(&report["steps"], &["layer", "bytes", "instruction"]);
    assert_eq!(steps.len(), 9);
    assert_eq!(steps.last().unwrap(), "- 0 ENV A=b");
    assert_eq!(steps[7], "8 3 COPY new other");
    assert_eq!(report["image"]["id"], kiln.id("wasteful"));
    assert_eq!(report["image"]["names"], json!(["wasteful:latest"]));
    assert_eq!(
        report["image"]["bases"],
        json!([{"name": "busybox:latest", "layers": 1}])
    );
}

#[test]
fn contents_at_several_paths() {
    let (kiln, _project) = wasteful();
    let report = report(&kiln, "wasteful");
    assert_eq!(
        report["duplicates"],
        json!([
            {"bytes": 40_000, "redundant_bytes": 80_000, "copies": [
                {"layer": 3, "path": "/work/data", "visible": false},
                {"layer": 5, "path": "/work/data", "visible": true},
                {"layer": 7, "path": "/work/data2", "visible": true},
            ]},
            {"bytes": 40_001, "redundant_bytes": 40_001, "copies": [
                {"layer": 3, "path": "/work/moving", "visible": false},
                {"layer": 6, "path": "/there/moved", "visible": true},
            ]},
        ])
    );
    assert_eq!(report["duplicate_bytes"], 120_001);
}

/// Sizes are equal, contents are not: in the first bytes, the last one, or the middle.
#[test]
fn equal_sizes_are_not_equal_contents() {
    let kiln = Kiln::new();
    let long = bytes(7, 500_000);
    let mut last = long.clone();
    *last.last_mut().unwrap() ^= 1;
    let mut middle = long.clone();
    middle[250_000] ^= 1;
    let project = Project::new("FROM busybox\nCOPY files /files\n")
        .with("files/long", &long)
        .with("files/last", last)
        .with("files/middle", middle)
        .with("files/first", bytes(8, 500_000))
        .with("files/same", &long)
        .with("files/small1", "small")
        .with("files/small2", "small");
    kiln.build(project.dir(), &["-t", "app"]);
    let report = report(&kiln, "app");
    assert_eq!(
        report["duplicates"],
        json!([{"bytes": 500_000, "redundant_bytes": 500_000, "copies": [
            {"layer": 2, "path": "/files/long", "visible": true},
            {"layer": 2, "path": "/files/same", "visible": true},
        ]}])
    );
    assert_eq!(report["wasted"], json!([]));
}

/// Hard links count once, and are wasted only when the last name is hidden; sparse files count as
/// a tar has them.
#[test]
fn links_and_holes() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox
RUN mkdir /l && head -c 70000 /bin/busybox >/l/a && ln /l/a /l/b && ln /l/a /l/c
RUN rm /l/a /l/b
RUN rm /l/c
RUN truncate -s 3000000 /sparse && ln -s /sparse /link
",
    );
    kiln.build(project.dir(), &["-t", "app"]);
    let report = report(&kiln, "app");
    let rows = members(&report["layers"], &["bytes", "wasted_bytes", "files"]);
    assert_eq!(
        rows[1..],
        ["70000 70000 1", "0 0 0", "0 0 0", "3000007 0 1"]
    );
    assert_eq!(
        members(&report["wasted"], &["path", "bytes", "layer", "by"]),
        ["/l/c 70000 2 4"]
    );
    assert_eq!(report["bytes"], kiln.inspect("app")["Size"]);
    assert_eq!(report["visible_bytes"], exported_size(&kiln, "app"));

    let project = Project::new("FROM app\nRUN ln /sparse /second && rm /sparse\n");
    kiln.build(project.dir(), &["-t", "next"]);
    let next = super::report(&kiln, "next");
    assert_eq!(
        members(&next["wasted"], &["path", "bytes", "by", "how", "to"])[0],
        "/sparse 3000000 6 moved /second"
    );
}

/// A directory that is removed and made anew, one that becomes a file, a file that becomes one.
#[test]
fn directories_that_go() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox
RUN mkdir -p /d/sub /e && head -c 5000 /bin/busybox >/d/sub/x && head -c 100 /bin/busybox >/d/y \\
    && head -c 200 /bin/busybox >/e/z && head -c 300 /bin/busybox >/f
RUN rm -r /d && mkdir -p /d/sub && head -c 7 /bin/busybox >/d/y
RUN rm -r /e && echo >/e && rm /f && mkdir /f
",
    );
    kiln.build(project.dir(), &["-t", "app"]);
    let report = report(&kiln, "app");
    assert_eq!(
        members(&report["wasted"], &["path", "bytes", "layer", "by", "how"]),
        [
            "/d/sub/x 5000 2 3 deleted",
            "/f 300 2 4 replaced",
            "/e/z 200 2 4 deleted",
            "/d/y 100 2 3 deleted",
        ]
    );
    assert_eq!(report["visible_bytes"], base_size() + 7 + 1);
    assert_eq!(report["visible_bytes"], exported_size(&kiln, "app"));
}

/// What came from another builder's archive is analysed alike.
#[test]
fn layers_from_elsewhere() {
    let (kiln, _project) = wasteful();
    let archive = kiln.file("saved.tar");
    std::fs::write(&archive, kiln.save("wasteful")).unwrap();
    let other = Kiln::empty();
    other.ok(["load", "-i", archive.to_str().unwrap()]);
    let (mut ours, mut theirs) = (report(&kiln, "wasteful"), report(&other, "wasteful"));
    assert_eq!(
        theirs["image"]["bases"],
        json!([]),
        "its base isn't in that store"
    );
    for report in [&mut ours, &mut theirs] {
        report["image"].take();
        report["layers"][0]["base"].take();
    }
    assert_eq!(ours, theirs);
}

#[test]
fn an_image_without_layers() {
    let kiln = Kiln::empty();
    let project = Project::new("FROM scratch\nENV A=b\n");
    kiln.build(project.dir(), &["-t", "empty"]);
    let report = report(&kiln, "empty");
    assert_eq!(report["efficiency"], 1.0);
    assert_eq!(report["layers"], json!([]));
    let text = kiln.ok(["analyze", "empty"]).out();
    assert!(text.contains("0B in 0 layers and 0 files"), "{text}");
    kiln.ok(["analyze", "--html", "page.html", "empty"]);
}

/// Files are read a piece at a time: two equal ones of any size are compared in little memory.
#[test]
fn memory_does_not_grow_with_files() {
    let kiln = Kiln::new();
    let project =
        Project::new("FROM busybox\nRUN truncate -s 300000000 /a && truncate -s 300000000 /b\n");
    kiln.build(project.dir(), &["-t", "app"]);
    let run = measured(&kiln, &["analyze", "--format", "json", "app"], Vec::new());
    let report: serde_json::Value = serde_json::from_slice(&run.done.ok().stdout).unwrap();
    assert_eq!(report["duplicate_bytes"], 300_000_000);
    assert!(run.memory < MEMORY, "{} KiB", run.memory);
}
