//! Archives of images: to other programs and back, foreign ones, broken ones.

mod bad;
mod bombs;
mod compression;
mod foreign;
mod forge;
mod import_export;
mod memory;
mod round_trip;
mod tools;

use std::path::Path;
use std::process::Command;

use crate::harness::{Done, Image, Project, Tree, compare_trees, program, run};

/// An image with files of every kind, deletions, and every member of a config.
const APP: &str = r#"FROM busybox
COPY --chown=app:staff data /srv/data
RUN mkdir -p /d/sub/old && echo a > /d/a && ln /d/a /d/hard && ln -s a /d/soft \
    && ln -s /etc/passwd /d/absolute && mkfifo /d/pipe && mknod /d/null c 1 3 \
    && echo gone > /d/gone && chown 1000:50 /d/a && chmod 2751 /d/a && chmod 1777 /d/sub \
    && echo long > "/d/$(printf %0180d 7)" && : > /d/empty && echo old > /d/sub/old/file
RUN rm /etc/shadow /d/gone && rm -rf /d/sub && mkdir /d/sub && echo new > /d/sub/new
ENV GREETING="hello there" EMPTY=
LABEL org.example.kind="e2e test"
EXPOSE 8080/tcp 53/udp
VOLUME /srv/volume
HEALTHCHECK --interval=7s --retries=2 CMD ["true"]
SHELL ["/bin/sh", "-ec"]
WORKDIR /srv
USER app:staff
STOPSIGNAL SIGQUIT
ENTRYPOINT ["sh", "-c"]
CMD ["echo nobody"]
"#;

fn project() -> Project {
    Project::new(APP).with("data", "data of the context\n")
}

/// Asserts that two images have the same files, layers, config and history.
#[track_caller]
fn assert_same(a: &Image, b: &Image, what: &str) {
    let found = compare_trees(&a.tree, &b.tree);
    assert!(found.is_empty(), "{what}: {found:#?}");
    assert_eq!(a.config["rootfs"], b.config["rootfs"], "{what}");
    assert_eq!(a.config["config"], b.config["config"], "{what}");
    assert_eq!(a.config["history"], b.config["history"], "{what}");
    for key in ["architecture", "os", "created"] {
        assert_eq!(a.config[key], b.config[key], "{what}: {key}");
    }
}

/// Runs skopeo, which must succeed.
#[track_caller]
fn skopeo(args: &[&str]) -> Done {
    let mut command = Command::new(program("skopeo", "skopeo"));
    run(command
        .args(["--insecure-policy", "--tmpdir", "/tmp"])
        .args(args))
    .ok()
}

/// The files of a directory, as GNU tar sees them.
#[track_caller]
fn tree_of(dir: &Path) -> Tree {
    let mut tar = Command::new(program("tar", "tar"));
    tar.args([
        "--format=posix",
        "--xattrs",
        "--xattrs-include=*",
        "-cf",
        "-",
    ]);
    let done = run(tar.arg("-C").arg(dir).arg(".")).ok();
    Tree::of_layers([done.stdout.as_slice()]).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
