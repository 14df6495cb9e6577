//! `export` and `import`: the files of an image without its history, with a config of one's own.

use std::process::Command;

use super::{project, text};
use crate::harness::{
    Dockerd, Kiln, Server, Tree, base_tar, compare_configs, compare_trees, program, run_with,
};

#[test]
fn what_is_exported_is_imported() {
    let (kiln, project) = (Kiln::new(), project());
    kiln.build(project.dir(), &["-t", "app:1"]);
    let ours = kiln.image("app:1");
    let tar = kiln.ok(["export", "app:1"]).stdout;
    let flat = Tree::of_layers([tar.as_slice()]).unwrap();
    let found = compare_trees(&flat, &ours.tree);
    assert!(found.is_empty(), "{found:#?}");
    let file = kiln.file("flat.tar");
    kiln.ok(["export", "--output", text(&file), "app:1"]);
    assert!(std::fs::read(&file).unwrap() == tar, "the same in a file");

    let id = run_with(&mut kiln.command(["import", "-", "flat:1"]), tar)
        .ok()
        .out();
    assert_eq!(kiln.id("flat:1"), id);
    let image = kiln.image("flat:1");
    let found = compare_trees(&image.tree, &ours.tree);
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(image.config["history"].as_array().unwrap().len(), 1);
    assert_eq!(
        image.config["rootfs"]["diff_ids"].as_array().unwrap().len(),
        1
    );
    assert!(image.config["config"]["Entrypoint"].is_null());
    assert!(image.config["config"]["Env"].is_null());
    assert_eq!(kiln.inspect("flat:1")["Comment"], "Imported from -");
    let listed = kiln
        .ok(["history", "--format", "{{.Comment}}", "flat:1"])
        .out();
    assert_eq!(listed, "Imported from -");

    kiln.run(["export", "nope"]).code(1);
    kiln.run(["export", "-o", text(&file), "nope"]).code(1);
    assert!(file.exists(), "what was there stays");
}

#[test]
fn import_from_files_pipes_and_urls() {
    let mut gzip = Command::new(program("gzip", "gzip"));
    let packed = run_with(gzip.arg("-1"), base_tar().to_vec()).ok().stdout;
    let server = Server::start([
        ("base.tar", base_tar().to_vec()),
        ("base.tar.gz", packed.clone()),
        ("page.html", b"<html>not a tar</html>\n".to_vec()),
    ]);
    let wanted = Tree::of_layers([base_tar()]).unwrap();
    let check = |kiln: &Kiln, what: &str| {
        let found = compare_trees(&kiln.image("base:v").tree, &wanted);
        assert!(found.is_empty(), "{what}: {found:#?}");
    };
    let mut ids = Vec::new();
    for file in ["base.tar", "base.tar.gz"] {
        let kiln = Kiln::empty();
        let url = format!("{}/{file}", server.url());
        let id = kiln.ok(["import", &url, "base:v"]).out();
        assert_eq!(kiln.id("base:v"), id);
        assert_eq!(
            kiln.inspect("base:v")["Comment"],
            format!("Imported from {url}")
        );
        check(&kiln, file);
        ids.push(kiln.inspect("base:v")["RootFS"]["Layers"].clone());
    }
    for (what, data) in [("tar", base_tar()), ("gzip", &packed)] {
        let kiln = Kiln::empty();
        run_with(&mut kiln.command(["import", "-", "base:v"]), data.to_vec()).ok();
        check(&kiln, what);
        ids.push(kiln.inspect("base:v")["RootFS"]["Layers"].clone());
    }
    assert!(ids.iter().all(|i| *i == ids[0]), "the same layer each time");

    let kiln = Kiln::empty();
    for (path, says) in [("nope", "404"), ("page.html", "tar")] {
        let done = kiln
            .run(["import", &format!("{}/{path}", server.url()), "x"])
            .code(1);
        assert!(done.err().contains(says), "{}", done.report());
        crate::harness::assert_nothing_left(&kiln);
    }
    let done = kiln.run(["import", "http://127.0.0.1:1/x", "x"]).code(1);
    assert!(done.err().contains("127.0.0.1:1"), "{}", done.report());
    assert_eq!(kiln.ok(["images", "-q"]).out(), "");
}

