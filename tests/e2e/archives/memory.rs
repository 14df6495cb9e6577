//! A large image takes no more memory than a small one.

use std::process::Stdio;

use crate::harness::{Kiln, MEMORY, Project, measured, memory, timed};

/// 300 MiB that no compression makes smaller, in a few files.
fn large(kiln: &Kiln) {
    let project = Project::new(
        "FROM busybox\nRUN for n in 1 2 3; do head -c 104857600 /dev/urandom > /big$n; done\n",
    );
    kiln.build(project.dir(), &["-t", "large"]);
}

/// `save | load`, both of them measured; gives the most that either took.
fn through_a_pipe(from: &Kiln, to: &Kiln, save: &[&str]) -> (u64, u64) {
    let mut writer = timed(from, save, "saving")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pipe = writer.stdout.take().unwrap();
    let mut reader = timed(to, &["load"], "loading")
        .stdin(Stdio::from(pipe))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert!(reader.wait().unwrap().success(), "load, {save:?}");
    assert!(writer.wait().unwrap().success(), "{save:?}");
    (memory(from, "saving"), memory(to, "loading"))
}

#[test]
fn memory_of_save_and_load_is_bounded() {
    let kiln = Kiln::new();
    large(&kiln);
    let id = kiln.id("large");
    let mut loaded = Vec::new();
    for save in [
        &["save", "large"][..],
        &["save", "--compression", "zstd", "large"],
        &["save", "--compression", "gzip", "large"],
    ] {
        let other = Kiln::empty();
        let (saving, loading) = through_a_pipe(&kiln, &other, save);
        assert_eq!(other.id("large"), id);
        assert!(
            saving <= MEMORY && loading <= MEMORY,
            "{save:?}: saving took {saving} KiB, loading {loading} KiB"
        );
        loaded.push(other);
    }
    // A foreign layer is given back by its recipe: that is another way through the program.
    let again = loaded.remove(0);
    drop(loaded);
    let (saving, loading) = through_a_pipe(
        &again,
        &Kiln::empty(),
        &["save", "--format", "oci", "large"],
    );
    assert!(
        saving <= MEMORY && loading <= MEMORY,
        "by recipe: saving took {saving} KiB, loading {loading} KiB"
    );
    // From a file, which is read where it lies.
    let file = kiln.file("large.tar");
    let path = file.to_str().unwrap();
    again.ok(["save", "-o", path, "large"]);
    let done = measured(&Kiln::empty(), &["load", "-i", path], Vec::new());
    assert!(done.memory <= MEMORY, "from a file: {} KiB", done.memory);
    done.done.ok();
}
