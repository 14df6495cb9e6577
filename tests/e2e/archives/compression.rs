//! Archives compressed by kiln and by others; what `load` says.

use std::process::Command;

use super::{project, text};
use crate::harness::{Dockerd, Kiln, Project, program, run_with};

/// What a program makes of its standard input.
#[track_caller]
fn filter(name: &str, package: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program(name, package));
    run_with(command.args(args), input.to_vec()).ok().stdout
}

#[test]
fn compressed_archives_are_read_by_everybody() {
    let (kiln, project) = (Kiln::new(), project());
    kiln.build(project.dir(), &["-t", "app:1"]);
    let id = kiln.id("app:1");
    for format in ["docker", "oci"] {
        let plain = kiln.ok(["save", "--format", format, "app:1"]).stdout;
        for (compression, package) in [("gzip", "gzip"), ("zstd", "zstd")] {
            let file = kiln.file(&format!("{format}.{compression}"));
            let save = ["save", "--format", format, "--compression", compression];
            kiln.ok(save.iter().chain(&["-o", text(&file), "app:1"]));
            let packed = std::fs::read(&file).unwrap();
            assert!(packed.len() < plain.len(), "{compression}");
            let piped = kiln.ok(save.iter().chain(&["app:1"])).stdout;
            assert!(packed == piped, "{compression}: the same each time");
            // `-t` checks the checksum at the end.
            filter(compression, package, &["-t"], &packed);
            let unpacked = filter(compression, package, &["-dc"], &packed);
            assert!(unpacked == plain, "{format}, {compression}");
            let read = Kiln::empty();
            read.ok(["load", "-i", text(&file)]);
            assert_eq!(read.id("app:1"), id, "{format}, {compression}");
            let read = Kiln::empty();
            run_with(&mut read.command(["load"]), packed).ok();
            assert_eq!(read.id("app:1"), id, "{format}, {compression}");
        }
    }
}

#[test]
fn archives_that_other_programs_compressed_are_loaded() {
    let kiln = Kiln::new();
    let id = kiln.id("busybox");
    for format in ["docker", "oci"] {
        let plain = kiln.ok(["save", "--format", format, "busybox"]).stdout;
        for (name, package, args) in [
            ("gzip", "gzip", &["-1"][..]),
            ("xz", "xz-utils", &["-0"]),
            ("zstd", "zstd", &["-q", "-1"]),
            ("bzip2", "bzip2", &["-1"]),
        ] {
            let packed = filter(name, package, args, &plain);
            let file = kiln.file(name);
            std::fs::write(&file, &packed).unwrap();
            let read = Kiln::empty();
            let said = read.ok(["load", "-i", text(&file)]).out();
            assert_eq!(said, "Loaded image: busybox:latest", "{name}");
            assert_eq!(read.id("busybox"), id, "{name}");
            let read = Kiln::empty();
            run_with(&mut read.command(["image", "load"]), packed).ok();
            assert_eq!(read.id("busybox"), id, "{name}");
        }
    }
}

/// Layers compressed each for itself, as registries and `docker save` of later versions have them.
#[test]
fn layers_in_archives_may_be_compressed() {
    use super::forge::{blob_name, config, descriptor, json_bytes, oci_index, oci_members, pack};
    let layer = super::forge::Tar::new().file("f", b"content\n").done();
    let config = json_bytes(&config(&[&layer]));
    for (name, package, kind) in [
        ("gzip", "gzip", "layer.v1.tar+gzip"),
        ("zstd", "zstd", "layer.v1.tar+zstd"),
    ] {
        let blob = filter(name, package, &["-c"], &layer);
        let manifest = json_bytes(&serde_json::json!({
            "schemaVersion": 2,
            "config": descriptor("config.v1+json", &config),
            "layers": [descriptor(kind, &blob)],
        }));
        let index = oci_index(&[descriptor("manifest.v1+json", &manifest)]);
        let members = oci_members(&index, &[&manifest, &config, &blob]);
        assert!(members.iter().any(|(n, _)| *n == blob_name(&blob)));
        let kiln = Kiln::empty();
        let said = run_with(&mut kiln.command(["load"]), pack(&members))
            .ok()
            .out();
        let id = said.strip_prefix("Loaded image ID: ").unwrap();
        assert_eq!(kiln.cat(id, "/f"), "content\n", "{name}");
    }
    // In a docker-archive nothing says so, and docker looks at the bytes.
    let blob = filter("gzip", "gzip", &["-c"], &layer);
    let kiln = Kiln::empty();
    let archive = pack(&super::forge::docker_members(&config, &[&blob]));
    run_with(&mut kiln.command(["load"]), archive).ok();
    assert_eq!(kiln.cat("forged", "/f"), "content\n");
}

#[test]
fn load_says_what_docker_says() {
    let (kiln, docker) = (Kiln::new(), Dockerd::start());
    let project = Project::new("FROM busybox\nLABEL n=1\n");
    kiln.build(
        project.dir(),
        &["-t", "app:1", "-t", "example.org/team/app"],
    );
    let (app, base) = (kiln.id("app:1"), kiln.id("busybox"));
    for images in [
        &["app:1"][..],
        &["example.org/team/app:latest", "busybox"],
        &[&app],
        &[&app, &base],
    ] {
        let archive = kiln.ok(["save"].iter().chain(images)).stdout;
        for quiet in [&["load"][..], &["load", "-q"]] {
            let theirs = run_with(&mut docker.command(quiet), archive.clone()).ok();
            let ours = run_with(&mut Kiln::empty().command(quiet), archive.clone()).ok();
            // Without a terminal docker's progress is silent, too.
            assert_eq!(ours.out(), theirs.out(), "{images:?} {quiet:?}");
            assert_eq!(ours.err(), "", "{images:?} {quiet:?}");
        }
    }
    // Of names and ids mixed docker tells by the order of the images.
    let archive = kiln.ok(["save", "app:1", &base]).stdout;
    let said = run_with(&mut Kiln::empty().command(["load"]), archive)
        .ok()
        .out();
    let wanted = format!("Loaded image: app:1\nLoaded image ID: {base}");
    assert_eq!(said, wanted);
    docker.ok(["rmi", "-f", &app]);
    let packed = kiln.ok(["save", "--compression", "gzip", "app:1"]).stdout;
    let said = run_with(&mut docker.command(["load"]), packed).ok().out();
    assert_eq!(
        said, "Loaded image: app:1",
        "docker reads what kiln compressed"
    );
}
