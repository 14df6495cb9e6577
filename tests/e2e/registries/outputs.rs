//! Builds whose result goes to a registry.

use serde_json::Value;

use super::registry::Registry;
use super::{assert_complete, error_line, layers, raw};
use crate::harness::{Kiln, Project};

fn project() -> Project {
    Project::new("FROM busybox\nRUN echo hello > /hello\nCMD [\"cat\", \"/hello\"]\n")
}

fn metadata(kiln: &Kiln) -> Value {
    serde_json::from_slice(&std::fs::read(kiln.file("metadata")).unwrap()).unwrap()
}

#[test]
fn a_build_is_pushed_under_all_its_names() {
    let registry = Registry::start();
    let kiln = Kiln::new();
    let names = [registry.name("app:1"), registry.name("team/app")];
    let args = [
        "-t",
        &names[0],
        "-t",
        &names[1],
        "--push",
        "--metadata-file",
    ];
    let file = kiln.file("metadata");
    let id_file = kiln.file("id");
    let project = project();
    let done = kiln.build(
        project.dir(),
        &[
            &args[..],
            &[super::text(&file), "--iidfile", super::text(&id_file)],
        ]
        .concat(),
    );
    let id = kiln.id(&names[0]);
    let (_, digest) = raw(&names[0]);
    for name in &names {
        assert_eq!(raw(name).1, digest);
        assert_complete(name, &id);
        assert!(
            done.err().contains(&digest.to_string()),
            "{}",
            done.report()
        );
    }
    let said = metadata(&kiln);
    assert_eq!(said["containerimage.digest"], digest.to_string());
    assert_eq!(said["containerimage.config.digest"], id);
    let shown = format!("{},{}:latest", names[0], names[1]);
    assert_eq!(said["image.name"], shown);
    assert_eq!(std::fs::read_to_string(&id_file).unwrap(), id);
    let other = Kiln::empty();
    other.ok(["pull", &names[1]]);
    assert_eq!(other.cat(&names[1], "hello"), "hello\n");

    // What -q prints is the id alone, pushed or not.
    let quiet = kiln.ok([
        "build",
        "-q",
        "--push",
        "-t",
        &names[0],
        super::text(project.dir()),
    ]);
    assert_eq!(quiet.out(), id);
}

#[test]
fn an_output_may_be_a_registry() {
    let registry = Registry::start();
    let kiln = Kiln::new();
    let project = project();
    let file = kiln.file("metadata");
    for (repository, more, kind) in [
        ("plain", "type=registry", "+gzip"),
        (
            "zstd",
            "type=registry,compression=zstd,compression-level=3",
            "+zstd",
        ),
        ("none", "type=registry,compression=uncompressed", ""),
        ("image", "type=image,push=true,compression=gzip", "+gzip"),
    ] {
        let name = registry.name(&format!("{repository}:1"));
        let output = format!("{more},name={name}");
        let args = ["--output", &output, "--metadata-file", super::text(&file)];
        kiln.build(project.dir(), &args);
        let (manifest, digest) = raw(&name);
        assert_complete(&name, &kiln.id(&name));
        assert_eq!(metadata(&kiln)["containerimage.digest"], digest.to_string());
        for (media_type, _, _) in layers(&manifest) {
            let oci = "application/vnd.oci.image.layer.v1.tar";
            assert_eq!(media_type, format!("{oci}{kind}"), "{more}");
        }
    }
    // Only stored.
    registry.forget();
    let name = registry.name("stored:1");
    kiln.build(
        project.dir(),
        &["--output", &format!("type=image,name={name}")],
    );
    kiln.id(&name);
    assert_eq!(registry.seen(), []);
    // Beside another output.
    let (name, tar) = (registry.name("both:1"), kiln.file("out.tar"));
    let to_tar = format!("type=tar,dest={}", tar.display());
    let both = [
        "-t",
        &name,
        "--output",
        "type=registry",
        "--output",
        &to_tar,
    ];
    kiln.build(project.dir(), &both);
    assert_complete(&name, &kiln.id(&name));
    assert!(tar.is_file());
}

#[test]
fn what_can_not_be_pushed() {
    let registry = Registry::start();
    let kiln = Kiln::new();
    let project = project();
    let dir = super::text(project.dir());
    // Found before anything is built.
    for args in [
        ["build", "--push", dir],
        ["build", "--output=type=registry", dir],
    ] {
        let error = error_line(kiln.run(args));
        assert!(error.contains("tag is needed when pushing"), "{error}");
    }
    // Nobody is there: what was built stays, and the failure is plain.
    let name = registry.name("app:1");
    drop(registry);
    let file = kiln.file("metadata");
    let args = ["--push", "-t", &name, "--metadata-file", super::text(&file)];
    let failed = kiln.try_build(project.dir(), &args).code(1);
    let err = failed.err();
    let last = err.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("ERROR: ") && last.contains("can't connect"),
        "{err}"
    );
    assert!(!file.exists());
    kiln.id(&name);
}
