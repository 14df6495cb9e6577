//! The same input gives the same bytes.

use crate::harness::{Kiln, Project, run};

fn project() -> Project {
    Project::new(
        "FROM scratch AS base\nCOPY --from=busybox / /\n\
         FROM base AS build\nRUN mkdir /out && date > /dev/null && echo built > /out/app && sleep 0.01\n\
         FROM base\nWORKDIR /w\nCOPY . .\nCOPY --from=build /out/ /opt/\n\
         RUN ln -s /opt/app link && rm -r /home && mkdir /home && touch /home/now\n\
         ENV A=1\nCMD [\"/opt/app\"]\n",
    )
    .with("file", "text\n")
    .with("dir/other", "text\n")
}

/// Builds in a store of its own.
fn build(project: &Project, epoch: Option<&str>, args: &[&str]) -> (Kiln, String) {
    let kiln = Kiln::new();
    let mut command = kiln.command(["build", "-q", "--no-cache"]);
    if let Some(e) = epoch {
        command.env("SOURCE_DATE_EPOCH", e);
    }
    let id = run(command.args(args).arg(project.dir())).ok().out();
    (kiln, id)
}

#[test]
fn two_stores_give_one_id() {
    let project = project();
    let (a, first) = build(&project, None, &["--reproducible", "-t", "x"]);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    // Another checkout of the same files, made at another time.
    let (b, second) = build(&self::project(), None, &["--reproducible", "-t", "x"]);
    let found = crate::harness::compare_trees(&a.image("x").tree, &b.image("x").tree);
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(a.image("x").config, b.image("x").config);
    assert_eq!(first, second);
    assert_eq!(a.save("x"), b.save("x"), "archives too");
}

#[test]
fn the_epoch_is_the_time_of_everything() {
    let project = project();
    let (a, first) = build(&project, Some("1600000000"), &["-t", "x"]);
    let (_b, second) = build(&project, Some("1600000000"), &["--reproducible"]);
    let (_c, other) = build(&project, Some("1600000001"), &[]);
    assert_eq!(first, second);
    assert_ne!(first, other);
    let image = a.image("x");
    assert_eq!(image.config["created"], "2020-09-13T12:26:40Z");
    let history = image.config["history"].as_array().unwrap();
    for h in history {
        assert_eq!(h["created"], "2020-09-13T12:26:40Z", "{h}");
    }
    for time in newest_times(&a) {
        assert!(time <= 1_600_000_000, "a file of {time}");
    }
}

#[test]
fn zero_is_the_epoch_without_one() {
    let (a, _) = build(&project(), None, &["--reproducible", "-t", "x"]);
    assert_eq!(a.image("x").config["created"], "1970-01-01T00:00:00Z");
    assert!(newest_times(&a).iter().all(|t| *t == 0));
}

#[test]
fn the_epoch_may_be_a_build_argument() {
    let project = project();
    let (_a, first) = build(&project, Some("1600000000"), &[]);
    let (_b, second) = build(
        &project,
        None,
        &["--build-arg", "SOURCE_DATE_EPOCH=1600000000"],
    );
    assert_eq!(first, second);
}

#[test]
fn without_it_times_are_real() {
    let before = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let (a, _) = build(&project(), None, &["-t", "x"]);
    assert!(newest_times(&a).iter().any(|t| *t >= before));
}

#[test]
fn a_bad_epoch_is_an_error() {
    let kiln = Kiln::new();
    let project = project();
    let mut command = kiln.command(["build"]);
    let done = run(command.env("SOURCE_DATE_EPOCH", "soon").arg(project.dir())).code(1);
    assert!(
        done.err().contains("SOURCE_DATE_EPOCH=soon"),
        "{}",
        done.err()
    );
}

/// The newest time in each layer of image `x`.
fn newest_times(kiln: &Kiln) -> Vec<u64> {
    let archive = crate::harness::Archive::read(&kiln.save("x"));
    let manifest = archive.manifest();
    let layers = manifest[0]["Layers"].as_array().unwrap();
    let newest = |layer: &serde_json::Value| {
        let mut tar = tar::Archive::new(archive.member(layer.as_str().unwrap()));
        let entries = tar.entries().unwrap();
        entries
            .map(|e| e.unwrap().header().mtime().unwrap())
            .max()
            .unwrap()
    };
    layers.iter().map(newest).collect()
}
