//! Listing with filters, pruning, and what the store says it holds.

mod during;
mod filters;

use crate::harness::{
    Done, Kiln, Project, assert_all_cached, assert_nothing_left, base_tar, run_with,
};

const NAMES: &str = "{{.Repository}}:{{.Tag}}";

/// Images of three ages, with labels and without, one of them without a name.
fn stocked(kiln: &Kiln) -> String {
    let build = |dockerfile: &str, epoch: &str, args: &[&str]| -> String {
        let project = Project::new(dockerfile);
        let mut command = kiln.command(["build", "-q"]);
        command.args(args).arg(project.dir());
        run_with(command.env("SOURCE_DATE_EPOCH", epoch), Vec::new())
            .ok()
            .out()
    };
    build(
        "FROM busybox\nLABEL tier=old stage=x\nRUN echo old > /old\n",
        "1500000000",
        &["-t", "old:1", "-t", "example.org/team/old:2"],
    );
    build(
        "FROM busybox\nLABEL tier=new\nRUN echo new > /new\n",
        "1600000000",
        &["-t", "new:1", "-t", "new:2"],
    );
    build(
        "FROM busybox\nLABEL tier=none stage=y\nRUN echo nameless > /nameless\n",
        "1550000000",
        &[],
    )
}

#[track_caller]
fn listed(kiln: &Kiln, args: &[&str]) -> Vec<String> {
    let list = ["images", "--format", NAMES].iter().chain(args);
    sorted(&kiln.ok(list))
}

fn sorted(done: &Done) -> Vec<String> {
    let mut lines: Vec<String> = done.out().lines().map(String::from).collect();
    lines.sort();
    lines
}

/// The digests of layers that are in the store.
fn layers(kiln: &Kiln) -> Vec<String> {
    let dir = std::fs::read_dir(kiln.store().join("layers")).unwrap();
    let mut all: Vec<String> = dir
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    all.sort();
    all
}

#[test]
fn image_prune_takes_what_has_no_name() {
    let kiln = Kiln::new();
    let nameless = stocked(&kiln);
    let said = kiln
        .ok(["image", "prune", "-f", "--filter", "label=tier=old"])
        .out();
    assert!(said.ends_with("Total reclaimed space: 0B"), "{said}");
    assert!(!said.contains("deleted:"), "{said}");
    let said = kiln
        .ok(["image", "prune", "--force", "--filter", "until=1540000000"])
        .out();
    assert!(
        !said.contains("deleted:"),
        "the nameless one is younger\n{said}"
    );
    let said = kiln.ok(["image", "prune", "-f"]).out();
    assert!(
        said.contains("Deleted Images:") && said.contains(&nameless),
        "{said}"
    );
    kiln.run(["inspect", &nameless]).code(1);
    assert_eq!(listed(&kiln, &[]).len(), 5);
    // Its layer is the cache's still.
    let again =
        Project::new("FROM busybox\nLABEL tier=none stage=y\nRUN echo nameless > /nameless\n");
    let mut build = kiln.command(["build", "--progress", "plain"]);
    build
        .arg(again.dir())
        .env("SOURCE_DATE_EPOCH", "1550000000");
    assert_all_cached(&run_with(&mut build, Vec::new()).ok());

    let said = kiln
        .ok(["image", "prune", "-af", "--filter", "label=stage=x"])
        .out();
    assert!(said.contains("untagged: old:1"), "{said}");
    assert!(said.contains("untagged: example.org/team/old:2"), "{said}");
    assert!(!said.contains("new:1"), "{said}");
    let said = kiln.ok(["image", "prune", "--all", "--force"]).out();
    for name in ["new:1", "new:2", "busybox:latest"] {
        assert!(said.contains(&format!("untagged: {name}")), "{said}");
    }
    assert_eq!(kiln.ok(["images", "-aq"]).out(), "");
    assert_nothing_left(&kiln);
}

