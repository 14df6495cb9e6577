//! What the fuzz targets check, on their seeds and on all that they ever found: without a fuzzer,
//! and with every run of the tests. See `fuzz/README.md`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

#[path = "../../../fuzz/checks/archive.rs"]
mod archive;
#[path = "../../../fuzz/checks/checksums.rs"]
mod checksums;
#[path = "../../../fuzz/checks/dockerfile.rs"]
mod dockerfile;
#[path = "../../../fuzz/checks/layer.rs"]
mod layer;
#[path = "../../../fuzz/checks/manifest.rs"]
mod manifest;
#[path = "../../../fuzz/checks/reference.rs"]
mod reference;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// Runs a check on every file there is for a target; at least `seeds` of them must be there.
fn replay(target: &str, seeds: usize, check: fn(&[u8])) {
    let mut seen = 0;
    let mut failed = Vec::new();
    for kind in ["seeds", "regressions"] {
        let Ok(dir) = std::fs::read_dir(fuzz().join(kind).join(target)) else {
            assert_eq!(kind, "regressions", "{target} has no seeds");
            continue;
        };
        for entry in dir {
            let path = entry.unwrap().path();
            let data = std::fs::read(&path).unwrap();
            // Each of them is told of, not only the first.
            if catch_unwind(|| check(&data)).is_err() {
                failed.push(path.display().to_string());
            }
            seen += 1;
        }
    }
    assert!(seen >= seeds, "only {seen} files for {target}");
    let list = failed.join("\n  ");
    assert!(failed.is_empty(), "{target} fails on\n  {list}");
}

#[test]
fn seeds_of_archives() {
    replay("archive", 11, archive::check);
}

#[test]
fn seeds_of_dockerfiles() {
    replay("dockerfile", 15, dockerfile::check);
}

#[test]
fn seeds_of_layers() {
    replay("layer", 14, layer::check);
}

#[test]
fn seeds_of_manifests() {
    replay("manifest", 14, manifest::check);
}

#[test]
fn seeds_of_references() {
    replay("reference", 15, reference::check);
}

/// The seeds are what they are for: an archive that is refused at once would be none.
#[test]
fn seeds_are_accepted() {
    let read = |name: &str| std::fs::read(fuzz().join("seeds").join(name)).unwrap();
    for name in [
        "kiln-docker.tar",
        "kiln-oci.tar",
        "skopeo-oci.tar",
        "docker-old.tar",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let tar = read(&format!("archive/{name}"));
        let members = kiln_oci::archive::Members::of_stream(&tar[..], dir.path(), 1 << 20).unwrap();
        let platform = "linux/amd64".parse().unwrap();
        let images = kiln_oci::archive::contents(&members, &platform).unwrap();
        assert!(!images.is_empty(), "{name}");
    }
    let config = read("manifest/kiln-config.json");
    let config = kiln_oci::ImageConfig::from_json(&config).unwrap();
    assert!(!config.rootfs.diff_ids.is_empty());
}
