//! To docker and skopeo and back.

use std::path::Path;

use super::{assert_same, project, skopeo, text};
use crate::harness::{Archive, Dockerd, Kiln, Project, run_with};

#[test]
fn an_image_of_dockers_comes_back_to_docker() {
    let (kiln, docker, project) = (Kiln::empty(), Dockerd::with_base(), project());
    docker
        .try_build(
            project.dir(),
            &["-t", "app:1", "-t", "example.org/team/app"],
        )
        .ok();
    let id = docker.ok(["inspect", "--format", "{{.Id}}", "app:1"]).out();
    let theirs = docker.image("app:1");

    let saved = docker.ok(["save", "app:1", "example.org/team/app"]).stdout;
    let file = kiln.file("docker.tar");
    std::fs::write(&file, &saved).unwrap();
    let mut said: Vec<String> = kiln
        .ok(["load", "-i", text(&file)])
        .out()
        .lines()
        .map(String::from)
        .collect();
    said.sort();
    assert_eq!(
        said,
        [
            "Loaded image: app:1",
            "Loaded image: example.org/team/app:latest"
        ]
    );
    assert_eq!(kiln.id("app:1"), id);
    assert_eq!(kiln.id("example.org/team/app:latest"), id);
    assert_same(&kiln.image("app:1"), &theirs, "loaded from a file");

    // The same through a pipe.
    let piped = Kiln::empty();
    run_with(&mut piped.command(["load"]), saved).ok();
    assert_eq!(piped.id("app:1"), id);

    // Nothing of it is left at docker's, so what comes back is really unpacked.
    docker.ok(["rmi", "app:1", "example.org/team/app", "busybox"]);
    docker.ok(["image", "prune", "-af"]);
    docker.ok(["builder", "prune", "-af"]);
    assert_eq!(docker.ok(["images", "-aq"]).out(), "");
    run_with(&mut docker.command(["load"]), piped.save("app:1")).ok();
    let back = docker.ok(["inspect", "--format", "{{.Id}}", "app:1"]).out();
    assert_eq!(back, id);
    assert_same(&docker.image("app:1"), &theirs, "back at docker's");
    let run = ["run", "--rm", "--network", "host", "app:1"];
    assert_eq!(docker.ok(run).out(), "nobody");
}

/// Where skopeo puts an image, and how kiln takes it in again.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Docker,
    OciTar,
    OciDir,
}

impl Form {
    fn named(self, path: &Path) -> String {
        let path = path.display();
        match self {
            Form::Docker => format!("docker-archive:{path}:example.org/app:1"),
            Form::OciTar => format!("oci-archive:{path}:example.org/app:1"),
            Form::OciDir => format!("oci:{path}:example.org/app:1"),
        }
    }
}

#[test]
fn skopeo_copies_what_kiln_saves_and_kiln_loads_the_copy() {
    let (kiln, project) = (Kiln::new(), project());
    kiln.build(project.dir(), &["-t", "example.org/app:1"]);
    let (ours, id) = (
        kiln.image("example.org/app:1"),
        kiln.id("example.org/app:1"),
    );
    for from in [Form::Docker, Form::OciTar] {
        let source = kiln.file(&format!("{from:?}.tar"));
        let format = if from == Form::Docker {
            "docker"
        } else {
            "oci"
        };
        kiln.ok([
            "save",
            "--format",
            format,
            "-o",
            text(&source),
            "example.org/app:1",
        ]);
        for to in [Form::Docker, Form::OciTar, Form::OciDir] {
            let what = format!("{from:?} to {to:?}");
            let copy = kiln.file(&what.replace(' ', "-"));
            skopeo(&["copy", "-q", &from.named(&source), &to.named(&copy)]);
            let file = Kiln::empty();
            let said = file.ok(["load", "--input", text(&copy)]).out();
            assert_eq!(said, "Loaded image: example.org/app:1", "{what}");
            let mut stores = vec![file];
            if to != Form::OciDir {
                let pipe = Kiln::empty();
                run_with(&mut pipe.command(["load"]), std::fs::read(&copy).unwrap()).ok();
                stores.push(pipe);
            }
            for store in stores {
                let copied = store.image("example.org/app:1");
                let same_family = (from == Form::Docker) == (to == Form::Docker);
                if same_family {
                    assert_eq!(store.id("example.org/app:1"), id, "{what}");
                    assert_same(&ours, &copied, &what);
                    continue;
                }
                // skopeo makes another config: what OCI doesn't know is dropped, and the order of
                // members is its own.
                assert_eq!(ours.config["rootfs"], copied.config["rootfs"], "{what}");
                let found = crate::harness::compare_trees(&ours.tree, &copied.tree);
                assert!(found.is_empty(), "{what}: {found:#?}");
                for key in ["Env", "Cmd", "Entrypoint", "Labels", "User", "WorkingDir"] {
                    let key = |c: &serde_json::Value| c["config"][key].clone();
                    assert_eq!(key(&ours.config), key(&copied.config), "{what}");
                }
            }
        }
    }
}

