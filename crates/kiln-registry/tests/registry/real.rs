//! Against docker-registry as it is.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};

use kiln_oci::manifest::{
    Descriptor, Document, Format, Index, LayerCompression, Manifest, ManifestPlatform, media_type,
};
use kiln_oci::{Digest, Platform};
use kiln_registry::{Access, RegistryError, Repository, Target};

use crate::server::Server;
use crate::{bytes, client, descriptor, open, pull, push};

fn tag(tag: &str) -> Target {
    Target::Tag(tag.to_owned())
}

fn push_image(repository: &Repository, format: Format, seed: u64) -> Manifest {
    let mut config = push(repository, format!("{{\"seed\":{seed}}}").as_bytes());
    config.media_type = format.config().to_owned();
    let mut layer = push(repository, &bytes(seed, 1000));
    layer.media_type = format.layer(LayerCompression::Gzip).to_owned();
    Manifest::new(format, config, vec![layer])
}

#[test]
fn blobs_go_up_and_come_down() {
    let server = Server::plain();
    let repository = open(&client(), &server.host(), "a/b", Access::Push);
    assert_eq!(repository.has_blob(&Digest::of(b"x")).unwrap(), None);
    for len in [0, 1, 5000, 3 << 20] {
        let content = bytes(len as u64, len);
        let last = AtomicU64::new(0);
        let told = |sent| {
            let before = last.swap(sent, Ordering::Relaxed);
            assert!(before <= sent);
        };
        let d = descriptor(&content);
        repository
            .upload(&d.digest, d.size, &mut &content[..], &told)
            .unwrap();
        assert_eq!(last.load(Ordering::Relaxed), d.size);
        assert_eq!(repository.has_blob(&d.digest).unwrap(), Some(d.size));
        assert!(pull(&repository, &d).unwrap() == content);

        last.store(0, Ordering::Relaxed);
        let streamed = bytes(len as u64 + 77, len);
        let (digest, size) = repository.upload_stream(&mut &streamed[..], &told).unwrap();
        assert_eq!((digest, size), (Digest::of(&streamed), len as u64));
        assert!(pull(&repository, &descriptor(&streamed)).unwrap() == streamed);
    }
}

#[test]
fn uploads_that_lie_are_refused() {
    let server = Server::plain();
    let repository = open(&client(), &server.host(), "a", Access::Push);
    let content = bytes(1, 2 << 20);
    let up = |digest: Digest, size: u64| {
        let error = repository.upload(&digest, size, &mut &content[..], &|_| {});
        (error.unwrap_err(), repository.has_blob(&digest).unwrap())
    };
    let (e, there) = up(Digest::of(b"other"), content.len() as u64);
    assert!(e.to_string().contains("DIGEST_INVALID"), "{e}");
    assert!(!e.retryable() && there.is_none());
    let (e, there) = up(Digest::of(&content), content.len() as u64 + 1);
    assert!(e.to_string().contains("ends 1 bytes too early"), "{e}");
    assert!(matches!(e, RegistryError::Source { .. }) && there.is_none());
    // A source that fails is told as itself.
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let e = repository.upload_stream(&mut Failing, &|_| {}).unwrap_err();
    assert!(e.to_string().contains("the disk is gone"), "{e}");
}

#[test]
fn manifests_and_indexes() {
    let server = Server::plain();
    let client = client();
    let repository = open(&client, &server.host(), "team/app", Access::Push);
    assert!(repository.head_manifest(&tag("v1")).unwrap().is_none());
    let e = repository.manifest(&tag("v1")).unwrap_err();
    let name = format!("{}/team/app:v1", server.host());
    assert!(e.not_found() && e.to_string().contains(&name), "{e}");
    assert!(repository.tags().unwrap_err().not_found());

    let mut entries = Vec::new();
    for (seed, format) in [(1, Format::Oci), (2, Format::Docker)] {
        let manifest = push_image(&repository, format, seed);
        let json = manifest.to_json();
        let to = tag(&format!("v{seed}"));
        let digest = repository
            .put_manifest(&to, format.manifest(), &json)
            .unwrap();
        assert_eq!(digest, Digest::of(&json));
        for target in [to, Target::Digest(digest)] {
            let found = repository.manifest(&target).unwrap();
            assert_eq!(found.bytes, json);
            assert_eq!(found.document, Document::Manifest(manifest.clone()));
            let head = repository.head_manifest(&target).unwrap().unwrap();
            assert_eq!(head, found.descriptor());
        }
        let mut entry = Descriptor::new(format.manifest(), digest, json.len() as u64);
        let platform: Platform = ["linux/amd64", "linux/arm64"][seed as usize - 1]
            .parse()
            .unwrap();
        entry.platform = Some(ManifestPlatform::from(&platform));
        entries.push(entry);
    }
    let index = Index::new(Format::Oci, entries);
    let json = index.to_json();
    repository
        .put_manifest(&tag("latest"), media_type::OCI_INDEX, &json)
        .unwrap();
    let named = open(&client, &server.host(), "team/app", Access::Pull);
    let found = named.manifest(named.target()).unwrap();
    let Document::Index(found) = found.document else {
        panic!("no index");
    };
    let one = found.select(&"linux/arm64".parse().unwrap()).unwrap();
    assert!(named.manifest(&Target::Digest(one.digest)).is_ok());
    assert_eq!(named.tags().unwrap(), ["latest", "v1", "v2"]);

    let e = repository.put_manifest(
        &Target::Digest(Digest::of(b"")),
        media_type::OCI_INDEX,
        &json,
    );
    assert!(matches!(e, Err(RegistryError::Digest { .. })));
    let missing = Manifest::new(Format::Oci, descriptor(b"missing"), Vec::new());
    let e = repository
        .put_manifest(&tag("bad"), media_type::OCI_MANIFEST, &missing.to_json())
        .unwrap_err();
    assert!(e.to_string().contains("MANIFEST_BLOB_UNKNOWN"), "{e}");
    assert!(!e.retryable());
    for bad in ["../x", "a?b", "a/b", ""] {
        let e = repository.manifest(&tag(bad)).unwrap_err();
        assert!(matches!(e, RegistryError::Refused { .. }), "{e}");
    }
}

