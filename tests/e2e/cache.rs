//! What is reused, and what is not.

use std::process::Command;

use crate::harness::{Kiln, Project, assert_all_cached, executed, run, steps};

const THREE: &str = "\
FROM busybox
RUN echo first > /first
COPY file /file
RUN echo last > /last
";

fn three() -> Project {
    Project::new(THREE).with("file", "content\n")
}

#[test]
fn a_second_build_does_nothing_and_gives_the_same_image() {
    let (kiln, project) = (Kiln::new(), three());
    let first = kiln.build(project.dir(), &["-t", "x"]);
    assert_eq!(executed(&first).len(), 3, "{}", first.report());
    let id = kiln.id("x");
    let again = kiln.build(project.dir(), &["-t", "x"]);
    assert_all_cached(&again);
    assert_eq!(steps(&again).len(), 3);
    assert_eq!(kiln.id("x"), id);
}

#[test]
fn times_of_files_do_not_count() {
    let (kiln, project) = (Kiln::new(), three());
    kiln.build(project.dir(), &[]);
    run(Command::new("touch")
        .arg("-d")
        .arg("2001-02-03")
        .arg(project.path("file")))
    .ok();
    assert_all_cached(&kiln.build(project.dir(), &[]));
    // Written anew with the same text: another inode, another time, the same content.
    std::fs::remove_file(project.path("file")).unwrap();
    project.write("file", "content\n");
    assert_all_cached(&kiln.build(project.dir(), &[]));
}

#[test]
fn changed_content_misses_from_there_on() {
    let (kiln, project) = (Kiln::new(), three());
    kiln.build(project.dir(), &[]);
    // As many bytes as before.
    project.write("file", "CONTENT\n");
    let changed = kiln.build(project.dir(), &["-t", "x"]);
    assert_eq!(
        executed(&changed),
        ["COPY file /file", "RUN echo last > /last"]
    );
    assert_eq!(kiln.cat("x", "/file"), "CONTENT\n");
    project.write("file", "content\n");
    assert_all_cached(&kiln.build(project.dir(), &["-t", "x"]));
    assert_eq!(kiln.cat("x", "/file"), "content\n");
}

#[test]
fn changed_content_with_the_old_time_and_size_is_noticed() {
    let (kiln, project) = (Kiln::new(), three());
    let set = |text: &str| {
        std::fs::write(project.path("file"), text).unwrap();
        run(Command::new("touch")
            .args(["-d", "@1000000000"])
            .arg(project.path("file")))
        .ok();
    };
    set("content\n");
    kiln.build(project.dir(), &[]);
    set("CONTENT\n");
    let changed = kiln.build(project.dir(), &["-t", "x"]);
    assert_eq!(executed(&changed).len(), 2, "{}", changed.report());
    assert_eq!(kiln.cat("x", "/file"), "CONTENT\n");
}

#[test]
fn a_changed_mode_misses() {
    let (kiln, project) = (Kiln::new(), three());
    kiln.build(project.dir(), &[]);
    project.chmod("file", 0o755);
    let changed = kiln.build(project.dir(), &["-t", "x"]);
    assert_eq!(
        executed(&changed),
        ["COPY file /file", "RUN echo last > /last"]
    );
    assert_eq!(kiln.image("x").tree.get("/file").unwrap().mode, 0o755);
}

#[test]
fn names_and_new_files_in_a_directory_count() {
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox\nCOPY dir /dir\n").with("dir/a", "1");
    kiln.build(project.dir(), &[]);
    project.write("dir/b", "1");
    assert_eq!(executed(&kiln.build(project.dir(), &[])).len(), 1);
    std::fs::rename(project.path("dir/b"), project.path("dir/c")).unwrap();
    assert_eq!(executed(&kiln.build(project.dir(), &["-t", "x"])).len(), 1);
    let image = kiln.image("x");
    assert!(image.tree.get("/dir/c").is_some() && image.tree.get("/dir/b").is_none());
}

#[test]
fn files_that_nothing_copies_do_not_count() {
    let (kiln, project) = (Kiln::new(), three());
    kiln.build(project.dir(), &[]);
    project.write("other", "not copied");
    assert_all_cached(&kiln.build(project.dir(), &[]));
}

