//! Registries that lie, and servers that are none.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kiln_oci::Digest;
use kiln_oci::manifest::{Document, Format, Index, Manifest, media_type};
use kiln_registry::{Access, RegistryError, Repository, Target};
use serde_json::json;

use crate::mock::{Mock, Reply, Request, reply};
use crate::{bytes, client, descriptor, open, pull};

fn repository(mock: &Mock) -> Repository {
    open(&client(), &mock.host(), "a", Access::Push)
}

fn latest() -> Target {
    Target::Tag("latest".into())
}

fn manifest() -> Vec<u8> {
    let config = kiln_oci::manifest::Descriptor::new(media_type::OCI_CONFIG, Digest::of(b"{}"), 2);
    Manifest::new(Format::Oci, config, Vec::new()).to_json()
}

fn answers(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (Mock, Repository) {
    let mock = Mock::start(move |r| match r.path.as_str() {
        "/v2/" => reply(200),
        _ => answer(r),
    });
    let repository = repository(&mock);
    (mock, repository)
}

#[test]
fn wrong_bytes() {
    let content = bytes(1, 10_000);
    let d = descriptor(&content);
    let (_mock, repository) = answers(move |_| reply(200).body(bytes(2, 10_000)));
    let e = pull(&repository, &d).unwrap_err();
    assert!(
        e.contains(&d.digest.to_string()) && e.contains("content with the digest"),
        "{e}"
    );
    let io = std::io::copy(&mut repository.blob(&d).unwrap(), &mut std::io::sink()).unwrap_err();
    assert!(!RegistryError::of(&io).unwrap().retryable());
}

#[test]
fn wrong_sizes() {
    let content = bytes(1, 10_000);
    let d = descriptor(&content);
    let (short, long) = (content[..9_999].to_vec(), bytes(1, 10_001));
    for (body, says) in [(short.clone(), "sent 9999"), (long.clone(), "sent 10001")] {
        let (_mock, repository) = answers(move |_| reply(200).body(body.clone()));
        let e = pull(&repository, &d).unwrap_err();
        assert!(e.contains(says) && e.contains("not 10000 bytes"), "{e}");
    }
    // Of the right length by its header, and ends before.
    let (mock, repository) = answers(move |_| reply(200).body(short.clone()).claiming(10_000));
    let e = pull(&repository, &d).unwrap_err();
    assert!(
        e.contains("broke") && e.contains("at byte 9999 of 10000"),
        "{e}"
    );
    assert!(e.contains("tried 4 times"), "{e}");
    assert_eq!(
        mock.seen().last().unwrap().header("range"),
        Some("bytes=9999-9999")
    );
    // Without a length, and longer, or without an end.
    for body in [long, bytes(1, 10_000)] {
        let (_mock, repository) = answers(move |_| reply(200).body(body.clone()).endless());
        let e = pull(&repository, &d).unwrap_err();
        assert!(e.contains("more than 10000"), "{e}");
    }
}

#[test]
fn ranges_that_are_none() {
    let content = bytes(1, 30_000);
    let d = descriptor(&content);
    // A server that knows no ranges sends all of it once more.
    let calls = AtomicUsize::new(0);
    let body = content.clone();
    let (_mock, repository) = answers(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => reply(200).body(&body[..10_000]).claiming(30_000),
        _ => reply(200).body(body.clone()),
    });
    assert!(pull(&repository, &d).unwrap() == content);
    // One that refuses them, too.
    let calls = AtomicUsize::new(0);
    let body = content.clone();
    let (_mock, repository) = answers(move |r| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => reply(200).body(&body[..10_000]).claiming(30_000),
        _ if r.header("range").is_some() => reply(416),
        _ => reply(200).body(body.clone()),
    });
    assert!(pull(&repository, &d).unwrap() == content);
    // Another part than the one asked for.
    let calls = AtomicUsize::new(0);
    let body = content.clone();
    let (_mock, repository) = answers(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => reply(200).body(&body[..10_000]).claiming(30_000),
        _ => reply(206)
            .with("Content-Range", "bytes 0-19999/30000")
            .body(&body[..20_000]),
    });
    let e = pull(&repository, &d).unwrap_err();
    assert!(e.contains("Content-Range"), "{e}");
    // A part that nobody asked for.
    let (_mock, repository) = answers(move |_| reply(206).body(content.clone()));
    assert!(pull(&repository, &d).unwrap_err().contains("Content-Range"));
}

