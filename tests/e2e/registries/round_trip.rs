//! From kiln to a registry, and from there to kiln, skopeo and docker, and back.

use super::registry::Registry;
use super::with_app;
use super::{SAID, assert_complete, assert_same, copy, file, layers, project, raw, told_digest};
use crate::harness::{Dockerd, Kiln, Project, assert_nothing_left, compare_trees};

#[test]
fn kiln_pulls_what_kiln_pushed() {
    let registry = Registry::start();
    let name = registry.name("team/app:1");
    let (kiln, ours) = with_app(&name);
    let pushed = told_digest(&kiln.ok(["push", &name]));
    let (manifest, digest) = raw(&name);
    assert_eq!(pushed, digest.to_string());
    assert_eq!(manifest["config"]["digest"], kiln.id(&name));
    assert_complete(&name, &kiln.id(&name));

    let other = Kiln::empty();
    let pull = other.ok(["pull", &name]);
    assert_eq!(told_digest(&pull), pushed);
    assert!(pull.out().ends_with(&name), "{}", pull.report());
    assert_eq!(other.id(&name), kiln.id(&name));
    assert_same(&other.image(&name), &ours, "pulled");
    // All layers are the same tars again.
    assert_eq!(other.save(&name), kiln.save(&name));
    let digests = &other.inspect(&name)["RepoDigests"];
    let repository = registry.name("team/app");
    assert_eq!(
        *digests,
        serde_json::json!([format!("{repository}@{pushed}")])
    );

    // Whoever pushed it knows it by this digest, too.
    assert_eq!(kiln.inspect(&name)["RepoDigests"], *digests);
    for store in [&kiln, &other] {
        let listed = store.ok(["images", "--digests", &name]);
        assert!(listed.out().contains(&pushed), "{}", listed.report());
    }

    // The second time there is nothing to do.
    registry.forget();
    let again = other.ok(["pull", &name]).out();
    assert!(
        again.contains(&format!("Image is up to date for {name}")),
        "{again}"
    );
    let blobs = registry.asked(&["GET"]).into_iter();
    let blobs: Vec<String> = blobs.filter(|a| a.contains("/blobs/")).collect();
    assert!(blobs.is_empty(), "{blobs:?}");
    assert_eq!(other.ok(["pull", "-q", &name]).out(), name);
    assert_nothing_left(&other);
    assert_nothing_left(&kiln);
}

#[test]
fn kiln_loads_what_skopeo_copies() {
    let registry = Registry::start();
    let name = registry.name("app");
    let (kiln, ours) = with_app(&name);
    let digest = told_digest(&kiln.ok(["push", &name]));
    let other = Kiln::empty();
    let (layout, shown) = file(&other, "layout");
    copy(
        &[],
        &format!("docker://{name}"),
        &format!("oci:{shown}:{name}:latest"),
    );
    // Byte for byte what was pushed.
    let hex = digest.strip_prefix("sha256:").unwrap();
    assert!(layout.join("blobs/sha256").join(hex).is_file(), "{digest}");
    let loaded = other.ok(["load", "-i", &shown]).out();
    assert_eq!(loaded, format!("Loaded image: {name}:latest"));
    assert_eq!(other.id(&name), kiln.id(&name));
    assert_same(&other.image(&name), &ours, "loaded");
}

/// docker's id of an image.
fn docker_id(docker: &Dockerd, name: &str) -> String {
    docker.ok(["inspect", "--format", "{{.Id}}", name]).out()
}

