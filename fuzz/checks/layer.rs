//! Layers: tars that are unpacked, and given back by their recipe.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use kiln_oci::Digest;
use kiln_oci::layer::{
    ApplyOptions, Ids, Limits, Whiteouts, apply, apply_layer, decompress, looks_like_tar, replay,
    write_dir,
};

use crate::checksums::with_checksums;

const LIMITS: Limits = Limits {
    entries: 200,
    bytes: 1 << 20,
    name: 4096,
};
const LAYER: ApplyOptions = ApplyOptions {
    whiteouts: Whiteouts::Overlay,
    limits: LIMITS,
    ids: Ids::Keep,
};
const FILES: ApplyOptions = ApplyOptions {
    whiteouts: Whiteouts::Literal,
    limits: LIMITS,
    ids: Ids::Own,
};
/// More than any seed unpacks to.
const MOST: u64 = 4 << 20;

/// Whatever the tar is: nothing outside the directory is touched, and a layer that is accepted
/// comes back byte for byte.
pub fn check(data: &[u8]) {
    let mut tar = Vec::new();
    let whole = decompress(Box::new(data)).and_then(|r| r.take(MOST).read_to_end(&mut tar));
    if whole.is_err() {
        tar = data.to_vec();
    }
    unpacked(&tar);
    if tar.get(..512).is_some_and(|head| !looks_like_tar(head)) || tar.len() > 1024 {
        unpacked(&with_checksums(tar));
    }
}

fn unpacked(tar: &[u8]) {
    within(|dir| {
        let mut recipe = Vec::new();
        let Ok((applied, written)) = apply_layer(tar, dir.as_fd(), &LAYER, &mut recipe) else {
            return;
        };
        assert!(applied.entries <= LIMITS.entries && applied.bytes <= LIMITS.bytes);
        assert_eq!(written.diff_id, Digest::of(tar));
        assert_eq!(written.tar_size, tar.len() as u64);
        let mut again = Vec::new();
        let replayed = replay(&recipe[..], dir.as_fd(), &mut again).expect("a recipe works");
        assert!(again == tar, "the recipe gives other bytes");
        assert_eq!(replayed.diff_id, written.diff_id);
        // The directory is a layer of its own making, too.
        let mut first = Vec::new();
        let size = write_dir(dir.as_fd(), &mut first).expect("a directory can be packed");
        assert_eq!(size.tar_size, first.len() as u64);
        assert_eq!(size.diff_id, Digest::of(&first));
    });
    within(|dir| {
        if apply(tar, dir.as_fd(), &FILES).is_err() {
            return;
        }
        // A tar of kiln's own making gives the same directory, which gives the same tar.
        let mut first = Vec::new();
        write_dir(dir.as_fd(), &mut first).expect("a directory can be packed");
        within(|copy| {
            let options = ApplyOptions {
                limits: Limits::default(),
                ..FILES
            };
            apply(&first[..], copy.as_fd(), &options).expect("kiln's own tar is unpacked");
            let mut second = Vec::new();
            write_dir(copy.as_fd(), &mut second).expect("a directory can be packed");
            assert!(
                first == second,
                "packed and unpacked it is another directory"
            );
        });
    });
}

/// Runs something on an empty directory, and looks whether it went beyond.
fn within(run: impl FnOnce(&File)) {
    let outer = tempfile::tempdir().expect("a temporary directory");
    let inner = outer.path().join("root");
    let canary = outer.path().join("canary");
    fs::create_dir(&inner).expect("a directory");
    fs::write(&canary, "alive").expect("a file");
    let before = fs::metadata(&canary).expect("the canary");
    run(&File::open(&inner).expect("the directory"));
    let after = fs::metadata(&canary).expect("the canary is there");
    let facts = |m: &fs::Metadata| (m.ino(), m.mode(), m.uid(), m.nlink(), m.ctime_nsec());
    assert_eq!(facts(&before), facts(&after), "the canary was touched");
    assert_eq!(fs::read(&canary).expect("the canary"), b"alive");
    let names = fs::read_dir(outer.path()).expect("the outer directory");
    assert_eq!(names.count(), 2, "something lies beside the directory");
}