#[test]
fn pages_for_people() {
    let html = || {
        reply(200)
            .with("Content-Type", "text/html; charset=utf-8")
            .body("\n<html>Log in here</html>\n")
    };
    let mock = Mock::start(move |_| html());
    let repository = repository(&mock);
    let log_in = "\"<html>Log in here</html>\"";
    for e in [
        repository.manifest(&latest()).map(drop).unwrap_err(),
        repository.tags().map(drop).unwrap_err(),
        client().ping(&mock.host()).unwrap_err(),
    ] {
        assert!(
            matches!(e, RegistryError::NoRegistry { status: 200, .. }),
            "{e}"
        );
        assert!(
            e.to_string().contains(log_in) && e.to_string().contains(&mock.host()),
            "{e}"
        );
    }
    let (_mock, repository) = answers(|_| {
        reply(404)
            .with("Content-Type", "text/html")
            .body("<h1>Gone")
    });
    let e = repository.manifest(&latest()).unwrap_err();
    assert!(
        matches!(e, RegistryError::NoRegistry { status: 404, .. }),
        "{e}"
    );
    // A gateway's page passes.
    let (mock, repository) =
        answers(|_| reply(502).with("Content-Type", "text/html").body("<h1>Bad"));
    let e = repository.manifest(&latest()).unwrap_err();
    assert!(e.retryable() && e.to_string().contains("502"), "{e}");
    assert_eq!(mock.seen().len(), 4);
    let (_mock, repository) = answers(|_| reply(200).body("hello"));
    let e = repository.tags().unwrap_err();
    assert!(e.to_string().contains("\"hello\""), "{e}");
}

#[test]
fn answers_without_end() {
    for kind in [media_type::OCI_MANIFEST, "application/json"] {
        let (_mock, repository) = answers(move |_| {
            reply(200)
                .with("Content-Type", kind)
                .body(vec![b' '; 1 << 16])
                .endless()
        });
        let begun = Instant::now();
        let e = repository.manifest(&latest()).unwrap_err();
        assert!(e.to_string().contains("larger than"), "{e}");
        assert!(repository.tags().is_err());
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    let (_mock, repository) = answers(|_| reply(500).body(vec![b'x'; 1 << 16]).endless());
    assert!(repository.manifest(&latest()).is_err());
    let (_mock, repository) = answers(|_| {
        (0..2000).fold(reply(200), |r, i| {
            r.with(&format!("X-{i}"), "y".repeat(100))
        })
    });
    let e = repository.manifest(&latest()).unwrap_err();
    assert!(!e.retryable(), "{e}");
    let deep = "[".repeat(1 << 20);
    let (_mock, repository) = answers(move |_| reply(200).body(deep.clone()));
    assert!(repository.manifest(&latest()).is_err());
    assert!(repository.tags().is_err());
}

#[test]
fn redirects_to_nowhere() {
    let victim = Mock::start(|_| reply(200).body("secret"));
    for to in [
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "ftp://127.0.0.1/x",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",
        "http://user:pw@127.0.0.1/",
        "http://",
        "javascript:1",
    ] {
        let (_mock, repository) = answers(move |_| reply(307).with("Location", to));
        let e = repository
            .blob(&descriptor(b"secret"))
            .map(drop)
            .unwrap_err();
        assert!(matches!(e, RegistryError::Refused { .. }), "{to}: {e}");
        let e = repository
            .upload(&Digest::of(b""), 0, &mut &b""[..], &|_| {})
            .unwrap_err();
        assert!(matches!(e, RegistryError::Refused { .. }), "{to}: {e}");
    }
    // In a circle.
    let (mock, repository) = answers(|r| reply(302).with("Location", format!("{}x", r.path)));
    let e = repository.manifest(&latest()).unwrap_err();
    assert!(e.to_string().contains("more than 5 redirects"), "{e}");
    assert_eq!(mock.seen().len(), 6);
    // Nowhere at all.
    let (_mock, repository) = answers(|_| reply(307));
    assert!(
        repository
            .manifest(&latest())
            .unwrap_err()
            .to_string()
            .contains("307")
    );
    // Uploads are led nowhere.
    let to = victim.url("/");
    let (_mock, repository) = answers(move |r| match r.method.as_str() {
        "POST" => reply(202).with("Location", "/v2/a/here"),
        _ => reply(307).with("Location", &to),
    });
    let content = bytes(1, 2 << 20);
    let e = repository.upload(&Digest::of(&content), 2 << 20, &mut &content[..], &|_| {});
    assert!(matches!(e, Err(RegistryError::Refused { .. })));
    let e = repository.put_manifest(&latest(), media_type::OCI_MANIFEST, &manifest());
    assert!(matches!(e, Err(RegistryError::Refused { .. })));
    assert!(victim.all().is_empty());
    // Places of uploads.
    for to in ["file:///tmp/x", "http://169.254.169.254/x", ""] {
        let (_mock, repository) = answers(move |_| reply(202).with("Location", to));
        let e = repository
            .upload(&Digest::of(b"a"), 1, &mut &b"a"[..], &|_| {})
            .unwrap_err();
        assert!(
            to.is_empty() || matches!(e, RegistryError::Refused { .. }),
            "{to}: {e}"
        );
    }
}

#[test]
fn asked_to_wait() {
    let calls = AtomicUsize::new(0);
    let (mock, repository) = answers(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => reply(429)
            .with("Retry-After", "1")
            .json(json!({"errors": [{"code": "TOOMANYREQUESTS"}]})),
        1 => reply(503),
        _ => reply(200)
            .with("Content-Type", media_type::OCI_MANIFEST)
            .body(manifest()),
    });
    let begun = Instant::now();
    repository.manifest(&latest()).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(mock.seen().len(), 3);
    // For longer than anybody waits.
    let (mock, repository) = answers(|_| reply(429).with("Retry-After", "86400"));
    let begun = Instant::now();
    let e = repository.manifest(&latest()).unwrap_err();
    assert!(e.to_string().contains("86400 s") && e.retryable(), "{e}");
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(mock.seen().len(), 1);
    // What will not pass is not tried again.
    let (mock, repository) = answers(|_| reply(501));
    assert!(!repository.manifest(&latest()).unwrap_err().retryable());
    assert_eq!(mock.seen().len(), 1);
}

