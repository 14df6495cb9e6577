//! The same script with docker's own engine and with Kiln's: the same texts and exit codes, but for
//! ids, times and sizes.

use std::path::Path;
use std::process::Command;

use crate::harness::{Dockerd, Done, Project, base_tar, run, run_with};

use super::Engine;

const DOCKERFILE: &str = "ARG BASE=busybox
FROM ${BASE} AS one
WORKDIR /w
COPY a dir /w/
RUN echo hi \\
    && cat a >/w/c \\
    # a comment
    && true
RUN echo wrong >&2
ENV A=1 B=2
FROM one
ARG V=3
COPY --from=one /w/c /d
LABEL x=y
USER root
EXPOSE 80
VOLUME /v
ONBUILD RUN echo triggered
HEALTHCHECK --interval=5s CMD true
STOPSIGNAL SIGINT
SHELL [\"/bin/sh\", \"-c\"]
ENTRYPOINT [\"/bin/sh\"]
CMD [\"-c\", \"true\"]
";

fn project() -> Project {
    Project::new(DOCKERFILE)
        .with("a", "a\n")
        .with("dir/b", "b\n")
        .with("dir/hidden", "h\n")
        .with(".dockerignore", "dir/hidden\n")
        .with("other", "FROM busybox\nCOPY . /all\n")
        .with("fails", "FROM busybox\nRUN echo before; exit 3\n")
        .with("killed", "FROM busybox\nRUN kill -9 $$\n")
        .with("triggers", "FROM built\nENV LAST=1\n")
        .with("unknown", "FROM busybox\nFROBNICATE x\n")
        .with("missing", "FROM busybox\nCOPY nothing /\n")
}

/// What ids, times and sizes are in the texts of one engine is the same word in both.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut hex = String::new();
    for c in text
        .replace("sha256:", "")
        .replace('\r', "")
        .chars()
        .chain(['\n'])
    {
        if c.is_ascii_digit() || ('a'..='f').contains(&c) {
            hex.push(c);
            continue;
        }
        match hex.len() {
            12.. => out.push_str("ID"),
            _ => out.push_str(&hex),
        }
        hex.clear();
        out.push(c);
    }
    let lines = out
        .lines()
        .filter(|l| !l.starts_with("Sending build context"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Code and output of each command. Where `errors` is false, what a failure is called is Kiln's
/// own affair.
fn walk(docker: &dyn Fn(&[&str]) -> Command, context: &Path) -> Vec<(String, String)> {
    let context = context.to_str().unwrap();
    let file = |name: &str| format!("{context}/{name}");
    let mut seen = Vec::new();
    let mut note = |done: Done, errors: bool| {
        let mut text = format!("{:?}\n{}", done.code, plain(&done.out()));
        if errors {
            text.push_str(&plain(&done.err()));
        }
        seen.push((done.line, text));
    };
    let build = |args: &[&str]| {
        let all = [&["build", "--network", "host"], args].concat();
        run(&mut docker(&all))
    };
    note(build(&["-t", "built", context]), true);
    // All of it out of the cache, then nothing.
    note(build(&["-t", "built", "-t", "built:again", context]), true);
    note(build(&["--no-cache", context]), true);
    note(build(&["--target", "one", context]), true);
    note(
        build(&["--build-arg", "V=4", "--build-arg", "NO=1", context]),
        true,
    );
    note(
        build(&["--label", "k=v", "--label", "l=w", "--rm=false", context]),
        true,
    );
    note(build(&["-f", &file("other"), "-t", "all", context]), true);
    note(build(&["-f", &file("triggers"), context]), true);
    note(build(&["-q", "-f", &file("other"), context]), true);
    note(build(&["-f", &file("fails"), context]), true);
    note(build(&["-q", "-f", &file("fails"), context]), false);
    note(build(&["-f", &file("killed"), context]), true);
    note(build(&["-f", &file("unknown"), context]), false);
    note(build(&["-f", &file("missing"), context]), false);
    note(build(&["--target", "nowhere", context]), false);
    let stdin = |args: &[&str], input: &[u8]| run_with(&mut docker(args), input.to_vec());
    note(stdin(&["build", "-"], b"FROM scratch\nLABEL a=b\n"), true);
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_path_with_name(file("other"), "Dockerfile")
        .unwrap();
    tar.append_path_with_name(file("a"), "a").unwrap();
    let tar = tar.into_inner().unwrap();
    note(stdin(&["build", "-t", "tar", "-"], &tar), true);

    let out = |args: &[&str]| run(&mut docker(args));
    let sorted = |done: Done| {
        let mut lines: Vec<&str> = done.out().leak().lines().collect();
        lines.sort_unstable();
        lines.join("\n")
    };
    // Docker keeps the state after each instruction, and has other images without a name.
    let named = [
        "images",
        "--filter",
        "dangling=false",
        "--format",
        "{{.Repository}}:{{.Tag}}",
    ];
    let listed = sorted(out(&named));
    note(out(&["images", "-q", "--filter", "reference=built*"]), true);
    note(
        out(&[
            "images",
            "--format",
            "{{.Repository}}",
            "--filter",
            "label=x=y",
            "--filter",
            "dangling=false",
        ]),
        true,
    );
    note(out(&["tag", "built", "b:2"]), true);
    note(out(&["rmi", "b:2"]), true);
    note(out(&["rmi", "nothing"]), true);
    note(out(&["tag", "nothing", "b:3"]), false);
    note(out(&["inspect", "nothing"]), true);
    let format = "{{.Config.Cmd}} {{.Config.Entrypoint}} {{.Config.Labels}} {{.Config.Env}} \
        {{.Config.User}} {{.Config.Volumes}} {{.Config.WorkingDir}} {{.Config.ExposedPorts}} \
        {{.Config.OnBuild}} {{.Config.StopSignal}} {{.Config.Healthcheck.Test}} \
        {{.Architecture}} {{.Os}} {{.RepoTags}} {{.RepoDigests}}";
    note(out(&["inspect", "-f", format, "built"]), true);
    note(
        out(&["history", "-q", "--format", "{{.Tags}}", "built"]),
        false,
    );
    note(out(&["save", "-o", "built.tar", "built", "all"]), true);
    // What images share, and when it is gone, is another matter with each.
    out(&["rmi", "-f", "built", "built:again", "all"]).ok();
    let loaded = sorted(out(&["load", "-i", "built.tar"]));
    let quietly = sorted(out(&["load", "-q", "-i", "built.tar"]));
    note(stdin(&["load"], b"nonsense"), false);
    note(
        stdin(
            &["import", "-m", "by hand", "-c", "CMD [\"x\"]", "-", "imp:1"],
            base_tar(),
        ),
        true,
    );
    note(
        out(&[
            "inspect",
            "-f",
            "{{.Config.Cmd}} {{.Comment}} {{.RepoTags}}",
            "imp:1",
        ]),
        true,
    );
    note(
        out(&["image", "prune", "-f", "--filter", "label=none"]),
        true,
    );
    note(
        out(&[
            "network",
            "ls",
            "--format",
            "{{.Name}} {{.Driver}} {{.Scope}}",
        ]),
        false,
    );
    for (line, text) in [("images", listed), ("load", loaded), ("load -q", quietly)] {
        seen.push((line.to_owned(), text));
    }
    seen
}

#[test]
fn the_same_script_says_the_same() {
    let project = project();
    let dockerd = Dockerd::with_base();
    let theirs = walk(
        &|args| {
            let mut command = dockerd.command(args);
            command.env("DOCKER_BUILDKIT", "0");
            command
        },
        project.dir(),
    );
    let engine = Engine::with_base();
    let ours = walk(&|args| engine.command(args), project.dir());
    assert_eq!(ours.len(), theirs.len());
    for ((line, ours), (_, theirs)) in ours.iter().zip(&theirs) {
        assert!(
            ours == theirs,
            "{line}\n--- kiln\n{ours}\n--- docker\n{theirs}\n{}",
            engine.log()
        );
    }
}
