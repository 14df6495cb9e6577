//! Registries whose blobs aren't what their manifests say. Each is refused in one line that names
//! the blob, soon and in little memory, and nothing of it stays.

use std::time::Duration;

use kiln_oci::Digest;

use super::error_line;
use super::mock::{Reply, Site, packed};
use super::random::Random;
use crate::harness::{Kiln, MEMORY, assert_nothing_left, measured};

/// The longest that a refusal may take, tries at some seconds' distance included.
const SOON: Duration = Duration::from_secs(30);

/// Pulls `app:1` of a registry into a store that may have something else, which must fail so: with
/// these words in the error.
#[track_caller]
pub fn refused(kiln: &Kiln, site: Site, what: &str, words: &[&str]) {
    let mock = site.start();
    let format = "{{.ID}} {{.Repository}}:{{.Tag}} {{.Digest}}";
    let listed = || {
        kiln.ok(["images", "-a", "--no-trunc", "--format", format])
            .out()
    };
    let before = listed();
    let done = measured(kiln, &["pull", &mock.name("app:1")], Vec::new());
    assert!(done.memory <= MEMORY, "{what}: {} KiB", done.memory);
    assert!(done.time <= SOON, "{what}: {:?}", done.time);
    let error = error_line(done.done);
    for word in words {
        assert!(error.contains(word), "{what}: {word:?} is not in {error}");
    }
    assert!(
        error.len() < 2000 && !error.contains('\u{1b}'),
        "{what}: {error}"
    );
    assert_eq!(before, listed(), "{what}");
    assert_nothing_left(kiln);
}

/// Answers with bytes.
fn bytes(body: impl Into<Vec<u8>>) -> Reply {
    Reply::of("application/octet-stream", body)
}

#[test]
fn the_image_itself_is_good() {
    let mock = Site::new().start();
    let kiln = Kiln::empty();
    kiln.ok(["pull", &mock.name("app:1")]);
    assert_eq!(
        kiln.image(&mock.name("app:1"))
            .tree
            .get("file")
            .unwrap()
            .content
            .len(),
        100_000
    );
}

#[test]
fn blobs_of_another_digest_or_size() {
    let kiln = Kiln::new();
    let site = Site::new();
    let (layer, config) = (Digest::of(&site.layer), Digest::of(&site.config));
    let (layer, config) = (layer.to_string(), config.to_string());
    let mut other = site.layer.clone();
    *other.last_mut().unwrap() ^= 1;
    let mut swapped = site.layer.clone();
    swapped.swap(50_000, 50_001);
    let longer = [site.layer.as_slice(), b"more"].concat();
    let short = &site.layer[..site.layer.len() - 1];
    let changed = String::from_utf8(site.config.clone())
        .unwrap()
        .replace("amd64", "arm64");
    for (what, reply) in [
        ("last byte", bytes(other)),
        ("middle", bytes(swapped)),
        ("random", bytes(Random::seeded(2).bytes(site.layer.len()))),
        ("shorter", bytes(short)),
        ("nothing", bytes("")),
        ("longer", bytes(longer.as_slice())),
        ("longer, unmeasured", bytes(longer.as_slice()).unmeasured()),
        ("endless", bytes(site.layer.as_slice()).endless()),
        ("endless zeros", bytes(vec![0; 1 << 16]).endless()),
        (
            "endless and said to be",
            bytes(site.layer.as_slice()).claiming(usize::MAX / 2),
        ),
        ("a page", Reply::of("text/html", "<html>Please log in")),
        ("absent", Reply::new(404)),
    ] {
        refused(&kiln, site.clone().layer_is(reply), what, &[&layer]);
    }
    for (what, reply) in [
        ("config: another", bytes(changed)),
        ("config: shorter", bytes(&site.config[1..])),
        ("config: endless", bytes(site.config.as_slice()).endless()),
        (
            "config: a page",
            Reply::of("text/html", "<html>Please log in"),
        ),
        ("config: absent", Reply::new(404)),
    ] {
        refused(&kiln, site.clone().config_is(reply), what, &[&config]);
    }
}