#[test]
fn ignored_files_do_not_count() {
    let kiln = Kiln::new();
    let project = Project::new("FROM busybox\nCOPY . /all\n")
        .with(".dockerignore", "*.log\n")
        .with("kept", "1")
        .with("a.log", "1");
    kiln.build(project.dir(), &[]);
    project.write("a.log", "2");
    project.write("b.log", "3");
    assert_all_cached(&kiln.build(project.dir(), &[]));
    project.write("kept", "2");
    assert_eq!(executed(&kiln.build(project.dir(), &[])).len(), 1);
}

#[test]
fn the_dockerfiles_name_and_comments_do_not_count() {
    let (kiln, project) = (Kiln::new(), three());
    kiln.build(project.dir(), &["-t", "a"]);
    project.write("Other.Dockerfile", format!("# a comment\n{THREE}"));
    let other = project.path("Other.Dockerfile");
    assert_all_cached(&kiln.build(project.dir(), &["-t", "b", "-f", other.to_str().unwrap()]));
    assert_eq!(kiln.id("a"), kiln.id("b"));
}

#[test]
fn two_dockerfiles_share_what_they_have_in_common() {
    let (kiln, project) = (Kiln::new(), three());
    kiln.build(project.dir(), &[]);
    let other = Project::new(&THREE.replace("last", "else")).with("file", "content\n");
    assert_eq!(
        executed(&kiln.build(other.dir(), &[])),
        ["RUN echo else > /else"]
    );
}

#[test]
fn metadata_in_between_does_not_count_for_files() {
    let (kiln, project) = (Kiln::new(), three());
    kiln.build(project.dir(), &["-t", "a"]);
    let labelled = THREE.replace("COPY", "LABEL x=y\nEXPOSE 80\nCOPY");
    let other = Project::new(&labelled).with("file", "content\n");
    assert_all_cached(&kiln.build(other.dir(), &["-t", "b"]));
    assert_ne!(kiln.id("a"), kiln.id("b"));
    assert_eq!(kiln.inspect("b")["Config"]["Labels"]["x"], "y");
    assert!(kiln.inspect("a")["Config"]["Labels"].is_null());
}

#[test]
fn an_edited_run_misses_even_if_it_changes_no_file() {
    let (kiln, project) = (
        Kiln::new(),
        Project::new("FROM busybox\nRUN true\nRUN cat /proc/sys/kernel/random/uuid > /now\n"),
    );
    kiln.build(project.dir(), &["-t", "x"]);
    let before = kiln.cat("x", "/now");
    project.write(
        "Dockerfile",
        "FROM busybox\nRUN true again\nRUN cat /proc/sys/kernel/random/uuid > /now\n",
    );
    assert_eq!(executed(&kiln.build(project.dir(), &["-t", "x"])).len(), 2);
    assert_ne!(kiln.cat("x", "/now"), before);
}

#[test]
fn environment_counts() {
    let (kiln, project) = (
        Kiln::new(),
        Project::new("FROM busybox\nENV A=1\nRUN echo $A > /a\n"),
    );
    kiln.build(project.dir(), &[]);
    project.write("Dockerfile", "FROM busybox\nENV A=2\nRUN echo $A > /a\n");
    assert_eq!(executed(&kiln.build(project.dir(), &["-t", "x"])).len(), 1);
    assert_eq!(kiln.cat("x", "/a"), "2\n");
}

#[test]
fn arguments_count_from_where_they_are_declared() {
    let kiln = Kiln::new();
    let project =
        Project::new("FROM busybox\nRUN echo before > /before\nARG V=0\nRUN echo $V > /after\n");
    kiln.build(project.dir(), &["--build-arg", "V=1"]);
    let two = kiln.build(project.dir(), &["--build-arg", "V=2", "-t", "x"]);
    assert_eq!(executed(&two), ["RUN echo $V > /after"]);
    assert_eq!(kiln.cat("x", "/after"), "2\n");
    assert_all_cached(&kiln.build(project.dir(), &["--build-arg", "V=1"]));
    // One that no ARG declares changes nothing.
    let unused = kiln.build(project.dir(), &["--build-arg", "V=1", "--build-arg", "W=1"]);
    assert_all_cached(&unused);
    assert!(
        unused.err().contains("[W] were not consumed"),
        "{}",
        unused.err()
    );
}

