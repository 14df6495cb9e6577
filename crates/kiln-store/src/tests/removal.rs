//! Removing images and collecting layers.

use super::*;
use crate::{Freed, StoreError};

#[test]
fn remove_image_frees_what_nothing_else_uses() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    let shared = put_layer(&store, "shared");
    let cached = put_layer(&store, "cached");
    let own = put_layer(&store, "own");
    let a = put_image(&store, &[shared, cached, own], "a");
    let b = put_image(&store, &[shared], "b");
    store
        .cache_put(&record("k", Some(cached)))
        .expect("cache_put");
    store.tag(&reference("app"), &a).expect("tag");

    let error = store.remove_image(&a).expect_err("tagged");
    assert!(matches!(error, StoreError::Tagged { .. }), "{error:?}");
    store.untag(&reference("app")).expect("untag");
    assert_eq!(store.remove_image(&a).expect("remove"), [own]);
    assert!(!store.layer_dir(&own).exists());
    assert!(store.layer(&shared).expect("layer").is_some());
    assert!(store.layer(&cached).expect("layer").is_some());
    assert!(store.image(&a).expect("image").is_none());
    assert_eq!(store.remove_image(&b).expect("remove"), [shared]);
    assert!(matches!(
        store.remove_image(&b),
        Err(StoreError::NotFound { .. })
    ));
    assert!(names_in(&store.tmp()).is_empty());
}

#[test]
fn image_needs_its_layers() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    let absent = Digest::of(b"absent");
    let result = store.image_put(&config(&[absent], "x"), None);
    assert!(matches!(result, Err(StoreError::MissingLayer { diff_id }) if diff_id == absent));
    assert!(matches!(
        store.image_put(b"[]", None),
        Err(StoreError::Config(_))
    ));
    assert!(store.images().expect("images").is_empty());
}

#[test]
fn collect_respects_builds() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    let used = put_layer(&store, "used");
    let image = put_image(&store, &[used], "x");
    let unused = put_layer(&store, "unused");
    std::fs::create_dir(store.layers_root().join("litter")).expect("mkdir");

    let build = store.hold().expect("hold");
    let other = store.hold().expect("a second build");
    assert!(matches!(store.collect(), Err(StoreError::InUse { .. })));
    assert!(store.layer(&unused).expect("layer").is_some());
    drop((build, other));

    assert_eq!(
        store.collect().expect("collect"),
        Freed {
            layers: 2,
            bytes: 6
        }
    );
    assert_eq!(names_in(&store.layers_root()), [used.hex()]);
    assert_eq!(store.collect().expect("collect"), Freed::default());

    // An image removed during a build leaves its layers to a later collection.
    let build = store.hold().expect("hold");
    assert_eq!(store.remove_image(&image).expect("remove"), []);
    drop(build);
    assert_eq!(
        store.collect().expect("collect"),
        Freed {
            layers: 1,
            bytes: 4
        }
    );
}
