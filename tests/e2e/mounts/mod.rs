//! `RUN --mount`: what a step sees, what it may do with it, and what is left of it.

mod bind;
mod cache;
mod escape;
mod secret;
mod sharing;
mod ssh;

use crate::harness::{Kiln, Project, assert_nothing_left, executed};

/// Builds a Dockerfile behind `FROM busybox` and gives what is at `/out` in the image.
#[track_caller]
fn out_of(kiln: &Kiln, project: &Project, args: &[&str]) -> String {
    let args = [&["-t", "out"], args].concat();
    kiln.build(project.dir(), &args);
    kiln.cat("out", "/out")
}

#[test]
fn mount_points_are_not_left() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox\n\
         RUN --mount=type=tmpfs,target=/a/b/c --mount=type=cache,target=/home/app/.cache/x \
         --mount=target=/ctx --mount=source=f,target=/new/f --mount=type=secret,id=s \
         test -d /a/b/c && test -f /new/f && touch /a/b/c/x /home/app/.cache/x/y && echo > /made\n\
         RUN --mount=type=tmpfs,target=/kept/inner touch /kept/by-the-step\n",
    )
    .with("f", "f\n");
    std::fs::write(kiln.file("s"), "s").unwrap();
    let secret = format!("id=s,src={}", kiln.file("s").display());
    kiln.build(project.dir(), &["-t", "x", "--secret", &secret]);
    let tree = kiln.image("x").tree;
    assert!(tree.get("/made").is_some());
    for gone in [
        "/a",
        "/home/app/.cache",
        "/ctx",
        "/new",
        "/run",
        "/kept/inner",
    ] {
        assert!(tree.get(gone).is_none(), "{gone} is in the image");
    }
    assert!(tree.get("/kept/by-the-step").is_some());
    let home = tree.get("/home/app").unwrap();
    assert_eq!(
        (home.uid, home.gid),
        (1000, 1000),
        "what was there keeps its owner"
    );
    assert_nothing_left(&kiln);
}

#[test]
fn mounts_in_mounts() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox\n\
         RUN --mount=source=f,target=/c/in/f --mount=type=tmpfs,target=/c/t --mount=type=cache,target=/c \
         cat /c/in/f > /out && touch /c/t/x && ls /c >> /out\n\
         RUN --mount=type=cache,target=/c ls /c/t /c/in >> /out\n",
    )
    .with("f", "f\n");
    let out = out_of(&kiln, &project, &[]);
    // Mount points that were made in a cache stay there, as with runc.
    assert_eq!(out, "f\nin\nt\n/c/in:\nf\n\n/c/t:\n");
}

#[test]
fn tmpfs_options() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox\nWORKDIR /w\n\
         RUN --mount=type=tmpfs,target=/new --mount=type=tmpfs,target=/root,size=1m \
         --mount=type=tmpfs,target=rel --mount=type=tmpfs,dst=/dev/shm,size=2m --mount=type=tmpfs,target=/ro,ro \
         stat -c '%n %a' /new /root /w/rel > /out; df -k /root /dev/shm | grep -c -E 'tmpfs +(1024|2048) ' >> /out; \
         touch /ro/x || echo read-only >> /out; dd if=/dev/zero of=/root/x bs=1M count=2 || echo full >> /out\n",
    );
    let out = out_of(&kiln, &project, &[]);
    assert_eq!(
        out,
        "/new 1777\n/root 700\n/w/rel 1777\n2\nread-only\nfull\n"
    );
}

#[test]
fn variables_in_options() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox\nARG DIR=d\nENV AT=/at\n\
         RUN --mount=type=bind,source=$DIR/f,target=${AT}/f cat /at/f > /out\n",
    )
    .with("d/f", "from d\n")
    .with("e/f", "from e\n");
    assert_eq!(out_of(&kiln, &project, &[]), "from d\n");
    assert_eq!(
        out_of(&kiln, &project, &["--build-arg", "DIR=e"]),
        "from e\n"
    );
}

