//! What is kept to explain misses.

use super::*;
use crate::{BuildRecord, Gone};

fn step(key: &str, shape: &str, text: &str, parent: &str) -> CacheRecord {
    let state = Input {
        kind: "parent".into(),
        name: "state".into(),
        value: parent.into(),
    };
    CacheRecord {
        shape: shape.to_owned(),
        text: text.to_owned(),
        inputs: vec![state],
        ..record(key, None)
    }
}

#[test]
fn near_records_are_found_by_place_by_text_and_by_parent() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    for (key, shape, text, parent) in [
        ("place", "p/s/1", "RUN a", "x"),
        ("text", "q/s/7", "RUN b", "y"),
        ("parent", "q/s/8", "RUN c", "z"),
        ("none", "q/s/9", "RUN d", "w"),
        ("all", "p/s/1", "RUN b", "z"),
    ] {
        let record = step(key, shape, text, parent);
        store.cache_put(&record).expect("cache_put");
    }
    let near = store.cache_near("p/s/1", "RUN b", "z").expect("cache_near");
    let keys: Vec<&str> = near.iter().map(|r| r.key.as_str()).collect();
    assert_eq!(keys, ["all", "parent", "text", "place"]);
    // A record written anew is the newest.
    let again = step("place", "p/s/1", "RUN a", "x");
    store.cache_put(&again).expect("cache_put");
    let near = store.cache_near("p/s/1", "RUN b", "z").expect("cache_near");
    assert_eq!(near[0], again);
    assert_eq!(store.cache_peek("place").expect("peek"), Some(again));
    let long = format!("RUN {}", "x".repeat(200));
    let near = store.cache_near("", &long, "").expect("cache_near");
    assert!(near.is_empty());
}

#[test]
fn records_that_went_are_known() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    let layer = put_layer(&store, "content");
    for (key, layer) in [("a", None), ("b", Some(layer))] {
        let record = CacheRecord {
            layer,
            ..step(key, "p/s/1", "RUN a", "x")
        };
        store.cache_put(&record).expect("cache_put");
    }
    assert_eq!(store.cache_gone("a", "s").expect("gone"), None);
    std::fs::remove_dir_all(store.layer_dir(&layer)).expect("remove");
    assert_eq!(store.cache_get("b").expect("cache_get"), None);
    assert_eq!(store.cache_gone("b", "s").expect("gone"), Some(Gone::Layer));
    assert_eq!(store.cache_clear().expect("clear"), 1);
    assert_eq!(
        store.cache_gone("a", "s").expect("gone"),
        Some(Gone::Record)
    );
    let others = store.cache_gone("c", "p/s/1").expect("gone");
    assert_eq!(others, Some(Gone::Others));
}

#[test]
fn as_many_builds_are_kept_as_are_promised() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
    let put = |image, report: &str| {
        let build = BuildRecord {
            at: format!("when {report}"),
            report: report.into(),
        };
        store.build_put(image, &build).expect("put");
    };
    let last = |image| store.build_last(image).expect("last").map(|b| b.at);
    assert_eq!(last(None), None);
    put(Some(&a), "a1");
    put(Some(&b), "b1");
    put(None, "failed");
    put(Some(&a), "a2");
    assert_eq!(last(Some(&a)).as_deref(), Some("when a2"));
    assert_eq!(last(Some(&b)).as_deref(), Some("when b1"));
    assert_eq!(last(None).as_deref(), Some("when a2"));
    for n in 0..99 {
        put(None, &n.to_string());
    }
    assert_eq!(last(Some(&a)).as_deref(), Some("when a2"));
    assert_eq!(last(Some(&b)), None);
    put(None, "one more");
    assert_eq!(last(Some(&a)), None);
    assert_eq!(last(None).as_deref(), Some("when one more"));
}

#[test]
fn a_build_with_nothing_new_is_not_written() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    let build = |at: &str| BuildRecord {
        at: at.to_owned(),
        report: b"all cached".to_vec(),
    };
    let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
    let put = |image, at| store.build_put(Some(image), &build(at)).expect("put");
    let last = || store.build_last(None).expect("last").expect("a build").at;
    put(&a, "1");
    put(&a, "2");
    assert_eq!(last(), "1");
    put(&b, "3");
    assert_eq!(last(), "3");
    put(&a, "4");
    assert_eq!(last(), "4");
}

#[test]
fn lists_of_files_are_kept_and_the_oldest_go() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    assert_eq!(store.listing_get("00").expect("get"), None);
    store.listing_put("00", b"old").expect("put");
    assert_eq!(
        store.listing_get("00").expect("get").as_deref(),
        Some(&b"old"[..])
    );
    let big = vec![0; 20 << 20];
    for name in ["01", "02", "03", "04"] {
        store.listing_put(name, &big).expect("put");
    }
    assert_eq!(store.listing_get("00").expect("get"), None);
    assert!(store.listing_get("04").expect("get").is_some());
    store.cache_clear().expect("clear");
    assert_eq!(store.listing_get("04").expect("get"), None);
}
