//! Archives that try to write or read outside.

use super::build;
use crate::harness::{Kiln, Project, assert_nothing_left};

/// Name, type, link and content of a member, none of them checked.
type Member<'a> = (&'a [u8], tar::EntryType, &'a [u8], &'a [u8]);

/// A tar of hand-made members.
fn crafted(members: &[Member]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, kind, link, data) in members {
        let mut h = tar::Header::new_ustar();
        h.as_old_mut().name[..name.len()].copy_from_slice(name);
        h.as_old_mut().linkname[..link.len()].copy_from_slice(link);
        h.set_entry_type(*kind);
        h.set_size(data.len() as u64);
        h.set_mode(0o644);
        h.set_uid(0);
        h.set_gid(0);
        h.set_mtime(0);
        h.set_cksum();
        out.append(&h, *data).unwrap();
    }
    out.into_inner().unwrap()
}

#[test]
fn archives_write_nothing_outside() {
    use tar::EntryType as T;
    let kiln = Kiln::new();
    let target = kiln.file("target");
    std::fs::create_dir(&target).unwrap();
    std::fs::write(target.join("old"), "old\n").unwrap();
    let outside = target.to_str().unwrap().as_bytes();
    let into = |name: &str| [outside, b"/", name.as_bytes()].concat();
    let (absolute, old) = (into("absolute"), into("old"));
    let up = [b"../../../../../../../..", outside, b"/up"].concat();
    let dockerfile: Member = (
        b"Dockerfile",
        T::Regular,
        b"",
        b"FROM busybox\nCOPY . /ctx\n",
    );
    let attacks: [&[Member]; 6] = [
        &[dockerfile, (&absolute, T::Regular, b"", b"evil")],
        &[dockerfile, (&up, T::Regular, b"", b"evil")],
        &[
            dockerfile,
            (b"l", T::Symlink, outside, b""),
            (b"l/through", T::Regular, b"", b"evil"),
        ],
        &[
            dockerfile,
            (b"l", T::Symlink, &old, b""),
            (b"l", T::Regular, b"", b"evil"),
        ],
        &[
            dockerfile,
            (b"h", T::Link, &old, b""),
            (b"h", T::Regular, b"", b"evil"),
        ],
        &[(b"Dockerfile", T::Symlink, &old, b"")],
    ];
    for (n, attack) in attacks.iter().enumerate() {
        // It may be refused, or kept inside; both are fine.
        let done = build(&kiln, &["-"], crafted(attack));
        assert!(matches!(done.code, Some(0 | 1)), "{n}: {}", done.report());
        assert!(
            !done.err().contains("old\n"),
            "{n}: shows a file of the host"
        );
        let there: Vec<_> = std::fs::read_dir(&target)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(there, ["old"], "{n}");
        assert_eq!(
            std::fs::read_to_string(target.join("old")).unwrap(),
            "old\n",
            "{n}"
        );
        assert_nothing_left(&kiln);
    }
    // ADD unpacks just as carefully, and what it writes stays in the image.
    let add = Project::new("FROM busybox\nADD a.tar /in/\n");
    for attack in &attacks[..5] {
        add.write("a.tar", crafted(attack));
        let done = kiln.try_build(add.dir(), &[]);
        assert!(matches!(done.code, Some(0 | 1)), "{}", done.report());
        assert_eq!(
            std::fs::read_to_string(target.join("old")).unwrap(),
            "old\n"
        );
        assert_eq!(std::fs::read_dir(&target).unwrap().count(), 1);
    }
}
