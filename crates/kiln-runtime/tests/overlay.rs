//! Overlay mounts.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use common::*;
use kiln_runtime::{Cancel, Overlay, mount_overlay};

#[test]
fn many_lowers_with_repetitions() {
    if !privileged() {
        return;
    }
    let bed = Bed::new();
    let mut lowers: Vec<PathBuf> = (0..128)
        .map(|n| {
            let dir = bed.dir.path().join(format!("layer:{n},\\x"));
            fs::create_dir(&dir).unwrap();
            fs::write(dir.join(format!("file{n}")), "").unwrap();
            fs::write(dir.join("which"), n.to_string()).unwrap();
            dir
        })
        .collect();
    lowers.push(bed.lower.clone());
    lowers.push(lowers[0].clone());
    lowers.push(lowers[5].clone());
    let root = mount_overlay(&Overlay {
        lowers: &lowers,
        upper: Some((&bed.upper, &bed.work)),
    })
    .unwrap();
    let script = "ls / | grep -c file; cat /which";
    let done = run_in(&root, &process(&["sh", "-c", script]), &Cancel::new());
    assert_eq!(done.out, "128\n0", "{:?} {}", done.exit, done.err);

    let root = mount_overlay(&Overlay {
        lowers: &lowers,
        upper: None,
    })
    .unwrap();
    let path = PathBuf::from(format!("/proc/self/fd/{}", root.as_raw_fd()));
    assert_eq!(fs::read_dir(&path).unwrap().count(), 130);
    assert!(fs::write(path.join("x"), "").is_err());
}

#[test]
fn one_lower_is_shown_as_it_is() {
    if !privileged() {
        return;
    }
    let bed = Bed::new();
    let lowers = [bed.lower.clone(), bed.lower.clone()];
    let root = mount_overlay(&Overlay {
        lowers: &lowers,
        upper: None,
    })
    .unwrap();
    let path = PathBuf::from(format!("/proc/self/fd/{}", root.as_raw_fd()));
    assert!(path.join("bin/busybox").exists());
    let error = fs::write(path.join("x"), "").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
}

#[test]
fn a_missing_layer_is_named() {
    if !privileged() {
        return;
    }
    let error = mount_overlay(&Overlay {
        lowers: &["/no/such/layer".into()],
        upper: None,
    })
    .unwrap_err();
    assert!(error.to_string().starts_with("open /no/such/layer: "));
}
