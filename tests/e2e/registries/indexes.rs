//! One name for several platforms.

use serde_json::{Value, json};

use super::registry::Registry;
use super::{assert_complete, copy, error_line, file, raw, skopeo, told_digest};
use crate::harness::{Kiln, Project, run};

/// Builds an image for a platform whose only file says so.
fn build(kiln: &Kiln, name: &str, platform: &str) {
    let project = Project::new("FROM scratch\nCOPY platform /\n").with("platform", platform);
    kiln.build(project.dir(), &["-t", name, "--platform", platform]);
}

/// The platforms of an index, as they are written.
fn platforms(index: &Value) -> Vec<String> {
    let all = index["manifests"].as_array().unwrap().iter();
    all.map(|m| {
        let of = |key: &str| m["platform"][key].as_str().unwrap_or_default().to_owned();
        format!("{}/{}/{}", of("os"), of("architecture"), of("variant"))
    })
    .collect()
}

const AMD: &str = "linux/amd64";
const ARM: &str = "linux/arm64";

/// Pushes an index of two platforms.
fn two(registry: &Registry) -> (Kiln, String) {
    let (kiln, list) = (Kiln::empty(), registry.name("app:1"));
    build(&kiln, "arm", ARM);
    build(&kiln, "amd", AMD);
    kiln.ok(["manifest", "create", &list, "arm", "amd"]);
    kiln.ok(["manifest", "push", &list]);
    (kiln, list)
}

#[test]
fn an_index_gives_each_platform_its_image() {
    let registry = Registry::start();
    let (kiln, list) = two(&registry);
    let (index, digest) = raw(&list);
    assert_eq!(
        index["mediaType"],
        "application/vnd.oci.image.index.v1+json"
    );
    assert_eq!(platforms(&index), ["linux/arm64/", "linux/amd64/"]);
    let other = Kiln::empty();
    for (platform, member) in [(ARM, "arm"), (AMD, "amd")] {
        let pull = other.ok(["pull", "--platform", platform, &list]);
        assert_eq!(told_digest(&pull), digest.to_string());
        assert_eq!(other.id(&list), kiln.id(member));
        assert_eq!(other.cat(&list, "platform"), platform);
        assert_eq!(
            other.inspect(&list)["Architecture"],
            platform.split_once('/').unwrap().1
        );
        // skopeo agrees about which is which.
        let architecture = platform.split_once('/').unwrap().1;
        let from = format!("docker://{list}");
        let args = [
            "--override-arch",
            architecture,
            "inspect",
            "--config",
            "--tls-verify=false",
        ];
        let config = run(skopeo(args).arg(&from)).ok();
        let config: Value = serde_json::from_slice(&config.stdout).unwrap();
        assert_eq!(config["architecture"], architecture);
    }
    // This machine's when none is asked for.
    let host = if cfg!(target_arch = "aarch64") {
        (ARM, "arm")
    } else {
        (AMD, "amd")
    };
    let third = Kiln::empty();
    third.ok(["pull", &list]);
    assert_eq!(third.id(&list), kiln.id(host.1));
    let error = error_line(third.run(["pull", "--platform", "linux/s390x", &list]));
    for word in ["linux/s390x", "linux/arm64", "linux/amd64", &list] {
        assert!(error.contains(word), "{word}: {error}");
    }
    // The name still stands for what it stood for.
    assert_eq!(third.id(&list), kiln.id(host.1));
    // A build for another platform takes the right one.
    let project = Project::new(&format!("FROM {list}\nLABEL a=b\n"));
    third.build(project.dir(), &["-t", "built", "--platform", ARM]);
    assert_eq!(third.cat("built", "platform"), ARM);
    assert_eq!(third.inspect("built")["Architecture"], "arm64");
}

#[test]
fn what_a_registry_says_of_an_index() {
    let registry = Registry::start();
    let (kiln, list) = two(&registry);
    let (index, digest) = raw(&list);
    let other = Kiln::empty();
    for (platform, member) in [(ARM, "arm"), (AMD, "amd")] {
        let done = other.ok(["inspect", "--remote", "--platform", platform, &list]);
        let all: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(all[0]["Digest"], digest.to_string());
        assert_eq!(all[0]["Index"], index);
        assert_eq!(all[0]["Manifest"]["config"]["digest"], kiln.id(member));
        let architecture = platform.split_once('/').unwrap().1;
        assert_eq!(all[0]["Config"]["architecture"], architecture);
    }
}

#[test]
fn an_index_is_whole_for_skopeo() {
    let registry = Registry::start();
    let (kiln, list) = two(&registry);
    let other = Kiln::empty();
    let (_, layout) = file(&other, "layout");
    // skopeo compares all of it with its digests.
    copy(
        &["--all"],
        &format!("docker://{list}"),
        &format!("oci:{layout}:{list}"),
    );
    for (platform, member) in [(ARM, "arm"), (AMD, "amd")] {
        other.ok(["load", "--platform", platform, "-i", &layout]);
        assert_eq!(other.id(&list), kiln.id(member));
    }
}

