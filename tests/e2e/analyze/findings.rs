//! Leftovers, secrets, modes; and all of it as text.

use serde_json::{Value, json};

use super::{bytes, members, report, wasteful};
use crate::harness::{Kiln, Project, run_with};

fn leftover<'a>(report: &'a Value, id: &str) -> &'a Value {
    let all = report["leftovers"].as_array().unwrap();
    all.iter()
        .find(|l| l["id"] == id)
        .unwrap_or_else(|| panic!("no {id} in {all:?}"))
}

#[test]
fn leftovers_by_sort() {
    let kiln = Kiln::new();
    let mut core = bytes(1, 900);
    core[..18].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0");
    let project = Project::new(
        "FROM busybox
COPY root /
RUN rm -r /var/lib/apt && echo more >/tmp/more
",
    )
    .with("root/var/lib/apt/lists/a_Packages", bytes(2, 10_000))
    .with("root/var/lib/apt/lists/b_Packages", bytes(3, 2_000))
    .with("root/var/cache/apt/x.deb", bytes(4, 800))
    .with("root/root/.cache/pip/x", bytes(5, 700))
    .with("root/tmp/x", bytes(6, 600))
    .with("root/var/log/x.log", bytes(7, 500))
    .with("root/app/.git/HEAD", bytes(8, 400))
    .with("root/app/core", core)
    .with("root/app/core.1", "no core")
    .with("root/app/__pycache__/m.pyc", bytes(9, 300))
    .with("root/usr/bin/gcc-12", bytes(10, 200))
    .with("root/usr/local/go/bin/go", bytes(11, 100))
    .with("root/usr/include/x.h", bytes(12, 50));
    kiln.build(project.dir(), &["-t", "app"]);
    let report = report(&kiln, "app");
    assert_eq!(
        members(&report["leftovers"], &["id", "bytes", "files", "minor"]),
        [
            "apt-lists 12000 2 false",
            "core-dumps 900 1 false",
            "package-cache 800 1 false",
            "language-cache 700 1 false",
            "temporary 605 2 false",
            "logs 500 1 false",
            "git 400 1 false",
            "compilers 300 2 false",
            "headers 50 1 false",
            "bytecode 300 1 true",
        ]
    );
    assert_eq!(
        leftover(&report, "apt-lists")["layers"],
        json!([{"layer": 2, "bytes": 12_000, "wasted_bytes": 12_000, "files": 2}])
    );
    assert_eq!(
        leftover(&report, "temporary")["layers"],
        json!([
            {"layer": 2, "bytes": 600, "wasted_bytes": 0, "files": 1},
            {"layer": 3, "bytes": 5, "wasted_bytes": 0, "files": 1},
        ])
    );
    assert_eq!(
        leftover(&report, "compilers")["paths"],
        json!([{"path": "/usr/bin/gcc-12", "bytes": 200}, {"path": "/usr/local/go", "bytes": 100}])
    );
}

#[test]
fn secrets_even_if_deleted() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox
COPY root /
RUN rm /root/.ssh/id_rsa
",
    )
    .with("root/root/.ssh/id_rsa", "KEY-MATERIAL")
    .with(
        "root/root/.npmrc",
        "//registry/:_authToken=TOKEN-MATERIAL\n",
    )
    .with("root/app/.npmrc", "save-exact=true\n")
    .with("root/app/.env", "A=SECRET-MATERIAL\n")
    .with("root/app/.env.example", "A=\n")
    .with("root/etc/ssl/ca.pem", "-----BEGIN CERTIFICATE-----\n")
    .with(
        "root/etc/ssl/server.pem",
        "x\n-----BEGIN RSA PRIVATE KEY-----\nMATERIAL\n",
    );
    kiln.build(project.dir(), &["-t", "app"]);
    let report = report(&kiln, "app");
    assert_eq!(
        members(&report["secrets"], &["path", "layer", "hidden_by", "kind"]),
        [
            "/app/.env 2 - environment file",
            "/etc/ssl/server.pem 2 - private key",
            "/root/.npmrc 2 - npm token",
            "/root/.ssh/id_rsa 2 3 SSH private key",
        ]
    );
    let text = kiln.ok(["analyze", "--html", "page.html", "app"]).out();
    let page = std::fs::read_to_string(kiln.file("page.html")).unwrap();
    for out in [report.to_string(), text, page] {
        assert!(out.contains("id_rsa") && !out.contains("MATERIAL"), "{out}");
    }
}