#[test]
fn an_index_is_what_other_programs_make_of_it() {
    let (kiln, project) = (Kiln::new(), project());
    kiln.build(project.dir(), &["-t", "app:1", "-t", "example.org/app:2"]);
    let file = kiln.file("oci.tar");
    kiln.ok([
        "save",
        "--format",
        "oci",
        "-o",
        text(&file),
        "app:1",
        "example.org/app:2",
    ]);
    let source = format!("oci-archive:{}:example.org/app:2", file.display());
    let raw = skopeo(&["inspect", "--config", "--raw", &source]).stdout;
    assert_eq!(kiln_oci::Digest::of(&raw).to_string(), kiln.id("app:1"));
    let seen: serde_json::Value =
        serde_json::from_slice(&skopeo(&["inspect", &source]).stdout).unwrap();
    assert_eq!(seen["Layers"], kiln.inspect("app:1")["RootFS"]["Layers"]);

    let again = Kiln::empty();
    let mut said: Vec<String> = again
        .ok(["load", "-i", text(&file)])
        .out()
        .lines()
        .map(String::from)
        .collect();
    said.sort();
    assert_eq!(
        said,
        ["Loaded image: app:1", "Loaded image: example.org/app:2"]
    );
}

#[test]
fn several_images_keep_their_names_layers_and_histories() {
    let kiln = Kiln::new();
    let one = Project::new("FROM busybox\nRUN echo shared > /shared\nLABEL n=1\n");
    let two = Project::new("FROM busybox\nRUN echo shared > /shared\nRUN echo two > /two\n");
    kiln.build(one.dir(), &["-t", "one", "-t", "uno:1"]);
    kiln.build(two.dir(), &["-t", "two"]);
    let nameless = Project::new("FROM busybox\nRUN echo three > /three\n");
    let id = kiln.build(nameless.dir(), &["-q"]).out();
    for format in ["docker", "oci"] {
        let save = ["save", "--format", format, "one", "uno:1", "two", &id];
        let archive = kiln.ok(save).stdout;
        if format == "docker" {
            let manifest = Archive::read(&archive).manifest();
            assert_eq!(manifest.as_array().unwrap().len(), 3);
            assert_eq!(manifest[0]["RepoTags"][0], "one:latest");
            assert_eq!(manifest[0]["RepoTags"][1], "uno:1");
        }
        let other = Kiln::empty();
        run_with(&mut other.command(["load"]), archive).ok();
        let list = [
            "images",
            "--no-trunc",
            "--format",
            "{{.Repository}}:{{.Tag}} {{.ID}}",
        ];
        let mut rows: Vec<String> = other.ok(list).out().lines().map(String::from).collect();
        rows.sort();
        let (first, second) = (kiln.id("one"), kiln.id("two"));
        let mut wanted = vec![
            format!("<none>:<none> {id}"),
            format!("one:latest {first}"),
            format!("two:latest {second}"),
            format!("uno:1 {first}"),
        ];
        wanted.sort();
        assert_eq!(rows, wanted, "{format}");
        for name in ["one", "two", &id] {
            assert_same(&kiln.image(name), &other.image(name), name);
            let history = [
                "history",
                "--no-trunc",
                "--format",
                "{{.CreatedBy}} {{.Size}}",
                name,
            ];
            assert_eq!(kiln.ok(history).out(), other.ok(history).out(), "{name}");
        }
        let layers: usize = std::fs::read_dir(other.store().join("layers"))
            .unwrap()
            .count();
        assert_eq!(layers, 4, "the base, the shared one, two, three");
        // Loading it again changes nothing.
        run_with(
            &mut other.command(["load"]),
            kiln.ok(["save", "--format", format, "one"]).stdout,
        )
        .ok();
        let after: Vec<String> = other.ok(list).out().lines().map(String::from).collect();
        assert_eq!(after.len(), rows.len());
    }
}

/// A name that is in the archive moves to the image of the archive, as docker has it.
#[test]
fn a_name_moves_to_the_loaded_image() {
    let (here, there) = (Kiln::new(), Kiln::new());
    let old = Project::new("FROM busybox\nRUN echo old > /f\n");
    let new = Project::new("FROM busybox\nRUN echo new > /f\n");
    there.build(new.dir(), &["-t", "app"]);
    let before = here.build(old.dir(), &["-q", "-t", "app"]).out();
    run_with(&mut here.command(["load"]), there.save("app")).ok();
    assert_eq!(here.cat("app", "/f"), "new\n");
    assert_eq!(here.cat(&before, "/f"), "old\n");
    let dangling = here.ok(["images", "-q", "--no-trunc", "-f", "dangling=true"]);
    assert_eq!(dangling.out(), before);
}
