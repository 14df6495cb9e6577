//! Layers that other programs wrote: kept byte for byte, and built on.

use std::path::PathBuf;
use std::process::Command;

use super::forge::{Tar, config, docker_archive, docker_members, json_bytes, oci_image, pack};
use super::text;
use crate::harness::{
    Archive, Dockerd, Kiln, Project, Tree, base_tar, compare_trees, program, run, run_with,
};

/// A directory with names and kinds that archivers write differently.
fn files(kiln: &Kiln) -> PathBuf {
    let dir = kiln.file("files");
    let script = r#"
        mkdir -p w/dir/sub && cd w
        echo content > dir/file && ln dir/file hard && ln -s dir/file soft && : > dir/empty
        head -c 70001 /dev/zero | tr '\0' z > dir/big
        long=$(printf 'n%.0s' $(seq 150)); echo x > "dir/$long" && ln -s "$long" dir/link
        deep=dir/$(printf 'd%.0s/' $(seq 120)); mkdir -p "$deep" && echo deep > "$deep/leaf"
        printf x > "dir/caf$(printf '\303\251')" && printf x > "dir/$(printf '\377')"
        mkfifo pipe && mknod null c 1 3 && chmod 4751 dir/big && chown 70000:12 dir/empty
        truncate -s 200000 sparse && echo end >> sparse
        find . -exec touch -h -d '2020-09-13 12:26:40.123456789' {} +
    "#;
    std::fs::create_dir(&dir).unwrap();
    let mut sh = Command::new("sh");
    run(sh.args(["-ec", script]).current_dir(&dir)).ok();
    dir
}

/// What GNU tar makes of it, with these options; the names as given.
#[track_caller]
fn gnu_tar(dir: &PathBuf, args: &[&str]) -> Vec<u8> {
    let mut tar = Command::new(program("tar", "tar"));
    tar.arg("-C").arg(dir).args(["-cf", "-"]).args(args);
    run(&mut tar).ok().stdout
}

#[test]
fn foreign_layers_keep_their_bytes_and_are_built_on() {
    let kiln = Kiln::empty();
    let dir = files(&kiln);
    let plain = gnu_tar(&dir, &["--format=gnu", "w"]);
    let mut odd = plain.clone();
    odd.extend([0; 3001]);
    let end = plain.len() - plain.iter().rev().take_while(|b| **b == 0).count();
    let no_end = plain[..end.next_multiple_of(512)].to_vec();
    let mut remark = plain.clone();
    remark.extend(b"something after the end");
    let layers = [
        ("GNU", plain),
        ("./", gnu_tar(&dir, &["--format=gnu", "-b1", "."])),
        ("PAX", gnu_tar(&dir, &["--format=posix", "./w"])),
        (
            "PAX with all there is",
            gnu_tar(
                &dir,
                &[
                    "--format=posix",
                    "--xattrs",
                    "--acls",
                    "--pax-option=globexthdr.comment=x",
                    "w",
                ],
            ),
        ),
        (
            "absolute",
            gnu_tar(&dir, &["-P", "--transform=s,^w,//w,", "w"]),
        ),
        (
            "numbers only",
            gnu_tar(&dir, &["--numeric-owner", "--sort=name", "w"]),
        ),
        ("sparse", gnu_tar(&dir, &["--format=gnu", "--sparse", "w"])),
        ("large records", gnu_tar(&dir, &["-b2048", "w"])),
        ("odd padding", odd),
        ("no end", no_end),
        ("a remark", remark),
    ];
    let stores = [Kiln::empty(), Kiln::empty()];
    for (name, layer) in layers {
        let config = json_bytes(&config(&[base_tar(), &layer]));
        let archives = [
            (
                "docker",
                pack(&docker_members(&config, &[base_tar(), &layer])),
            ),
            ("oci", pack(&oci_image(&config, &[base_tar(), &layer]))),
        ];
        for (kiln, (form, archive)) in stores.iter().zip(archives) {
            run_with(&mut kiln.command(["load"]), archive).ok();
            let saved = kiln.save("forged");
            let read = Archive::read(&saved);
            let manifest = read.manifest();
            let of = |n: usize| read.member(manifest[0]["Layers"][n].as_str().unwrap());
            assert!(of(0) == base_tar(), "{name}, {form}: the base");
            assert!(of(1) == layer, "{name}, {form}: the layer's bytes");
            let written = read.member(manifest[0]["Config"].as_str().unwrap());
            assert!(written == config, "{name}, {form}: the config's bytes");
            if form == "oci" {
                continue;
            }
            let build = Project::new(
                "FROM forged\nRUN cat /w/dir/file /w/hard /w/soft /w/dir/sub/../file > /seen \
                 && tail -c 4 /w/sparse >> /seen && stat -c '%a %u:%g %s' /w/dir/big /w/dir/empty \
                 >> /seen && ls /w/dir | wc -l >> /seen && echo more >> /w/hard\n",
            );
            kiln.build(build.dir(), &["-t", "built"]);
            let image = kiln.image("built");
            assert_eq!(
                image.tree.text("/seen"),
                "content\ncontent\ncontent\ncontent\nend\n4751 0:0 70001\n644 70000:12 0\n9\n",
                "{name}"
            );
            assert_eq!(image.tree.text("/w/dir/file").lines().count(), 1, "{name}");
            let again = Archive::read(&kiln.save("built"));
            let manifest = again.manifest();
            let kept = again.member(manifest[0]["Layers"][1].as_str().unwrap());
            assert!(kept == layer, "{name}: the layer below another is the same");
        }
    }
}

