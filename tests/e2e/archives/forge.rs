//! Archives and layers made by hand, to be right or wrong in one place.

use kiln_oci::Digest;
use serde_json::{Value, json};
use tar::{EntryType, Header};

/// A tar whose names and targets are taken as they are.
#[derive(Clone, Default)]
pub struct Tar(Vec<u8>);

impl Tar {
    pub fn new() -> Tar {
        Tar::default()
    }

    /// Adds a file.
    pub fn file(self, name: &str, data: &[u8]) -> Tar {
        self.entry(EntryType::Regular, name, "", data)
    }

    /// Adds a directory.
    pub fn dir(self, name: &str) -> Tar {
        self.entry(EntryType::Directory, name, "", b"")
    }

    /// Adds a symbolic link.
    pub fn symlink(self, name: &str, target: &str) -> Tar {
        self.entry(EntryType::Symlink, name, target, b"")
    }

    /// Adds a hard link.
    pub fn link(self, name: &str, target: &str) -> Tar {
        self.entry(EntryType::Link, name, target, b"")
    }

    /// Adds an entry of any kind.
    pub fn entry(self, kind: EntryType, name: &str, target: &str, data: &[u8]) -> Tar {
        let mut header = self.header(kind, name, data.len() as u64);
        let old = header.as_old_mut();
        old.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        self.raw(header.as_bytes()).content(data)
    }

    /// A header that can still be changed.
    pub fn header(&self, kind: EntryType, name: &str, size: u64) -> Header {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_600_000_000);
        header.set_size(size);
        header.set_cksum();
        header
    }

    /// Adds bytes as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Tar {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds bytes, filled up to whole blocks.
    pub fn content(self, data: &[u8]) -> Tar {
        let padding = data.len().next_multiple_of(512) - data.len();
        self.raw(data).raw(&vec![0; padding])
    }

    /// Without the blocks that end it.
    pub fn open(self) -> Vec<u8> {
        self.0
    }

    /// The whole tar.
    pub fn done(self) -> Vec<u8> {
        self.raw(&[0; 1024]).open()
    }
}

pub fn hex(data: &[u8]) -> String {
    Digest::of(data).hex()
}

pub fn digest(data: &[u8]) -> String {
    Digest::of(data).to_string()
}

/// A config of an image with these layers.
pub fn config(layers: &[&[u8]]) -> Value {
    json!({
        "architecture": "amd64",
        "os": "linux",
        "config": { "Cmd": ["/x"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids(layers) },
    })
}

pub fn diff_ids(layers: &[&[u8]]) -> Vec<String> {
    layers.iter().map(|l| digest(l)).collect()
}

/// The members of a docker-archive with one image, `forged:latest`.
pub fn docker_members(config: &[u8], layers: &[&[u8]]) -> Vec<(String, Vec<u8>)> {
    let names: Vec<String> = (0..layers.len())
        .map(|n| format!("{n}/layer.tar"))
        .collect();
    let manifest = json!([{
        "Config": "config.json",
        "RepoTags": ["forged:latest"],
        "Layers": names,
    }]);
    let mut members = vec![
        ("manifest.json".to_owned(), json_bytes(&manifest)),
        ("config.json".to_owned(), config.to_vec()),
    ];
    members.extend(names.into_iter().zip(layers.iter().map(|l| l.to_vec())));
    members
}

/// A docker-archive with one image, `forged:latest`.
pub fn docker_archive(layers: &[&[u8]]) -> Vec<u8> {
    pack(&docker_members(&json_bytes(&config(layers)), layers))
}

/// A descriptor of a blob.
pub fn descriptor(kind: &str, blob: &[u8]) -> Value {
    json!({
        "mediaType": format!("application/vnd.oci.image.{kind}"),
        "digest": digest(blob),
        "size": blob.len(),
    })
}

/// The manifest of an OCI image.
pub fn oci_manifest(config: &[u8], blobs: &[&[u8]]) -> Value {
    let layers: Vec<Value> = blobs
        .iter()
        .map(|b| descriptor("layer.v1.tar", b))
        .collect();
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", config),
        "layers": layers,
    })
}

/// An index of manifests or indexes.
pub fn oci_index(entries: &[Value]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": entries,
    })
}

/// The members of an OCI layout with this index and these blobs under their right names.
pub fn oci_members(index: &Value, blobs: &[&[u8]]) -> Vec<(String, Vec<u8>)> {
    let layout = br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec();
    let mut members = vec![
        ("oci-layout".to_owned(), layout),
        ("index.json".to_owned(), json_bytes(index)),
    ];
    let blobs = blobs.iter().map(|b| (blob_name(b), b.to_vec()));
    members.extend(blobs);
    members
}

/// Members of an OCI layout with one image, `forged:latest`.
pub fn oci_image(config: &[u8], layers: &[&[u8]]) -> Vec<(String, Vec<u8>)> {
    let manifest = json_bytes(&oci_manifest(config, layers));
    let mut entry = descriptor("manifest.v1+json", &manifest);
    entry["annotations"] = json!({ "io.containerd.image.name": "docker.io/library/forged:latest" });
    let mut blobs = vec![manifest.as_slice(), config];
    blobs.extend(layers);
    oci_members(&oci_index(&[entry]), &blobs)
}

pub fn blob_name(blob: &[u8]) -> String {
    format!("blobs/sha256/{}", hex(blob))
}

/// Members as a tar.
pub fn pack(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let files = members.iter();
    files
        .fold(Tar::new(), |tar, (name, data)| tar.file(name, data))
        .done()
}

pub fn json_bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}
