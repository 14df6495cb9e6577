//! Tests of the store as a whole.

mod caches;
mod concurrency;
mod containers;
mod durability;
mod explaining;
mod names;
mod removal;

use std::path::Path;

use kiln_oci::{Digest, Reference};

use crate::{CacheRecord, Input, Layer, Store};

fn store(dir: &Path) -> Store {
    Store::open(dir).expect("open")
}

fn boot(dir: &Path, id: &str) -> Store {
    Store::open_in_boot(dir, id.to_owned()).expect("open")
}

fn reference(name: &str) -> Reference {
    Reference::parse(name).expect("reference")
}

/// Makes and commits a layer of one file.
fn put_layer(store: &Store, content: &str) -> Digest {
    let scratch = store.scratch().expect("scratch");
    let dir = scratch.path().join("layer");
    std::fs::create_dir(&dir).expect("mkdir");
    std::fs::write(dir.join("file"), content).expect("write");
    let diff_id = Digest::of(content.as_bytes());
    let layer = Layer {
        diff_id,
        size: content.len() as u64,
        tar_size: 1024,
        entries: 1,
        created: "2024-01-01T00:00:00Z".to_owned(),
        recipe: false,
    };
    store.commit_layer(&dir, &layer).expect("commit");
    diff_id
}

fn config(layers: &[Digest], marker: &str) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(ToString::to_string).collect();
    serde_json::to_vec(&serde_json::json!({
        "architecture": "amd64",
        "os": "linux",
        "created": "2024-01-01T00:00:00Z",
        "author": marker,
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": ids },
        "history": [],
    }))
    .expect("json")
}

fn put_image(store: &Store, layers: &[Digest], marker: &str) -> Digest {
    store
        .image_put(&config(layers, marker), None)
        .expect("image_put")
}

fn record(key: &str, layer: Option<Digest>) -> CacheRecord {
    let input = Input {
        kind: "arg".into(),
        name: "A".into(),
        value: key.into(),
    };
    CacheRecord {
        key: key.to_owned(),
        shape: "RUN true".to_owned(),
        layer,
        created: "2024-01-01T00:00:00Z".to_owned(),
        took_ms: 7,
        text: "RUN true".to_owned(),
        inputs: vec![input],
        about: Vec::new(),
    }
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("read_dir");
    entries
        .map(|e| e.expect("entry").file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn store_is_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Store>();
}
