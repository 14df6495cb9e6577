//! Archives of images.

use std::fs::{self, File};
use std::io::{Read, Write};

use kiln_oci::Platform;
use kiln_oci::archive::{Members, StoredImage, contents};
use kiln_oci::layer::{decompress, looks_like_tar};

use crate::checksums::with_checksums;

/// What an archive may hold.
const MOST: u64 = 1 << 20;

/// An archive from a pipe spools no more than it may and nowhere else, and has the images that it
/// has as a file.
pub fn check(data: &[u8]) {
    let mut tar = Vec::new();
    let whole = decompress(Box::new(data)).and_then(|r| r.take(4 * MOST).read_to_end(&mut tar));
    if whole.is_err() {
        return;
    }
    read(&tar);
    if tar.get(..512).is_some_and(|head| !looks_like_tar(head)) || tar.len() > 1024 {
        read(&with_checksums(tar));
    }
}

fn read(tar: &[u8]) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (spool, file) = (dir.path().join("spool"), dir.path().join("file"));
    fs::create_dir(&spool).expect("a directory");
    let piped = Members::of_stream(tar, &spool, MOST);
    let mut spooled = 0;
    for entry in fs::read_dir(&spool).expect("the directory") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a number");
        assert!(name.parse::<u64>().is_ok(), "{name}");
        spooled += entry.metadata().expect("a file").len();
    }
    assert!(spooled <= MOST, "{spooled} bytes");

    let mut out = File::create_new(&file).expect("a file");
    out.write_all(tar).expect("a file is written");
    let filed = Members::of_file(File::open(&file).expect("a file"));
    let names = fs::read_dir(dir.path()).expect("the directory");
    assert_eq!(names.count(), 2, "something lies beside the directory");
    let (Ok(piped), Ok(filed)) = (piped, filed) else {
        return;
    };
    let platform: Platform = "linux/amd64".parse().expect("a platform");
    match (contents(&piped, &platform), contents(&filed, &platform)) {
        (Ok(a), Ok(b)) => {
            assert_eq!(a.len(), b.len());
            for (a, b) in a.iter().zip(&b) {
                same(a, b);
                for layer in &a.layers {
                    let get = |m: &Members| {
                        let mut all = Vec::new();
                        let open = m.open(&layer.member).ok()??;
                        open.take(MOST).read_to_end(&mut all).ok()?;
                        Some(all)
                    };
                    assert_eq!(get(&piped), get(&filed), "{}", layer.member);
                    assert_eq!(piped.size(&layer.member), filed.size(&layer.member));
                }
            }
        }
        (Err(_), Err(_)) => {}
        (Ok(_), Err(e)) => panic!("good from a pipe only: {e}"),
        (Err(e), Ok(_)) => panic!("good as a file only: {e}"),
    }
}

fn same(a: &StoredImage, b: &StoredImage) {
    assert!(a.config_json == b.config_json && a.config == b.config);
    assert_eq!(a.names, b.names);
    assert_eq!(a.manifest, b.manifest);
    assert_eq!(a.layers.len(), a.config.rootfs.diff_ids.len());
    for (a, b) in a.layers.iter().zip(&b.layers) {
        assert_eq!(a.diff_id, b.diff_id);
        assert_eq!(a.member, b.member);
    }
}