#[test]
fn modes_that_give_rights_away() {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox
RUN cp /etc/group /bin/su1 && chown 7:8 /bin/su1 && chmod 4755 /bin/su1 \\
    && cp /etc/group /bin/sg && chmod 2755 /bin/sg && cp /etc/group /bin/lock && chmod 2644 /bin/lock \\
    && mkdir /open /sticky && chmod 777 /open && chmod 1777 /sticky && echo >/open/f && chmod 666 /open/f
RUN chmod 755 /bin/sg
",
    );
    kiln.build(project.dir(), &["-t", "app"]);
    let report = report(&kiln, "app");
    assert_eq!(
        members(&report["set_id"], &["path", "mode", "uid", "gid", "layer"]),
        ["/bin/su1 4755 7 8 2"]
    );
    assert_eq!(
        members(&report["world_writable"], &["path", "mode", "directory"]),
        ["/open 0777 true", "/open/f 0666 false"]
    );
}

#[test]
fn capabilities_of_files() {
    let kiln = Kiln::empty();
    let mut tar = tar::Builder::new(Vec::new());
    // What `setcap cap_net_raw+ep` writes.
    let capability = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    tar.append_pax_extensions([("SCHILY.xattr.security.capability", &capability[..])])
        .unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o755);
    header.set_size(5);
    tar.append_data(&mut header, "ping", &b"hello"[..]).unwrap();
    let tar = tar.into_inner().unwrap();
    run_with(&mut kiln.command(["import", "-", "ping"]), tar).ok();
    let report = report(&kiln, "ping");
    assert_eq!(
        members(&report["capabilities"], &["path", "capabilities", "layer"]),
        ["/ping cap_net_raw=ep 1"]
    );
}

#[test]
fn the_text_fits_80_columns() {
    let (kiln, _project) = wasteful();
    let text = kiln.ok(["analyze", "wasteful"]).out();
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for part in [
        "Wasted        1.38MB in 4 files",
        "Built upon    busybox:latest (1 layer)",
        "     3    1.08MB    1.08MB       3  COPY big data moving ./",
        "       1MB  1 file of layer 3: COPY big data moving ./\n            deleted by layer 4: RUN rm big",
        "            stored again by layer 5: RUN chmod 600 data && mkdir /there",
        "                  40kB  /work/data (new mode)",
        "                  40kB  /work/moving → /there/moved",
        "      80kB  3 × 40kB",
        "              layer 3: /work/moving (hidden)",
        "LARGEST FILES",
    ] {
        assert!(text.contains(part), "{part}\nin\n{text}");
    }
    let short = kiln.ok(["analyze", "--top", "1", "wasteful"]).out();
    assert!(short.contains("… and 3 more"), "{short}");
}

/// Names that would move the cursor, and bytes that are no text.
#[test]
fn names_are_harmless() {
    let kiln = Kiln::new();
    let project = Project::new(
        r#"FROM busybox
RUN d=$(printf '/d/\033[2Jx\n\377') && mkdir -p "$d" && head -c 9000 /bin/busybox >"$d/f"
RUN rm -r /d
"#,
    );
    kiln.build(project.dir(), &["-t", "app"]);
    let report = report(&kiln, "app");
    assert_eq!(
        members(&report["wasted"], &["path"]),
        [r"/d/\x1b[2Jx\x0a\xff/f"]
    );
    let text = kiln.ok(["analyze", "app"]).out();
    assert!(text.contains(r"/d/\x1b[2Jx\x0a\xff/f"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
}
