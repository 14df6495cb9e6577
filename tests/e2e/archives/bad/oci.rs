//! OCI layouts that are none, or only half of one, or two things at once.

use serde_json::{Value, json};

use super::super::forge::*;
use super::super::text;
use super::{Bad, Victim, bad, deep, layer, replaced};
use crate::harness::measured;

/// Blobs of one image, its index, and what each is for.
struct Layout {
    layer: Vec<u8>,
    config: Vec<u8>,
    manifest: Value,
}

impl Layout {
    fn new() -> Layout {
        let layer = layer();
        let config = json_bytes(&config(&[&layer]));
        Layout {
            manifest: oci_manifest(&config, &[&layer]),
            layer,
            config,
        }
    }

    /// With an index of the test's own.
    fn under(&self, index: &Value) -> Vec<(String, Vec<u8>)> {
        let manifest = json_bytes(&self.manifest);
        oci_members(index, &[&manifest, &self.config, &self.layer])
    }

    fn entry(&self) -> Value {
        descriptor("manifest.v1+json", &json_bytes(&self.manifest))
    }

    fn done(&self) -> Vec<(String, Vec<u8>)> {
        self.under(&oci_index(&[self.entry()]))
    }
}

fn changed(change: impl FnOnce(&mut Layout)) -> Vec<u8> {
    let mut layout = Layout::new();
    change(&mut layout);
    pack(&layout.done())
}

fn under(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let layout = Layout::new();
    let mut index = oci_index(&[layout.entry()]);
    change(&mut index);
    pack(&layout.under(&index))
}

/// An index in an index in an index.
fn nested(depth: usize) -> Vec<u8> {
    let layout = Layout::new();
    let mut blobs = vec![
        json_bytes(&layout.manifest),
        layout.config.clone(),
        layout.layer.clone(),
    ];
    let mut entry = layout.entry();
    for _ in 0..depth {
        entry["platform"] = json!({ "os": "linux", "architecture": "amd64" });
        let index = json_bytes(&oci_index(&[entry]));
        entry = descriptor("index.v1+json", &index);
        blobs.push(index);
    }
    let blobs: Vec<&[u8]> = blobs.iter().map(Vec::as_slice).collect();
    pack(&oci_members(&oci_index(&[entry]), &blobs))
}