#[test]
fn proxies_do_not_count() {
    let (kiln, project) = (Kiln::new(), three());
    kiln.build(project.dir(), &[]);
    let proxied = kiln.build(project.dir(), &["--build-arg", "HTTP_PROXY=http://p:1"]);
    assert_all_cached(&proxied);
}

#[test]
fn no_cache_runs_all_again_and_renews_the_records() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /now\nRUN echo x > /x\n",
    );
    kiln.build(project.dir(), &["-t", "x"]);
    let before = kiln.cat("x", "/now");
    let fresh = kiln.build(project.dir(), &["--no-cache", "-t", "x"]);
    assert_eq!(executed(&fresh).len(), 2);
    let renewed = kiln.cat("x", "/now");
    assert_ne!(before, renewed);
    assert_all_cached(&kiln.build(project.dir(), &["-t", "x"]));
    assert_eq!(
        kiln.cat("x", "/now"),
        renewed,
        "the newest result is the one to reuse"
    );
    assert_all_cached(&kiln.build(project.dir(), &["--no-cache=false"]));
}

#[test]
fn no_cache_filter_runs_only_the_named_stages_again() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox AS one\nRUN echo 1 > /one\n\
         FROM busybox AS two\nRUN echo 2 > /two\n\
         FROM busybox\nCOPY --from=one /one /\nCOPY --from=two /two /\n",
    );
    kiln.build(project.dir(), &[]);
    let filtered = kiln.build(project.dir(), &["--no-cache-filter", "two"]);
    assert_eq!(executed(&filtered), ["RUN echo 2 > /two"]);
    let both = kiln.build(project.dir(), &["--no-cache-filter", "one,two"]);
    assert_eq!(executed(&both).len(), 2);
}

#[test]
fn what_a_stage_is_copied_from_counts_by_content() {
    let kiln = Kiln::new();
    let text = |extra: &str| {
        format!(
            "FROM busybox AS one\nRUN echo same > /one{extra}\n\
             FROM busybox\nCOPY --from=one /one /\nRUN echo end > /end\n"
        )
    };
    let project = Project::new(&text(""));
    kiln.build(project.dir(), &["-t", "x"]);
    // The stage does something else and the copied file comes out the same.
    project.write("Dockerfile", text(" && echo > /unused"));
    let other = kiln.build(project.dir(), &["-t", "x"]);
    assert_eq!(executed(&other).len(), 1, "{}", other.report());
    project.write("Dockerfile", text(" && echo more >> /one"));
    assert_eq!(executed(&kiln.build(project.dir(), &["-t", "x"])).len(), 3);
    assert_eq!(kiln.cat("x", "/one"), "same\nmore\n");
}

#[test]
fn another_base_misses() {
    let (kiln, project) = (
        Kiln::new(),
        Project::new("ARG B=busybox\nFROM $B\nRUN cat /base > /seen; true\n"),
    );
    kiln.build(project.dir(), &[]);
    let base = Project::new("FROM busybox\nRUN echo other > /base\n");
    kiln.build(base.dir(), &["-t", "other"]);
    assert_eq!(
        executed(&kiln.build(project.dir(), &["--build-arg", "B=other", "-t", "x"])).len(),
        1
    );
    assert_eq!(kiln.cat("x", "/seen"), "other\n");
}

#[test]
fn removed_images_leave_their_cache() {
    let (kiln, project) = (Kiln::new(), three());
    kiln.build(project.dir(), &["-t", "x"]);
    let id = kiln.id("x");
    kiln.ok(["rmi", "x"]);
    kiln.run(["inspect", "x"]).code(1);
    kiln.build(project.dir(), &["-t", "x"]);
    let image = kiln.image("x");
    assert_eq!(image.tree.text("/last"), "last\n");
    assert_eq!(kiln.id("x"), id);
}
