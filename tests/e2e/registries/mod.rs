//! Registries: real ones, ones that break off, ones that lie; and what other programs put there
//! and make of what kiln puts there.

pub mod auth;
mod bad_answers;
mod bad_documents;
mod base_images;
mod by_digest;
mod cuts;
mod helpers;
mod http;
mod indexes;
mod kills;
mod memory;
mod mirrors;
mod mock;
mod outputs;
mod random;
mod redirects;
pub mod registry;
mod relay;
mod round_trip;
mod shapes;
mod tags;
mod tokens;
mod tools;
mod twice;
mod uploads;

use std::path::{Path, PathBuf};
use std::process::Command;

use kiln_oci::Digest;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Done, Image, Kiln, Project, compare_trees, program, run};

/// An image with files of several kinds, deletions, and a config that isn't empty.
const APP: &str = r#"FROM busybox
COPY --chown=app:staff data /srv/data
RUN mkdir -p /d/sub/old && echo a > /d/a && ln /d/a /d/hard && ln -s a /d/soft && mkfifo /d/pipe \
    && echo gone > /d/gone && chown 1000:50 /d/a && chmod 2751 /d/a && echo old > /d/sub/old/file
RUN rm /etc/shadow /d/gone && rm -rf /d/sub && mkdir /d/sub && echo new > /d/sub/new
ENV GREETING="hello there"
LABEL org.example.kind="e2e test"
EXPOSE 8080/tcp
WORKDIR /srv
USER app:staff
ENTRYPOINT ["sh", "-c"]
CMD ["echo $GREETING && cat /d/sub/new && test ! -e /d/gone && test ! -e /d/sub/old"]
"#;

/// What the image prints when it runs.
const SAID: &str = "hello there\nnew";

fn project() -> Project {
    Project::new(APP).with("data", "data of the context\n")
}

/// A store with the image under a name, and what `save` gives of it.
fn with_app(name: &str) -> (Kiln, Image) {
    let kiln = Kiln::new();
    kiln.build(project().dir(), &["-t", name]);
    let image = kiln.image(name);
    (kiln, image)
}

/// Asserts that two images have the same files, layers, config and history.
#[track_caller]
fn assert_same(a: &Image, b: &Image, what: &str) {
    let found = compare_trees(&a.tree, &b.tree);
    assert!(found.is_empty(), "{what}: {found:#?}");
    assert_eq!(a.config, b.config, "{what}");
}

/// skopeo, which checks no signatures and no certificates of this machine.
fn skopeo<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program("skopeo", "skopeo"));
    command
        .args(["--insecure-policy", "--tmpdir"])
        .arg(std::env::temp_dir())
        .args(args);
    command
}

/// Copies with skopeo; registries are spoken to in plain HTTP.
#[track_caller]
fn copy(options: &[&str], from: &str, to: &str) -> Done {
    let mut command = skopeo(["copy", "-q", "--src-tls-verify=false"]);
    run(command
        .arg("--dest-tls-verify=false")
        .args(options)
        .args([from, to]))
    .ok()
}

/// A manifest or index, as it is in a registry.
#[track_caller]
fn raw(name: &str) -> (Value, Digest) {
    let name = format!("docker://{name}");
    let done = run(&mut skopeo([
        "inspect",
        "--raw",
        "--tls-verify=false",
        &name,
    ]))
    .ok();
    let value = serde_json::from_slice(&done.stdout).unwrap();
    (value, Digest::of(&done.stdout))
}

/// What a manifest says of its layers.
fn layers(manifest: &Value) -> Vec<(String, String, u64)> {
    let layers = manifest["layers"].as_array().unwrap().iter();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    layers
        .map(|l| {
            (
                text(&l["mediaType"]),
                text(&l["digest"]),
                l["size"].as_u64().unwrap(),
            )
        })
        .collect()
}

/// Asserts that all of an image is in a registry and is what its digests say, and that its config
/// is the one of this id. Gives its manifest, and a directory with its blobs.
#[track_caller]
fn assert_complete(name: &str, id: &str) -> (Value, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    // skopeo compares all that it copies with its digest.
    copy(
        &[],
        &format!("docker://{name}"),
        &format!("dir:{}", text(dir.path())),
    );
    let manifest = std::fs::read(dir.path().join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["config"]["digest"], id, "{name}");
    (manifest, dir)
}

/// The digest that `pull` or `push` tells of.
#[track_caller]
fn told_digest(done: &Done) -> String {
    let out = done.out();
    let found = out.split_whitespace().find(|w| w.starts_with("sha256:"));
    let found = found.unwrap_or_else(|| panic!("{}", done.report()));
    found.trim_end_matches(':').to_owned()
}

/// Asserts that a command failed with one line that says why, and gives that line.
#[track_caller]
fn error_line(done: Done) -> String {
    let done = done.code(1);
    let err = done.err();
    let begins = |start: &str| err.lines().filter(|l| l.starts_with(start)).count();
    assert_eq!(begins("ERROR: "), 1, "{}", done.report());
    let known = ["ERROR: ", "  hint: ", "WARNING"]
        .map(begins)
        .iter()
        .sum::<usize>();
    assert_eq!(err.lines().count(), known, "{}", done.report());
    assert!(!err.contains("panicked"), "{}", done.report());
    err
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// buildah with a storage of its own, and speaking plain HTTP.
fn buildah(kiln: &Kiln, args: &[&str]) -> Done {
    // Without overlays it needs no kernel's favour, and nothing stays mounted.
    let mut command = Command::new(program("buildah", "buildah"));
    command
        .arg("--root")
        .arg(kiln.file("storage"))
        .arg("--runroot")
        .arg(kiln.file("run"))
        .args(["--storage-driver", "vfs"])
        .args(args)
        .env("TMPDIR", kiln.file("."));
    run(&mut command).ok()
}

/// Bytes of a test's own, by their names.
fn files(project: Project, all: &[(&str, Vec<u8>)]) -> Project {
    for (name, bytes) in all {
        project.write(name, bytes);
    }
    project
}

/// The path of a file of the test's as text.
fn file(kiln: &Kiln, name: &str) -> (PathBuf, String) {
    let path = kiln.file(name);
    let shown = text(&path).to_owned();
    (path, shown)
}