#[test]
fn oci_archives() {
    let l = Layout::new();
    let (manifest, config, layer) = (json_bytes(&l.manifest), &l.config, &l.layer);
    let names = [blob_name(&manifest), blob_name(config), blob_name(layer)];
    let mut cases: Vec<Bad> = Vec::new();
    // Each blob missing, with one byte changed, too short and too long.
    for (what, blob) in [
        ("manifest", &manifest),
        ("config", config),
        ("layer", layer),
    ] {
        let name = blob_name(blob);
        let hex = hex(blob);
        let mut flipped = blob.clone();
        flipped[7] ^= 1;
        let longer = [blob.as_slice(), b" "].concat();
        for (how, data) in [
            ("is missing", None),
            ("has another digest", Some(flipped)),
            ("is too long", Some(longer)),
            ("is cut", Some(blob[..blob.len() - 1].to_vec())),
            ("is empty", Some(Vec::new())),
        ] {
            let archive = pack(&replaced(l.done(), &name, data));
            cases.push(bad(&format!("{what} {how}"), archive, &[&hex]));
        }
        for size in [0, blob.len() - 1, blob.len() + 1, usize::MAX >> 1] {
            let archive = match what {
                "manifest" => under(|i| i["manifests"][0]["size"] = json!(size)),
                "config" => changed(|l| l.manifest["config"]["size"] = json!(size)),
                _ => changed(|l| l.manifest["layers"][0]["size"] = json!(size)),
            };
            cases.push(bad(&format!("{what} of size {size}"), archive, &[&hex]));
        }
    }
    let both = changed(|l| l.manifest["manifests"] = json!([]));
    let has_layers = under(|i| i["layers"] = json!([]));
    let upper = under(|i| i["Manifests"] = json!([]));
    let index_hex = hex(&json_bytes(&oci_index(&[])));
    cases.extend([
        bad(
            "no index.json",
            pack(&replaced(l.done(), "index.json", None)),
            &["index.json"],
        ),
        bad(
            "index.json is a manifest",
            pack(&l.under(&l.manifest)),
            &["index.json"],
        ),
        bad(
            "index.json has layers, too",
            has_layers,
            &["index.json", "layers"],
        ),
        bad(
            "index.json has Manifests, too",
            upper,
            &["index.json", "Manifests"],
        ),
        bad("a manifest has manifests, too", both, &["manifests"]),
        bad(
            "index.json is no JSON",
            pack(&replaced(l.done(), "index.json", Some(b"{".to_vec()))),
            &["index.json"],
        ),
        bad(
            "index.json is nested",
            pack(&replaced(l.done(), "index.json", Some(deep("")))),
            &["index.json"],
        ),
        bad(
            "of schema 1",
            under(|i| i["schemaVersion"] = json!(1)),
            &["index.json", "schema"],
        ),
        bad(
            "no image",
            under(|i| i["manifests"] = json!([])),
            &["no image"],
        ),
        bad("indexes 5 deep", nested(6), &["index"]),
        bad("indexes 100 deep", nested(100), &["index"]),
        bad(
            "another digest's kind",
            under(|i| i["manifests"][0]["digest"] = json!("sha512:00")),
            &["index.json", "sha512:00"],
        ),
        bad(
            "a digest that is a path",
            under(|i| i["manifests"][0]["digest"] = json!("sha256:../../../../canary")),
            &["index.json"],
        ),
        bad(
            "a config that is a layer",
            changed(|l| {
                l.manifest["config"] = descriptor("config.v1+json", &l.layer);
            }),
            &[&hex(layer)],
        ),
        bad(
            "the config is an artifact's",
            changed(|l| {
                l.config = b"{}".to_vec();
                l.manifest["config"] = descriptor("config.v1+json", b"{}");
            }),
            &[&hex(b"{}")],
        ),
        bad(
            "fewer layers than diff ids",
            changed(|l| l.manifest["layers"] = json!([])),
            &["layers"],
        ),
        bad(
            "a layer of another diff id",
            changed(|l| {
                l.layer = Tar::new().file("x", b"x").done();
                l.manifest["layers"][0] = descriptor("layer.v1.tar", &l.layer);
            }),
            &[&digest(layer)],
        ),
        bad(
            "an index for others",
            {
                let index = {
                    let mut entry = l.entry();
                    entry["platform"] = json!({ "os": "windows", "architecture": "amd64" });
                    json_bytes(&oci_index(&[entry]))
                };
                let outer = oci_index(&[descriptor("index.v1+json", &index)]);
                pack(&oci_members(&outer, &[&index, &manifest, config, layer]))
            },
            &["windows/amd64"],
        ),
        bad(
            "an empty index",
            {
                let index = json_bytes(&oci_index(&[]));
                let outer = oci_index(&[descriptor("index.v1+json", &index)]);
                pack(&oci_members(&outer, &[&index]))
            },
            &[&index_hex],
        ),
    ]);
    let mut victim = Victim::new();
    cases.iter().for_each(|case| victim.refuses(case));
    // The same as directories.
    for (n, name) in names.iter().enumerate() {
        let dir = victim.kiln.file("store").join(format!("../layout-{n}"));
        for (file, data) in l.done() {
            let path = dir.join(&file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, data).unwrap();
        }
        let path = dir.join(name);
        std::fs::remove_file(&path).unwrap();
        let hex = name.rsplit('/').next().unwrap().to_owned();
        let load = ["load", "-i", text(&dir)];
        let mut check = |what: &str| {
            let done = measured(&victim.kiln, &load, Vec::new());
            victim.judge(
                &format!("{what} for {name}"),
                &done,
                std::slice::from_ref(&hex),
            );
        };
        check("nothing");
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        check("a link to a file of the host");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&hex, &path).unwrap();
        check("a link to itself");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        check("a directory");
        std::fs::remove_dir(&path).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, mode, 0).unwrap();
        check("a named pipe");
        std::fs::remove_dir_all(&dir).unwrap();
    }
    victim.assert_well();
}
