//! Manifests, indexes and configs that aren't what they say, or say too much.

use kiln_oci::Digest;
use serde_json::{Value, json};

use super::bad_answers::refused;
use super::mock::{INDEX, MANIFEST, Reply, Site, descriptor};
use super::registry::Registry;
use crate::harness::Kiln;

/// The site with another manifest, said to be of a type.
fn manifest(site: &Site, media_type: &str, manifest: &Value) -> Site {
    let reply = Reply::of(media_type, manifest.to_string());
    site.clone().manifest_is(reply)
}

/// The manifest with a member changed.
fn changed(site: &Site, member: &str, value: Value) -> Value {
    let mut manifest = site.manifest.clone();
    manifest[member] = value;
    manifest
}

#[test]
fn manifests_that_are_refused() {
    let kiln = Kiln::new();
    let site = Site::new();
    let both = changed(&site, "manifests", json!([descriptor(MANIFEST, b"x")]));
    let schema_1 = json!({"schemaVersion": 1, "name": "app", "fsLayers": []});
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    let list = "application/vnd.docker.distribution.manifest.list.v2+json";
    for (what, site, words) in [
        (
            "type of an index",
            manifest(&site, INDEX, &site.manifest),
            &["index"][..],
        ),
        (
            "type of Docker's list",
            manifest(&site, list, &site.manifest),
            &["list"],
        ),
        (
            "type of Docker's",
            manifest(&site, docker, &site.manifest),
            &[docker],
        ),
        (
            "another type inside",
            manifest(&site, MANIFEST, &changed(&site, "mediaType", json!(INDEX))),
            &["by its media type"],
        ),
        (
            "both",
            manifest(&site, MANIFEST, &both),
            &["both manifests and"],
        ),
        (
            "both, as an index",
            manifest(&site, INDEX, &both),
            &["both manifests and"],
        ),
        (
            "schema 1",
            manifest(&site, MANIFEST, &schema_1),
            &["schema 1"],
        ),
        (
            "no schema",
            manifest(
                &site,
                MANIFEST,
                &changed(&site, "schemaVersion", Value::Null),
            ),
            &["schema"],
        ),
        ("null", manifest(&site, MANIFEST, &Value::Null), &[]),
        ("a list", manifest(&site, MANIFEST, &json!([])), &[]),
        ("empty", manifest(&site, MANIFEST, &json!({})), &[]),
        (
            "no digest",
            manifest(
                &site,
                MANIFEST,
                &changed(
                    &site,
                    "layers",
                    json!([{"mediaType": "a", "digest": "../x", "size": 1}]),
                ),
            ),
            &["digest"],
        ),
        (
            "a layer less",
            manifest(&site, MANIFEST, &changed(&site, "layers", json!([]))),
            &["layers"],
        ),
        (
            "an artifact",
            manifest(
                &site,
                MANIFEST,
                &changed(
                    &site,
                    "config",
                    descriptor("application/vnd.a.b+json", b"{}"),
                ),
            ),
            &["no image"],
        ),
    ] {
        refused(&kiln, site, what, &[words, &["app:1"]].concat());
    }
}

#[test]
fn what_is_no_manifest_at_all() {
    let kiln = Kiln::new();
    let site = Site::new();
    let html = "<!doctype html>\n<title>Log in</title>\u{1b}[31m";
    for (what, reply) in [
        ("a page", Reply::of("text/html; charset=utf-8", html)),
        ("a page that says it is one", Reply::of(MANIFEST, html)),
        ("text", Reply::of("text/plain", "moved")),
        ("nothing", Reply::of(MANIFEST, "")),
        (
            "half",
            Reply::of(MANIFEST, &site.manifest.to_string()[..99]),
        ),
        ("nested", Reply::of(MANIFEST, "[".repeat(100_000))),
        (
            "too large",
            Reply::of(MANIFEST, format!("{{\"a\":\"{}\"}}", "x".repeat(5 << 20))),
        ),
        (
            "endless",
            Reply::of(MANIFEST, " ".repeat(1 << 16)).endless(),
        ),
        (
            "another digest than said",
            Reply::of(MANIFEST, site.manifest.to_string())
                .header("Docker-Content-Digest", Digest::of(b"other").to_string()),
        ),
        (
            "a redirect to itself",
            Reply::new(307).header("Location", "/v2/app/manifests/1"),
        ),
        ("teapot", Reply::new(418)),
        (
            "a page and an error",
            Reply::of("text/html", html).status(403),
        ),
    ] {
        refused(&kiln, site.clone().manifest_is(reply), what, &["app:1"]);
    }
}

