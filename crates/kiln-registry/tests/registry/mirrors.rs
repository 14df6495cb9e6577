//! Mirrors are asked first, and believed no more than others.

use kiln_registry::{Access, Client, CredentialStore, RegistryError, Target};

use crate::mock::{Mock, reply};
use crate::server::Server;
use crate::{bytes, client, descriptor, open, pull, push, quick};

fn with_mirrors(host: &str, mirrors: &[String]) -> Client {
    let mut settings = quick();
    settings.registry_mut(host).mirrors = mirrors.to_vec();
    Client::new(settings, CredentialStore::none())
}

#[test]
fn the_first_that_has_it_gives_it() {
    let (server, mirror) = (Server::plain(), Server::plain());
    let content = bytes(1, 50_000);
    let only_there = bytes(2, 50_000);
    push(
        &open(&client(), &mirror.host(), "hub/a", Access::Push),
        &content,
    );
    push(
        &open(&client(), &server.host(), "a", Access::Push),
        &only_there,
    );
    let empty = Mock::start(|_| reply(404));
    let mirrors = [
        "127.0.0.1:1".to_owned(),
        empty.host(),
        format!("http://{}/hub", mirror.host()),
    ];
    let client = with_mirrors(&server.host(), &mirrors);
    let repository = open(&client, &server.host(), "a", Access::Pull);
    assert!(pull(&repository, &descriptor(&content)).unwrap() == content);
    assert!(pull(&repository, &descriptor(&only_there)).unwrap() == only_there);
    assert!(
        empty
            .seen()
            .iter()
            .all(|r| r.path.starts_with("/v2/a/blobs/"))
    );
    // Nobody has it: the registry's word, and what the mirrors said.
    let e = repository.manifest(&Target::Tag("x".into())).unwrap_err();
    assert!(e.not_found() && e.to_string().contains("mirror"), "{e}");
    // Pushes go to the registry itself.
    let pushing = open(&client, &server.host(), "a", Access::Push);
    push(&pushing, b"new");
    assert_eq!(
        pushing.has_blob(&descriptor(&content).digest).unwrap(),
        None
    );
}

#[test]
fn a_mirror_that_lies_is_asked_no_more() {
    let server = Server::plain();
    let content = bytes(1, 50_000);
    push(
        &open(&client(), &server.host(), "a", Access::Push),
        &content,
    );
    let liar = Mock::start(|r| match r.path.contains("/blobs/") {
        true => reply(200).body(bytes(2, 50_000)),
        false => reply(404),
    });
    let client = with_mirrors(&server.host(), &[liar.host()]);
    let repository = open(&client, &server.host(), "a", Access::Pull);
    let d = descriptor(&content);
    let e = std::io::copy(&mut repository.blob(&d).unwrap(), &mut std::io::sink()).unwrap_err();
    let e = RegistryError::of(&e).unwrap();
    assert!(e.retryable() && e.to_string().contains(&liar.host()), "{e}");
    assert!(pull(&repository, &d).unwrap() == content);
    assert_eq!(liar.seen().len(), 1);
    // One that says another size is found out before it sends anything.
    let short = Mock::start(|r| match r.path.contains("/blobs/") {
        true => reply(200).body("x"),
        false => reply(404),
    });
    let client = with_mirrors(&server.host(), &[short.host()]);
    let repository = open(&client, &server.host(), "a", Access::Pull);
    assert!(pull(&repository, &d).unwrap() == content);
}

#[test]
fn the_registry_goes_on_where_a_mirror_breaks_off() {
    let server = Server::plain();
    let content = bytes(1, 50_000);
    push(
        &open(&client(), &server.host(), "a", Access::Push),
        &content,
    );
    let part = content[..20_000].to_vec();
    let tired = Mock::start(move |r| match r.path.contains("/blobs/") {
        true => reply(200).body(part.clone()).claiming(50_000),
        false => reply(404),
    });
    let client = with_mirrors(&server.host(), &[tired.host()]);
    let repository = open(&client, &server.host(), "a", Access::Pull);
    assert!(pull(&repository, &descriptor(&content)).unwrap() == content);
    assert_eq!(tired.seen().len(), 1);
}
