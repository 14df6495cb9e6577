#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn blob(media_type: &str, text: &str) -> Descriptor {
    Descriptor::new(media_type, Digest::of(text.as_bytes()), text.len() as u64)
}

fn image(format: Format) -> Manifest {
    let layer = format.layer(LayerCompression::Gzip);
    Manifest::new(
        format,
        blob(format.config(), "{}"),
        vec![blob(layer, "a"), blob(layer, "bb")],
    )
}

fn index(platforms: &[&str]) -> Index {
    let manifests = platforms.iter().map(|text| {
        let mut d = blob(media_type::OCI_MANIFEST, text);
        let mut parts = text.split('/').map(String::from);
        d.platform = Some(ManifestPlatform {
            os: parts.next().unwrap(),
            architecture: parts.next().unwrap(),
            variant: parts.next(),
            ..ManifestPlatform::default()
        });
        d
    });
    Index::new(Format::Oci, manifests.collect())
}

#[test]
fn round_trips() {
    for format in [Format::Oci, Format::Docker] {
        let manifest = image(format);
        let json = manifest.to_json();
        let read = parse(&json, Some(format.manifest())).unwrap();
        assert_eq!(read, Document::Manifest(manifest.clone()));
        assert_eq!(read.media_type(), format.manifest());
        assert_eq!(manifest.to_json(), json);
        assert!(manifest.is_image());
        let mut list = index(&["linux/amd64", "linux/arm/v7"]);
        list.format = format;
        let read = parse(&list.to_json(), Some(format.index())).unwrap();
        assert_eq!(read, Document::Index(list));
    }
    let text = String::from_utf8(image(Format::Oci).to_json()).unwrap();
    let begin = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"#;
    assert!(text.starts_with(begin), "{text}");
}

#[test]
fn headers() {
    let json = image(Format::Oci).to_json();
    for header in [
        None,
        Some("application/vnd.oci.image.manifest.v1+json; charset=utf-8"),
        Some("Application/VND.oci.image.manifest.v1+json"),
        Some("application/json"),
        Some("text/plain; charset=utf-8"),
    ] {
        assert!(parse(&json, header).is_ok(), "{header:?}");
    }
    for header in [
        media_type::OCI_INDEX,
        media_type::DOCKER_MANIFEST,
        media_type::OCI_CONFIG,
        "text/html",
    ] {
        let e = parse(&json, Some(header)).unwrap_err();
        assert!(e.to_string().contains(header), "{e}");
    }
    let e = parse(&json, Some(media_type::DOCKER_SCHEMA1_SIGNED)).unwrap_err();
    assert!(matches!(e, ManifestError::Schema1));
}

#[test]
fn media_type_may_be_absent() {
    let mut value: Value = serde_json::from_slice(&image(Format::Oci).to_json()).unwrap();
    value.as_object_mut().unwrap().remove("mediaType");
    let bytes = serde_json::to_vec(&value).unwrap();
    let read = |header| match parse(&bytes, header).unwrap() {
        Document::Manifest(m) => m.format,
        Document::Index(_) => panic!(),
    };
    assert_eq!(read(None), Format::Oci);
    assert_eq!(read(Some(media_type::DOCKER_MANIFEST)), Format::Docker);
    assert!(parse(&bytes, Some(media_type::OCI_INDEX)).is_err());
}

#[test]
fn refused() {
    let config = json!(blob(media_type::OCI_CONFIG, "{}"));
    let base = json!({"schemaVersion": 2, "config": config, "layers": []});
    let with = |name: &str, value: Value| {
        let mut all = base.clone();
        all[name] = value;
        serde_json::to_vec(&all).unwrap()
    };
    assert!(parse(&with("x", json!(1)), None).is_ok());
    assert!(parse(&with("layers", Value::Null), None).is_ok());
    for (bytes, why) in [
        (with("manifests", json!([])), "two ways"),
        (with("Manifests", json!([])), "Manifests"),
        (with("LAYERS", json!([])), "LAYERS"),
        (with("fsLayers", json!([])), "schema 1"),
        (with("schemaVersion", json!(1)), "schema 1"),
        (with("schemaVersion", json!(3)), "schema 3"),
        (with("mediaType", json!(media_type::OCI_INDEX)), "an image"),
        (
            with("config", json!({"mediaType": "a", "size": 1})),
            "digest",
        ),
        (
            with(
                "layers",
                json!([{"mediaType": "a", "digest": "sha256:../..", "size": 1}]),
            ),
            "digest",
        ),
        (
            with(
                "layers",
                json!([{"mediaType": "a", "digest": Digest::of(b""), "size": -1}]),
            ),
            "-1",
        ),
        (b"".to_vec(), "EOF"),
        (b"[]".to_vec(), "map"),
        (b"{\"schemaVersion\":2}".to_vec(), "no manifest"),
        (
            b"{\"schemaVersion\":2,\"config\":null,\"layers\":[]}".to_vec(),
            "no manifest",
        ),
        (
            b"{\"schemaVersion\":2,\"schemaVersion\":2}".to_vec(),
            "duplicate",
        ),
        (b"<!DOCTYPE html>".to_vec(), "line 1"),
        ("[".repeat(100_000).into_bytes(), "line 1"),
        (vec![b' '; MAX_MANIFEST + 1], "4 MiB"),
    ] {
        let e = parse(&bytes, None).unwrap_err().to_string();
        assert!(e.contains(why), "{e}: {why}");
    }
}

