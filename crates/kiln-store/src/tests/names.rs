//! Tags and ids.

use super::*;
use crate::StoreError;

#[test]
fn tags_move() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    let (a, b) = (put_image(&store, &[], "a"), put_image(&store, &[], "b"));
    store.tag(&reference("app"), &a).expect("tag");
    store.tag(&reference("app:v1"), &a).expect("tag");
    store.tag(&reference("app"), &b).expect("tag");
    assert_eq!(store.resolve("app").expect("resolve"), b);
    assert_eq!(store.resolve("app:latest").expect("resolve"), b);
    assert_eq!(store.resolve("app:v1").expect("resolve"), a);
    let names = |id| {
        let names = store.tags_of(id).expect("tags_of");
        names.iter().map(|r| r.familiar()).collect::<Vec<_>>()
    };
    assert_eq!(names(&a), ["app:v1"]);
    assert_eq!(names(&b), ["app:latest"]);
    assert_eq!(store.tags().expect("tags").len(), 2);
    assert_eq!(store.untag(&reference("app")).expect("untag"), Some(b));
    assert_eq!(store.untag(&reference("app")).expect("untag"), None);
    assert!(matches!(
        store.resolve("app"),
        Err(StoreError::NotFound { .. })
    ));
    let absent = Digest::of(b"no image");
    assert!(matches!(
        store.tag(&reference("x"), &absent),
        Err(StoreError::NotFound { .. })
    ));
}

#[test]
fn ids() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    // Enough images that two share four leading digits.
    let mut seen = std::collections::HashMap::new();
    let mut ambiguous = None;
    for i in 0..20_000 {
        let id = Digest::of(&config(&[], &i.to_string()));
        if let Some(j) = seen.insert(id.hex()[..4].to_owned(), i) {
            ambiguous = Some((i, j));
            break;
        }
    }
    let (i, j) = ambiguous.expect("a collision of 16 bits");
    let a = put_image(&store, &[], &i.to_string());
    let b = put_image(&store, &[], &j.to_string());
    let c = put_image(&store, &[], "c");
    let hex = a.hex();

    match store.resolve(&hex[..4]) {
        Err(StoreError::Ambiguous { name, candidates }) => {
            assert_eq!(name, &hex[..4]);
            assert_eq!(candidates.len(), 2);
            assert!(candidates.contains(&a) && candidates.contains(&b));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(store.resolve(&hex).expect("resolve"), a);
    assert_eq!(store.resolve(&a.to_string()).expect("resolve"), a);
    assert_eq!(store.resolve(&hex[..40]).expect("resolve"), a);
    assert_eq!(store.resolve(&c.hex()[..12]).expect("resolve"), c);
    assert_eq!(
        store
            .resolve(&format!("sha256:{}", &c.hex()[..12]))
            .expect("resolve"),
        c
    );
    assert_eq!(store.resolve(&format!("any@{c}")).expect("resolve"), c);
    assert!(store.resolve(&hex[..3]).is_err());
    // A tag that looks like an id prefix is a tag.
    store.tag(&reference(&hex[..12]), &c).expect("tag");
    assert_eq!(store.resolve(&hex[..12]).expect("resolve"), c);
}

#[test]
fn messages() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    let message = |name| store.resolve(name).expect_err("absent").to_string();
    assert_eq!(message("nope"), "No such image: nope:latest");
    assert_eq!(message("nope:v2"), "No such image: nope:v2");
    assert_eq!(message("Not A Name"), "No such image: Not A Name");
    assert_eq!(message(""), "No such image: ");
}

#[test]
fn manifest_digests() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    let id = store
        .image_put(&config(&[], "m"), Some(b"{}"))
        .expect("image_put");
    assert_eq!(
        store.image_put(&config(&[], "m"), None).expect("image_put"),
        id
    );
    let name = format!("app@{}", Digest::of(b"{}"));
    assert_eq!(store.resolve(&name).expect("resolve"), id);
    let image = store.image(&id).expect("image").expect("some");
    assert_eq!(image.manifest.as_deref(), Some(b"{}".as_slice()));
}
