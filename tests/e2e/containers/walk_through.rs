//! The same commands with Kiln and with docker.

use crate::harness::{Dockerd, Done, compare_configs, compare_trees, run};

use super::Containers;

/// What is done in the container: new, changed, deleted and replaced files of all kinds.
const CHANGES: &str = "set -e
    echo new > /etc/new; echo changed >> /etc/passwd; rm /bin/vi
    rm -r /var; mkdir /var; echo in > /var/in
    mkdir -p /opt/deep/er; ln -s /etc/new /opt/link; ln /etc/new /etc/hard
    mkfifo /opt/fifo; chmod 4755 /etc/new; chown 1000:50 /opt/deep
    mv /home/app /home/moved; mkdir -m 1777 /sticky; mknod /opt/null c 1 3
    echo gone > /gone; rm /gone";

type Command<'a> = &'a dyn Fn(&[&str]) -> Done;

/// The lesson: a container is changed, looked at, paused, committed; what it has become is run.
fn walk(with: Command) -> Vec<String> {
    let out = |args: &[&str]| with(args).ok().out();
    let mut seen = Vec::new();
    let loop_ = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
    out(&[
        "run",
        "-d",
        "--name",
        "walk",
        "--network",
        "host",
        "-e",
        "MORE=1",
        "-w",
        "/opt/work",
        "-l",
        "who=me",
        "busybox",
        "sh",
        "-c",
        loop_,
    ]);
    out(&["exec", "walk", "sh", "-c", CHANGES]);
    let ps = [
        "ps",
        "--no-trunc",
        "--format",
        "{{.Image}} {{.Command}} {{.Names}} {{.State}}",
    ];
    seen.push(out(&ps));
    seen.push(out(&["exec", "walk", "sh", "-c", "pwd; echo $MORE; id -u"]));
    out(&["pause", "walk"]);
    seen.push(out(&ps));
    seen.push(out(&[
        "inspect",
        "-f",
        "{{.State.Status}} {{.State.Paused}}",
        "walk",
    ]));
    out(&[
        "commit",
        "-a",
        "Me <me@example.com>",
        "-m",
        "by hand",
        "-c",
        "CMD [\"cat\", \"/etc/new\"]",
        "-c",
        "ENV MORE=2 OTHER=3",
        "-c",
        "EXPOSE 80",
        "-c",
        "WORKDIR /etc",
        "-c",
        "USER app",
        "walk",
        "walked:1",
    ]);
    seen.push(out(&["inspect", "-f", "{{.State.Status}}", "walk"]));
    out(&["unpause", "walk"]);
    seen.push(out(&[
        "images",
        "--format",
        "{{.Repository}}:{{.Tag}}",
        "walked",
    ]));
    let new = ["run", "--rm", "--network", "host", "walked:1"];
    seen.push(out(&new));
    let more = |args: &[&str]| with(&[&new[..], args].concat());
    seen.push(more(&["sh", "-c", "id -u; pwd; echo $MORE $OTHER"]).out());
    seen.push(more(&["ls", "/bin/vi"]).code(1).err());
    seen.push(more(&["ls", "/var", "/home"]).out());
    seen.push(
        with(&["rmi", "walked:1"])
            .ok()
            .out()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
    );
    out(&["commit", "walk", "walked:2"]);
    out(&["stop", "walk"]);
    seen.push(out(&[
        "inspect",
        "-f",
        "{{.State.Status}} {{.State.ExitCode}}",
        "walk",
    ]));
    // Docker tells changes in no particular order.
    let diff = out(&["diff", "walk"]);
    let mut diff: Vec<&str> = diff.lines().collect();
    diff.sort_by_key(|line| &line[2..]);
    seen.push(diff.join("\n"));
    seen.push(
        out(&[
            "ps",
            "-aq",
            "--filter",
            "name=walk",
            "--filter",
            "status=exited",
        ])
        .len()
        .to_string(),
    );
    seen
}

#[test]
fn the_walk_through_is_dockers() {
    let (kiln, docker) = (Containers::new(), Dockerd::with_base());
    let ours = walk(&|args| kiln.run(args));
    let theirs = walk(&|args| run(&mut docker.command(args)));
    assert_eq!(ours, theirs);
    let (ours, theirs) = (kiln.image("walked:2"), docker.image("walked:2"));
    let found = compare_trees(&ours.tree, &theirs.tree);
    assert!(found.is_empty(), "{found:#?}");
    let found = compare_configs(&ours, &theirs);
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(ours.tree.text("/etc/new"), "new\n");
    assert!(ours.tree.get("/bin/vi").is_none());
    kiln.nothing_left();
}