#[test]
fn registries_that_always_fail() {
    let site = Site::new();
    let layer = Digest::of(&site.layer).to_string();
    let config = Digest::of(&site.config).to_string();
    let half = |bytes: &[u8]| self::bytes(&bytes[..bytes.len() / 2]).claiming(bytes.len());
    let nothing = |bytes: &[u8]| self::bytes("").claiming(bytes.len());
    let manifest = Reply::of(super::mock::MANIFEST, "{").claiming(999);
    let later = Reply::new(429).header("Retry-After", "86400");
    let cases = [
        (
            "hangs up in the layer",
            site.clone().layer_is(half(&site.layer)),
            [&layer, "tried"],
        ),
        (
            "hangs up before it",
            site.clone().layer_is(nothing(&site.layer)),
            [&layer, "tried"],
        ),
        (
            "hangs up in the config",
            site.clone().config_is(half(&site.config)),
            [&config, "tried"],
        ),
        (
            "hangs up in the manifest",
            site.clone().manifest_is(manifest),
            ["app:1", "tried"],
        ),
        (
            "overloaded",
            site.clone().layer_is(Reply::new(503)),
            [&layer, "answered 503"],
        ),
        // One that wants to be left alone for long is not waited for.
        ("busy", site.clone().layer_is(later), [&layer, "86400"]),
    ];
    // Most of the time passes between the tries.
    std::thread::scope(|s| {
        for (what, site, words) in cases {
            s.spawn(move || refused(&Kiln::new(), site, what, &words));
        }
    });
}

#[test]
fn layers_that_are_no_layers() {
    let kiln = Kiln::new();
    let diff_id = Digest::of(b"something else");
    let shown = diff_id.to_string();
    let site = Site::new();
    let whole = site.layer.clone();
    let truncated = whole[..whole.len() - 9].to_vec();
    for (what, layer) in [
        ("another diff id", whole),
        ("truncated gzip", truncated),
        ("no tar", packed(&Random::seeded(3).bytes(4096))),
        ("no gzip", Random::seeded(4).bytes(4096)),
        ("empty", Vec::new()),
    ] {
        let blob = Digest::of(&layer).to_string();
        // Either name of it will do, as long as it is one.
        let site = Site::of_layer(&diff_id, layer);
        refused(&kiln, site, what, &["layer", &shown]);
        assert!(blob.starts_with("sha256:"));
    }
}

/// A gzip of a tar's beginning and very many zeros, in few bytes.
fn bomb(start: &[u8], mebibytes: usize) -> Vec<u8> {
    let zeros = packed(&vec![0; 64 << 20]);
    let mut out = packed(start);
    // Members of a gzip file follow one another.
    for _ in 0..mebibytes / 64 {
        out.extend_from_slice(&zeros);
    }
    out
}

#[test]
fn layers_that_unpack_to_very_much() {
    let kiln = Kiln::new();
    let header = |size: u64| {
        let mut header = tar::Header::new_gnu();
        header.set_path("zeros").unwrap();
        header.set_mode(0o644);
        header.set_size(size);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let diff_id = Digest::of(b"nobody knows");
    for (what, start) in [
        ("a large file", header(8 << 30)),
        ("what follows the end", vec![0; 1024]),
        ("a long name", {
            let mut header = tar::Header::new_gnu();
            header.set_path("././@LongLink").unwrap();
            header.set_entry_type(tar::EntryType::GNULongName);
            header.set_size(8 << 30);
            header.set_cksum();
            header.as_bytes().to_vec()
        }),
    ] {
        let site = Site::of_layer(&diff_id, bomb(&start, 8 << 10));
        refused(&kiln, site, what, &[&diff_id.to_string(), "than"]);
    }
}
