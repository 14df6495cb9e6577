//! To umoci, buildah and podman and back.

use std::path::PathBuf;
use std::process::Command;

use super::{assert_same, project, skopeo, text, tree_of};
use crate::harness::{Done, Kiln, Tree, compare_trees, program, run, run_with};

/// buildah or podman, with a storage of its own.
struct Tool<'k> {
    name: &'static str,
    kiln: &'k Kiln,
}

impl Tool<'_> {
    #[track_caller]
    fn ok(&self, args: &[&str]) -> Done {
        // podman keeps locks and notes in places of the whole machine otherwise.
        let settings = self.kiln.file("containers.conf");
        let notes = self.kiln.file("notes");
        let text = format!(
            "[engine]\nlock_type = \"file\"\nevents_logger = \"none\"\ntmp_dir = \"{}\"\n",
            notes.display()
        );
        std::fs::write(&settings, text).unwrap();
        // Without overlays it needs no kernel's favour, and nothing stays mounted.
        let mut command = Command::new(program(self.name, self.name));
        command
            .arg("--root")
            .arg(self.kiln.file("storage"))
            .arg("--runroot")
            .arg(self.kiln.file("run"))
            .args(["--storage-driver", "vfs"])
            .args(args)
            .env("TMPDIR", self.kiln.file("."))
            .env("CONTAINERS_CONF", &settings)
            .env_remove("SOURCE_DATE_EPOCH");
        run(&mut command).ok()
    }

    /// A file of the test's own that doesn't exist yet.
    fn archive(&self, format: &str) -> (PathBuf, String) {
        let path = self.kiln.file(&format!("{}-{format}", self.name));
        let name = format!("{format}:{}:example.org/app:1", path.display());
        (path, name)
    }
}

/// The root's own mode is left out: where no layer has an entry for it, this storage takes 0555.
#[track_caller]
fn assert_same_files(ours: &Tree, theirs: &Tree, what: &str) {
    let mut found = compare_trees(ours, theirs);
    found.retain(|line| !line.starts_with("path: /: mode"));
    assert!(found.is_empty(), "{what}: {found:#?}");
}

