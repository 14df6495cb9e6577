//! Layers that try to get out, or deeper than anybody can follow; devices.

use std::process::Command;

use tar::EntryType;

use super::super::forge::*;
use super::layers::{header, long_name};
use super::{Victim, bad};
use crate::harness::{Archive, Kiln, Project, Tree, assert_nothing_left, program, run, run_with};

/// Layers that try to get out but may be taken for harmless: loaded or not, nothing is touched.
#[test]
fn layers_that_lead_nowhere() {
    let tar = Tar::new;
    let mut victim = Victim::new();
    let outside = victim.kiln.file("canary");
    let outside = outside.to_str().unwrap();
    let layers = [
        tar()
            .symlink("up", "../../../..")
            .file("up/canary", b"evil")
            .done(),
        tar()
            .symlink("up", "..")
            .symlink("up2", "up/..")
            .file("up2/canary", b"evil")
            .done(),
        tar().symlink("abs", outside).file("abs", b"evil").done(),
        tar()
            .symlink("root", "/")
            .file(&format!("root{outside}"), b"evil")
            .done(),
        tar()
            .dir("d/")
            .file("d/f", b"")
            .symlink("d", "../../..")
            .file("d/canary", b"evil")
            .done(),
        tar().file(outside, b"evil").done(),
        tar()
            .symlink("proc", "/proc/self/root")
            .file(&format!("proc{outside}"), b"evil")
            .done(),
        tar()
            .symlink("cwd", "/proc/self/cwd")
            .file("cwd/canary", b"evil")
            .done(),
        tar().symlink("l", outside).dir("l/").done(),
        tar()
            .symlink("l", outside)
            .link("h", "l")
            .entry(EntryType::Fifo, "h", "", b"")
            .done(),
        tar()
            .symlink("up", "../../../..")
            .file("up/.wh.canary", b"")
            .done(),
        tar()
            .symlink("up", "../../../..")
            .file("up/.wh..wh..opq", b"")
            .done(),
        tar()
            .dir("./")
            .symlink(".", outside)
            .file("./x", b"evil")
            .done(),
        // What leads to a file changes after it was written.
        tar()
            .dir("d/")
            .symlink("m", "d")
            .symlink("l", "m")
            .file("l/f", b"1")
            .symlink("m", "e")
            .done(),
        tar()
            .dir("a/b/")
            .symlink("l", "a/b")
            .file("l/f", b"1")
            .symlink("l", "nowhere")
            .done(),
        tar()
            .entry(EntryType::Block, "sda", "", b"")
            .entry(EntryType::Char, "c", "", b"")
            .done(),
    ];
    for (n, layer) in layers.iter().enumerate() {
        let done = run_with(&mut victim.kiln.command(["load"]), docker_archive(&[layer]));
        let err = done.err();
        assert!(!err.contains("panicked"), "{n}: {}", done.report());
        if done.code == Some(0) {
            // What was taken can be given back, and goes without a trace.
            let archive = Archive::read(&victim.kiln.save("forged"));
            let manifest = archive.manifest();
            let saved = archive.member(manifest[0]["Layers"][0].as_str().unwrap());
            assert!(saved == layer, "{n}");
            victim.kiln.ok(["export", "-o", "/dev/null", "forged"]);
            victim.kiln.ok(["rmi", "forged"]);
        } else {
            assert_eq!(done.code, Some(1), "{n}: {}", done.report());
        }
        victim.unharmed(&format!("layer {n}"));
    }
    victim.assert_well();
}

