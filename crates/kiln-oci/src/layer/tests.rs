//! Directories to tars and back, and tars that nobody should trust.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Cursor, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use proptest::prelude::*;
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::*;
use crate::{Digest, OciError};

const PLAIN: ApplyOptions = ApplyOptions {
    whiteouts: Whiteouts::Literal,
    limits: Limits {
        entries: 1000,
        bytes: 1 << 20,
        name: 4096,
    },
    ids: Ids::Own,
};

fn open(path: &Path) -> fs::File {
    fs::File::open(path).unwrap()
}

fn tar_of(dir: &Path) -> (Vec<u8>, Written) {
    let mut out = Vec::new();
    let written = write_dir(open(dir).as_fd(), &mut out).unwrap();
    (out, written)
}

fn unpack(tar: &[u8], options: &ApplyOptions) -> (TempDir, Result<Applied, OciError>) {
    let dir = TempDir::new().unwrap();
    let inside = dir.path().join("root");
    fs::create_dir(&inside).unwrap();
    let done = apply(tar, open(&inside).as_fd(), options);
    (dir, done)
}

/// A tar of entries whose names and targets are taken as they are.
struct Forge(Builder<Vec<u8>>);

impl Forge {
    fn new() -> Forge {
        Forge(Builder::new(Vec::new()))
    }

    fn add(mut self, kind: EntryType, name: &str, target: &str, data: &[u8]) -> Forge {
        let mut header = Header::new_gnu();
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        old.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(data.len() as u64);
        header.set_cksum();
        self.0.append(&header, data).unwrap();
        self
    }