/// Both forms of an archive of kiln's, in files.
fn saved(kiln: &Kiln) -> [(&'static str, PathBuf); 2] {
    ["docker", "oci"].map(|format| {
        let path = kiln.file(&format!("{format}.tar"));
        kiln.ok([
            "save",
            "--format",
            format,
            "-o",
            text(&path),
            "example.org/app:1",
        ]);
        (format, path)
    })
}

#[test]
fn umoci_unpacks_what_kiln_writes() {
    let (kiln, project) = (Kiln::new(), project());
    kiln.build(project.dir(), &["-t", "example.org/app:1"]);
    let [(_, docker), (_, oci)] = saved(&kiln);
    let ours = kiln.image("example.org/app:1");
    // The layout that kiln wrote, as it is, and one that skopeo made of the docker-archive.
    let layout = kiln.file("layout");
    std::fs::create_dir(&layout).unwrap();
    run_with(
        Command::new(program("tar", "tar")).args(["-x", "-C", text(&layout)]),
        std::fs::read(&oci).unwrap(),
    )
    .ok();
    let copied = kiln.file("copied");
    skopeo(&[
        "copy",
        "-q",
        &format!("docker-archive:{}", docker.display()),
        &format!("oci:{}:example.org/app:1", copied.display()),
    ]);
    for (n, layout) in [layout, copied].iter().enumerate() {
        let bundle = kiln.file(&format!("bundle-{n}"));
        let image = format!("{}:example.org/app:1", layout.display());
        let mut umoci = Command::new(program("umoci", "umoci"));
        run(umoci.args(["unpack", "--image", &image]).arg(&bundle)).ok();
        let found = compare_trees(&ours.tree, &tree_of(&bundle.join("rootfs")));
        assert!(found.is_empty(), "layout {n}: {found:#?}");
    }
}

#[test]
fn buildah_pulls_what_kiln_saves_and_pushes_it_back() {
    let (kiln, project) = (Kiln::new(), project());
    kiln.build(project.dir(), &["-t", "example.org/app:1"]);
    let (ours, id) = (
        kiln.image("example.org/app:1"),
        kiln.id("example.org/app:1"),
    );
    for (format, file) in saved(&kiln) {
        let home = Kiln::empty();
        let buildah = Tool {
            name: "buildah",
            kiln: &home,
        };
        let source = format!("{format}-archive:{}", file.display());
        let pulled = buildah.ok(&["pull", "-q", &source]).out();
        assert_eq!(format!("sha256:{pulled}"), id, "{format}");
        let inspected = buildah.ok(&["inspect", "--type", "image", &pulled]).stdout;
        let inspected: serde_json::Value = serde_json::from_slice(&inspected).unwrap();
        let docker = &inspected["Docker"]["config"];
        for key in [
            "Env",
            "Cmd",
            "Entrypoint",
            "Labels",
            "User",
            "WorkingDir",
            "Healthcheck",
        ] {
            assert_eq!(docker[key], ours.config["config"][key], "{format}: {key}");
        }
        let container = buildah.ok(&["from", "--pull-never", &pulled]).out();
        let root = buildah.ok(&["mount", &container]).out();
        assert_same_files(&ours.tree, &tree_of(root.as_ref()), format);
        buildah.ok(&["umount", &container]);

        let (path, dest) = buildah.archive(&format!("{format}-archive"));
        buildah.ok(&["push", "-q", &pulled, &dest]);
        let back = Kiln::empty();
        let said = back.ok(["load", "-i", text(&path)]).out();
        assert_eq!(said, "Loaded image: example.org/app:1", "{format}");
        let copied = back.image("example.org/app:1");
        let found = compare_trees(&ours.tree, &copied.tree);
        assert!(found.is_empty(), "{format}: {found:#?}");
        assert_eq!(copied.config["rootfs"], ours.config["rootfs"], "{format}");
    }
}

#[test]
fn kiln_loads_what_buildah_builds() {
    let home = Kiln::empty();
    let buildah = Tool {
        name: "buildah",
        kiln: &home,
    };
    let rootfs = home.file("base.tar");
    std::fs::write(&rootfs, crate::harness::base_tar()).unwrap();
    let container = buildah.ok(&["from", "scratch"]).out();
    buildah.ok(&["add", "-q", &container, text(&rootfs), "/"]);
    buildah.ok(&["commit", "-q", &container, "base"]);
    let container = buildah.ok(&["from", "--pull-never", "base"]).out();
    // Deletions and a directory made anew.
    let script = "rm /etc/shadow; rm -r /home; mkdir -m 700 /home; echo new > /home/new; \
                  ln /home/new /home/hard; chown 1000:50 /etc/group";
    let chroot = [
        "run",
        "--isolation",
        "chroot",
        &container,
        "--",
        "sh",
        "-c",
        script,
    ];
    buildah.ok(&chroot);
    buildah.ok(&[
        "config", "--env", "A=b c", "--label", "k=v", "--cmd", "sh", &container,
    ]);
    let image = buildah
        .ok(&["commit", "-q", &container, "example.org/app:1"])
        .out();
    let root = buildah.ok(&["mount", &container]).out();
    let theirs = tree_of(root.as_ref());
    for format in ["docker-archive", "oci-archive"] {
        let (path, dest) = buildah.archive(format);
        buildah.ok(&["push", "-q", &image, &dest]);
        let kiln = Kiln::empty();
        run_with(&mut kiln.command(["load"]), std::fs::read(&path).unwrap()).ok();
        let ours = kiln.image("example.org/app:1");
        assert_same_files(&ours.tree, &theirs, format);
        assert_eq!(
            ours.config["config"]["Env"]
                .as_array()
                .unwrap()
                .last()
                .unwrap(),
            "A=b c"
        );
        assert_eq!(ours.config["config"]["Labels"]["k"], "v");
        assert_eq!(ours.config["config"]["Cmd"], serde_json::json!(["sh"]));
        // What buildah wrote is what goes out again.
        let copy = kiln.file("copy");
        std::fs::write(&copy, kiln.save("example.org/app:1")).unwrap();
        let source = format!("docker-archive:{}", copy.display());
        let again = Kiln::empty();
        let other = Tool {
            name: "buildah",
            kiln: &again,
        };
        let pulled = other.ok(&["pull", "-q", &source]).out();
        assert_eq!(format!("sha256:{pulled}"), kiln.id("example.org/app:1"));
        // And it can be built on.
        let more = crate::harness::Project::new(
            "FROM example.org/app:1\nRUN test ! -e /etc/shadow && test ! -e /home/app \
             && test \"$A\" = 'b c' && cat /home/new > /seen\n",
        );
        kiln.build(more.dir(), &["-t", "more"]);
        assert_eq!(kiln.cat("more", "/seen"), "new\n");
    }
}

#[test]
fn podman_loads_what_kiln_saves_and_saves_it_back() {
    let (kiln, project) = (Kiln::new(), project());
    kiln.build(project.dir(), &["-t", "example.org/app:1"]);
    let (ours, id) = (
        kiln.image("example.org/app:1"),
        kiln.id("example.org/app:1"),
    );
    for (format, file) in saved(&kiln) {
        let home = Kiln::empty();
        let podman = Tool {
            name: "podman",
            kiln: &home,
        };
        let said = podman.ok(&["load", "-q", "-i", text(&file)]).out();
        assert_eq!(said, "Loaded image: example.org/app:1", "{format}");
        let inspect = [
            "image",
            "inspect",
            "--format",
            "sha256:{{.Id}}",
            "example.org/app:1",
        ];
        assert_eq!(podman.ok(&inspect).out(), id, "{format}");
        let root = podman.ok(&["image", "mount", "example.org/app:1"]).out();
        assert_same_files(&ours.tree, &tree_of(root.as_ref()), format);
        podman.ok(&["image", "umount", "example.org/app:1"]);

        let form = format!("{format}-archive");
        let path = home.file("saved.tar");
        podman.ok(&[
            "save",
            "-q",
            "--format",
            &form,
            "-o",
            text(&path),
            "example.org/app:1",
        ]);
        let back = Kiln::empty();
        let said = back.ok(["load", "-i", text(&path)]).out();
        assert_eq!(said, "Loaded image: example.org/app:1", "{format}");
        assert_eq!(back.id("example.org/app:1"), id, "{format}");
        assert_same(&ours, &back.image("example.org/app:1"), format);

        let dir = home.file("saved");
        podman.ok(&[
            "save",
            "-q",
            "--format",
            "oci-dir",
            "-o",
            text(&dir),
            "example.org/app:1",
        ]);
        let back = Kiln::empty();
        back.ok(["load", "-i", text(&dir)]);
        let images = back.ok(["images", "-q", "--no-trunc"]).out();
        let loaded = back.image(&images);
        let found = compare_trees(&ours.tree, &loaded.tree);
        assert!(found.is_empty(), "{format}: {found:#?}");
    }
}
