//! buildah.

use super::registry::Registry;
use super::{assert_complete, assert_same, buildah, file, raw, told_digest, with_app};
use crate::harness::{Kiln, Project, base_tar, compare_trees};

#[test]
fn kiln_pulls_what_buildah_pushed_and_builds_on_it() {
    let registry = Registry::start();
    let home = Kiln::empty();
    let (rootfs, shown) = file(&home, "base.tar");
    std::fs::write(&rootfs, base_tar()).unwrap();
    let base = buildah(&home, &["from", "scratch"]).out();
    buildah(&home, &["add", "-q", &base, &shown, "/"]);
    buildah(&home, &["commit", "-q", &base, "base"]);
    let container = buildah(&home, &["from", "--pull-never", "base"]).out();
    let script = "rm /etc/shadow; rm -r /home; mkdir -m 700 /home; echo new > /home/new; \
                  ln /etc/passwd /etc/hard; chown 1000:50 /etc/group";
    buildah(
        &home,
        &[
            "run",
            "--isolation",
            "chroot",
            &container,
            "--",
            "sh",
            "-c",
            script,
        ],
    );
    buildah(
        &home,
        &["config", "--env", "A=b c", "--cmd", "sh", &container],
    );
    let image = buildah(&home, &["commit", "-q", &container, "app"]).out();
    for format in ["oci", "v2s2"] {
        let name = registry.name(&format!("buildah/{format}:1"));
        let to = format!("docker://{name}");
        buildah(
            &home,
            &[
                "push",
                "-q",
                "--tls-verify=false",
                "--format",
                format,
                &image,
                &to,
            ],
        );
        let kiln = Kiln::empty();
        let (manifest, digest) = raw(&name);
        assert_eq!(told_digest(&kiln.ok(["pull", &name])), digest.to_string());
        assert_eq!(kiln.id(&name), manifest["config"]["digest"], "{format}");
        let pulled = kiln.image(&name);
        // The same as by way of an archive, which is tested elsewhere.
        let (_, archive) = file(&home, &format!("{format}.tar"));
        buildah(
            &home,
            &[
                "push",
                "-q",
                &image,
                &format!("docker-archive:{archive}:app:1"),
            ],
        );
        let other = Kiln::empty();
        other.ok(["load", "-i", &archive]);
        let loaded = other.image("app:1");
        let found = compare_trees(&pulled.tree, &loaded.tree);
        assert!(found.is_empty(), "{format}: {found:#?}");
        assert_eq!(pulled.config["rootfs"], loaded.config["rootfs"], "{format}");
        assert!(pulled.tree.get("etc/shadow").is_none() && pulled.tree.get("home/app").is_none());

        let more = Project::new(&format!(
            "FROM {name}\nRUN test ! -e /etc/shadow && test ! -e /home/app && test \"$A\" = 'b c' \
             && rm /etc/hard && rm -r /home && mkdir /home && echo more > /home/more\n"
        ));
        kiln.build(more.dir(), &["-t", "more"]);
        let tree = kiln.image("more").tree;
        assert_eq!(tree.text("home/more"), "more\n", "{format}");
        assert!(
            tree.get("home/new").is_none() && tree.get("etc/hard").is_none(),
            "{format}"
        );
        assert!(tree.get("etc/passwd").is_some(), "{format}");
    }
}

#[test]
fn buildah_pulls_what_kiln_pushed_and_pushes_it_back() {
    let registry = Registry::start();
    let (name, back) = (registry.name("app:1"), registry.name("back:1"));
    let (kiln, ours) = with_app(&name);
    kiln.ok(["push", "--compression", "zstd", &name]);
    let home = Kiln::empty();
    let pulled = buildah(&home, &["pull", "-q", "--tls-verify=false", &name]).out();
    assert_eq!(format!("sha256:{pulled}"), kiln.id(&name));
    buildah(
        &home,
        &[
            "push",
            "-q",
            "--tls-verify=false",
            &pulled,
            &format!("docker://{back}"),
        ],
    );
    let other = Kiln::empty();
    other.ok(["pull", &back]);
    assert_eq!(other.id(&back), kiln.id(&name));
    assert_same(&other.image(&back), &ours, "back");
    assert_complete(&back, &kiln.id(&name));
}