#[test]
fn manifests_that_are_something_else() {
    let index = Index::new(Format::Oci, Vec::new()).to_json();
    let both = br#"{"schemaVersion":2,"manifests":[],"layers":[]}"#.to_vec();
    let schema1 = br#"{"schemaVersion":1,"fsLayers":[],"signatures":[]}"#.to_vec();
    let signed = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    for (kind, body, why) in [
        (media_type::OCI_INDEX, manifest(), "Content-Type"),
        (media_type::DOCKER_MANIFEST, manifest(), "Content-Type"),
        (media_type::OCI_MANIFEST, index.clone(), "Content-Type"),
        (media_type::OCI_MANIFEST, both, "two ways"),
        (signed, schema1, "schema 1"),
        (media_type::OCI_MANIFEST, b"{}".to_vec(), "schema"),
        (
            media_type::OCI_MANIFEST,
            b"nonsense".to_vec(),
            "invalid manifest",
        ),
    ] {
        let sent = body.clone();
        let (_mock, repository) =
            answers(move |_| reply(200).with("Content-Type", kind).body(sent.clone()));
        let e = repository.manifest(&latest()).unwrap_err();
        assert!(e.to_string().contains(why), "{kind}: {e}");
        assert!(e.to_string().contains("/a:latest"), "{e}");
    }
    // The same bytes by digest, with a header that flips between pulls.
    let calls = AtomicUsize::new(0);
    let sent = index.clone();
    let (_mock, repository) = answers(move |_| {
        let kinds = [media_type::OCI_INDEX, media_type::OCI_MANIFEST];
        let kind = kinds[calls.fetch_add(1, Ordering::SeqCst) % 2];
        reply(200).with("Content-Type", kind).body(sent.clone())
    });
    let by_digest = Target::Digest(Digest::of(&index));
    let found = repository.manifest(&by_digest).unwrap();
    assert!(matches!(found.document, Document::Index(_)));
    assert!(repository.manifest(&by_digest).is_err());
}

#[test]
fn digests_of_manifests() {
    let kind = media_type::OCI_MANIFEST;
    let with = move |digest: &str| {
        let digest = digest.to_owned();
        answers(move |_| {
            reply(200)
                .with("Content-Type", kind)
                .with("Docker-Content-Digest", digest.clone())
                .body(manifest())
        })
    };
    let (good, other) = (Digest::of(&manifest()), Digest::of(b"other"));
    let (_mock, repository) = with(&good.to_string());
    assert_eq!(repository.manifest(&latest()).unwrap().digest, good);
    assert_eq!(
        repository.manifest(&Target::Digest(good)).unwrap().digest,
        good
    );
    // Another manifest than the one asked for, whatever the header says of it.
    let e = repository.manifest(&Target::Digest(other)).unwrap_err();
    assert!(matches!(e, RegistryError::Digest { .. }), "{e}");
    assert!(repository.head_manifest(&Target::Digest(other)).is_err());
    let (_mock, repository) = with(&other.to_string());
    let e = repository.manifest(&latest()).unwrap_err();
    assert!(matches!(e, RegistryError::Digest { .. }), "{e}");
    let (_mock, repository) = with("sha256:../../x");
    let e = repository.manifest(&latest()).unwrap_err();
    assert!(matches!(e, RegistryError::Invalid { .. }), "{e}");
    let (_mock, repository) = with("sha512:abc");
    assert!(repository.manifest(&latest()).is_ok());
    // A registry that stored something else than it was given.
    let (_mock, repository) =
        answers(move |_| reply(201).with("Docker-Content-Digest", other.to_string()));
    let e = repository
        .put_manifest(&latest(), kind, &manifest())
        .unwrap_err();
    assert!(matches!(e, RegistryError::Digest { .. }), "{e}");
}

