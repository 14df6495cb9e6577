//! The root file system both builders start from: busybox, some accounts, mount points.

use std::process::Command;
use std::sync::OnceLock;

use super::{program, run};

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
app:x:1000:1000:app:/home/app:/bin/sh
nobody:x:65534:65534:nobody:/home:/bin/false
";

const GROUP: &str = "\
root:x:0:root
daemon:x:1:
wheel:x:10:root
staff:x:50:app
app:x:1000:
nogroup:x:65534:
";

/// Directories with their modes and owners.
const DIRECTORIES: [(&str, u32, u64); 13] = [
    ("bin", 0o755, 0),
    ("dev", 0o755, 0),
    ("etc", 0o755, 0),
    ("home", 0o755, 0),
    ("home/app", 0o755, 1000),
    ("proc", 0o555, 0),
    ("root", 0o700, 0),
    ("sys", 0o555, 0),
    ("tmp", 0o1777, 0),
    ("usr", 0o755, 0),
    ("usr/bin", 0o755, 0),
    ("var", 0o755, 0),
    ("var/tmp", 0o1777, 0),
];

/// The tar to import; the same bytes each time.
pub fn base_tar() -> &'static [u8] {
    static TAR: OnceLock<Vec<u8>> = OnceLock::new();
    TAR.get_or_init(make)
}

fn make() -> Vec<u8> {
    let busybox = program("busybox", "busybox-static");
    let applets = run(Command::new(&busybox).arg("--list")).ok().out();
    let mut tar = tar::Builder::new(Vec::new());
    for (path, mode, owner) in DIRECTORIES {
        let mut h = header(tar::EntryType::Directory, mode);
        h.set_uid(owner);
        h.set_gid(owner);
        tar.append_data(&mut h, path, std::io::empty()).unwrap();
    }
    let mut file = |path: &str, mode: u32, data: &[u8]| {
        let mut h = header(tar::EntryType::Regular, mode);
        h.set_size(data.len() as u64);
        tar.append_data(&mut h, path, data).unwrap();
    };
    file("bin/busybox", 0o755, &std::fs::read(&busybox).unwrap());
    file("etc/passwd", 0o644, PASSWD.as_bytes());
    file("etc/group", 0o644, GROUP.as_bytes());
    file("etc/shadow", 0o600, b"root:*:::::::\n");
    for applet in applets.lines().filter(|a| *a != "busybox") {
        let mut h = header(tar::EntryType::Symlink, 0o777);
        tar.append_link(&mut h, format!("bin/{applet}"), "busybox")
            .unwrap();
    }
    tar.into_inner().unwrap()
}

fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut h = tar::Header::new_gnu();
    h.set_entry_type(kind);
    h.set_mode(mode);
    h.set_uid(0);
    h.set_gid(0);
    h.set_mtime(1_600_000_000);
    h.set_size(0);
    h
}