#[test]
fn selection() {
    let pick = |there: &[&str], wanted: &str| {
        let index = index(there);
        let wanted: Platform = wanted.parse().unwrap();
        let found = index.select(&wanted).map(|d| d.digest);
        let at = |d: Digest| there.iter().find(|t| Digest::of(t.as_bytes()) == d);
        found
            .map(|d| (*at(d).unwrap()).to_owned())
            .map_err(|e| e.to_string())
    };
    let ok = |there: &[&str], wanted: &str, found: &str| {
        assert_eq!(
            pick(there, wanted).as_deref(),
            Ok(found),
            "{there:?} {wanted}"
        );
    };
    ok(
        &["linux/arm64", "linux/amd64"],
        "linux/amd64",
        "linux/amd64",
    );
    ok(&["linux/arm64/v8"], "linux/arm64", "linux/arm64/v8");
    ok(&["linux/arm64"], "linux/arm64/v9", "linux/arm64");
    ok(
        &["linux/arm/v5", "linux/arm/v6"],
        "linux/arm/v7",
        "linux/arm/v6",
    );
    ok(&["linux/arm"], "linux/arm/v7", "linux/arm");
    ok(&["linux/arm/v7"], "linux/arm64", "linux/arm/v7");
    ok(&["linux/386", "linux/amd64"], "linux/amd64", "linux/amd64");
    ok(&["linux/386"], "linux/amd64", "linux/386");
    ok(
        &["linux/amd64", "linux/amd64/v2"],
        "linux/amd64/v3",
        "linux/amd64/v2",
    );
    ok(
        &["unknown/unknown", "linux/amd64"],
        "linux/amd64",
        "linux/amd64",
    );
    for (there, wanted) in [
        (&["linux/arm/v7"][..], "linux/arm/v6"),
        (&["linux/amd64/v2"], "linux/amd64"),
        (&["windows/amd64"], "linux/amd64"),
    ] {
        let e = pick(there, wanted).unwrap_err();
        assert!(e.contains(wanted) && e.contains(there[0]), "{e}");
    }
    let e = pick(&["unknown/unknown"], "linux/amd64").unwrap_err();
    assert!(e.ends_with("there are: none"), "{e}");
    let mut one = index(&["linux/amd64"]);
    one.manifests[0].platform = None;
    assert!(one.select(&"linux/s390x".parse().unwrap()).is_ok());
    one.manifests[0].annotations = [(
        "vnd.docker.reference.type".to_owned(),
        "attestation-manifest".to_owned(),
    )]
    .into();
    assert!(one.select(&"linux/s390x".parse().unwrap()).is_err());
}

#[test]
fn layers() {
    for format in [Format::Oci, Format::Docker] {
        for compression in [
            LayerCompression::None,
            LayerCompression::Gzip,
            LayerCompression::Zstd,
        ] {
            assert_eq!(
                layer_compression(format.layer(compression)),
                Some(compression)
            );
        }
        assert_eq!(layer_compression(format.config()), None);
    }
}

fn descriptors() -> impl Strategy<Value = Vec<Descriptor>> {
    let platform = prop::option::of((
        "[a-z0-9]{0,6}",
        "[a-z0-9]{0,6}",
        prop::option::of("v[0-9]{1,3}"),
    ));
    let one = ("[ -~]{0,30}", any::<u64>(), platform).prop_map(|(media_type, size, platform)| {
        let mut d = Descriptor::new(media_type, Digest::of(&size.to_le_bytes()), size);
        d.platform = platform.map(|(os, architecture, variant)| ManifestPlatform {
            os,
            architecture,
            variant,
            ..ManifestPlatform::default()
        });
        d
    });
    prop::collection::vec(one, 0..5)
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), header in "\\PC{0,40}") {
        let _ = parse(&bytes, Some(&header));
    }

    #[test]
    fn any_json_object_is_read_or_refused(
        members in prop::collection::btree_map(
            "schemaVersion|mediaType|config|layers|manifests|fsLayers|[a-z]{1,3}",
            prop_oneof![
                Just(json!(2)),
                Just(json!(null)),
                Just(json!([])),
                Just(json!(media_type::OCI_INDEX)),
                Just(json!(blob(media_type::OCI_CONFIG, "{}"))),
            ],
            0..6,
        ),
    ) {
        let bytes = serde_json::to_vec(&members).unwrap();
        if parse(&bytes, None).is_ok() {
            prop_assert!(members.contains_key("manifests") != members.contains_key("config"));
        }
    }

    #[test]
    fn what_is_written_is_read(layers in descriptors(), manifests in descriptors(), wanted in "linux/(amd64|arm|arm64)(/v[0-9]{1,3})?") {
        let mut m = image(Format::Docker);
        m.layers = layers;
        prop_assert_eq!(parse(&m.to_json(), None).unwrap(), Document::Manifest(m));
        let i = Index::new(Format::Oci, manifests);
        let _ = i.select(&wanted.parse().unwrap());
        prop_assert_eq!(parse(&i.to_json(), None).unwrap(), Document::Index(i));
    }
}
