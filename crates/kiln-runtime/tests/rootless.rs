//! Running processes as an ordinary user.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Command, Output};

use common::*;

/// Runs the probe as a user, its own copy because the user may not be able
/// to reach the original.
fn probe(bed: &Bed, uid: u32, inside: &str, argv: &[&str]) -> Output {
    let copy = bed.dir.path().join("probe");
    fs::copy(PROBE, &copy).unwrap();
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).unwrap();
    let scratch = bed.dir.path().join(format!("scratch{uid}"));
    let _ = fs::create_dir(&scratch);
    chown(&scratch, Some(uid), Some(uid)).unwrap();
    Command::new("setpriv")
        .args([format!("--reuid={uid}"), format!("--regid={uid}")])
        .arg("--clear-groups")
        .arg(copy)
        .args([&bed.lower, &scratch])
        .args(["1", inside, "host"])
        .args(argv)
        .env_remove("USER")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An ordinary user with subordinate ids, whose group has the same number.
fn user_with_subids() -> Option<u32> {
    let subids = fs::read_to_string("/etc/subuid").ok()?;
    let groups = fs::read_to_string("/etc/subgid").ok()?;
    let users = fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, ..] = fields[..] else {
            return None;
        };
        let has = |text: &str| text.lines().any(|l| l.starts_with(&format!("{name}:")));
        (uid != "0" && uid == gid && has(&subids) && has(&groups)).then(|| uid.parse().ok())?
    })
}

const SCRIPT: &str = "id -u; echo x > /file; echo y > /dev/null; ls /etc/..; \
     grep CapEff /proc/self/status; ls /proc/acpi; ls /proc/self/fd; echo $$";

fn check_common(output: &Output) {
    let out = text(&output.stdout);
    let expected = "0\nbin\ndev\netc\nfile\nproc\nsys\nCapEff:\t00000000a80425fb\n0\n1\n2\n3\n1\n";
    assert_eq!(
        out.replace("ls: /proc/acpi: No such file or directory\n", ""),
        expected,
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn with_a_single_id() {
    if !privileged() {
        return;
    }
    let bed = Bed::new();
    let uid = 54321;
    let output = probe(&bed, uid, "0", &["sh", "-c", SCRIPT]);
    assert!(
        text(&output.stderr).contains("mode: SingleId"),
        "{}",
        text(&output.stderr)
    );
    check_common(&output);
    assert!(
        bed.dir
            .path()
            .join(format!("scratch{uid}/upper/file"))
            .exists()
    );
    let output = probe(&bed, uid, "33", &["id"]);
    assert!(
        text(&output.stderr).contains("/etc/subgid"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn with_subordinate_ids() {
    if !privileged() {
        return;
    }
    let Some(uid) = user_with_subids() else {
        eprintln!("skipped: no user has subordinate ids");
        return;
    };
    let bed = Bed::new();
    let output = probe(&bed, uid, "0", &["sh", "-c", SCRIPT]);
    assert!(
        text(&output.stderr).contains("mode: SubIds"),
        "{}",
        text(&output.stderr)
    );
    check_common(&output);
    let output = probe(&bed, uid, "33", &["id"]);
    assert_eq!(
        text(&output.stdout),
        "uid=33 gid=33\n",
        "{}",
        text(&output.stderr)
    );
    assert_eq!(probe(&bed, uid, "0", &["nope"]).status.code(), Some(127));
}