#[test]
fn mounts_of_triggers() {
    let kiln = Kiln::new();
    let base =
        Project::new("FROM busybox\nONBUILD RUN --mount=source=f,target=/m/f cp /m/f /out\n");
    kiln.build(base.dir(), &["-t", "base"]);
    let project = Project::new("FROM base\n").with("f", "triggered\n");
    assert_eq!(out_of(&kiln, &project, &[]), "triggered\n");
    // Stages that only a trigger needs are built.
    let base = Project::new(
        "FROM busybox\nONBUILD RUN --mount=from=made,target=/m cp /m/f /out\n\
         ONBUILD COPY --from=0 /z /z\n",
    );
    kiln.build(base.dir(), &["-t", "base"]);
    let project = Project::new(
        "FROM busybox AS zero\nRUN echo zero > /z\nFROM zero AS made\nRUN echo made > /f\n\
         FROM busybox AS unused\nRUN false\nFROM base\n",
    );
    assert_eq!(out_of(&kiln, &project, &[]), "made\n");
    assert_eq!(kiln.cat("out", "/z"), "zero\n");
}

#[test]
fn what_options_do_to_the_cache() {
    let kiln = Kiln::new();
    let mut seen = Vec::new();
    for options in [
        "type=cache,target=/c",
        "type=cache,target=/c,id=x",
        "type=cache,target=/d",
        "type=cache,target=/c,uid=5",
        "type=tmpfs,target=/c",
        "type=tmpfs,target=/c,size=1m",
        "type=secret,id=c",
        "type=ssh",
        "target=/c",
    ] {
        let project = Project::new(&format!(
            "FROM busybox\nRUN --mount={options} date > /out\n"
        ));
        // All contexts but for the last are out of sight.
        project.write(".dockerignore", "Dockerfile\n.dockerignore\n");
        let first = kiln.build(project.dir(), &[]);
        assert_eq!(
            executed(&first).len(),
            1,
            "{options} is no other than {seen:?}"
        );
        assert_eq!(
            executed(&kiln.build(project.dir(), &[])).len(),
            0,
            "{options}"
        );
        seen.push(options);
    }
}

#[test]
fn mistakes() {
    let kiln = Kiln::new();
    let table = [
        (
            "type=bind,taget=/x",
            "Dockerfile:2:23: unknown mount option \"taget\"",
        ),
        ("type=bind,taget=/x", "did you mean target?"),
        ("type=volume,target=/x", "unsupported mount type \"volume\""),
        ("target=/", "invalid mount target \"/\""),
        ("target=.", "invalid mount target \"/\""),
        (
            "target=/x,source=nope",
            "\"nope\": not found in the build context",
        ),
        ("target=/x,source=Dockerfle", "did you mean Dockerfile?"),
        (
            "target=/x,source=hidden",
            "excluded from the build context by .dockerignore:1",
        ),
        (
            "target=/x,source=../up",
            "forbidden path outside the build context",
        ),
        (
            "target=/x,from=b,source=/nope",
            "\"/nope\": not found in stage \"b\"",
        ),
        ("target=/x,from=$B", "variables aren't expanded here"),
        ("target=/x,from=later", "comes later in the Dockerfile"),
        (
            "target=/etc/passwd",
            "make the mount point /etc/passwd: Not a directory",
        ),
        (
            "target=/bin,source=Dockerfile",
            "make the mount point /bin: Is a directory",
        ),
        (
            "type=tmpfs,target=/proc/bus",
            "inside of /proc, where nothing may be mounted",
        ),
        (
            "type=secret,id=none,required",
            "Dockerfile:2:5: secret none: not found",
        ),
        ("type=ssh,required", "unset ssh forward key default"),
        (
            "type=cache,target=/c,from=busybox,source=/etc/passwd",
            "a cache can't begin with it",
        ),
    ];
    for (options, wanted) in table {
        let project = Project::new(&format!(
            "FROM busybox\nRUN --mount={options} true\nFROM busybox AS later\n"
        ));
        let text = std::fs::read_to_string(project.path("Dockerfile")).unwrap();
        let text = match options.contains("from=b,") {
            true => text.replace("FROM busybox\nRUN", "FROM busybox AS b\nFROM busybox\nRUN"),
            false => text,
        };
        project.write("Dockerfile", text);
        project.write(".dockerignore", "hidden\n");
        project.write("hidden", "x");
        let target = if options.contains("from=b,") {
            "1"
        } else {
            "0"
        };
        let done = kiln.try_build(project.dir(), &["--target", target]).code(1);
        assert!(
            done.err().contains(wanted),
            "{options}: no {wanted:?} in\n{}",
            done.err()
        );
    }
    let security = Project::new("FROM busybox\nRUN --security=insecure true\n");
    let done = kiln.try_build(security.dir(), &[]).code(1);
    assert!(
        done.err()
            .contains("Dockerfile:2:5: RUN --security=insecure is not supported")
    );
    assert_nothing_left(&kiln);
}
