//! The behaviour of trees, on a temporary directory.
#![allow(missing_docs, clippy::unwrap_used)]

use kiln_tree::*;
use std::ffi::OsStr;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

struct Temp(PathBuf);

impl Temp {
    fn new(name: &str) -> Temp {
        let path = std::env::temp_dir().join(format!("kiln-tree-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Temp(path)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn links_stay_inside() {
    let temp = Temp::new("links");
    let inside = temp.0.join("root");
    fs::create_dir_all(inside.join("etc")).unwrap();
    fs::write(inside.join("etc/passwd"), "inside").unwrap();
    fs::write(temp.0.join("secret"), "secret").unwrap();
    symlink("/etc/passwd", inside.join("abs")).unwrap();
    symlink("../../../secret", inside.join("up")).unwrap();
    let root = Root::open(&inside).unwrap();
    let text = |p: &str| root.read_to_string_limited(Path::new(p), 100).unwrap();
    assert_eq!(text("/abs").as_deref(), Some("inside"));
    assert_eq!(text("up"), None);
    assert_eq!(text("etc/../../../etc/passwd").as_deref(), Some("inside"));
    assert!(root.read_to_string_limited(Path::new("abs"), 3).is_err());
    assert!(root.read_to_string_limited(Path::new("etc"), 3).is_err());
    let link = root.symlink_metadata(Path::new("abs")).unwrap();
    assert_eq!(link.kind, Kind::Symlink);
    assert_eq!(root.metadata(Path::new("abs")).unwrap().size, 6);
    assert_eq!(root.metadata(Path::new("/")).unwrap().kind, Kind::Dir);
    let error = root.metadata(Path::new("no/where")).unwrap_err();
    assert!(error.to_string().starts_with("no/where: "), "{error}");
    assert_eq!(errno(&error), Some(rustix::io::Errno::NOENT));
}

#[test]
fn mkdir_follows_dangling_links() {
    let temp = Temp::new("mkdir");
    let inside = temp.0.join("root");
    fs::create_dir_all(&inside).unwrap();
    symlink("/made/../made/here", inside.join("dangling")).unwrap();
    symlink("loop", inside.join("loop")).unwrap();
    fs::write(inside.join("file"), "").unwrap();
    let root = Root::open(&inside).unwrap();
    let (fd, created) = root
        .mkdir_all(Path::new("/dangling/a/b"), 0o2751, 7, 8)
        .unwrap();
    assert!(created);
    assert_eq!(meta_of(fd.as_fd()).unwrap().mode, 0o2751);
    let made = fs::metadata(inside.join("made/here/a")).unwrap();
    assert_eq!(
        (made.uid(), made.gid(), made.mode() & 0o7777),
        (7, 8, 0o2751)
    );
    assert!(
        !root
            .mkdir_all(Path::new("dangling/a"), 0o755, 0, 0)
            .unwrap()
            .1
    );
    assert!(root.mkdir_all(Path::new("loop/x"), 0o755, 0, 0).is_err());
    assert!(root.mkdir_all(Path::new("file/x"), 0o755, 0, 0).is_err());
    assert!(
        root.mkdir_all(Path::new("../../out"), 0o755, 0, 0)
            .unwrap()
            .1
    );
    assert!(inside.join("out").is_dir());
    let (_, name) = root.parent_of(Path::new("dangling/a/new")).unwrap();
    assert_eq!(name, "new");
}

#[test]
fn removes_deep_and_locked_trees() {
    let temp = Temp::new("remove");
    let mut dir = temp.0.join("top");
    for _ in 0..300 {
        dir.push("deep");
    }
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("file"), "x").unwrap();
    symlink("/", temp.0.join("top/link")).unwrap();
    fs::set_permissions(temp.0.join("top/deep"), fs::Permissions::from_mode(0o000)).unwrap();
    let root = Root::open(&temp.0).unwrap();
    remove_all(root.as_fd(), OsStr::new("top")).unwrap();
    remove_all(root.as_fd(), OsStr::new("absent")).unwrap();
    assert!(read_dir_sorted(root.as_fd()).unwrap().is_empty());
}

#[test]
fn copies_and_attributes() {
    let temp = Temp::new("copy");
    let data: Vec<u8> = (0..700_000u32).map(|n| n as u8).collect();
    fs::write(temp.0.join("b"), &data).unwrap();
    for hint in [0, data.len() as u64] {
        let from = fs::File::open(temp.0.join("b")).unwrap();
        let to = fs::File::create(temp.0.join("a")).unwrap();
        let len = copy_data(from.as_fd(), to.as_fd(), hint).unwrap();
        assert_eq!(len, data.len() as u64);
        assert_eq!(fs::read(temp.0.join("a")).unwrap(), data);
    }
    let root = Root::open(&temp.0).unwrap();
    assert_eq!(read_dir_sorted(root.as_fd()).unwrap(), ["a", "b"]);
    let (name, big) = (OsStr::new("a"), vec![7; 1000]);
    set_xattr(root.as_fd(), name, OsStr::new("user.z"), b"1").unwrap();
    set_xattr(root.as_fd(), name, OsStr::new("user.b"), &big).unwrap();
    let found = xattrs_of(root.as_fd(), name).unwrap();
    assert_eq!(
        found,
        [("user.b".into(), big), ("user.z".into(), b"1".to_vec())]
    );
}