    fn done(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

#[test]
fn the_same_directory_gives_the_same_bytes_and_comes_back() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    let long = "n".repeat(120);
    fs::create_dir_all(at(&format!("b/{long}/{long}"))).unwrap();
    fs::write(at(&format!("b/{long}/{long}/{long}")), "deep").unwrap();
    fs::write(at("a"), "content").unwrap();
    fs::hard_link(at("a"), at("z")).unwrap();
    symlink("../../x//./y", at("link")).unwrap();
    symlink("t".repeat(300), at("longlink")).unwrap();
    fs::set_permissions(at("a"), fs::Permissions::from_mode(0o4711)).unwrap();
    let old = std::time::UNIX_EPOCH - std::time::Duration::from_secs(100);
    open(&at("a")).set_modified(old).unwrap();
    let (first, written) = tar_of(dir.path());
    assert_eq!(written.diff_id, Digest::of(&first));
    assert_eq!(written.tar_size, first.len() as u64);
    assert_eq!(written.size, 11 + "../../x//./y".len() as u64 + 300);
    assert_eq!(written.entries, 8);

    let (copy, applied) = unpack(&first, &PLAIN);
    assert_eq!(applied.unwrap().entries, 8);
    let root = copy.path().join("root");
    let meta = fs::metadata(root.join("a")).unwrap();
    assert_eq!(
        (meta.mode() & 0o7777, meta.mtime(), meta.nlink()),
        (0o4711, -100, 2)
    );
    assert_eq!(
        fs::read_link(root.join("link")).unwrap(),
        Path::new("../../x//./y")
    );
    assert_eq!(tar_of(&root).0, first);
    // GNU tar reads it the same.
    let mut child = std::process::Command::new("tar")
        .args(["-tf", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&first).unwrap();
    let listed = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(listed.lines().count(), 8);
    assert!(
        listed.contains(&format!("b/{long}/{long}/{long}\n")),
        "{listed}"
    );
}

#[test]
fn names_of_every_length_survive() {
    for length in (90..280).chain([500, 3000]) {
        let dir = TempDir::new().unwrap();
        let mut name = String::new();
        while name.len() < length {
            let part = (length - name.len()).min(60);
            name.push_str(&"p".repeat(part));
            if name.len() < length.saturating_sub(1) {
                name.push('/');
            }
        }
        let path = dir.path().join(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        let (tar, _) = tar_of(dir.path());
        let mut archive = tar::Archive::new(&tar[..]);
        let last = archive.entries().unwrap().last().unwrap().unwrap();
        assert_eq!(last.path_bytes(), name.as_bytes());
    }
}

#[test]
fn deletions_become_overlay_marks_and_back() {
    let tar = Forge::new()
        .add(EntryType::Directory, "d/", "", b"")
        .add(EntryType::Regular, "d/.wh..wh..opq", "", b"")
        .add(EntryType::Regular, "d/kept", "", b"k")
        .add(EntryType::Regular, ".wh.gone", "", b"")
        .done();
    let options = ApplyOptions {
        whiteouts: Whiteouts::Overlay,
        ..PLAIN
    };
    let (dir, done) = unpack(&tar, &options);
    done.unwrap();
    let root = dir.path().join("root");
    let meta = kiln_tree::meta_at(open(&root).as_fd(), "gone".as_ref()).unwrap();
    assert!(meta.is_whiteout());
    let (again, _) = tar_of(&root);
    let mut archive = tar::Archive::new(&again[..]);
    let names: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|e| String::from_utf8(e.unwrap().path_bytes().into_owned()).unwrap())
        .collect();
    assert_eq!(names, ["d/", "d/.wh..wh..opq", "d/kept", ".wh.gone"]);

    for bad in [".wh.", ".wh..", ".wh..."] {
        let tar = Forge::new().add(EntryType::Regular, bad, "", b"").done();
        assert!(unpack(&tar, &options).1.is_err(), "{bad}");
    }
}

/// Entries that lead out of the directory: refused, or harmless inside of it.
#[test]
fn nothing_outside_is_touched() {
    let forgeries = [
        Forge::new().add(EntryType::Regular, "../evil", "", b"x"),
        Forge::new().add(EntryType::Regular, "a/../../evil", "", b"x"),
        Forge::new().add(EntryType::Regular, "/../evil", "", b"x"),
        Forge::new().add(EntryType::Symlink, "up", "..", b"").add(
            EntryType::Regular,
            "up/evil",
            "",
            b"x",
        ),
        Forge::new().add(EntryType::Symlink, "a", "../..", b"").add(
            EntryType::Directory,
            "a/evil/",
            "",
            b"",
        ),
        Forge::new()
            .add(EntryType::Symlink, "canary", "../canary", b"")
            .add(EntryType::Regular, "canary", "", b"evil"),
        Forge::new().add(EntryType::Link, "h", "../canary", b""),
        Forge::new().add(EntryType::Symlink, "up", "..", b"").add(
            EntryType::Link,
            "h",
            "up/canary",
            b"",
        ),
        // Through a directory that was resolved before it was replaced.
        Forge::new()
            .add(EntryType::Directory, "d/", "", b"")
            .add(EntryType::Regular, "d/f", "", b"")
            .add(EntryType::Symlink, "d", "..", b"")
            .add(EntryType::Regular, "d/evil", "", b"x"),
    ];
    for (n, forge) in forgeries.into_iter().enumerate() {
        let dir = TempDir::new().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(dir.path().join("canary"), "alive").unwrap();
        let _ = apply(&forge.done()[..], open(&root).as_fd(), &PLAIN);
        let canary = dir.path().join("canary");
        assert_eq!(fs::read_to_string(&canary).unwrap(), "alive", "{n}");
        assert_eq!(fs::metadata(&canary).unwrap().nlink(), 1, "{n}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "{n}");
    }
}

#[test]
fn notes_for_overlayfs_are_not_taken_from_a_tar() {
    let mut forge = Forge::new();
    forge
        .0
        .append_pax_extensions([
            ("SCHILY.xattr.trusted.overlay.redirect", &b"/etc"[..]),
            ("SCHILY.xattr.user.overlay.opaque", b"y"),
            ("SCHILY.xattr.user.kept", b"v"),
        ])
        .unwrap();
    let tar = forge.add(EntryType::Directory, "d/", "", b"").done();
    let (dir, done) = unpack(&tar, &PLAIN);
    done.unwrap();
    let root = open(&dir.path().join("root"));
    let xattrs = kiln_tree::xattrs_of(root.as_fd(), "d".as_ref()).unwrap();
    let names: Vec<_> = xattrs.iter().map(|(k, _)| k.to_str().unwrap()).collect();
    assert!(names.iter().all(|n| *n == "user.kept"), "{names:?}");
}

#[test]
fn later_entries_replace_earlier_ones() {
    let tar = Forge::new()
        .add(EntryType::Directory, "x/", "", b"")
        .add(EntryType::Regular, "x/in", "", b"1")
        .add(EntryType::Regular, "x", "", b"2")
        .add(EntryType::Regular, "y", "", b"3")
        .add(EntryType::Directory, "y/", "", b"")
        .add(EntryType::Regular, "y/in", "", b"4")
        .done();
    let (dir, done) = unpack(&tar, &PLAIN);
    done.unwrap();
    let root = dir.path().join("root");
    assert_eq!(fs::read_to_string(root.join("x")).unwrap(), "2");
    assert_eq!(fs::read_to_string(root.join("y/in")).unwrap(), "4");
}

#[test]
fn limits_and_breaks_are_errors() {
    let big = Forge::new()
        .add(EntryType::Regular, "f", "", &[0; 4096])
        .done();
    let few = ApplyOptions {
        limits: Limits {
            bytes: 4095,
            ..PLAIN.limits
        },
        ..PLAIN
    };
    assert!(matches!(unpack(&big, &few).1, Err(OciError::Limit(_))));
    let mut many = Forge::new();
    for n in 0..1001 {
        many = many.add(EntryType::Regular, &n.to_string(), "", b"");
    }
    assert!(matches!(
        unpack(&many.done(), &PLAIN).1,
        Err(OciError::Limit(_))
    ));
    assert!(unpack(&big[..2000], &PLAIN).1.is_err());
    assert!(unpack(&[7; 1024], &PLAIN).1.is_err());
    // A header that claims far more than there is.
    let mut header = Header::new_gnu();
    header.set_path("huge").unwrap();
    header.set_size(1 << 19);
    header.set_cksum();
    assert!(unpack(header.as_bytes(), &PLAIN).1.is_err());
}

#[test]
fn compressions_are_told_apart() {
    let tar = Forge::new()
        .add(EntryType::Regular, "f", "", b"hello")
        .done();
    assert!(looks_like_tar(&tar[..512]));
    assert!(!looks_like_tar(&[0; 512]) && !looks_like_tar(b"FROM busybox"));
    let gzip = |data: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(data).unwrap();
        out.finish().unwrap()
    };
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(&tar).unwrap();
    let mut bz = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bz.write_all(&tar).unwrap();
    // Several members one after the other are one stream.
    let (half, rest) = tar.split_at(700);
    for packed in [
        tar.clone(),
        gzip(&tar),
        [gzip(half), gzip(rest)].concat(),
        xz.finish().unwrap(),
        bz.finish().unwrap(),
        zstd::encode_all(&tar[..], 1).unwrap(),
    ] {
        let mut out = Vec::new();
        let input = Box::new(Cursor::new(packed.clone()));
        decompress(input).unwrap().read_to_end(&mut out).unwrap();
        assert!(out == tar);
        if packed != tar {
            let cut = Cursor::new(packed[..packed.len() - 5].to_vec());
            let cut = decompress(Box::new(cut)).unwrap().read_to_end(&mut out);
            assert!(cut.is_err());
        }
    }
}

#[test]
fn times_are_clamped() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    fs::write(dir.path().join("d/new"), "").unwrap();
    fs::write(dir.path().join("old"), "").unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(5);
    open(&dir.path().join("old")).set_modified(old).unwrap();
    clamp_times(open(dir.path()).as_fd(), 1000).unwrap();
    let mtime = |name: &str| fs::metadata(dir.path().join(name)).unwrap().mtime();
    assert_eq!((mtime("d"), mtime("d/new"), mtime("old")), (1000, 1000, 5));
}

proptest! {
    /// Whatever the bytes are: an error or files inside the directory, never a panic.
    #[test]
    fn damaged_tars(cuts in proptest::collection::vec((0usize..4000, any::<u8>()), 1..20)) {
        let mut tar = Forge::new()
            .add(EntryType::Directory, "d/", "", b"")
            .add(EntryType::Regular, "d/f", "", b"content")
            .add(EntryType::Symlink, "l", "d", b"")
            .add(EntryType::Link, "h", "d/f", b"")
            .done();
        for (at, byte) in cuts {
            let at = at % tar.len();
            tar[at] = byte;
        }
        let (dir, _) = unpack(&tar, &PLAIN);
        prop_assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn any_stream(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let mut out = Vec::new();
        if let Ok(reader) = decompress(Box::new(Cursor::new(bytes.clone()))) {
            let _ = reader.take(1 << 20).read_to_end(&mut out);
        }
        let (dir, _) = unpack(&bytes, &PLAIN);
        prop_assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

fn replayed(tar: &[u8]) -> Result<Vec<u8>, OciError> {
    let dir = TempDir::new().unwrap();
    let mut recipe = Vec::new();
    let options = ApplyOptions {
        whiteouts: Whiteouts::Overlay,
        ..PLAIN
    };
    let (_, written) = apply_layer(tar, open(dir.path()).as_fd(), &options, &mut recipe)?;
    assert_eq!(written.diff_id, Digest::of(tar));
    assert_eq!(written.tar_size, tar.len() as u64);
    let mut out = Vec::new();
    let again = replay(&recipe[..], open(dir.path()).as_fd(), &mut out)?;
    assert_eq!(again.diff_id, written.diff_id);
    // A recipe that was cut is an error, never other bytes.
    let cut = &recipe[..recipe.len() / 2];
    assert!(replay(cut, open(dir.path()).as_fd(), std::io::sink()).is_err());
    Ok(out)
}

#[test]
fn foreign_tars_come_back_byte_for_byte() {
    let mut tar = Forge::new()
        .add(EntryType::Directory, "./", "", b"")
        .add(EntryType::Directory, "./d/", "", b"")
        .add(EntryType::Regular, "./d/big", "", &[7; 100_000])
        .add(EntryType::Regular, "/abs/./x", "", b"x")
        .add(EntryType::Link, "h", "d/big", b"")
        .add(EntryType::Regular, ".wh.gone", "", b"payload of a deletion")
        .add(EntryType::Directory, "./d/", "", b"")
        .add(EntryType::Regular, "empty", "", b"")
        .done();
    assert!(replayed(&tar).unwrap() == tar);
    // Writers pad as they like.
    tar.extend([0; 10240]);
    assert!(replayed(&tar).unwrap() == tar);
    let without_end = &tar[..tar.len() - 10240 - 1024];
    assert!(replayed(without_end).unwrap() == without_end);
}

#[test]
fn a_file_that_is_there_twice_is_refused() {
    let twice = Forge::new()
        .add(EntryType::Regular, "d/f", "", b"1")
        .add(EntryType::Regular, "d/f", "", b"2")
        .done();
    assert!(matches!(replayed(&twice), Err(OciError::Entry { .. })));
    let gone = Forge::new()
        .add(EntryType::Regular, "d/f", "", b"1")
        .add(EntryType::Symlink, "d", "x", b"")
        .done();
    assert!(matches!(replayed(&gone), Err(OciError::Entry { .. })));
}

#[test]
fn packed_layers_are_what_gzip_and_zstd_read() {
    use crate::manifest::LayerCompression::{Gzip, None, Zstd};
    let mut data: Vec<u8> = (0..3_500_000u32)
        .map(|n| (n.wrapping_mul(n) >> 7) as u8)
        .collect();
    data.resize(4_500_000, 0);
    // And some that can't be made smaller.
    let mut noise = 1u64;
    data.extend((0..2_500_000).map(|_| {
        noise = noise
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (noise >> 56) as u8
    }));
    for length in [0, 1, 1 << 20, data.len()] {
        let data = &data[..length];
        for compression in [None, Gzip, Zstd] {
            let pack = |level| {
                let mut packer = Packer::new(compression, level, Vec::new()).unwrap();
                packer.write_all(data).unwrap();
                packer.finish().unwrap()
            };
            let packed = pack(Option::None);
            assert!(packed == pack(Option::None));
            let mut out = Vec::new();
            let input = Box::new(Cursor::new(packed.clone()));
            decompress(input).unwrap().read_to_end(&mut out).unwrap();
            assert!(out == data);
            if compression == Gzip {
                // Readers that stop at the end of the first member read it all.
                let mut out = Vec::new();
                flate2::read::GzDecoder::new(&packed[..])
                    .read_to_end(&mut out)
                    .unwrap();
                assert!(out == data);
                let _ = pack(Some(9));
            }
        }
    }
}

#[test]
fn values_with_line_ends_survive() {
    let dir = TempDir::new().unwrap();
    let name = format!("{}\nb", "a".repeat(200));
    fs::write(dir.path().join(&name), "x").unwrap();
    symlink(
        format!("t\n12 path=evil\n{}", "u".repeat(150)),
        dir.path().join("l"),
    )
    .unwrap();
    let here = open(dir.path());
    let value = b"v\n12 path=evil\n";
    let set = kiln_tree::set_xattr(here.as_fd(), name.as_ref(), "user.x".as_ref(), value);
    // Not every file system has attributes of users.
    let has_xattrs = set.is_ok();
    let (tar, _) = tar_of(dir.path());
    let (copy, done) = unpack(&tar, &PLAIN);
    done.unwrap();
    let root = copy.path().join("root");
    assert_eq!(fs::read_dir(&root).unwrap().count(), 2);
    assert_eq!(fs::read_to_string(root.join(&name)).unwrap(), "x");
    assert!(tar_of(&root).0 == tar);
    if has_xattrs {
        let found = kiln_tree::xattrs_of(open(&root).as_fd(), name.as_ref()).unwrap();
        assert!(
            found.contains(&("user.x".into(), value.to_vec())),
            "{found:?}"
        );
    }
    assert!(replayed(&tar).unwrap() == tar);
}

#[test]
fn records_that_lie_are_refused() {
    for records in [
        "5 a\n",
        "99 a=b\n",
        "6 a=bc\n",
        "x a=b\n",
        "6 =ab\n",
        "10 size=1\n10 size=2\n",
        "9 size=x\n",
        "+6 a=b\n",
    ] {
        let tar = Forge::new()
            .add(EntryType::XHeader, "x", "", records.as_bytes())
            .add(EntryType::Regular, "f", "", b"12")
            .done();
        assert!(unpack(&tar, &PLAIN).1.is_err(), "{records:?}");
    }
    // Far more than any entry needs.
    let tar = Forge::new()
        .add(EntryType::XHeader, "x", "", &[b'1'; 2 << 20])
        .done();
    assert!(unpack(&tar, &PLAIN).1.is_err());
    let tar = Forge::new()
        .add(EntryType::GNULongName, "L", "", &[b'n'; 5 << 20])
        .add(EntryType::Regular, "f", "", b"")
        .done();
    assert!(unpack(&tar, &PLAIN).1.is_err());
}
