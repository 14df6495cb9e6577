//! Reopening, reboots, stale scratch, damage.

use super::*;
use crate::StoreError;

#[test]
fn reopen() {
    let root = tempfile::tempdir().expect("tempdir");
    let first = store(root.path());
    let layer = put_layer(&first, "a");
    let image = put_image(&first, &[layer], "x");
    first
        .cache_put(&record("k", Some(layer)))
        .expect("cache_put");
    first.tag(&reference("app"), &image).expect("tag");
    drop(first);

    let again = store(root.path());
    let found = again.layer(&layer).expect("layer").expect("some");
    assert_eq!((found.size, found.tar_size, found.entries), (1, 1024, 1));
    assert_eq!(
        again.cache_get("k").expect("cache_get"),
        Some(record("k", Some(layer)))
    );
    assert_eq!(again.resolve("app").expect("resolve"), image);
    let found = again.image(&image).expect("image").expect("some");
    assert_eq!((found.size, found.config_json), (1, config(&[layer], "x")));
    assert_eq!(found.created, "2024-01-01T00:00:00Z");
}

#[test]
fn stale_scratch_is_swept_and_live_scratch_is_not() {
    let root = tempfile::tempdir().expect("tempdir");
    let first = store(root.path());
    let live = first.scratch().expect("scratch");
    // What a killed process leaves: a directory and a lock file nobody holds.
    let stale = first.tmp().join("1-2-3");
    std::fs::create_dir_all(stale.join("sub")).expect("mkdir");
    std::fs::write(stale.join("sub/file"), "x").expect("write");
    std::fs::write(first.tmp().join("1-2-3.lock"), "").expect("write");
    std::fs::create_dir(first.tmp().join("no-lock")).expect("mkdir");
    let _second = store(root.path());
    assert!(live.path().is_dir());
    assert_eq!(names_in(&first.tmp()).len(), 2);
    drop(live);
    assert!(names_in(&first.tmp()).is_empty());
}

#[test]
fn reboot_forgets_what_was_not_synced() {
    let root = tempfile::tempdir().expect("tempdir");
    let first = boot(root.path(), "one");
    let kept = put_layer(&first, "kept");
    let old = put_image(&first, &[kept], "old");
    first.tag(&reference("app"), &old).expect("tag");
    first
        .cache_put(&record("kept", Some(kept)))
        .expect("cache_put");
    first.sync().expect("sync");
    let lost = put_layer(&first, "lost");
    let new = put_image(&first, &[kept, lost], "new");
    first.tag(&reference("app"), &new).expect("tag");
    first.tag(&reference("other"), &new).expect("tag");
    first
        .cache_put(&record("lost", Some(lost)))
        .expect("cache_put");
    drop(first);

    let same = boot(root.path(), "one");
    assert_eq!(same.resolve("app").expect("resolve"), new);
    drop(same);

    let next = boot(root.path(), "two");
    assert!(next.layer(&kept).expect("layer").is_some());
    assert!(next.layer(&lost).expect("layer").is_none());
    assert!(!next.layer_dir(&lost).exists());
    assert!(next.cache_get("kept").expect("cache_get").is_some());
    assert!(next.cache_get("lost").expect("cache_get").is_none());
    assert!(next.image(&new).expect("image").is_none());
    assert_eq!(
        next.resolve("app").expect("resolve"),
        old,
        "the tag moved back"
    );
    assert!(next.resolve("other").is_err());
    assert!(names_in(&next.tmp()).is_empty());
}

#[test]
fn sync_makes_all_durable() {
    let root = tempfile::tempdir().expect("tempdir");
    let first = boot(root.path(), "one");
    let layer = put_layer(&first, "a");
    let image = put_image(&first, &[layer], "x");
    first.tag(&reference("app"), &image).expect("tag");
    first.sync().expect("sync");
    first.sync().expect("nothing to do");
    drop(first);
    let next = boot(root.path(), "two");
    assert_eq!(next.resolve("app").expect("resolve"), image);
    assert!(next.layer(&layer).expect("layer").is_some());
}

#[test]
fn layer_without_directory_is_a_miss() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    let layer = put_layer(&store, "a");
    store
        .cache_put(&record("k", Some(layer)))
        .expect("cache_put");
    store.cache_put(&record("none", None)).expect("cache_put");
    std::fs::remove_dir_all(store.layer_dir(&layer)).expect("remove");
    assert_eq!(store.cache_get("k").expect("cache_get"), None);
    assert_eq!(store.layer(&layer).expect("layer"), None);
    assert!(store.cache_get("none").expect("cache_get").is_some());
    // And it can be made again.
    put_layer(&store, "a");
    assert!(store.layer(&layer).expect("layer").is_some());
}

#[test]
fn directory_without_row_is_not_trusted() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    let id = Digest::of(b"good");
    std::fs::create_dir(store.layer_dir(&id)).expect("mkdir");
    std::fs::write(store.layer_dir(&id).join("file"), "bad").expect("write");
    assert_eq!(store.layer(&id).expect("layer"), None);
    put_layer(&store, "good");
    let file = store.layer_dir(&id).join("file");
    assert_eq!(std::fs::read_to_string(file).expect("read"), "good");
}

#[test]
fn damaged_database() {
    let root = tempfile::tempdir().expect("tempdir");
    std::fs::write(root.path().join("kiln.db"), "not a database ".repeat(500)).expect("write");
    let error = Store::open(root.path()).expect_err("damaged");
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("move the directory"), "{error}");
    assert!(
        error
            .to_string()
            .contains(&root.path().display().to_string()),
        "{error}"
    );
}

#[test]
fn damaged_tables() {
    let root = tempfile::tempdir().expect("tempdir");
    let first = store(root.path());
    first.cache_put(&record("k", None)).expect("cache_put");
    drop(first);
    // Everything into the main file, then garbage over all but the header.
    let file = root.path().join("kiln.db");
    let conn = rusqlite::Connection::open(&file).expect("open");
    conn.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))
        .expect("pragma");
    drop(conn);
    let mut bytes = std::fs::read(&file).expect("read");
    bytes.iter_mut().skip(4096).for_each(|b| *b = 0x5a);
    std::fs::write(&file, bytes).expect("write");
    let result = Store::open(root.path()).and_then(|s| s.cache_get("k"));
    assert!(
        matches!(result, Err(StoreError::Corrupt { .. })),
        "{result:?}"
    );
}

#[test]
fn newer_format() {
    let root = tempfile::tempdir().expect("tempdir");
    drop(store(root.path()));
    let conn = rusqlite::Connection::open(root.path().join("kiln.db")).expect("open");
    conn.pragma_update(None, "user_version", 99)
        .expect("pragma");
    drop(conn);
    let error = Store::open(root.path()).expect_err("newer");
    assert!(
        matches!(error, StoreError::Newer { found: 99, .. }),
        "{error:?}"
    );
}

#[test]
fn full_disk() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    let error = store.write(|tx| {
        let pages: i64 = tx.pragma_query_value(None, "page_count", |row| row.get(0))?;
        tx.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        tx.execute(
            "INSERT INTO cache VALUES ('k', '', NULL, '', 0, zeroblob(1000000), '', 0, '', 0, '', '')",
            [],
        )?;
        Ok(())
    });
    let error = error.expect_err("full");
    assert!(
        matches!(&error, StoreError::DiskFull { path } if path == root.path()),
        "{error:?}"
    );
    assert!(error.to_string().contains("no space left"), "{error}");
    assert!(store.cache_get("k").expect("still usable").is_none());
}