#[test]
fn blobs_are_mounted() {
    let server = Server::plain();
    let client = client();
    let from = open(&client, &server.host(), "from", Access::Push);
    let to = open(&client, &server.host(), "to", Access::Push);
    let content = bytes(3, 100_000);
    let d = push(&from, &content);
    assert!(to.mount(&d.digest, "from").unwrap());
    assert_eq!(to.has_blob(&d.digest).unwrap(), Some(d.size));
    // What isn't there begins an upload, which the next one goes on with.
    let other = descriptor(b"other");
    assert!(!to.mount(&other.digest, "from").unwrap());
    to.upload(&other.digest, other.size, &mut &b"other"[..], &|_| {})
        .unwrap();
    assert_eq!(to.has_blob(&other.digest).unwrap(), Some(5));
    assert!(to.mount(&d.digest, "../from").is_err());
}

#[test]
fn threads_share_a_client() {
    let server = Server::plain();
    let client = client();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let repository = open(&client, &server.host(), "threads", Access::Push);
            scope.spawn(move || {
                for i in 0..5 {
                    let content = bytes(n * 100 + i, 300_000);
                    let d = push(&repository, &content);
                    assert!(pull(&repository, &d).unwrap() == content);
                }
            });
        }
    });
}

#[test]
fn skopeo_reads_what_was_pushed() {
    let server = Server::plain();
    let repository = open(&client(), &server.host(), "app", Access::Push);
    for format in [Format::Oci, Format::Docker] {
        let mut manifest = push_image(&repository, format, 9);
        let config = br#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}}"#;
        manifest.config = push(&repository, config);
        manifest.config.media_type = format.config().to_owned();
        let json = manifest.to_json();
        let digest = repository
            .put_manifest(&tag("x"), format.manifest(), &json)
            .unwrap();
        let out = std::process::Command::new("skopeo")
            .args(["inspect", "--tls-verify=false"])
            .arg(format!("docker://{}/app:x", server.host()))
            .output()
            .unwrap();
        let shown = String::from_utf8(out.stdout).unwrap();
        assert!(shown.contains(&digest.to_string()), "{shown}");
    }
}

#[test]
fn the_registry_may_restart() {
    let storage = tempfile::tempdir().unwrap();
    let start = |port| {
        Server::start(&crate::server::Options {
            port,
            storage: Some(storage.path()),
            ..Default::default()
        })
    };
    let server = start(0);
    let port = server.port;
    let repository = open(&client(), &server.host(), "a", Access::Push);
    let content = bytes(5, 10_000);
    let d = push(&repository, &content);
    drop(server);
    let e = repository.has_blob(&d.digest).unwrap_err();
    assert!(e.to_string().contains(&format!("127.0.0.1:{port}")), "{e}");
    let _server = start(port);
    // Connections from before are dead; that is nobody's business.
    assert!(pull(&repository, &d).unwrap() == content);
    push(&repository, b"more");
}

#[test]
fn nobody_is_there() {
    let client = client();
    let repository = open(&client, "127.0.0.1:1", "a", Access::Pull);
    let e = repository.manifest(repository.target()).unwrap_err();
    assert!(matches!(e, RegistryError::Unreachable { .. }), "{e}");
    assert!(e.to_string().contains("127.0.0.1:1/a:latest"), "{e}");
    let repository = open(&client, "registry.invalid", "a", Access::Pull);
    let e = repository.manifest(repository.target()).unwrap_err();
    assert!(matches!(e, RegistryError::Unreachable { .. }), "{e}");
    assert!(client.ping("127.0.0.1:1").is_err());
}