#[test]
fn heads_that_tell_nothing() {
    let (mock, repository) = answers(|r| match r.method.as_str() {
        "HEAD" => reply(200).with("Content-Type", media_type::OCI_MANIFEST),
        _ => reply(200)
            .with("Content-Type", media_type::OCI_MANIFEST)
            .body(manifest()),
    });
    let found = repository.head_manifest(&latest()).unwrap().unwrap();
    assert_eq!(found.digest, Digest::of(&manifest()));
    assert_eq!(mock.seen().len(), 2);
}

#[test]
fn pages_of_tags() {
    let (mock, repository) = answers(|r| match r.path.split_once("last=") {
        None => reply(200)
            .with("Link", "</v2/a/tags/list?n=2&last=b>; rel=\"next\"")
            .json(json!({"name": "a", "tags": ["a", "b"]})),
        Some((_, "b")) => reply(200)
            .with("Link", "<?last=d>; rel=\"next\"")
            .json(json!({"tags": ["c", "../evil", "\u{1b}[31m", "d"]})),
        _ => reply(200).json(json!({"tags": null})),
    });
    assert_eq!(repository.tags().unwrap(), ["a", "b", "c", "d"]);
    assert_eq!(mock.seen().len(), 3);
    // Pages that lead elsewhere, or to themselves.
    let trap = Mock::start(|_| reply(200).json(json!({"tags": ["x"]})));
    for to in [
        trap.url("/v2/a/tags/list"),
        "?n=1000".to_owned(),
        "file:///x".to_owned(),
    ] {
        let link = format!("<{to}>; rel=\"next\"");
        let (_mock, repository) =
            answers(move |_| reply(200).with("Link", &link).json(json!({"tags": ["a"]})));
        let e = repository.tags().unwrap_err();
        assert!(matches!(e, RegistryError::Invalid { .. }), "{e}");
    }
    assert!(trap.all().is_empty());
    for bad in [json!([]), json!({"tags": [1]}), json!({"tags": "x"})] {
        let (_mock, repository) = answers(move |_| reply(200).json(bad.clone()));
        assert!(repository.tags().is_err());
    }
}

#[test]
fn uploads_that_are_lost() {
    // The registry forgets the upload between two requests.
    let (_mock, repository) = answers(|r| match r.method.as_str() {
        "POST" => reply(202).with("Location", "/v2/a/blobs/uploads/1"),
        _ => reply(404).json(json!({"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]})),
    });
    let e = repository
        .upload(&Digest::of(b"a"), 1, &mut &b"a"[..], &|_| {})
        .unwrap_err();
    assert!(
        e.retryable() && e.to_string().contains("BLOB_UPLOAD_UNKNOWN"),
        "{e}"
    );
    // It has no place for it.
    let (_mock, repository) = answers(|_| reply(202));
    let e = repository
        .upload(&Digest::of(b"a"), 1, &mut &b"a"[..], &|_| {})
        .unwrap_err();
    assert!(e.to_string().contains("no Location"), "{e}");
    // It refuses a large one before it is sent.
    let (mock, repository) = answers(|r| match r.method.as_str() {
        "POST" => reply(202).with("Location", "1"),
        _ => reply(413).json(json!({"errors": [{"code": "SIZE_INVALID", "message": "too large"}]})),
    });
    let content = bytes(1, 2 << 20);
    let sent = AtomicUsize::new(0);
    let e = repository.upload(&Digest::of(&content), 2 << 20, &mut &content[..], &|n| {
        sent.store(n as usize, Ordering::Relaxed);
    });
    assert!(e.unwrap_err().to_string().contains("too large"));
    assert_eq!(sent.load(Ordering::Relaxed), 0);
    assert_eq!(
        mock.seen()[1].path,
        format!("/v2/a/blobs/uploads/1?digest={}", Digest::of(&content))
    );
}

#[test]
fn one_that_says_nothing_is_asked_once() {
    let (_mock, repository) = answers(|r| match r.method.as_str() {
        "POST" => reply(202).with("Location", "1"),
        _ => reply(201).silent(),
    });
    let content = bytes(1, 2 << 20);
    let begun = Instant::now();
    for _ in 0..4 {
        repository
            .upload(&Digest::of(&content), 2 << 20, &mut &content[..], &|_| {})
            .unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(2));
}
