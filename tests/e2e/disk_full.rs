//! A store on a file system that is full.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::harness::{Done, Kiln, Project, assert_nothing_left, base_tar, run_with};

/// A small file system of its own, unmounted at the end.
struct Small {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Small {
    fn mount(size: &str) -> Small {
        let dir = tempfile::Builder::new()
            .prefix("kiln-small-")
            .tempdir()
            .unwrap();
        let path = dir.path().join("mnt");
        std::fs::create_dir(&path).unwrap();
        let options = CString::new(format!("size={size},mode=0755")).unwrap();
        mount(
            "kiln-e2e",
            &path,
            "tmpfs",
            MountFlags::empty(),
            Some(options.as_c_str()),
        )
        .expect("mounting a tmpfs needs root");
        Small { _dir: dir, path }
    }

    fn store(&self) -> PathBuf {
        self.path.join("store")
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = unmount(&self.path, UnmountFlags::DETACH);
    }
}

#[track_caller]
fn assert_says_full(done: &Done, place: &Path) {
    let err = done.err();
    let lower = err.to_lowercase();
    assert!(
        lower.contains("no space left") || lower.contains("disk full"),
        "does not say that the disk is full\n{}",
        done.report()
    );
    let errors = err.lines().filter(|l| l.starts_with("ERROR")).count();
    assert_eq!(errors, 1, "{}", done.report());
    assert!(
        err.contains(place.to_str().unwrap()),
        "does not name {}\n{}",
        place.display(),
        done.report()
    );
}

/// What worked before still works, and a small build too.
fn assert_usable(kiln: &Kiln, before: &[u8]) {
    assert_nothing_left(kiln);
    assert!(
        kiln.save("busybox") == before,
        "the image from before is another one"
    );
    let small = Project::new("FROM busybox\nRUN echo small > /small\n");
    kiln.build(small.dir(), &["-t", "small"]);
    assert_eq!(kiln.cat("small", "/small"), "small\n");
}

fn big() -> Vec<u8> {
    // Nothing that a sparse file could hold.
    (0..20u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

/// A tar with these files.
fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, data) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        tar.append_data(&mut header, name, *data).unwrap();
    }
    tar.into_inner().unwrap()
}

#[test]
fn a_copy_that_does_not_fit() {
    let small = Small::mount("8m");
    let kiln = Kiln::at(&small.store());
    kiln.import_base();
    let before = kiln.save("busybox");
    let project = Project::new("FROM busybox\nCOPY big /big\n").with("big", big());
    let done = kiln.try_build(project.dir(), &["-t", "big"]).code(1);
    assert_says_full(&done, &small.path);
    assert!(done.err().contains("Dockerfile:2:1: "), "{}", done.err());
    kiln.run(["inspect", "big"]).code(1);
    assert_usable(&kiln, &before);
}

#[test]
fn a_run_that_does_not_fit() {
    let small = Small::mount("8m");
    let kiln = Kiln::at(&small.store());
    kiln.import_base();
    let before = kiln.save("busybox");
    let project = Project::new("FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=20\n");
    let done = kiln.try_build(project.dir(), &["-t", "big"]).code(1);
    let err = done.err();
    assert!(err.contains("No space left on device"), "{err}");
    assert!(err.contains("exit code: 1"), "{err}");
    assert_usable(&kiln, &before);
}

#[test]
fn an_import_that_does_not_fit() {
    let small = Small::mount("5m");
    let kiln = Kiln::at(&small.store());
    kiln.import_base();
    let before = kiln.save("busybox");
    let mut import = kiln.command(["import", "-", "big"]);
    let done = run_with(&mut import, tar_of(&[("big", &big())])).code(1);
    assert_says_full(&done, &small.path);
    assert_usable(&kiln, &before);
}

#[test]
fn a_context_on_standard_input_that_does_not_fit() {
    let small = Small::mount("5m");
    let kiln = Kiln::at(&small.store());
    kiln.import_base();
    let before = kiln.save("busybox");
    let tar = tar_of(&[("Dockerfile", b"FROM busybox\n"), ("big", &big())]);
    let mut build = kiln.command(["build", "--progress", "plain", "-"]);
    let done = run_with(&mut build, tar).code(1);
    assert_says_full(&done, &small.path);
    assert!(
        !done.err().contains("broken"),
        "nothing is wrong with it: {}",
        done.err()
    );
    assert_usable(&kiln, &before);
}

#[test]
fn a_new_store_that_does_not_fit() {
    let small = Small::mount("64k");
    let kiln = Kiln::at(&small.store());
    let mut import = kiln.command(["import", "-", "busybox"]);
    let done = run_with(&mut import, base_tar().to_vec()).code(1);
    assert_says_full(&done, &small.path);
}

#[test]
fn an_archive_that_does_not_fit() {
    let small = Small::mount("1m");
    let kiln = Kiln::new();
    let target = small.path.join("x.tar");
    let done = kiln
        .run(["save", "-o", target.to_str().unwrap(), "busybox"])
        .code(1);
    assert_says_full(&done, &target);
    let left = std::fs::read_dir(&small.path).unwrap().count();
    assert_eq!(left, 0, "a part of the archive is left");
}
