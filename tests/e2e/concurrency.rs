//! Many builds at once on one store.

use std::process::{Child, Stdio};

use crate::harness::{Kiln, Project, assert_all_cached, assert_nothing_left};

const BUILDS: usize = 20;

/// Four Dockerfiles that begin alike and end each in another way.
fn projects() -> Vec<Project> {
    (0..4)
        .map(|n| {
            Project::new(&format!(
                "FROM busybox AS tools\nRUN echo tools > /tools && sleep 0.1\n\
                 FROM busybox\nCOPY shared /shared\nCOPY --from=tools /tools /\n\
                 RUN sleep 0.1; echo {n} > /number\nCOPY own /own\nLABEL number={n}\n"
            ))
            .with("shared", "the same for all\n")
            .with("own", format!("of {n}\n"))
        })
        .collect()
}

fn spawn(kiln: &Kiln, project: &Project, tag: &str, log: &str) -> Child {
    kiln.command(["build", "--progress", "plain", "-t", tag])
        .arg(project.dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(kiln.file(log)).unwrap())
        .spawn()
        .unwrap()
}

#[test]
fn twenty_builds_at_once() {
    let (kiln, projects) = (Kiln::new(), projects());
    let builds: Vec<(usize, Child)> = (0..BUILDS)
        .map(|n| {
            let which = n % projects.len();
            let tag = format!("app{which}:build{n}");
            (n, spawn(&kiln, &projects[which], &tag, &format!("log{n}")))
        })
        .collect();
    for (n, mut build) in builds {
        let status = build.wait().unwrap();
        let log = std::fs::read_to_string(kiln.file(&format!("log{n}"))).unwrap();
        assert!(status.success(), "build {n}: {status}\n{log}");
    }
    let mut ids = vec![std::collections::BTreeSet::new(); projects.len()];
    for n in 0..BUILDS {
        let which = n % projects.len();
        let tag = format!("app{which}:build{n}");
        let image = kiln.image(&tag);
        assert_eq!(image.tree.text("/number"), format!("{which}\n"));
        assert_eq!(image.tree.text("/own"), format!("of {which}\n"));
        assert_eq!(image.tree.text("/shared"), "the same for all\n");
        assert_eq!(image.tree.text("/tools"), "tools\n");
        assert_eq!(
            image.config["config"]["Labels"]["number"],
            which.to_string()
        );
        ids[which].insert(image.config["rootfs"].to_string());
    }
    // A step is carried out once, whoever comes first; so all have the very same layers.
    assert!(ids.iter().all(|i| i.len() == 1), "{ids:#?}");
    for project in &projects {
        assert_all_cached(&kiln.build(project.dir(), &[]));
    }
    assert_nothing_left(&kiln);
}

#[test]
fn first_builds_on_a_store_that_is_not_there_yet() {
    let kiln = Kiln::empty();
    let project = Project::new("FROM scratch\nCOPY f /f\n").with("f", "x\n");
    let builds: Vec<Child> = (0..8)
        .map(|n| spawn(&kiln, &project, "x", &format!("log{n}")))
        .collect();
    for (n, mut build) in builds.into_iter().enumerate() {
        let status = build.wait().unwrap();
        let log = std::fs::read_to_string(kiln.file(&format!("log{n}"))).unwrap();
        assert!(status.success(), "{log}");
    }
    assert_eq!(kiln.cat("x", "/f"), "x\n");
    assert_nothing_left(&kiln);
}

#[test]
fn removal_while_others_build() {
    let (kiln, projects) = (Kiln::new(), projects());
    for (n, p) in projects.iter().enumerate() {
        kiln.build(p.dir(), &["-t", &format!("old{n}")]);
    }
    let builds: Vec<(usize, Child)> = (0..8)
        .map(|n| {
            (
                n,
                spawn(
                    &kiln,
                    &projects[n % 4],
                    &format!("new{n}"),
                    &format!("log{n}"),
                ),
            )
        })
        .collect();
    for n in 0..4 {
        // Builds hold what they use, so removal has to wait or leave the layers.
        kiln.ok(["rmi", &format!("old{n}")]);
    }
    for (n, mut build) in builds {
        let status = build.wait().unwrap();
        let log = std::fs::read_to_string(kiln.file(&format!("log{n}"))).unwrap();
        assert!(status.success(), "{log}");
        assert_eq!(
            kiln.cat(&format!("new{n}"), "/number"),
            format!("{}\n", n % 4)
        );
    }
    assert_nothing_left(&kiln);
}
