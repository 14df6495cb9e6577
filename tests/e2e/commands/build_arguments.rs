//! Flags of `build` that change what happens in it.

use crate::harness::{Kiln, Project, run};

#[test]
fn arguments_of_a_build_reach_it() {
    let kiln = Kiln::new();
    let project = Project::new(
        "ARG BASE=nope\nFROM $BASE AS one\nARG FROM_ENV\nRUN echo \"$FROM_ENV\" > /env; cat /etc/hosts > /hosts\n\
         FROM one AS two\nLABEL a=file\n",
    );
    let mut command = kiln.command(["build", "-q", "-t", "x", "-t", "y:2", "--target", "ONE"]);
    command
        .args([
            "--build-arg",
            "BASE=busybox",
            "--build-arg",
            "FROM_ENV",
            "--build-arg",
            "UNSET_ONE",
        ])
        .args(["--label", "a=cli", "--label", "empty"])
        .args([
            "--add-host",
            "db.example:10.1.2.3",
            "--add-host",
            "v6=[::7]",
        ])
        .env("FROM_ENV", "from the environment");
    run(command.arg(project.dir())).ok();
    let image = kiln.image("x");
    assert_eq!(kiln.id("x"), kiln.id("y:2"));
    assert_eq!(image.tree.text("/env"), "from the environment\n");
    let hosts = image.tree.text("/hosts");
    for (ip, name) in [("10.1.2.3", "db.example"), ("::7", "v6")] {
        let known = hosts
            .lines()
            .any(|l| l.split_whitespace().collect::<Vec<_>>() == [ip, name]);
        assert!(known, "{ip} {name} not in\n{hosts}");
    }
    assert_eq!(image.config["config"]["Labels"]["a"], "cli");
    assert_eq!(image.config["config"]["Labels"]["empty"], "");
}

#[test]
fn a_run_without_network_has_only_loopback() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox\nRUN ls /sys/class/net > /default\nRUN --network=none cat /proc/net/dev > /none\n",
    );
    kiln.build(project.dir(), &["-t", "x"]);
    let interfaces = |text: &str| -> Vec<String> {
        text.lines()
            .filter_map(|l| l.split_once(':'))
            .map(|(name, _)| name.trim().to_owned())
            .collect()
    };
    assert_eq!(interfaces(&kiln.cat("x", "/none")), ["lo"]);
    kiln.build(
        project.dir(),
        &["--network", "none", "--no-cache", "-t", "y"],
    );
    assert_eq!(interfaces(&kiln.cat("y", "/none")), ["lo"]);
}
