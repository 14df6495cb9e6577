//! What goes to a registry that has some of it.

use std::io::Read;

use super::random::Random;
use super::registry::Registry;
use super::{assert_complete, file, files, layers, raw, told_digest, with_app};
use crate::harness::{Kiln, Project, assert_nothing_left};

/// What pushes uploaded since the registry was told to forget: layers, configs, and what was
/// mounted instead.
#[derive(Debug, PartialEq)]
struct Uploads {
    layers: usize,
    configs: usize,
    mounted: usize,
}

/// Counts by what an image's manifest says is a layer and what its config.
fn uploads(registry: &Registry, name: &str) -> Uploads {
    let manifest = raw(name).0;
    let finished = registry.asked(&["PUT"]).into_iter();
    let finished: Vec<String> = finished.filter(|a| a.contains("/blobs/uploads/")).collect();
    let begun = registry.asked(&["POST"]);
    let mounted = begun.iter().filter(|a| a.contains("mount=")).count();
    assert_eq!(begun.len() - mounted, finished.len(), "{begun:?}");
    let is = |upload: &String, digest: &str| upload.contains(digest.trim_start_matches("sha256:"));
    let config = manifest["config"]["digest"].as_str().unwrap();
    let all = layers(&manifest);
    let found = Uploads {
        layers: finished
            .iter()
            .filter(|u| all.iter().any(|(_, digest, _)| is(u, digest)))
            .count(),
        configs: finished.iter().filter(|u| is(u, config)).count(),
        mounted,
    };
    assert_eq!(found.layers + found.configs, finished.len(), "{finished:?}");
    found
}

#[test]
fn a_second_push_uploads_nothing() {
    let registry = Registry::start();
    let name = registry.name("app:1");
    let (kiln, _) = with_app(&name);
    let digest = told_digest(&kiln.ok(["push", &name]));
    let first = uploads(&registry, &name);
    let count = layers(&raw(&name).0).len();
    assert_eq!((first.layers, first.configs), (count, 1));

    registry.forget();
    let again = kiln.ok(["push", &name]);
    assert_eq!(told_digest(&again), digest);
    assert_eq!(
        again.out().matches("Layer already exists").count(),
        count,
        "{}",
        again.report()
    );
    let all = registry.asked(&["POST", "PATCH", "PUT"]);
    assert_eq!(all, ["PUT /v2/app/manifests/1"]);

    // Under another tag, too, and from a store that pulled it.
    let other = Kiln::empty();
    other.ok(["pull", &name]);
    let second = registry.name("app:2");
    registry.forget();
    for store in [&kiln, &other] {
        store.ok(["tag", &name, &second]);
        assert_eq!(told_digest(&store.ok(["push", &second])), digest);
    }
    let all = registry.asked(&["POST", "PATCH", "PUT"]);
    assert_eq!(all, ["PUT /v2/app/manifests/2", "PUT /v2/app/manifests/2"]);
    assert_complete(&second, &kiln.id(&name));
    assert_nothing_left(&kiln);

    // Another repository takes over what this one has.
    let third = registry.name("team/other:1");
    kiln.ok(["tag", &name, &third]);
    registry.forget();
    assert_eq!(told_digest(&kiln.ok(["push", &third])), digest);
    let moved = uploads(&registry, &third);
    assert_eq!(
        (moved.layers, moved.configs, moved.mounted),
        (0, 0, count + 1)
    );
    assert_complete(&third, &kiln.id(&name));
}

#[test]
fn a_changed_top_layer_is_all_that_is_uploaded() {
    let registry = Registry::start();
    let name = registry.name("app:1");
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox\nCOPY below /below\nCOPY top /top\n")
        .with("below", "below")
        .with("top", "first");
    kiln.build(project.dir(), &["-t", &name]);
    kiln.ok(["push", &name]);
    let before = layers(&raw(&name).0);

    project.write("top", "second");
    kiln.build(project.dir(), &["-t", &name]);
    registry.forget();
    kiln.ok(["push", &name]);
    let second = uploads(&registry, &name);
    assert_eq!((second.layers, second.configs, second.mounted), (1, 1, 0));
    let after = layers(&raw(&name).0);
    assert_eq!(before[..2], after[..2]);
    assert_ne!(before[2], after[2]);
    assert_complete(&name, &kiln.id(&name));

    // And all that is pulled by who has the rest.
    let other = Kiln::empty();
    other.ok(["pull", &name]);
    project.write("top", "third");
    kiln.build(project.dir(), &["-t", &name]);
    kiln.ok(["push", &name]);
    registry.forget();
    let pull = other.ok(["pull", &name]);
    let blobs = registry.asked(&["GET"]).into_iter();
    let blobs: Vec<String> = blobs.filter(|a| a.contains("/blobs/")).collect();
    assert_eq!(
        blobs.len(),
        2,
        "the config and a layer: {blobs:?}\n{}",
        pull.report()
    );
    assert_eq!(other.id(&name), kiln.id(&name));
    assert_eq!(other.cat(&name, "top"), "third");
}