/// Three layers: the middle one's files are deleted, hidden and replaced by the last.
fn deletions() -> Vec<u8> {
    let middle = Tar::new()
        .dir("w/")
        .dir("w/a/")
        .file("w/a/x", b"x")
        .file("w/a/y", b"y")
        .dir("w/b/")
        .file("w/b/x", b"x")
        .dir("w/b/sub/")
        .file("w/b/sub/x", b"x")
        .dir("w/c/")
        .file("w/c/x", b"x")
        .file("w/f", b"file")
        .dir("w/g/")
        .file("w/g/x", b"x")
        .symlink("w/l", "a")
        .file("w/h1", b"hard")
        .link("w/h2", "w/h1")
        .file("w/.hidden", b"h")
        .done();
    let last = Tar::new()
        .dir("w/")
        .dir("w/a/")
        .file("w/a/.wh.x", b"")
        .dir("w/b/")
        .file("w/b/new", b"new")
        // The mark may come after what it spares.
        .file("w/b/.wh..wh..opq", b"")
        .file("w/.wh.c", b"")
        // A file becomes a directory, a directory becomes a file.
        .dir("w/f/")
        .file("w/f/in", b"in")
        .file("w/g", b"now a file")
        .file("w/.wh.l", b"")
        .file("w/.wh.h1", b"")
        .file("w/.wh..hidden", b"")
        // Nothing is deleted here, and nothing is wrong with that.
        .file("w/a/.wh.never-there", b"")
        .dir("w/.wh..wh.plnk/")
        .done();
    docker_archive(&[base_tar(), &middle, &last])
}

#[test]
fn deletions_of_foreign_layers_are_deletions() {
    let archive = deletions();
    let kiln = Kiln::empty();
    run_with(&mut kiln.command(["load"]), archive.clone()).ok();
    let script = "test ! -e /w/a/x && test -e /w/a/y && test ! -e /w/b/x && test ! -e /w/b/sub \
                  && test -e /w/b/new && test ! -e /w/c && test -d /w/f && test -f /w/f/in \
                  && test -f /w/g && test ! -L /w/l && test ! -e /w/h1 && test -e /w/h2 \
                  && test ! -e /w/.hidden";
    let list = "cd /w && find . -exec stat -c '%n %F %a %u %s' {} + | sort";
    let build = Project::new(&format!(
        "FROM forged\nRUN {script}\nRUN {list} > /list && echo again > /w/c && rm /w/b/new\n"
    ));
    kiln.build(build.dir(), &["-t", "built"]);
    assert_eq!(kiln.cat("built", "/w/c"), "again\n");
    let image = kiln.image("built");
    assert!(image.tree.get("/w/b/new").is_none());

    // The same as docker sees.
    let docker = Dockerd::start();
    run_with(&mut docker.command(["load"]), archive).ok();
    let run = [
        "run",
        "--rm",
        "--network",
        "host",
        "--entrypoint",
        "sh",
        "forged",
        "-c",
        list,
    ];
    assert_eq!(image.tree.text("/list").trim_end(), docker.ok(run).out());
    // And as the test's own code merges the layers; what is exported has no marks any more.
    let merged = kiln.image("forged").tree;
    let exported = kiln.ok(["export", "forged"]).stdout;
    let flat = Tree::of_layers([exported.as_slice()]).unwrap();
    let found = compare_trees(&flat, &merged);
    assert!(found.is_empty(), "{found:#?}");
}

/// What is in a layer is not what the same layer deletes (OCI `layer.md`, "Whiteouts"). Docker's
/// overlay2 shows the old files again.
#[test]
fn a_directory_that_is_deleted_and_made_anew() {
    let lower = Tar::new()
        .dir("k/")
        .file("k/old", b"old")
        .dir("f/")
        .file("f/old", b"old")
        .done();
    let upper = Tar::new()
        .file(".wh.k", b"")
        .dir("k/")
        .file("k/new", b"new")
        .file(".wh.f", b"")
        .file("f", b"now a file")
        .done();
    let kiln = Kiln::empty();
    let archive = docker_archive(&[base_tar(), &lower, &upper]);
    run_with(&mut kiln.command(["load"]), archive).ok();
    let build = Project::new("FROM forged\nRUN ls /k > /list && cat /f >> /list\n");
    kiln.build(build.dir(), &["-t", "built"]);
    assert_eq!(kiln.cat("built", "/list"), "new\nnow a file");
    let exported = kiln.ok(["export", "forged"]).stdout;
    let flat = Tree::of_layers([exported.as_slice()]).unwrap();
    assert!(flat.get("k/old").is_none());
    let saved = Archive::read(&kiln.save("forged"));
    let manifest = saved.manifest();
    assert!(saved.member(manifest[0]["Layers"][2].as_str().unwrap()) == upper);
}

