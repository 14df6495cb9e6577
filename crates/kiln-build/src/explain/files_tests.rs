#![allow(clippy::unwrap_used)]

use super::*;

fn file(path: &str, content: u8) -> Row {
    Row {
        path: path.into(),
        kind: b'f',
        mode: 0o644,
        size: u64::from(content),
        digest: [content; DIGEST],
        ..Row::default()
    }
}

fn list(rows: &[Row]) -> Listing {
    let mut listing = Listing::default();
    rows.iter().for_each(|r| listing.push(r.clone()));
    listing
}

fn files(old: &[Row], new: &[Row]) -> FilesChanged {
    match list(new).difference(&list(old)) {
        Some(Cause::Files(f)) => *f,
        other => panic!("{other:?}"),
    }
}

#[test]
fn lists_survive_a_round_trip_and_damage() {
    let mut link = file("src/link", 0);
    (link.kind, link.target) = (b'l', b"to".to_vec());
    link.owner = Some((1000, 100));
    let mut odd = file("", 3);
    odd.path = vec![0xff, b'/', 0xfe];
    let rows = [file("a", 1), file("src/lib.rs", 2), link, odd];
    let bytes = list(&rows).encode().unwrap();
    assert_eq!(Listing::decode(&bytes).unwrap().rows, rows);
    for cut in 0..bytes.len() {
        assert!(Listing::decode(&bytes[..cut]).is_none(), "cut at {cut}");
    }
    assert!(Listing::decode(&vec![0; bytes.len()]).is_none());
    assert!(
        Listing::decode(&list(&[]).encode().unwrap())
            .unwrap()
            .rows
            .is_empty()
    );
}

#[test]
fn a_list_of_many_files_is_small() {
    let rows: Vec<Row> = (0..20_000)
        .map(|n| Row {
            digest: blake3::hash(&u32::to_le_bytes(n)).as_bytes()[..DIGEST]
                .try_into()
                .unwrap(),
            ..file(&format!("src/d{}/f{n}.txt", n / 200), 1)
        })
        .collect();
    let size = list(&rows).encode().unwrap().len();
    assert!(size < 400_000, "{size}");
}

#[test]
fn what_changed_comes_before_what_is_new_or_gone() {
    let old = [file("a", 1), file("b", 2), file("c", 3)];
    let changed = files(&old, &[file("b", 9), file("c", 3), file("d", 4)]);
    assert_eq!(changed.first.path, "b");
    assert_eq!(changed.first.what, FileAspect::Content);
    let counts = (changed.changed, changed.added, changed.removed);
    assert_eq!(counts, (1, 1, 1));
}

#[test]
fn each_aspect_has_its_word() {
    let old = file("x", 1);
    let with = |f: &dyn Fn(&mut Row)| {
        let mut row = old.clone();
        f(&mut row);
        files(std::slice::from_ref(&old), &[row]).first.what
    };
    assert_eq!(with(&|r| r.mode = 0o755), FileAspect::Mode);
    assert_eq!(with(&|r| r.owner = Some((1, 1))), FileAspect::Owner);
    assert_eq!(with(&|r| r.kind = b'd'), FileAspect::Type);
    assert_eq!(with(&|r| r.target = b"y".to_vec()), FileAspect::Target);
    assert_eq!(with(&|r| r.digest = [7; DIGEST]), FileAspect::Content);
    assert!(
        list(std::slice::from_ref(&old))
            .difference(&list(std::slice::from_ref(&old)))
            .is_none()
    );
}

#[test]
fn a_renamed_file_is_one() {
    let changed = files(&[file("a", 1), file("k", 2)], &[file("b", 1), file("k", 2)]);
    assert_eq!(changed.first.what, FileAspect::Name);
    assert_eq!(changed.first.renamed_from.as_deref(), Some("a"));
    // Empty files are all alike.
    let changed = files(&[file("a", 0)], &[file("b", 0)]);
    assert_eq!(changed.first.what, FileAspect::Added);
}

#[test]
fn files_about_the_build_come_last() {
    let old = [
        file("Dockerfile", 1),
        file(".dockerignore", 1),
        file("z", 1),
    ];
    let new = [file("Dockerfile", 2), file(".dockerignore", 2)];
    assert_eq!(files(&old, &new).first.path, "z");
    assert_eq!(files(&old[..1], &new[..1]).first.path, "Dockerfile");
}

#[test]
fn lists_of_other_projects_are_not_akin() {
    let ours = list(&[file("a", 1), file("b", 1), file("c", 1)]);
    assert!(ours.akin(&list(&[file("a", 2), file("b", 2)])));
    assert!(!ours.akin(&list(&[file("a", 2), file("x", 1), file("y", 1)])));
}
