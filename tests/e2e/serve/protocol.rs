//! What goes over the socket: versions, errors, streams, events, other clients.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Kiln, Project, program, run};

use super::Engine;

/// The JSON of an answer.
fn body(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}"))
}

#[test]
fn pings_say_which_versions_there_are() {
    let engine = Engine::on(Kiln::empty());
    let mode = std::fs::metadata(engine.socket()).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600, "others may not connect");
    for args in [&["--head"][..], &[][..]] {
        let answer = engine.curl(args, "/_ping").to_lowercase();
        for header in [
            "200 ok",
            "api-version: 1.",
            "builder-version: 1",
            "ostype: linux",
        ] {
            assert!(answer.contains(header), "{header}: {answer}");
        }
    }
    let version = body(&engine.curl(&[], "/version"));
    assert_eq!(version["MinAPIVersion"], "1.24");
    let newest = version["ApiVersion"].as_str().unwrap();
    let known = engine.curl(&[], &format!("/v{newest}/info"));
    assert!(known.starts_with("HTTP/1.1 200"), "{known}");
    for (path, text) in [
        (
            "/v1.99/info",
            "client version 1.99 is too new. Maximum supported API version is",
        ),
        (
            "/v1.12/info",
            "client version 1.12 is too old. Minimum supported API version is 1.24",
        ),
    ] {
        let answer = engine.curl(&[], path);
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(
            body(&answer)["message"].as_str().unwrap().contains(text),
            "{answer}"
        );
    }
}

#[test]
fn errors_have_dockers_codes() {
    let engine = Engine::with_base();
    let post: &[&str] = &["-X", "POST"];
    let delete: &[&str] = &["-X", "DELETE"];
    for (args, path, code, text) in [
        (&[][..], "/nowhere", 404, "page not found"),
        (post, "/images/json", 404, "page not found"),
        (
            &[],
            "/images/nothing/json",
            404,
            "No such image: nothing:latest",
        ),
        (&[], "/images/Big/json", 404, "No such image: Big"),
        (&[], "/images/json?filters=x", 400, "filters"),
        (
            &[],
            "/images/json?filters=%7B%22no%22:%5B%22x%22%5D%7D",
            400,
            "invalid filter",
        ),
        (post, "/images/busybox/tag?repo=UP", 400, "must be lower"),
        (post, "/images/nothing/tag?repo=up", 404, "No such image"),
        (delete, "/images/nothing", 404, "No such image"),
        (post, "/build?remote=/etc", 400, "expected the URL"),
        (post, "/build?squash=1", 501, "squash is not supported"),
        (post, "/build?version=2", 501, "BuildKit"),
        (post, "/build?t=UP", 400, "must be lower"),
        (post, "/build?networkmode=mine", 400, "networkmode=mine"),
        (post, "/build?buildargs=%5B%5D", 400, "buildargs"),
        (post, "/images/create?fromSrc=/etc/passwd", 400, "fromSrc"),
        (
            post,
            "/images/busybox/push?platform=x",
            501,
            "not supported",
        ),
        (&[], "/images/search?term=x", 501, "not supported"),
        (&[], "/swarm", 503, "not a swarm manager"),
        (&[], "/networks/mine", 404, "network mine not found"),
        (post, "/networks/create", 501, "not supported"),
    ] {
        let answer = engine.curl(args, path);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {code} ")),
            "{path}: {answer}"
        );
        let message = body(&answer)["message"].as_str().unwrap().to_owned();
        assert!(message.contains(text), "{path}: {message}");
    }
    let head = "X-Registry-Auth: c2VjcmV0LXdvcmQ=";
    let answer = engine.curl(&["-X", "POST", "-H", head], "/images/busybox/push");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    engine.curl(
        &["-X", "POST"],
        "/build?buildargs=%7B%22A%22:%22secret-word%22%7D&t=UP",
    );
    for text in [answer, engine.log()] {
        assert!(
            !text.contains("secret-word") && !text.contains("c2VjcmV0"),
            "{text}"
        );
    }
}

#[test]
fn what_is_in_use_is_in_the_way() {
    let engine = Engine::with_base();
    engine.ok(["create", "--name", "user", "busybox", "true"]);
    engine.ok(["volume", "create", "kept"]);
    engine.ok(["create", "-v", "kept:/v", "busybox", "true"]);
    let delete: &[&str] = &["-X", "DELETE"];
    for (args, path, text) in [
        (delete, "/images/busybox", "conflict: unable to remove"),
        (delete, "/volumes/kept", "in use"),
        (&["-X", "POST"], "/containers/user/kill", "is not running"),
        (&["-X", "POST"], "/containers/user/pause", "is not running"),
    ] {
        let answer = engine.curl(args, path);
        assert!(answer.starts_with("HTTP/1.1 409 "), "{path}: {answer}");
        let message = body(&answer)["message"].as_str().unwrap().to_owned();
        assert!(message.contains(text), "{path}: {message}");
    }
}

#[test]
fn events_tell_of_images() {
    let engine = Engine::with_base();
    engine.ok(["tag", "busybox", "one:1"]);
    engine.ok(["rmi", "one:1"]);
    let now = std::time::SystemTime::now();
    let seconds = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 1;
    let until = seconds.to_string();
    let format = "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}";
    let args = [
        "events", "--since", "0", "--until", &until, "--format", format,
    ];
    let seen = engine.ok(args).out();
    assert_eq!(seen, "image tag one:1\nimage untag one:1");
    let filter = ["--filter", "event=untag"];
    let seen = engine.ok(args.iter().chain(&filter)).out();
    assert_eq!(seen, "image untag one:1");
}

#[test]
fn docker_py_builds() {
    let engine = Engine::with_base();
    let project = Project::new("FROM busybox\nCOPY x /\nLABEL a=b\n").with("x", "hello\n");
    let script = r#"
import docker, sys
c = docker.DockerClient(base_url="unix://" + sys.argv[1])
assert c.ping()
image, log = c.images.build(path=sys.argv[2], tag="py:1", rm=True)
assert image.tags == ["py:1"], image.tags
assert image.labels == {"a": "b"}, image.labels
text = "".join(l.get("stream", "") for l in log)
assert "Successfully tagged py:1" in text, text
assert {t for i in c.images.list() for t in i.tags} == {"py:1", "busybox:latest"}
assert image.history()[0]["Tags"] == ["py:1"]
data = b"".join(image.save(named=True))
c.images.remove("py:1")
assert [i.tags for i in c.images.load(data)] == [["py:1"]]
try:
    c.images.build(path=sys.argv[2], buildargs={}, target="nowhere")
    assert False
except (docker.errors.APIError, docker.errors.BuildError) as e:
    assert "nowhere" in str(e), e
try:
    c.images.get("nothing")
    assert False
except docker.errors.ImageNotFound:
    pass
c.images.prune()
print("good")
"#;
    let mut python = Command::new(program("python3", "python3-docker"));
    python
        .args(["-c", script])
        .arg(engine.socket())
        .arg(project.dir());
    assert_eq!(run(&mut python).ok().out(), "good", "{}", engine.log());
}