#[test]
fn configs_that_are_no_configs() {
    let kiln = Kiln::new();
    let site = Site::new();
    let deep = |n: usize| {
        let nested = format!("{}{}", "[".repeat(n), "]".repeat(n));
        let text = String::from_utf8(site.config.clone()).unwrap();
        text.replacen('{', &format!("{{\"deep\":{nested},"), 1)
    };
    let no_diff_ids = json!({"architecture": "amd64", "os": "linux", "rootfs": {}}).to_string();
    for (what, config) in [
        ("100,000 deep", deep(100_000)),
        ("100,000 objects deep", "{\"a\":".repeat(100_000)),
        ("no JSON", "hello".to_owned()),
        ("null", "null".to_owned()),
        ("a text", "\"config\"".to_owned()),
        ("no architecture", "{}".to_owned()),
        ("no layers", no_diff_ids),
    ] {
        let site = Site::of(config.into_bytes(), site.layer.clone());
        // Which it is: the image's name or the config's digest.
        refused(&kiln, site, what, &["config"]);
    }
    // Sizes that nobody would wait for.
    for (member, size) in [("config", 1u64 << 40), ("config", 9 << 20)] {
        let mut manifest = site.manifest.clone();
        manifest[member]["size"] = json!(size);
        let digest = manifest[member]["digest"].as_str().unwrap().to_owned();
        let site = self::manifest(&site, MANIFEST, &manifest);
        refused(
            &kiln,
            site,
            "a large size",
            &[member, &digest, &size.to_string()],
        );
    }
    let mut manifest = site.manifest.clone();
    manifest["layers"][0]["size"] = json!(u64::MAX);
    let digest = manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
    refused(
        &kiln,
        self::manifest(&site, MANIFEST, &manifest),
        "a layer's size",
        &[&digest],
    );
}

#[test]
fn what_an_image_says_of_itself_leaves_the_terminal_alone() {
    let site = Site::new();
    let escape = "\\u001b[2J\\u001b]0;title\\u0007";
    let config = String::from_utf8(site.config.clone()).unwrap();
    let config = config
        .replace("\"linux\"", &format!("\"linux{escape}\""))
        .replacen(
            '{',
            &format!("{{\"history\":[{{\"created_by\":\"RUN {escape}\"}}],"),
            1,
        );
    let mock = Site::of(config.into_bytes(), site.layer).start();
    let (kiln, name) = (Kiln::empty(), mock.name("app:1"));
    let said = [
        kiln.run(["pull", &name]),
        kiln.run(["images"]),
        kiln.run(["history", &name]),
        kiln.run(["history", "--no-trunc", &name]),
        kiln.run(["inspect", &name]),
        kiln.run(["inspect", "--remote", &name]),
    ];
    for done in said {
        let all = [done.stdout.as_slice(), done.stderr.as_slice()].concat();
        assert!(
            !all.contains(&0x1b) && !all.contains(&7),
            "{}",
            done.report()
        );
    }
}

#[test]
fn indexes_that_lead_nowhere() {
    let kiln = Kiln::new();
    let site = Site::new();
    let bytes = site.manifest.to_string();
    let platform = json!({"os": "linux", "architecture": "amd64"});
    let index = |mut member: Value| {
        member["platform"] = platform.clone();
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [member]})
    };
    let absent = index(descriptor(MANIFEST, b"absent"));
    let with = |index: &Value| manifest(&site, INDEX, index);
    refused(
        &kiln,
        with(&absent),
        "absent",
        &[&Digest::of(b"absent").to_string()],
    );
    refused(
        &kiln,
        with(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})),
        "none",
        &["none"],
    );
    // What is there has another digest than the index says.
    let wrong = Digest::of(b"wrong");
    let lying = with(&index(descriptor(MANIFEST, b"wrong"))).path_is(
        &format!("/v2/app/manifests/{wrong}"),
        Reply::of(MANIFEST, bytes),
    );
    refused(&kiln, lying, "another digest", &[&wrong.to_string()]);
    // An index of indexes has no image.
    let inner = index(descriptor(MANIFEST, b"x")).to_string();
    let nested = with(&index(descriptor(INDEX, inner.as_bytes()))).path_is(
        &format!("/v2/app/manifests/{}", Digest::of(inner.as_bytes())),
        Reply::of(INDEX, inner),
    );
    refused(&kiln, nested, "nested", &["app:1"]);
}

#[test]
fn a_push_to_what_is_no_registry() {
    // Whatever it is that answers: a page to all there is.
    let mock = super::mock::Mock::start(|_| Reply::of("text/html", "<html>Hello"));
    let kiln = Kiln::new();
    let name = mock.name("app:1");
    kiln.ok(["tag", "busybox", &name]);
    let error = super::error_line(kiln.run(["push", &name]));
    assert!(error.contains(&mock.host()), "{error}");
    let error = super::error_line(kiln.run(["login", "-u", "u", "-p", "p", &mock.host()]));
    assert!(error.contains(&mock.host()), "{error}");
    // A registry that is there takes it after all.
    let registry = Registry::start();
    let name = registry.name("app:1");
    kiln.ok(["tag", "busybox", &name]);
    kiln.ok(["push", &name]);
}
