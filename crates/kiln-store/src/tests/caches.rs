//! Cache directories.

use super::*;
use crate::Claim;

fn add(store: &Store, key: &str, content: &str) {
    let scratch = store.scratch().expect("works");
    let data = scratch.path().join("new");
    std::fs::create_dir(&data).expect("works");
    std::fs::write(data.join("f"), content).expect("works");
    store.add_cache_dir(key, &data).expect("works");
}

fn got(claim: Claim) -> crate::CacheDir {
    match claim {
        Claim::Got(dir) => dir,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_or_many_at_a_time() {
    let dir = tempfile::tempdir().expect("tempdir");
    let store = store(dir.path());
    let claim = |alone| store.claim_cache_dir("k", alone).expect("works");
    assert!(matches!(claim(false), Claim::Absent));
    add(&store, "k", "first");
    let one = got(claim(false));
    let two = got(claim(false));
    assert_eq!(one.path(), two.path());
    assert!(matches!(claim(true), Claim::Busy));
    drop(one);
    assert!(matches!(claim(true), Claim::Busy));
    drop(two);
    let alone = got(claim(true));
    assert!(matches!(claim(false), Claim::Busy));
    add(&store, "k", "second");
    let other = got(claim(true));
    assert_ne!(alone.path(), other.path());
    assert_eq!(
        std::fs::read_to_string(other.path().join("f")).expect("works"),
        "second"
    );
    assert!(matches!(
        store.claim_cache_dir("k.", false).expect("works"),
        Claim::Absent
    ));
}

#[test]
fn counted_and_cleared() {
    let dir = tempfile::tempdir().expect("tempdir");
    let store = store(dir.path());
    add(&store, "a", "12345");
    add(&store, "b", "123");
    std::fs::hard_link(
        store.root().join("caches/a.0/data/f"),
        store.root().join("caches/a.0/data/g"),
    )
    .expect("works");
    let usage = store.usage().expect("works");
    assert_eq!((usage.cache_dirs, usage.cache_dir_bytes), (2, 8));
    let held = got(store.claim_cache_dir("a", false).expect("works"));
    assert_eq!(store.cache_dirs_clear().expect("works"), 1);
    assert!(held.path().join("f").exists(), "one that is in use stays");
    drop(held);
    assert_eq!(store.cache_dirs_clear().expect("works"), 1);
    assert_eq!(store.usage().expect("works").cache_dirs, 0);
    assert!(matches!(
        store.claim_cache_dir("a", true).expect("works"),
        Claim::Absent
    ));
}