#[test]
fn lists_of_dockers_own_kind() {
    let registry = Registry::start();
    let kiln = Kiln::empty();
    let docker = "application/vnd.docker.distribution.manifest";
    let mut members = Vec::new();
    for (name, platform) in [("arm", "linux/arm/v7"), ("amd", AMD)] {
        build(&kiln, name, platform);
        let (_, archive) = file(&kiln, name);
        kiln.ok(["save", "-o", &archive, name]);
        let to = registry.name(&format!("app:{name}"));
        let archive = format!("docker-archive:{archive}");
        copy(&["--format", "v2s2"], &archive, &format!("docker://{to}"));
        let (manifest, digest) = raw(&to);
        let words: Vec<&str> = platform.split('/').collect();
        let mut platform = json!({"os": words[0], "architecture": words[1]});
        if let Some(variant) = words.get(2) {
            platform["variant"] = json!(variant);
        }
        members.push(json!({
            "mediaType": manifest["mediaType"],
            "digest": digest.to_string(),
            // As skopeo writes it.
            "size": serde_json::to_vec(&manifest).unwrap().len(),
            "platform": platform,
        }));
    }
    let list = json!({
        "schemaVersion": 2,
        "mediaType": format!("{docker}.list.v2+json"),
        "manifests": members,
    });
    registry.put("app", "1", &list);
    let (name, other) = (registry.name("app:1"), Kiln::empty());
    for (platform, text) in [("linux/arm", "linux/arm/v7"), (AMD, AMD)] {
        other.ok(["pull", "--platform", platform, &name]);
        assert_eq!(other.cat(&name, "platform"), text);
    }
}

#[test]
fn lists_are_made_amended_and_forgotten() {
    let registry = Registry::start();
    let (kiln, list) = (Kiln::empty(), registry.name("app:1"));
    build(&kiln, "arm", ARM);
    build(&kiln, "amd", AMD);
    build(&kiln, "other", AMD);
    build(&kiln, "v6", "linux/arm/v6");
    let error = error_line(kiln.run(["manifest", "push", &list]));
    assert!(error.contains(&list), "{error}");
    let error = error_line(kiln.run(["manifest", "create", &list, "arm", "absent"]));
    assert!(error.contains("absent"), "{error}");
    kiln.ok(["manifest", "create", &list, "arm"]);
    let error = error_line(kiln.run(["manifest", "create", &list, "amd"]));
    assert!(error.contains("--amend"), "{error}");
    kiln.ok(["manifest", "create", "--amend", &list, "amd", "v6"]);
    let error = error_line(kiln.run(["manifest", "create", "--amend", &list, "other"]));
    assert!(error.contains("linux/amd64"), "{error}");
    let digest = kiln.ok(["manifest", "push", "--purge", &list]);
    let (index, found) = raw(&list);
    assert_eq!(told_digest(&digest), found.to_string());
    assert_eq!(
        platforms(&index),
        ["linux/arm64/", "linux/amd64/", "linux/arm/v6"]
    );
    for member in index["manifests"].as_array().unwrap() {
        let digest = member["digest"].as_str().unwrap();
        let config = raw(&format!("{}@{digest}", registry.name("app"))).0["config"].clone();
        let name = format!("{}@{digest}", registry.name("app"));
        assert_complete(&name, config["digest"].as_str().unwrap());
    }
    error_line(kiln.run(["manifest", "push", &list]));
    error_line(kiln.run(["manifest", "rm", &list]));
    kiln.ok(["manifest", "create", &list, "arm"]);
    kiln.ok(["manifest", "rm", &list]);
    error_line(kiln.run(["manifest", "push", &list]));
}

#[test]
fn attestations_are_no_platforms() {
    let registry = Registry::start();
    let (kiln, list) = two(&registry);
    // As BuildKit writes it: beside each image what tells of its making.
    let (mut index, _) = raw(&list);
    let images = index["manifests"].as_array().unwrap().clone();
    let mut all = Vec::new();
    for image in &images {
        let mut attestation = image.clone();
        attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
        attestation["annotations"] = json!({
            "vnd.docker.reference.digest": image["digest"],
            "vnd.docker.reference.type": "attestation-manifest",
        });
        all.push(attestation);
        all.push(image.clone());
    }
    index["manifests"] = json!(all);
    let attested = registry.name("app:attested");
    registry.put("app", "attested", &index);
    let other = Kiln::empty();
    other.ok(["pull", "--platform", ARM, &attested]);
    assert_eq!(other.id(&attested), kiln.id("arm"));
    let error = error_line(other.run(["pull", "--platform", "linux/s390x", &attested]));
    assert!(!error.contains("unknown"), "{error}");
    assert!(error.contains("linux/arm64, linux/amd64"), "{error}");
}
