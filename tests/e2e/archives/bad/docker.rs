//! docker-archives that are none, or only half of one.

use serde_json::{Value, json};

use super::super::forge::*;
use super::{Victim, bad, deep, layer, replaced};

/// A docker-archive with one member replaced, or taken away.
fn docker_with(member: &str, data: Option<Vec<u8>>) -> Vec<u8> {
    let layer = layer();
    let members = docker_members(&json_bytes(&config(&[&layer])), &[&layer]);
    pack(&replaced(members, member, data))
}

fn manifest_with(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut manifest = json!([{
        "Config": "config.json", "RepoTags": ["forged:latest"], "Layers": ["0/layer.tar"],
    }]);
    change(&mut manifest);
    docker_with("manifest.json", Some(json_bytes(&manifest)))
}

#[test]
fn docker_archives() {
    let layer = layer();
    let loop_of_links = Tar::new()
        .symlink("manifest.json", "other.json")
        .symlink("other.json", "manifest.json")
        .done();
    let layer_loop = {
        let members = docker_members(&json_bytes(&config(&[&layer])), &[]);
        let manifest = json!([{ "Config": "config.json", "Layers": ["0/layer.tar"] }]);
        Tar::new()
            .file("manifest.json", &json_bytes(&manifest))
            .file("config.json", &members[1].1)
            .symlink("0/layer.tar", "../1/layer.tar")
            .symlink("1/layer.tar", "../0/layer.tar")
            .done()
    };
    let is_a_dir = Tar::new().dir("manifest.json/").done();
    let mut large = json_bytes(&config(&[&layer]));
    large.resize(9 << 20, b' ');
    let good = json_bytes(&config(&[&layer]));
    let of_config = |change: &dyn Fn(&mut Value)| {
        let mut c = config(&[&layer]);
        change(&mut c);
        docker_with("config.json", Some(json_bytes(&c)))
    };
    let second_is_bad = {
        let mut members = docker_members(&good, &[&layer]);
        members[0].1 = json_bytes(&json!([
            { "Config": "config.json", "RepoTags": ["first:latest"], "Layers": ["0/layer.tar"] },
            { "Config": "other.json", "RepoTags": ["second:latest"], "Layers": ["missing.tar"] },
        ]));
        let mut other = config(&[&layer]);
        other["author"] = json!("another");
        members.push(("other.json".to_owned(), json_bytes(&other)));
        pack(&members)
    };
    let other = Tar::new().file("other", b"other").done();
    let cases = [
        bad("nothing", Vec::new(), &["archive"]),
        bad("text", b"no archive at all\n".repeat(100), &["archive"]),
        bad("zeros", vec![0; 10240], &["manifest.json", "index.json"]),
        bad("some tar", layer.clone(), &["manifest.json", "index.json"]),
        bad(
            "no manifest.json",
            docker_with("manifest.json", None),
            &["manifest.json"],
        ),
        bad(
            "no config",
            docker_with("config.json", None),
            &["config.json"],
        ),
        bad(
            "no layer",
            docker_with("0/layer.tar", None),
            &["0/layer.tar"],
        ),
        bad("links in a circle", loop_of_links, &["manifest.json"]),
        bad("a layer's links in a circle", layer_loop, &["0/layer.tar"]),
        bad("manifest.json is a directory", is_a_dir, &["manifest.json"]),
        bad(
            "manifest.json is cut",
            docker_with("manifest.json", Some(b"[{\"Config\":".to_vec())),
            &["manifest.json"],
        ),
        bad(
            "manifest.json is no list",
            docker_with("manifest.json", Some(b"{}".to_vec())),
            &["manifest.json"],
        ),
        bad(
            "manifest.json is empty",
            docker_with("manifest.json", Some(b"[]".to_vec())),
            &["no image"],
        ),
        bad(
            "manifest.json is large",
            docker_with("manifest.json", Some(vec![b' '; 5 << 20])),
            &["manifest.json"],
        ),
        bad(
            "manifest.json is nested",
            docker_with("manifest.json", Some(deep(""))),
            &["manifest.json"],
        ),
        bad(
            "fewer layers than diff ids",
            manifest_with(|m| m[0]["Layers"] = json!([])),
            &["manifest.json", "layers"],
        ),
        bad(
            "more layers than diff ids",
            manifest_with(|m| m[0]["Layers"] = json!(["0/layer.tar", "0/layer.tar"])),
            &["manifest.json", "layers"],
        ),
        bad(
            "a name that is none",
            manifest_with(|m| m[0]["RepoTags"] = json!(["Bad//Name"])),
            &["Bad//Name"],
        ),
        bad(
            "a name that is a path",
            manifest_with(|m| m[0]["RepoTags"] = json!(["../../canary"])),
            &["../../canary"],
        ),
        bad(
            "a name with a digest",
            manifest_with(|m| m[0]["RepoTags"] = json!([format!("a@{}", digest(b""))])),
            &["a@sha256:"],
        ),
        bad(
            "one name is bad",
            manifest_with(|m| m[0]["RepoTags"] = json!(["fine:1", "not:fine:2"])),
            &["not:fine:2"],
        ),
        bad(
            "a config outside",
            manifest_with(|m| m[0]["Config"] = json!("../../../../etc/hostname")),
            &["etc/hostname"],
        ),
        bad(
            "a layer outside",
            manifest_with(|m| m[0]["Layers"] = json!(["/etc/passwd"])),
            &["/etc/passwd"],
        ),
        bad(
            "another layer",
            docker_with("0/layer.tar", Some(other.clone())),
            &[&digest(&layer)],
        ),
        bad("the second image is bad", second_is_bad, &["missing.tar"]),
        bad(
            "config is no JSON",
            docker_with("config.json", Some(b"x".to_vec())),
            &["config.json"],
        ),
        bad(
            "config is a list",
            docker_with("config.json", Some(b"[]".to_vec())),
            &["config.json"],
        ),
        bad(
            "config is large",
            docker_with("config.json", Some(large)),
            &["config.json"],
        ),
        bad(
            "config is nested",
            docker_with("config.json", Some(deep(""))),
            &["config.json"],
        ),
        bad(
            "Cmd is nested",
            docker_with("config.json", Some(deep("config"))),
            &["config.json"],
        ),
        bad(
            "a member nobody knows is nested",
            docker_with("config.json", Some(deep("unknown"))),
            &["config.json"],
        ),
        bad(
            "a diff id that is a path",
            of_config(&|c| c["rootfs"]["diff_ids"] = json!(["sha256:../../../../canary"])),
            &["config.json"],
        ),
        bad(
            "a diff id of another kind",
            of_config(&|c| c["rootfs"]["diff_ids"] = json!(["sha512:00"])),
            &["config.json"],
        ),
        bad(
            "no architecture",
            of_config(&|c| drop(c.as_object_mut().unwrap().remove("architecture"))),
            &["config.json", "architecture"],
        ),
        bad(
            "Env is no list",
            of_config(&|c| c["config"]["Env"] = json!("A=1")),
            &["config.json"],
        ),
    ];
    let mut victim = Victim::new();
    cases.iter().for_each(|case| victim.refuses(case));
    victim.assert_well();
}