/// Directories far deeper than any path can name, made through links.
#[test]
fn a_layer_of_endless_depth() {
    let step = "a/".repeat(40);
    let mut layer = Tar::new();
    // Each link leads to the end of the last stretch, so that no name is long.
    for n in 0..400 {
        let from = if n == 0 {
            String::new()
        } else {
            format!("l{}/", n - 1)
        };
        layer = layer.dir(&format!("{from}{step}"));
        let deeper: String = if n == 0 {
            step.clone()
        } else {
            format!("{from}{step}")
        };
        // A link through a link: the kernel follows no more than 40 of them.
        layer = match n % 30 {
            29 => layer.file(&format!("l{}/{step}end", n - 1), b"end"),
            _ => layer,
        };
        layer = layer.symlink(&format!("l{n}"), deeper.trim_end_matches('/'));
    }
    let mut victim = Victim::new();
    let done = run_with(
        &mut victim.kiln.command(["load"]),
        docker_archive(&[&layer.done()]),
    );
    assert!(!done.err().contains("panicked"), "{}", done.report());
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.report());
    if done.code == Some(0) {
        victim.kiln.ok(["rmi", "forged"]);
    }
    victim.unharmed("depth");
    let deep = |depth: usize| {
        let layer = long_name(b'L', "d/".repeat(depth).as_bytes())
            .dir("x/")
            .done();
        docker_archive(&[&layer])
    };
    // A path as long as paths may be: one descriptor a level would be too many.
    victim.refuses(&bad("2000 directories", deep(2000), &["d/d/d/"]));
    // What is taken can be used, with the usual number of descriptors.
    run_with(&mut victim.kiln.command(["load"]), deep(350)).ok();
    let file = victim.kiln.file("bad.tar");
    let script = "ulimit -n 1024; exec \"$0\" export -o \"$1\" forged";
    let mut sh = Command::new("sh");
    sh.args(["-c", script]).arg(Kiln::binary()).arg(&file);
    run(sh.env("KILN_ROOT", victim.kiln.store())).ok();
    let mut tar = tar::Archive::new(std::fs::File::open(&file).unwrap());
    assert_eq!(tar.entries().unwrap().count(), 350);
    victim.kiln.ok(["rmi", "forged"]);
    victim.unharmed("350 directories");
    victim.assert_well();
}

/// Devices take root: without, they are left out, and the layer is still the same.
#[test]
fn devices_without_root() {
    let device = |kind, name: &str, major, minor| {
        header(kind, name, |h| {
            h.set_device_major(major).unwrap();
            h.set_device_minor(minor).unwrap();
            h.set_mode(0o666);
        })
        .open()
    };
    let layer = Tar::new()
        .dir("dev/")
        .raw(&device(EntryType::Char, "dev/null2", 1, 3))
        .raw(&device(EntryType::Block, "dev/disk", 8, 0))
        .file("after", b"after")
        .done();
    let archive = docker_archive(&[&layer]);
    let home = Kiln::empty();
    let nobody = 65534;
    std::os::unix::fs::chown(home.file("."), Some(nobody), Some(nobody)).unwrap();
    let binary = home.file("kiln");
    std::fs::copy(Kiln::binary(), &binary).unwrap();
    let as_nobody = |args: &[&str]| {
        let mut command = Command::new(program("setpriv", "util-linux"));
        command
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .arg(&binary)
            .args(args)
            .current_dir(home.file("."))
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", home.file("."))
            .env("KILN_ROOT", home.store());
        command
    };
    run_with(&mut as_nobody(&["load"]), archive.clone()).ok();
    let saved = Archive::read(&run(&mut as_nobody(&["save", "forged"])).ok().stdout);
    let manifest = saved.manifest();
    assert!(saved.member(manifest[0]["Layers"][0].as_str().unwrap()) == layer);
    let exported = run(&mut as_nobody(&["export", "forged"])).ok().stdout;
    let tree = Tree::of_layers([exported.as_slice()]).unwrap();
    assert_eq!(tree.text("after"), "after");
    assert!(tree.get("dev/disk").is_none());
    assert_nothing_left(&home);

    // As root they are there.
    let kiln = Kiln::empty();
    run_with(&mut kiln.command(["load"]), archive).ok();
    let project = Project::new("FROM forged\nCOPY x /x\n").with("x", "x");
    kiln.build(project.dir(), &["-t", "built"]);
    let exported = kiln.ok(["export", "built"]).stdout;
    let tree = Tree::of_layers([exported.as_slice()]).unwrap();
    assert_eq!(tree.get("dev/disk").unwrap().device, Some((8, 0)));
    assert_eq!(tree.get("dev/null2").unwrap().device, Some((1, 3)));
}
