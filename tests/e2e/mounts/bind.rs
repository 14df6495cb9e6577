//! Bind mounts: of the context, of stages, of images.

use std::process::Command;
use std::time::Duration;

use super::out_of;
use crate::harness::{
    Kiln, Project, assert_all_cached, assert_nothing_left, executed, run, run_with,
};

fn project() -> Project {
    Project::new(
        "FROM busybox\n\
         RUN --mount=target=/ctx cd /ctx && find . | sort > /out && cat a/shown >> /out && \
         (touch a/new || echo read-only >> /out)\n",
    )
    .with("a/shown", "shown\n")
    .with("a/hidden", "hidden\n")
    .with("b/hidden", "hidden\n")
    .with("b/deep/kept", "kept\n")
    .with("c/only/hidden", "hidden\n")
    .with(
        ".dockerignore",
        "**/hidden\nb/deep\n!b/deep/kept\nc\nDockerfile\n.dockerignore\n",
    )
}

#[test]
fn the_context_without_what_is_ignored() {
    let (kiln, project) = (Kiln::new(), project());
    project.chmod("a", 0o711);
    let out = out_of(&kiln, &project, &[]);
    assert_eq!(
        out,
        ".\n./a\n./a/shown\n./b\n./b/deep\n./b/deep/kept\nshown\nread-only\n"
    );
    // What is ignored changes nothing; what is shown does.
    project.write("a/hidden", "another\n");
    project.write("c/only/hidden", "another\n");
    assert_all_cached(&kiln.build(project.dir(), &[]));
    project.write("a/shown", "changed\n");
    assert!(out_of(&kiln, &project, &[]).contains("changed"));
    assert!(!project.path("a/new").exists());
    assert_nothing_left(&kiln);
}

#[test]
fn only_what_is_mounted_counts() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox\nRUN --mount=source=d,target=/d cat /d/f > /out\n\
         RUN --mount=source=one,target=/one cat /one >> /out\n",
    )
    .with("d/f", "f\n")
    .with("one", "1\n")
    .with("other", "x\n");
    assert_eq!(out_of(&kiln, &project, &[]), "f\n1\n");
    project.write("other", "y\n");
    assert_all_cached(&kiln.build(project.dir(), &[]));
    project.write("one", "2\n");
    let again = kiln.build(project.dir(), &["-t", "out"]);
    assert_eq!(executed(&again).len(), 1);
    assert_eq!(kiln.cat("out", "/out"), "f\n2\n");
}

#[test]
fn writes_are_dropped() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox AS other\nRUN mkdir /s && echo stage > /s/f\n\
         FROM busybox\n\
         RUN --mount=target=/ctx,rw --mount=source=f,target=/one,rw --mount=from=other,source=/s,target=/s,rw \
         echo new > /ctx/new && rm /ctx/d/f && echo changed | tee /ctx/f /one /s/f /s/g && ls /ctx > /out\n\
         RUN --mount=target=/ctx --mount=from=other,source=/s,target=/s \
         ls /ctx /ctx/d /s >> /out && cat /ctx/f /s/f >> /out\n",
    )
    .with("f", "f\n")
    .with("d/f", "f\n")
    .with("hidden", "")
    .with(".dockerignore", "hidden\n");
    let out = out_of(&kiln, &project, &[]);
    assert_eq!(
        out,
        "Dockerfile\nd\nf\nnew\n/ctx:\nDockerfile\nd\nf\n\n/ctx/d:\nf\n\n/s:\nf\nf\nstage\n"
    );
    assert_eq!(std::fs::read_to_string(project.path("f")).unwrap(), "f\n");
    assert!(project.path("d/f").exists() && !project.path("new").exists());
    assert_nothing_left(&kiln);
}

