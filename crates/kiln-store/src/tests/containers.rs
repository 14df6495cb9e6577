//! Containers and volumes: their names, their removal, and what they keep.

use std::time::Duration;

use super::*;
use crate::{ContainerLock, ContainerRecord, StoreError, Volume};

/// Makes a container with an id that begins so.
fn put(
    store: &Store,
    id: &str,
    name: &str,
    layers: &[Digest],
    volumes: &[&str],
) -> crate::Result<String> {
    let scratch = store.scratch().expect("scratch");
    let dir = scratch.path().join("container");
    std::fs::create_dir(&dir).expect("mkdir");
    let _lock = ContainerLock::new_in(&dir).expect("lock");
    let record = ContainerRecord {
        id: format!("{id:0<64}"),
        name: name.to_owned(),
        image: Digest::of(b"image"),
        created: "2024-01-01T00:00:00Z".to_owned(),
        config: b"{}".to_vec(),
        layers: layers.to_vec(),
        volumes: volumes.iter().map(|&v| v.to_owned()).collect(),
    };
    store.container_put(&record, &dir, true)?;
    let found = store.find_container(&record.id).expect("find");
    assert_eq!(found, record);
    Ok(record.id)
}

fn remove(store: &Store, id: &str) {
    let lock = store.lock_container(id, Duration::ZERO).expect("lock");
    store
        .container_remove(id, &lock.expect("nobody has it"))
        .expect("remove");
}

fn volume(store: &Store, name: &str) -> bool {
    let volume = Volume {
        name: name.to_owned(),
        created: "2024-01-01T00:00:00Z".to_owned(),
        anonymous: false,
        labels: [("k".to_owned(), "v".to_owned())].into(),
    };
    store.volume_put(&volume).expect("volume_put")
}

#[test]
fn a_name_is_one_containers() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    let a = put(&store, "aa", "web", &[], &[]).expect("put");
    let taken = put(&store, "bb", "web", &[], &[]);
    assert!(
        matches!(&taken, Err(StoreError::ContainerName { name, id }) if name == "web" && *id == a),
        "{taken:?}"
    );
    let b = put(&store, "bb", "db", &[], &[]).expect("put");
    let taken = store.container_rename(&b, "web");
    assert!(
        matches!(&taken, Err(StoreError::ContainerName { id, .. }) if *id == a),
        "{taken:?}"
    );
    store.container_rename(&b, "db").expect("its own name");
    store.container_rename(&a, "front").expect("rename");
    store.container_rename(&b, "web").expect("a free name");
    assert_eq!(store.find_container("/web").expect("find").id, b);
    let all = store.containers().expect("containers");
    let names: Vec<_> = all.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["web", "front"], "newest first");
    // One whose directory is gone is no container, and its name is free.
    std::fs::remove_dir_all(store.container_dir(&b)).expect("remove");
    assert!(matches!(
        store.find_container("web"),
        Err(StoreError::NoContainer { .. })
    ));
    put(&store, "cc", "web", &[], &[]).expect("put");
}

#[test]
fn beginnings_of_ids() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    let one = put(&store, "abc1", "one", &[], &[]).expect("put");
    let two = put(&store, "abc2", "two", &[], &[]).expect("put");
    // A name goes before the beginning of an id.
    let named = put(&store, "f", "abc1", &[], &[]).expect("put");
    let id = |name: &str| store.find_container(name).map(|c| c.id);
    assert_eq!(id("abc2").expect("find"), two);
    assert_eq!(id("abc1").expect("find"), named);
    assert_eq!(id("abc10").expect("find"), one);
    assert_eq!(id(&one).expect("find"), one);
    match id("abc") {
        Err(StoreError::AmbiguousContainer { name, candidates }) => {
            assert_eq!(name, "abc");
            assert_eq!(candidates, ["abc100000000 (one)", "abc200000000 (two)"]);
        }
        other => panic!("{other:?}"),
    }
    for unknown in ["", "abd", "ABC", "%", "abc1_", "/"] {
        let found = id(unknown);
        assert!(
            matches!(&found, Err(StoreError::NoContainer { name }) if name == unknown),
            "{unknown:?}: {found:?}"
        );
    }
}

#[test]
fn a_container_keeps_its_layers() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    let absent = Digest::of(b"absent");
    let result = put(&store, "a", "a", &[absent], &[]);
    assert!(matches!(result, Err(StoreError::MissingLayer { diff_id }) if diff_id == absent));

    let (base, top) = (put_layer(&store, "base"), put_layer(&store, "top"));
    let image = put_image(&store, &[base, top], "x");
    let id = put(&store, "a", "a", &[base, top], &[]).expect("put");
    assert_eq!(store.remove_image(&image).expect("remove"), []);
    assert_eq!(store.collect().expect("collect").layers, 0);
    assert!(store.layer_dir(&base).is_dir() && store.layer_dir(&top).is_dir());

    remove(&store, &id);
    assert!(!store.container_dir(&id).exists());
    assert_eq!(store.containers().expect("containers"), []);
    assert_eq!(store.collect().expect("collect").layers, 2);
    assert!(!store.layer_dir(&base).exists());
    assert!(names_in(&store.tmp()).is_empty());
}

#[test]
fn one_owner_at_a_time() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    let id = put(&store, "a", "a", &[], &[]).expect("put");
    let lock = || store.lock_container(&id, Duration::ZERO).expect("lock");
    assert!(!store.container_locked(&id).expect("locked"));
    let held = lock();
    assert!(held.is_some());
    assert!(store.container_locked(&id).expect("locked"));
    assert!(lock().is_none());
    drop(held);
    remove(&store, &id);
    assert!(matches!(
        store.lock_container(&id, Duration::ZERO),
        Err(StoreError::NoContainer { .. })
    ));
    assert!(!store.container_locked(&id).expect("locked"));
}

#[test]
fn volumes_in_use_stay() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    let absent = put(&store, "a", "a", &[], &["data"]);
    assert!(
        matches!(&absent, Err(StoreError::NoVolume { name }) if name == "data"),
        "{absent:?}"
    );
    assert!(volume(&store, "data"));
    assert!(volume(&store, "cache"));
    std::fs::write(store.volume_dir("data").join("file"), "kept").expect("write");
    assert!(!volume(&store, "data"), "it is there already");
    let all = store.volumes().expect("volumes");
    let names: Vec<_> = all.iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names, ["cache", "data"]);

    let id = put(&store, "a", "a", &[], &["data"]).expect("put");
    assert_eq!(store.volume_users("data").expect("users"), [id.as_str()]);
    let used = store.volume_remove("data");
    assert!(
        matches!(&used, Err(StoreError::VolumeInUse { users, .. }) if *users == [id.as_str()]),
        "{used:?}"
    );
    assert!(store.volume_dir("data").join("file").exists());
    remove(&store, &id);
    store.volume_remove("data").expect("remove");
    assert!(!root.path().join("volumes/data").exists());
    assert!(store.volume("data").expect("volume").is_none());
    assert!(matches!(
        store.volume_remove("data"),
        Err(StoreError::NoVolume { .. })
    ));
}