/// Instructions of `--change`, several of them where one needs another.
const CHANGES: [&[&str]; 26] = [
    &["CMD [\"a\", \"b c\"]"],
    &["CMD echo $HOME && true"],
    &["cmd [\"small\"]"],
    &["ENTRYPOINT [\"/x\", \"$y\"]"],
    &["ENTRYPOINT run me"],
    &["CMD [\"a\"]", "ENTRYPOINT [\"b\"]"],
    &["ENTRYPOINT [\"b\"]", "CMD [\"a\"]"],
    &["ENV A=1"],
    &["ENV A 1 2 3"],
    &["ENV A=1 B=\"two words\" C=x\\ y"],
    &["ENV A=1", "ENV B=$A-${A:-no}${none:+x}", "ENV A=2"],
    &["ENV PATH=/x:$PATH"],
    &["EXPOSE 80"],
    &["EXPOSE 80 53/udp 8000-8002/tcp"],
    &["EXPOSE 80", "EXPOSE 81"],
    &["HEALTHCHECK NONE"],
    &["HEALTHCHECK --interval=5s --timeout=1m --retries=3 --start-period=2s CMD [\"x\"]"],
    &["HEALTHCHECK CMD curl -f http://localhost/"],
    &["LABEL a=b \"c d\"=\"e f\""],
    &["LABEL a=b", "LABEL a=c x=y"],
    &["ONBUILD RUN echo x"],
    &["ONBUILD COPY a /b", "ONBUILD ENV A=1"],
    &["USER app:staff", "WORKDIR /srv"],
    &["VOLUME /data", "VOLUME [\"/a\", \"/b c\"]"],
    &["WORKDIR /a", "WORKDIR b", "WORKDIR ../c"],
    &["WORKDIR relative"],
];

#[test]
fn changes_are_dockers() {
    let (kiln, docker) = (Kiln::empty(), Dockerd::start());
    let small = super::forge::Tar::new().dir("d/").file("f", b"x").done();
    let mut wrong = Vec::new();
    for (n, changes) in CHANGES.iter().enumerate() {
        let name = format!("changed:{n}");
        let flags = changes.iter().flat_map(|c| ["--change", c]);
        let args: Vec<&str> = ["import"]
            .into_iter()
            .chain(flags)
            .chain(["-", &name])
            .collect();
        run_with(&mut docker.command(&args), small.clone()).ok();
        run_with(&mut kiln.command(&args), small.clone()).ok();
        let (ours, theirs) = (kiln.image(&name), docker.image(&name));
        for line in compare_configs(&ours, &theirs) {
            wrong.push(format!("{changes:?}: {line}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn changes_that_are_refused() {
    let (kiln, docker) = (Kiln::empty(), Dockerd::start());
    let small = super::forge::Tar::new().file("f", b"x").done();
    for (change, says) in [
        ("RUN true", "RUN"),
        ("COPY a /b", "COPY"),
        ("ADD a /b", "ADD"),
        ("FROM busybox", "FROM"),
        ("ARG A=1", "ARG"),
        ("SHELL [\"/bin/sh\"]", "SHELL"),
        ("MAINTAINER me", "MAINTAINER"),
        ("NOPE x", "NOPE"),
        ("ENV", "ENV"),
        ("EXPOSE 99999999", "99999999"),
        ("STOPSIGNAL SIGNOPE", "SIGNOPE"),
    ] {
        let args = ["import", "-c", "ENV A=1", "-c", change, "-", "x"];
        let done = run_with(&mut kiln.command(args), small.clone()).code(1);
        let err = done.err();
        let errors = err.lines().filter(|l| l.starts_with("ERROR")).count();
        assert!(errors == 1 && err.contains(says), "{}", done.report());
        assert_eq!(kiln.ok(["images", "-q"]).out(), "", "{change:?}");
        crate::harness::assert_nothing_left(&kiln);
        run_with(&mut docker.command(args), small.clone()).code(1);
    }
    // Docker 20.10 doesn't know this one here.
    let args = ["import", "-c", "STOPSIGNAL SIGQUIT", "-", "signal"];
    run_with(&mut kiln.command(args), small).ok();
    assert_eq!(kiln.inspect("signal")["Config"]["StopSignal"], "SIGQUIT");
}