#[test]
fn stages_and_images() {
    let kiln = Kiln::new();
    let image = Project::new("FROM scratch\nCOPY f /deep/f\n").with("f", "of an image\n");
    kiln.build(image.dir(), &["-t", "image"]);
    let project = Project::new(
        "FROM busybox AS tools\nRUN sleep 0.2; mkdir /t && echo of a stage > /t/f && chown 7:8 /t/f && chmod 4755 /t/f\n\
         FROM busybox AS unused\nRUN false\n\
         FROM busybox\n\
         RUN --mount=from=tools,source=/t,target=/t --mount=from=image,source=deep/f,target=/i \
         --mount=from=0,target=/whole --mount=from=scratch,target=/empty \
         cat /t/f /i > /out; stat -c '%u:%g %a' /whole/t/f >> /out; ls -A /empty >> /out; touch /t/x || echo no >> /out\n",
    );
    assert_eq!(
        out_of(&kiln, &project, &[]),
        "of a stage\nof an image\n7:8 4755\nno\n"
    );
    assert_all_cached(&kiln.build(project.dir(), &[]));
    assert_nothing_left(&kiln);
}

#[test]
fn other_files_of_a_stage_do_not_count() {
    let kiln = Kiln::new();
    let of = |other: &str| {
        Project::new(&format!(
            "FROM busybox AS s\nRUN mkdir /d && echo same > /d/f && echo {other} > /other\n\
             FROM busybox\nRUN --mount=from=s,source=/d,target=/d cp /d/f /out\n"
        ))
    };
    kiln.build(of("1").dir(), &[]);
    let again = executed(&kiln.build(of("2").dir(), &[]));
    assert_eq!(again.len(), 1, "{again:?}");
    assert!(again[0].contains("mkdir"), "{again:?}");
}

#[test]
fn a_large_context_is_not_copied() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox\nRUN --mount=target=/ctx,rw --mount=target=/ro --mount=type=cache,target=/c \\\n\
         wc -c /ctx/big /ro/big > /out && touch /c/ready && sleep 2\n",
    )
    .with("big", vec![7; 32 << 20])
    .with("hidden", "")
    .with(".dockerignore", "hidden\n");
    let mut build = kiln
        .command(["build", "-q", "-t", "out"])
        .arg(project.dir())
        .spawn()
        .unwrap();
    let ready = || {
        let caches = std::fs::read_dir(kiln.store().join("caches"));
        let mut caches = caches.into_iter().flatten().flatten();
        caches.any(|d| d.path().join("data/ready").exists())
    };
    while !ready() {
        assert!(
            build.try_wait().unwrap().is_none(),
            "the build ended too early"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let du = run(Command::new("du").arg("-sk").arg(kiln.store().join("tmp")))
        .ok()
        .out();
    let kib: u64 = du.split_whitespace().next().unwrap().parse().unwrap();
    assert!(kib < 1024, "{kib} KiB put aside");
    assert!(build.wait().unwrap().success());
    assert!(kiln.cat("out", "/out").contains("33554432 /ctx/big"));
}

#[test]
fn links_to_what_is_ignored() {
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox\nRUN --mount=source=link,target=/m true\n")
        .with("d/shown", "")
        .with("d/hidden", "")
        .with("private/f", "")
        .with(".dockerignore", "d/hidden\nprivate\n");
    std::os::unix::fs::symlink("private", project.path("link")).unwrap();
    std::os::unix::fs::symlink("d", project.path("to-d")).unwrap();
    let done = kiln.try_build(project.dir(), &[]).code(1);
    assert!(
        done.err().contains("excluded from the build context"),
        "{}",
        done.err()
    );
    project.write(
        "Dockerfile",
        "FROM busybox\nRUN --mount=source=to-d,target=/m ls /m > /out\n",
    );
    assert_eq!(out_of(&kiln, &project, &[]), "shown\n");
}

#[test]
fn without_a_context() {
    let kiln = Kiln::new();
    let dockerfile = "FROM busybox\nRUN --mount=target=/x true\n";
    let mut build = kiln.command(["build", "-"]);
    let done = run_with(&mut build, dockerfile.into()).code(1);
    assert!(
        done.err().contains("no context to mount from"),
        "{}",
        done.err()
    );
}