#[test]
fn builder_prune_takes_the_cache_and_leaves_images() {
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox\nRUN echo kept > /kept\n");
    let other = Project::new("FROM busybox\nRUN head -c 2000000 /dev/zero > /gone\n");
    kiln.build(project.dir(), &["-t", "kept"]);
    let id = kiln.build(other.dir(), &["-q"]).out();
    kiln.ok(["rmi", &id]);
    assert_all_cached(&kiln.build(project.dir(), &[]));
    let count = layers(&kiln).len();
    assert_eq!(count, 3);
    let said = kiln.ok(["builder", "prune", "-f"]).out();
    assert!(said.contains("Total reclaimed space: 2MB"), "{said}");
    assert_eq!(
        layers(&kiln).len(),
        2,
        "the layer that only the cache had is gone"
    );
    assert_eq!(kiln.cat("kept", "/kept"), "kept\n");
    let again = kiln.build(project.dir(), &["-t", "again"]);
    assert_eq!(
        crate::harness::executed(&again).len(),
        1,
        "{}",
        again.report()
    );
    // Twice in a row there is nothing to do.
    kiln.ok(["builder", "prune", "-f"]);
    let said = kiln.ok(["builder", "prune", "-f"]).out();
    assert!(said.ends_with("Total reclaimed space: 0B"), "{said}");
    assert_nothing_left(&kiln);
}

#[test]
fn system_prune_takes_both() {
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox\nRUN echo kept > /kept\n");
    kiln.build(project.dir(), &["-t", "kept"]);
    let other = Project::new("FROM busybox\nRUN head -c 3000000 /dev/zero > /gone\n");
    let id = kiln.build(other.dir(), &["-q"]).out();
    let said = kiln.ok(["system", "prune", "-f"]).out();
    assert!(
        said.contains(&id) && said.contains("Total reclaimed space: 3MB"),
        "{said}"
    );
    assert_eq!(listed(&kiln, &[]), ["busybox:latest", "kept:latest"]);
    assert_eq!(kiln.cat("kept", "/kept"), "kept\n");
    assert_eq!(layers(&kiln).len(), 2);
    kiln.ok(["system", "prune", "-af"]);
    assert_eq!(kiln.ok(["images", "-aq"]).out(), "");
    assert_eq!(layers(&kiln).len(), 0, "nothing is left of all that");
    let left: u64 = ["recipes", "tmp"]
        .iter()
        .filter_map(|d| std::fs::read_dir(kiln.store().join(d)).ok())
        .map(|d| d.count() as u64)
        .sum();
    assert_eq!(left, 0);
    // The store is as good as new.
    run_with(
        &mut kiln.command(["import", "-", "busybox"]),
        base_tar().to_vec(),
    )
    .ok();
    kiln.build(project.dir(), &["-t", "kept"]);
    assert_eq!(kiln.cat("kept", "/kept"), "kept\n");
}

#[test]
fn a_shared_layer_stays_until_the_last_image_goes() {
    let kiln = Kiln::new();
    let base = "FROM busybox\nRUN echo shared > /shared\n";
    let one = Project::new(&format!("{base}RUN echo one > /one\n"));
    let two = Project::new(&format!("{base}RUN echo two > /two\n"));
    kiln.build(one.dir(), &["-t", "one"]);
    kiln.build(two.dir(), &["-t", "two"]);
    // Loaded, so that the cache has none of their layers.
    let archive = kiln.ok(["save", "one", "two"]).stdout;
    let kiln = Kiln::empty();
    run_with(&mut kiln.command(["load"]), archive).ok();
    assert_eq!(layers(&kiln).len(), 4);
    let said = kiln.ok(["rmi", "one"]).out();
    assert_eq!(
        said.lines().filter(|l| l.starts_with("Deleted: ")).count(),
        2,
        "{said}"
    );
    assert_eq!(layers(&kiln).len(), 3);
    assert_eq!(kiln.cat("two", "/shared"), "shared\n");
    kiln.ok(["tag", "two", "kept"]);
    kiln.ok(["image", "prune", "-af", "--filter", "label=nobody-has-this"]);
    kiln.ok(["rmi", "two"]);
    assert_eq!(layers(&kiln).len(), 3);
    kiln.ok(["system", "prune", "-f"]);
    assert_eq!(kiln.cat("kept", "/two"), "two\n");
    let said = kiln.ok(["rmi", "kept"]).out();
    assert_eq!(
        said.lines().filter(|l| l.starts_with("Deleted: ")).count(),
        4,
        "{said}"
    );
    assert_eq!(layers(&kiln).len(), 0);
    assert_nothing_left(&kiln);
}