#[test]
fn what_was_loaded_from_an_archive_is_the_same_blobs() {
    let registry = Registry::start();
    let name = registry.name("app:1");
    let (kiln, _) = with_app(&name);
    let digest = told_digest(&kiln.ok(["push", &name]));
    for format in ["docker", "oci"] {
        let (_, archive) = file(&kiln, format);
        kiln.ok(["save", "--format", format, "-o", &archive, &name]);
        let fresh = Kiln::empty();
        fresh.ok(["load", "-i", &archive]);
        assert_eq!(fresh.id(&name), kiln.id(&name), "{format}");
        // Compressed anew, to the same bytes.
        assert_eq!(told_digest(&fresh.ok(["push", &name])), digest, "{format}");
        registry.forget();
        fresh.ok(["push", &name]);
        let second = uploads(&registry, &name);
        assert_eq!((second.layers, second.configs), (0, 0), "{format}");
    }
    assert_complete(&name, &kiln.id(&name));
}

/// The first bytes of a blob.
fn start_of(dir: &std::path::Path, digest: &str) -> Vec<u8> {
    let hex = digest.strip_prefix("sha256:").unwrap();
    let mut start = Vec::new();
    let file = std::fs::File::open(dir.join(hex)).unwrap();
    file.take(512).read_to_end(&mut start).unwrap();
    start
}

/// Text that is made smaller the better the harder one tries.
fn words(len: usize) -> Vec<u8> {
    let mut random = Random::seeded(7);
    let mut words = Vec::new();
    for _ in 0..2000 {
        let letters = random.between(3, 10) as usize;
        let word = random
            .bytes(letters)
            .iter()
            .map(|b| b'a' + b % 26)
            .collect();
        words.push(String::from_utf8(word).unwrap());
    }
    let mut text = String::new();
    while text.len() < len {
        text += &words[random.between(0, 2000) as usize];
        text.push(' ');
    }
    text.into_bytes()
}

#[test]
fn layers_are_compressed_as_asked() {
    let registry = Registry::start();
    let text = words(600_000);
    let dockerfile = "FROM scratch\nCOPY text /text\nCOPY Dockerfile /\n";
    let project = files(Project::new(dockerfile), &[("text", text)]);
    let oci = "application/vnd.oci.image.layer.v1.tar";
    let mut sizes = Vec::new();
    for (repository, args, kind, magic) in [
        ("default", &[][..], "+gzip", &b"\x1f\x8b"[..]),
        (
            "gzip-1",
            &["--compression", "gzip", "--compression-level", "1"],
            "+gzip",
            b"\x1f\x8b",
        ),
        (
            "gzip-9",
            &["--compression-level", "9"],
            "+gzip",
            b"\x1f\x8b",
        ),
        (
            "zstd",
            &["--compression", "zstd"],
            "+zstd",
            b"\x28\xb5\x2f\xfd",
        ),
        (
            "zstd-19",
            &["--compression", "zstd", "--compression-level", "19"],
            "+zstd",
            b"\x28\xb5\x2f\xfd",
        ),
        ("plain", &["--compression", "uncompressed"], "", b"text\0"),
    ] {
        // A store of its own knows of no other compression.
        let kiln = Kiln::empty();
        let name = registry.name(&format!("{repository}:1"));
        kiln.build(project.dir(), &["-t", &name]);
        kiln.ok([&["push"], args, &[name.as_str()]].concat());
        let (manifest, dir) = assert_complete(&name, &kiln.id(&name));
        let all = layers(&manifest);
        assert_eq!(all.len(), 2);
        for (media_type, digest, _) in &all {
            assert_eq!(*media_type, format!("{oci}{kind}"), "{repository}");
            let start = start_of(dir.path(), digest);
            if kind.is_empty() {
                assert_eq!(&start[257..262], b"ustar", "{repository}");
            } else {
                assert!(start.starts_with(magic), "{repository}");
            }
        }
        sizes.push((repository, all[0].2));
        let other = Kiln::empty();
        other.ok(["pull", &name]);
        assert_eq!(other.id(&name), kiln.id(&name), "{repository}");
        assert_eq!(other.save(&name), kiln.save(&name), "{repository}");
    }
    let size = |name: &str| sizes.iter().find(|(n, _)| *n == name).unwrap().1;
    assert!(size("plain") > 600_000, "{sizes:?}");
    assert!(size("gzip-1") < size("plain"), "{sizes:?}");
    assert!(size("gzip-9") < size("gzip-1"), "{sizes:?}");
    assert!(size("zstd-19") < size("zstd"), "{sizes:?}");
}

#[test]
fn levels_that_do_not_exist_are_refused() {
    let registry = Registry::start();
    let name = registry.name("app:1");
    let kiln = Kiln::new();
    kiln.ok(["tag", "busybox", &name]);
    for (compression, level) in [
        ("gzip", "10"),
        ("zstd", "23"),
        ("gzip", "-1"),
        ("zstd", "0"),
    ] {
        let args = [
            "push",
            "--compression",
            compression,
            "--compression-level",
            level,
            &name,
        ];
        let error = super::error_line(kiln.run(args));
        assert!(error.contains(level), "{error}");
        assert_eq!(
            registry.asked(&["PUT"]),
            Vec::<String>::new(),
            "{compression} {level}"
        );
    }
}