/// PAX records have lengths: a line's end in a value ends no record.
#[test]
fn names_and_attributes_with_newlines() {
    let home = Kiln::empty();
    let dir = home.file("files");
    // Two capabilities whose bits together are the byte of a newline.
    let script = r#"
        mkdir w && echo x > w/able && setcap cap_dac_override,cap_fowner=p w/able
        long=$(printf 'n%.0s' $(seq 120)); echo long > "w/$long
12 path=evil
"
        setfattr -n user.lines -v "one
30 SCHILY.xattr.user.evil=two
" w
    "#;
    for (name, package) in [("setcap", "libcap2-bin"), ("setfattr", "attr")] {
        program(name, package);
    }
    std::fs::create_dir(&dir).unwrap();
    let mut sh = Command::new("sh");
    sh.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    run(sh.args(["-ec", script]).current_dir(&dir)).ok();
    let layer = gnu_tar(
        &dir,
        &["--format=posix", "--xattrs", "--xattrs-include=*", "w"],
    );
    let kiln = Kiln::empty();
    let archive = docker_archive(&[base_tar(), &layer]);
    run_with(&mut kiln.command(["load"]), archive).ok();
    let saved = Archive::read(&kiln.save("forged"));
    let manifest = saved.manifest();
    assert!(saved.member(manifest[0]["Layers"][1].as_str().unwrap()) == layer);
    // In a layer of kiln's own, out to a directory, and in again.
    run_with(&mut kiln.command(["import", "-", "own"]), layer).ok();
    let build = Project::new("FROM own\nLABEL n=1\n");
    let out = kiln.file("out");
    kiln.build(
        build.dir(),
        &["-o", &format!("type=local,dest={}", text(&out))],
    );
    let again = Kiln::empty();
    run_with(&mut again.command(["load"]), kiln.save("own")).ok();
    let flat = again.file("flat.tar");
    again.ok(["export", "-o", text(&flat), "own"]);
    let unpacked = again.file("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    let mut tar = Command::new(program("tar", "tar"));
    tar.args([
        "--xattrs",
        "--xattrs-include=*",
        "-xf",
        text(&flat),
        "-C",
        text(&unpacked),
    ]);
    run(&mut tar).ok();
    for copy in [dir, out, unpacked].map(|d| d.join("w")) {
        let mut names: Vec<String> = std::fs::read_dir(&copy)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(names[1].ends_with("n\n12 path=evil\n"), "{names:?}");
        let shown = |program_: &str, package: &str, args: &[&str]| {
            let mut command = Command::new(program(program_, package));
            run(command.args(args).current_dir(&copy)).ok().out()
        };
        let caps = shown("getcap", "libcap2-bin", &["able"]);
        assert_eq!(
            caps,
            "able cap_dac_override,cap_fowner=p",
            "{}",
            copy.display()
        );
        let lines = shown(
            "getfattr",
            "attr",
            &["--only-values", "-n", "user.lines", "."],
        );
        assert_eq!(
            lines,
            "one\n30 SCHILY.xattr.user.evil=two",
            "{}",
            copy.display()
        );
    }
}

/// A file below a link of a lower layer, parents that no layer has an entry for, `..` in names.
#[test]
fn odd_but_harmless_layers() {
    let layer = Tar::new()
        .file("made/by/itself", b"x")
        .file("a/../b/./c", b"normal")
        .dir("/")
        .file("/etc/added", b"added")
        .file("w//double//slash", b"d")
        .symlink("to-itself", "to-itself")
        .symlink("round", "trip")
        .symlink("trip", "round")
        .symlink("up", "../../../../../../etc")
        .entry(tar::EntryType::Char, "zero", "", b"")
        .done();
    let kiln = Kiln::empty();
    let archive = docker_archive(&[base_tar(), &layer]);
    run_with(&mut kiln.command(["load"]), archive).ok();
    let build = Project::new(
        "FROM forged\nRUN test ! -e /to-itself && test ! -e /round && test -L /trip \
         && cat /made/by/itself /b/c /etc/added /up/added /w/double/slash > /seen\n",
    );
    kiln.build(build.dir(), &["-t", "built"]);
    let exported = kiln.ok(["export", "built"]).stdout;
    let tree = Tree::of_layers([exported.as_slice()]).unwrap();
    assert_eq!(tree.text("/seen"), "xnormaladdedaddedd");
    let saved = Archive::read(&kiln.save("built"));
    let manifest = saved.manifest();
    assert!(saved.member(manifest[0]["Layers"][1].as_str().unwrap()) == layer);
    let file = kiln.file("saved.tar");
    kiln.ok(["save", "-o", text(&file), "forged"]);
}
