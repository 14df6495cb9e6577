//! Ways out of the container by mounts: links in sources and targets, and what a step does to its
//! mount points before they are cleaned up.

use std::os::unix::fs::symlink;

use super::out_of;
use crate::harness::{Kiln, Project, assert_nothing_left};

/// A directory of the host with something in it that a build must neither see nor change.
fn outside(kiln: &Kiln) -> String {
    let dir = kiln.file("outside");
    std::fs::create_dir_all(dir.join("sub")).unwrap();
    std::fs::write(dir.join("private"), "the host's\n").unwrap();
    dir.to_str().unwrap().to_owned()
}

#[track_caller]
fn assert_untouched(kiln: &Kiln) {
    let dir = kiln.file("outside");
    let mut names: Vec<_> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["private", "sub"]);
    assert_eq!(std::fs::read(dir.join("private")).unwrap(), b"the host's\n");
    assert_nothing_left(kiln);
}

#[test]
fn linked_sources() {
    let kiln = Kiln::new();
    let out = outside(&kiln);
    let project = Project::new("FROM busybox\nRUN --mount=source=link,target=/m true\n");
    symlink(&out, project.path("link")).unwrap();
    symlink("../../../../../../../../etc", project.path("up")).unwrap();
    symlink("/proc/self/root", project.path("magic")).unwrap();
    for source in [
        "link",
        "link/private",
        "up",
        "up/passwd",
        "magic/etc",
        "../..",
    ] {
        for options in ["", ",rw"] {
            let text =
                format!("FROM busybox\nRUN --mount=source={source},target=/m{options} true\n");
            project.write("Dockerfile", text);
            let done = kiln.try_build(project.dir(), &[]);
            assert_eq!(done.code, Some(1), "{source}\n{}", done.report());
        }
    }
    // In a stage a link leads to what is there in the stage.
    let project = Project::new(&format!(
        "FROM busybox AS s\nRUN mkdir -p {out} /d && echo of the stage > {out}/private && ln -s {out} /link && \
         ln -s ../../../../..{out} /d/up && ln -s /proc/self/root /magic\n\
         FROM busybox\nRUN --mount=from=s,source=/link,target=/a --mount=from=s,source=/d/up/private,target=/b,rw \
         --mount=from=s,target=/s cat /a/private /b > /out; cat /s/link/private || echo not here >> /out\n"
    ));
    assert_eq!(
        out_of(&kiln, &project, &[]),
        "of the stage\nof the stage\nnot here\n"
    );
    let magic = Project::new(
        "FROM busybox AS s\nRUN ln -s /proc/self/root /magic\n\
         FROM busybox\nRUN --mount=from=s,source=/magic,target=/a true\n\
         RUN --mount=type=cache,from=s,source=/magic,target=/a true\n",
    );
    kiln.try_build(magic.dir(), &[]).code(1);
    assert_untouched(&kiln);
}

#[test]
fn linked_targets() {
    let kiln = Kiln::new();
    let out = outside(&kiln);
    let project = Project::new(&format!(
        "FROM busybox\nRUN ln -s {out} /abs && ln -s ../../../../../..{out} /up && ln -s / /slash && ln -s loop /loop\n\
         RUN --mount=type=tmpfs,target=/abs touch /abs/t {out}/u && ls {out} > /out\n\
         RUN --mount=type=cache,target=/up/sub/new touch /up/sub/new/c && ls {out} >> /out\n\
         RUN --mount=source=f,target=/abs/private cat {out}/private >> /out\n\
         RUN --mount=type=tmpfs,target=/slash/etc/../../x/y test -d /x/y || ls -d /x/y >> /out\n"
    ))
    .with("f", "mounted\n");
    assert_eq!(out_of(&kiln, &project, &[]), "t\nu\nsub\nmounted\n");
    let tree = kiln.image("out").tree;
    assert!(tree.get(&out).is_none(), "the mount points went");
    for target in ["/loop", "/loop/x"] {
        let project = Project::new(&format!(
            "FROM busybox\nRUN ln -s loop /loop\nRUN --mount=type=tmpfs,target={target} true\n"
        ));
        let done = kiln.try_build(project.dir(), &[]).code(1);
        assert!(done.err().contains("symbolic links"), "{}", done.err());
    }
    assert_untouched(&kiln);
}

#[test]
fn mount_points_that_were_swapped() {
    let kiln = Kiln::new();
    let out = outside(&kiln);
    let project = Project::new(&format!(
        "FROM busybox\n\
         RUN --mount=type=tmpfs,target=/a/sub mv /a /moved && ln -s {out} /a\n\
         RUN --mount=source=f,target=/d/private mv /d /d2 && mkdir /d && ln -s {out}/private /d/private\n\
         RUN --mount=type=tmpfs,target=/e/sub mv /e /e2 && ln -s / /e\n\
         RUN ls -d /moved /d2 /etc /bin > /out\n"
    ))
    .with("f", "f\n");
    let done = out_of(&kiln, &project, &[]);
    assert_eq!(done, "/bin\n/d2\n/etc\n/moved\n");
    assert_untouched(&kiln);
}

#[test]
fn nothing_is_mounted_on_the_host() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox\nRUN --mount=target=/ctx --mount=type=tmpfs,target=/ctx/d touch /ctx/d/x && \
         mount | grep -c ' /ctx' > /out\n",
    )
    .with("d/f", "f\n");
    assert_eq!(out_of(&kiln, &project, &[]), "2\n");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(
        !mounts.contains(project.dir().to_str().unwrap()),
        "{mounts}"
    );
    assert!(project.path("d/f").exists() && !project.path("d/x").exists());
}

#[test]
fn devices_of_a_context_and_masks() {
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox\nRUN --mount=type=tmpfs,target=/proc true\n");
    symlink("/proc", project.path("p")).unwrap();
    for target in ["/proc", "/proc/self/attr", "/p/sys"] {
        let text = format!(
            "FROM busybox\nRUN ln -s /proc /p\nRUN --mount=type=tmpfs,target={target} true\n"
        );
        project.write("Dockerfile", text);
        let done = kiln.try_build(project.dir(), &[]).code(1);
        assert!(
            done.err().contains("inside of /proc"),
            "{target}: {}",
            done.err()
        );
    }
}
