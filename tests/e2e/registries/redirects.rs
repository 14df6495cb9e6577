//! Registries that lead elsewhere.

use kiln_oci::Digest;

use super::auth::private;
use super::bad_answers::refused;
use super::error_line;
use super::mock::{Mock, Reply, Site};
use crate::harness::{Kiln, assert_nothing_left, run};

#[test]
fn where_kiln_does_not_go() {
    let kiln = Kiln::new();
    let site = Site::new();
    let layer = Digest::of(&site.layer).to_string();
    let itself = format!("/v2/app/blobs/{layer}");
    for target in [
        "file:///etc/passwd",
        "file:/etc/passwd",
        "ftp://127.0.0.1/x",
        "data:text/plain,x",
        "gopher://127.0.0.1:70/x",
        "unix:///run/docker.sock",
        "//",
        "http://",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:1/\r\nx: y",
        &itself,
    ] {
        let reply = Reply::new(307).header("Location", target);
        refused(&kiln, site.clone().layer_is(reply), target, &[&layer]);
    }
}

#[test]
fn another_host_gets_no_authorization() {
    let site = Site::new();
    let blobs = site.clone();
    let elsewhere = Mock::start(move |asked| blobs.answer(asked));
    let layer = Digest::of(&site.layer).to_string();
    let target = format!("http://{}/v2/app/blobs/{layer}", elsewhere.host());
    let answers = site.layer_is(Reply::new(307).header("Location", target));
    let registry = Mock::start(move |asked| match asked.header("authorization") {
        Some(_) => answers.answer(asked),
        None => Reply::new(401).header("WWW-Authenticate", "Basic realm=\"kiln\""),
    });
    let kiln = Kiln::empty();
    let name = registry.name("app:1");
    let error = error_line(run(&mut private(&kiln, &["pull", &name])));
    assert!(
        error.contains(&format!("kiln login {}", registry.host())),
        "{error}"
    );
    let args = ["login", "-u", "user", "--password-stdin", &registry.host()];
    super::auth::login(&mut private(&kiln, &args), "secret").ok();
    run(&mut private(&kiln, &["pull", &name])).ok();
    assert_eq!(
        kiln.image(&name).tree.get("file").unwrap().content.len(),
        100_000
    );
    let shown: Vec<_> = registry
        .seen()
        .into_iter()
        .filter(|a| a.is("GET", &a.path))
        .collect();
    assert!(shown.iter().any(|a| a.header("authorization").is_some()));
    let seen = elsewhere.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].header("authorization"), None);
    assert!(!format!("{seen:?}").contains("c2Vj"), "{seen:?}");
    assert_nothing_left(&kiln);
}

#[test]
fn another_host_that_lies() {
    let kiln = Kiln::new();
    let site = Site::new();
    let layer = Digest::of(&site.layer).to_string();
    let mut wrong = site.layer.clone();
    wrong[20_000] ^= 1;
    for (what, reply) in [
        (
            "another digest",
            Reply::of("application/octet-stream", wrong),
        ),
        ("a page", Reply::of("text/html", "<html>")),
        ("refused", Reply::new(403)),
        // Its wish for a login is not the registry's.
        (
            "a login",
            Reply::new(401).header("WWW-Authenticate", "Basic realm=\"x\""),
        ),
    ] {
        let elsewhere = Mock::start(move |_| reply.clone());
        let target = format!("http://{}/blob", elsewhere.host());
        let reply = Reply::new(302).header("Location", target);
        refused(&kiln, site.clone().layer_is(reply), what, &[&layer]);
        assert!(
            elsewhere
                .seen()
                .iter()
                .all(|a| a.header("authorization").is_none())
        );
        assert!(!elsewhere.seen().is_empty(), "{what}");
    }
}