#[test]
fn df_adds_up() {
    let kiln = Kiln::new();
    let df = |kiln: &Kiln| -> Vec<String> {
        let format = "{{.Type}}|{{.TotalCount}}|{{.Size}}|{{.Reclaimable}}";
        let out = kiln.ok(["system", "df", "--format", format]).out();
        out.lines().map(String::from).collect()
    };
    // How many records a build makes is its own affair.
    let cache = |kiln: &Kiln| -> (bool, String) {
        let format = "{{.TotalCount}} {{.Size}} {{.Reclaimable}}";
        let out = kiln.ok(["system", "df", "--format", format]).out();
        let (count, sizes) = out.lines().last().unwrap().split_once(' ').unwrap();
        (count != "0", sizes.to_owned())
    };
    let size = |kiln: &Kiln, name: &str| kiln.inspect(name)["Size"].as_u64().unwrap();
    let base = size(&kiln, "busybox");
    let mb = docker_size;
    assert_eq!(df(&kiln)[0], format!("Images|1|{}|0B (0%)", mb(base)));
    let project = Project::new("FROM busybox\nRUN head -c 5000000 /dev/zero > /five\n");
    kiln.build(project.dir(), &["-t", "five", "-t", "cinq"]);
    assert_eq!(size(&kiln, "five"), base + 5_000_000);
    let rows = df(&kiln);
    // A layer that two images have is counted once.
    assert_eq!(
        rows[0],
        format!("Images|2|{}|0B (0%)", mb(base + 5_000_000))
    );
    assert_eq!(rows[1..3], ["Containers|0|0B|0B", "Local Volumes|0|0B|0B"]);
    assert_eq!(
        cache(&kiln),
        (true, "0B 0B".to_owned()),
        "its layer is an image's"
    );
    let other = Project::new("FROM busybox\nRUN head -c 3000000 /dev/zero > /three\n");
    let id = kiln.build(other.dir(), &["-q"]).out();
    let all = base + 8_000_000;
    let percent = 3_000_000 * 100 / all;
    assert_eq!(
        df(&kiln)[0],
        format!("Images|3|{}|3MB ({percent}%)", mb(all))
    );
    kiln.ok(["rmi", &id]);
    assert_eq!(
        df(&kiln)[0],
        format!("Images|2|{}|0B (0%)", mb(base + 5_000_000))
    );
    assert_eq!(cache(&kiln), (true, "3MB 3MB".to_owned()));
    let said = kiln.ok(["builder", "prune", "-f"]).out();
    assert!(said.contains("Total reclaimed space: 3MB"), "{said}");
    assert_eq!(df(&kiln)[3], "Build Cache|0|0B|0B");
    let table = kiln.ok(["system", "df"]).out();
    let heading: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(heading, ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]);
    assert_eq!(table.lines().count(), 5);
    let json = kiln.ok(["system", "df", "--format", "json"]).out();
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(first["Type"], "Images");
}

/// Docker's way to write sizes: four digits, powers of 1000.
fn docker_size(bytes: u64) -> String {
    let (mut n, mut unit) = (bytes as f64, 0);
    while n >= 1000.0 {
        n /= 1000.0;
        unit += 1;
    }
    let digits = match n {
        n if n >= 100.0 => 1,
        n if n >= 10.0 => 2,
        _ => 3,
    };
    let text = format!("{n:.digits$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{}", ["B", "kB", "MB", "GB"][unit])
}

#[test]
fn nothing_is_pruned_unless_somebody_says_yes() {
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox\nRUN echo x > /x\n");
    let id = kiln.build(project.dir(), &["-q"]).out();
    for command in [
        &["image", "prune"][..],
        &["image", "prune", "-a"],
        &["builder", "prune"],
        &["system", "prune"],
        &["system", "prune", "-a"],
    ] {
        for answer in ["", "\n", "n\n", "N\n", "no\n", "ja\n", "yn\n", "q"] {
            let done = run_with(&mut kiln.command(command), answer.into()).ok();
            let said = done.out();
            assert!(
                said.contains("WARNING! This will remove"),
                "{}",
                done.report()
            );
            assert!(
                said.contains("Are you sure you want to continue? [y/N]"),
                "{said}"
            );
            assert!(
                !said.contains("Total reclaimed"),
                "{command:?}, {answer:?}: {said}"
            );
        }
    }
    assert_all_cached(&kiln.build(project.dir(), &[]));
    kiln.inspect(&id);
    kiln.inspect("busybox");
    for (command, answer) in [
        (&["builder", "prune"][..], "y\n"),
        (&["image", "prune"], "Y\n"),
        (&["system", "prune", "-a"], "y"),
    ] {
        let done = run_with(&mut kiln.command(command), answer.into()).ok();
        assert!(
            done.out().contains("Total reclaimed space:"),
            "{}",
            done.report()
        );
    }
    assert_eq!(kiln.ok(["images", "-q"]).out(), "");
}