#[test]
fn docker_runs_what_kiln_pushed_and_kiln_passes_on_what_docker_pushed() {
    let registry = Registry::start();
    let docker = Dockerd::with_base();

    let name = registry.name("from/kiln:1");
    let (kiln, ours) = with_app(&name);
    let digest = told_digest(&kiln.ok(["push", &name]));
    let pulled = docker.ok(["pull", &name]);
    assert!(pulled.out().contains(&digest), "{}", pulled.report());
    assert_eq!(docker_id(&docker, &name), kiln.id(&name));
    assert_same(&docker.image(&name), &ours, "docker's");
    let run = docker.ok(["run", "--rm", "--network", "host", &name]);
    assert_eq!(run.out(), SAID);

    let name = registry.name("from/docker:1");
    docker.try_build(project().dir(), &["-t", &name]).ok();
    docker.ok(["push", &name]);
    let (theirs, id) = (docker.image(&name), docker_id(&docker, &name));
    let (_, digest) = raw(&name);
    let other = Kiln::empty();
    assert_eq!(told_digest(&other.ok(["pull", &name])), digest.to_string());
    assert_eq!(other.id(&name), id);
    assert_same(&other.image(&name), &theirs, "pulled");

    // To another repository of the registry, and nothing of it moves.
    let copied = registry.name("passed/on:2");
    other.ok(["tag", &name, &copied]);
    registry.forget();
    let push = other.ok(["push", &copied]);
    assert_eq!(told_digest(&push), digest.to_string());
    assert_eq!(raw(&copied).1, digest);
    let uploads = registry.asked(&["PATCH", "PUT"]);
    assert_eq!(
        uploads,
        ["PUT /v2/passed/on/manifests/2"],
        "{}",
        push.report()
    );
    let starts = registry.asked(&["POST"]);
    let mounts = starts.iter().filter(|a| a.contains("mount=sha256"));
    // The layers and the config.
    assert_eq!(
        mounts.count(),
        layers(&raw(&copied).0).len() + 1,
        "{starts:?}"
    );
    assert_complete(&copied, &id);

    // A build on it that deletes; docker sees the same.
    let more = Project::new(&format!(
        "FROM {copied}\nUSER root\nRUN rm /d/a /d/soft && rm -r /d/sub && mkdir /d/sub \
         && echo more > /d/sub/more && echo x > /d/gone\n"
    ));
    let built = registry.name("built:1");
    other.build(more.dir(), &["-t", &built]);
    other.ok(["push", &built]);
    docker.ok(["pull", &built]);
    let tree = other.image(&built).tree;
    let found = compare_trees(&tree, &docker.image(&built).tree);
    assert!(found.is_empty(), "{found:#?}");
    for gone in ["d/a", "d/soft", "d/sub/new", "d/sub/old", "etc/shadow"] {
        assert!(tree.get(gone).is_none(), "{gone}");
    }
    assert_eq!(tree.text("d/sub/more"), "more\n");
    assert_eq!(tree.text("d/hard"), "a\n");
}

#[test]
fn kiln_pulls_what_skopeo_pushed() {
    let (kiln, ours) = with_app("app:1");
    let (_, archive) = file(&kiln, "app.tar");
    kiln.ok(["save", "-o", &archive, "app:1"]);
    let source = format!("docker-archive:{archive}");
    let oci = "application/vnd.oci.image";
    let docker = "application/vnd.docker";
    for (repository, options, manifest_type, layer_type) in [
        (
            "v2s2-gzip",
            &["--format", "v2s2"][..],
            format!("{docker}.distribution.manifest.v2+json"),
            format!("{docker}.image.rootfs.diff.tar.gzip"),
        ),
        (
            "oci-gzip",
            &["--format", "oci", "--dest-compress-format", "gzip"],
            format!("{oci}.manifest.v1+json"),
            format!("{oci}.layer.v1.tar+gzip"),
        ),
        (
            "oci-zstd",
            &["--format", "oci", "--dest-compress-format", "zstd"],
            format!("{oci}.manifest.v1+json"),
            format!("{oci}.layer.v1.tar+zstd"),
        ),
    ] {
        // One each: skopeo takes what a registry has in another compression.
        let registry = Registry::start();
        let name = registry.name(&format!("{repository}:1"));
        copy(options, &source, &format!("docker://{name}"));
        let (manifest, digest) = raw(&name);
        assert_eq!(manifest["mediaType"], manifest_type, "{repository}");
        for (kind, _, _) in layers(&manifest) {
            assert_eq!(kind, layer_type, "{repository}");
        }
        let other = Kiln::empty();
        assert_eq!(told_digest(&other.ok(["pull", &name])), digest.to_string());
        assert_eq!(
            other.id(&name),
            manifest["config"]["digest"],
            "{repository}"
        );
        let pulled = other.image(&name);
        let found = compare_trees(&pulled.tree, &ours.tree);
        assert!(found.is_empty(), "{repository}: {found:#?}");
        assert_eq!(
            pulled.config["rootfs"], ours.config["rootfs"],
            "{repository}"
        );
        assert_eq!(
            pulled.config["config"], ours.config["config"],
            "{repository}"
        );

        // To a registry that has none of it: another compression, the same image.
        let elsewhere = Registry::start();
        let copied = elsewhere.name("copied:1");
        other.ok(["tag", &name, &copied]);
        other.ok(["push", &copied]);
        assert_complete(&copied, &other.id(&name));
    }
}
