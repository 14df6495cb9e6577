//! Archives of `kiln save`, taken in by docker and skopeo.

use std::process::Command;

use serde_json::Value;

use crate::harness::{Archive, Dockerd, Kiln, Project, program, run};

const APP: &str = r#"FROM busybox AS build
RUN mkdir /out && echo 'echo "$GREETING, $1 from $(id -un) in $PWD"' > /out/app
FROM busybox
ENV GREETING=hello
LABEL org.example.kind="e2e test"
COPY --from=build --chown=app:staff /out/app /opt/app
COPY data /srv/data/
RUN rm /etc/shadow && chmod 4755 /bin/busybox
WORKDIR /srv/data
USER app
EXPOSE 8080/tcp
VOLUME /srv/volume
STOPSIGNAL SIGQUIT
ENTRYPOINT ["sh", "/opt/app"]
CMD ["nobody"]
"#;

fn project() -> Project {
    Project::new(APP).with("data", "data of the context\n")
}

#[test]
fn docker_loads_and_runs_what_kiln_saves() {
    let (kiln, docker, project) = (Kiln::new(), Dockerd::start(), project());
    kiln.build(
        project.dir(),
        &["-t", "app:1", "-t", "example.org/team/app"],
    );
    let archive = kiln.file("app.tar");
    let path = archive.to_str().unwrap();
    kiln.ok(["save", "-o", path, "app:1", "example.org/team/app:latest"]);

    let loaded = docker.ok(["load", "-i", path]).out();
    assert!(loaded.contains("Loaded image: app:1"), "{loaded}");
    assert!(
        loaded.contains("Loaded image: example.org/team/app:latest"),
        "{loaded}"
    );

    let said = docker
        .ok(["run", "--rm", "--network", "host", "app:1", "you"])
        .out();
    assert_eq!(said, "hello, you from app in /srv/data");
    let said = docker
        .ok(["run", "--rm", "--network", "host", "app:1"])
        .out();
    assert_eq!(said, "hello, nobody from app in /srv/data");
    let entry = [
        "run",
        "--rm",
        "--network",
        "host",
        "--entrypoint",
        "ls",
        "app:1",
        "/etc/shadow",
    ];
    run(&mut docker.command(entry)).code(1);

    let id = docker.ok(["inspect", "--format", "{{.Id}}", "app:1"]).out();
    assert_eq!(id, kiln.id("app:1"), "docker computes the same id");

    let theirs: Value = serde_json::from_slice(&docker.ok(["inspect", "app:1"]).stdout).unwrap();
    let (theirs, ours) = (&theirs[0], kiln.inspect("app:1"));
    for key in [
        "Architecture",
        "Os",
        "Created",
        "RootFS",
        "Author",
        "Comment",
        "Size",
    ] {
        let (mut a, mut b) = (ours[key].clone(), theirs[key].clone());
        for v in [&mut a, &mut b] {
            if let Some(o) = v.as_object_mut() {
                o.remove("LastTagTime");
            }
        }
        assert_eq!(a, b, "{key}");
    }
    for (key, value) in ours["Config"].as_object().unwrap() {
        assert_eq!(*value, theirs["Config"][key], "Config.{key}");
    }
}

#[test]
fn a_loaded_image_has_the_same_files() {
    let (kiln, docker, project) = (Kiln::new(), Dockerd::start(), project());
    kiln.build(project.dir(), &["-t", "app:1"]);
    let archive = kiln.file("app.tar");
    kiln.ok(["save", "-o", archive.to_str().unwrap(), "app:1"]);
    docker.ok(["load", "-i", archive.to_str().unwrap()]);
    // docker computes the diff IDs anew while it unpacks, so equal ids mean equal bytes.
    let (ours, theirs) = (kiln.image("app:1"), docker.image("app:1"));
    assert_eq!(ours.config["rootfs"], theirs.config["rootfs"]);
    let found = crate::harness::compare_trees(&ours.tree, &theirs.tree);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn an_id_goes_in_without_names() {
    let (kiln, docker, project) = (Kiln::new(), Dockerd::start(), project());
    let id = kiln.build(project.dir(), &["-q"]).out();
    let archive = kiln.file("id.tar");
    let path = archive.to_str().unwrap();
    kiln.ok(["save", "--output", path, &id]);
    let manifest = Archive::read(&std::fs::read(&archive).unwrap()).manifest();
    assert!(
        manifest[0]["RepoTags"].as_array().is_none_or(Vec::is_empty),
        "{manifest}"
    );
    let loaded = docker.ok(["load", "-i", path]).out();
    assert_eq!(loaded, format!("Loaded image ID: {id}"));
}

#[test]
fn several_images_share_their_layers_in_one_archive() {
    let kiln = Kiln::new();
    let one = Project::new("FROM busybox\nRUN echo shared > /shared\nLABEL n=1\n");
    let two = Project::new("FROM busybox\nRUN echo shared > /shared\nRUN echo two > /two\n");
    kiln.build(one.dir(), &["-t", "one"]);
    kiln.build(two.dir(), &["-t", "two"]);
    let both = kiln.ok(["save", "one", "two"]).stdout;
    let archive = Archive::read(&both);
    let manifest = archive.manifest();
    let entries = manifest.as_array().unwrap();
    assert_eq!(entries.len(), 2);
    let images: Vec<_> = entries
        .iter()
        .map(|e| archive.image_of(e).unwrap())
        .collect();
    assert_eq!(images[0].tags, ["one:latest"]);
    assert_eq!(images[1].tags, ["two:latest"]);
    assert_eq!(images[0].tree.text("/shared"), "shared\n");
    assert_eq!(images[1].tree.text("/two"), "two\n");
    assert!(images[0].tree.get("/two").is_none());
    let alone = kiln.save("two").len();
    assert!(
        both.len() < alone + 64 * 1024,
        "{} bytes for both, {alone} for one of them",
        both.len()
    );
}

#[test]
fn skopeo_reads_what_kiln_saves() {
    let (kiln, project) = (Kiln::new(), project());
    kiln.build(project.dir(), &["-t", "app:1"]);
    let archive = kiln.file("app.tar");
    kiln.ok(["save", "-o", archive.to_str().unwrap(), "app:1"]);
    let source = format!("docker-archive:{}", archive.display());
    let skopeo = |args: &[&str]| {
        let mut command = Command::new(program("skopeo", "skopeo"));
        run(command
            .args(["--insecure-policy", "--tmpdir", "/tmp"])
            .args(args))
        .ok()
    };
    let seen: Value = serde_json::from_slice(&skopeo(&["inspect", &source]).stdout).unwrap();
    assert_eq!(seen["Labels"]["org.example.kind"], "e2e test");
    assert_eq!(seen["Architecture"], kiln.inspect("app:1")["Architecture"]);
    let layers = seen["Layers"].as_array().unwrap();
    let ours = kiln.inspect("app:1")["RootFS"]["Layers"].clone();
    assert_eq!(
        layers,
        ours.as_array().unwrap(),
        "plain layers are their own diff ids"
    );

    let config = skopeo(&["inspect", "--config", "--raw", &source]).stdout;
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["config"], kiln.inspect("app:1")["Config"]);

    // Copying checks every digest on the way.
    let oci = format!("oci:{}:app", kiln.file("oci").display());
    skopeo(&["copy", &source, &oci]);
}

#[test]
fn an_archive_is_written_whole_or_not_at_all() {
    let kiln = Kiln::new();
    let archive = kiln.file("x.tar");
    std::fs::write(&archive, "what was there").unwrap();
    kiln.run(["save", "-o", archive.to_str().unwrap(), "missing"])
        .code(1);
    assert_eq!(std::fs::read_to_string(&archive).unwrap(), "what was there");
    kiln.ok(["save", "-o", archive.to_str().unwrap(), "busybox"]);
    let first = std::fs::read(&archive).unwrap();
    assert_eq!(
        first,
        kiln.save("busybox"),
        "file and standard output are the same"
    );
    let beside: Vec<_> = std::fs::read_dir(archive.parent().unwrap())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.contains("x.tar"))
        .collect();
    assert_eq!(beside, ["x.tar"]);
}

#[test]
fn an_image_without_layers() {
    let kiln = Kiln::empty();
    let project = Project::new("FROM scratch\nLABEL only=labels\n");
    kiln.build(project.dir(), &["-t", "empty"]);
    let image = kiln.image("empty");
    assert_eq!(image.tree.paths().count(), 1, "only the root");
    assert_eq!(image.config["config"]["Labels"]["only"], "labels");
    assert_eq!(image.config["rootfs"]["type"], "layers");
    kiln.build(project.dir(), &["-o", "type=tar"]);
    // It can be built on.
    let more = Project::new("FROM empty\nCOPY f /f\n").with("f", "x\n");
    kiln.build(more.dir(), &["-t", "more"]);
    assert_eq!(kiln.cat("more", "/f"), "x\n");
}
