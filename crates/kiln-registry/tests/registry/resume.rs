//! Connections that break off.

use std::io::Read;

use kiln_registry::{Access, RegistryError};

use crate::server::{Cutter, Server};
use crate::{bytes, client, descriptor, open, pull, push};

const SIZE: usize = 5 << 20;

fn stored(server: &Server) -> Vec<u8> {
    let content = bytes(42, SIZE);
    let direct = open(&client(), &server.host(), "a", Access::Push);
    push(&direct, &content);
    content
}

#[test]
fn downloads_go_on() {
    let server = Server::plain();
    let content = stored(&server);
    // At the beginning, within headers, in the body, near the end; again and again.
    let cutters = [
        Cutter::start(server.port, |n| {
            (Some(if n == 1 { 0 } else { SIZE * 2 }), None)
        }),
        Cutter::start(server.port, |n| {
            (Some(if n == 1 { 100 } else { SIZE * 2 }), None)
        }),
        Cutter::start(server.port, |n| {
            (Some(if n < 2 { 100_000 } else { SIZE * 2 }), None)
        }),
        Cutter::start(server.port, |n| {
            (Some(if n < 3 { SIZE - 10 } else { SIZE * 2 }), None)
        }),
        // Never more than 1.2 MiB at once.
        Cutter::start(server.port, |_| (Some(1_200_000), None)),
    ];
    for (i, cutter) in cutters.iter().enumerate() {
        let repository = open(&client(), &cutter.host(), "a", Access::Pull);
        let found = pull(&repository, &descriptor(&content));
        assert!(
            found.as_deref() == Ok(&content[..]),
            "{i}: {:?}",
            found.err()
        );
        assert!(cutter.connections() >= 2, "{i}");
    }
    assert!(cutters[4].connections() >= 5);
}

#[test]
fn without_progress_it_ends() {
    let server = Server::plain();
    let content = stored(&server);
    let cutter = Cutter::start(server.port, |n| {
        (Some(if n == 0 { SIZE } else { 1000 }), None)
    });
    let repository = open(&client(), &cutter.host(), "a", Access::Pull);
    let d = descriptor(&content);
    let mut blob = match repository.blob(&d) {
        Ok(blob) => blob,
        Err(e) => panic!("{e}"),
    };
    let e = std::io::copy(&mut blob, &mut std::io::sink()).unwrap_err();
    let e = RegistryError::of(&e).unwrap();
    assert!(
        e.retryable() && e.to_string().contains("tried 4 times"),
        "{e}"
    );
    assert!(e.to_string().contains(&d.digest.to_string()), "{e}");
    assert!(blob.read(&mut [0; 10]).is_err());
}

#[test]
fn an_upload_that_breaks_off_can_be_made_again() {
    let server = Server::plain();
    let content = bytes(7, SIZE);
    let d = descriptor(&content);
    let cutter = Cutter::start(server.port, |n| (None, (n < 2).then_some(1_000_000)));
    let repository = open(&client(), &cutter.host(), "a", Access::Push);
    let up = || repository.upload(&d.digest, d.size, &mut &content[..], &|_| {});
    let e = up().unwrap_err();
    assert!(
        e.retryable() && matches!(e, RegistryError::Broken { .. }),
        "{e}"
    );
    assert_eq!(repository.has_blob(&d.digest).unwrap(), None);
    let mut tries = 1;
    while let Err(e) = up() {
        assert!(e.retryable(), "{e}");
        tries += 1;
        assert!(tries < 5);
    }
    assert_eq!(repository.has_blob(&d.digest).unwrap(), Some(d.size));
    let streamed = |seed| {
        let content = bytes(seed, SIZE);
        repository.upload_stream(&mut &content[..], &|_| {})
    };
    let (digest, _) = streamed(8).unwrap();
    assert!(repository.has_blob(&digest).unwrap().is_some());
}

#[test]
fn small_requests_are_made_again() {
    let server = Server::plain();
    let content = stored(&server);
    let cutter = Cutter::start(server.port, |n| {
        (Some(if n % 2 == 1 { 10 } else { 900 }), None)
    });
    let repository = open(&client(), &cutter.host(), "a", Access::Pull);
    for _ in 0..5 {
        let found = repository.has_blob(&descriptor(&content).digest).unwrap();
        assert_eq!(found, Some(SIZE as u64));
    }
}

#[test]
fn connections_are_kept() {
    let server = Server::plain();
    let cutter = Cutter::start(server.port, |_| (None, None));
    let repository = open(&client(), &cutter.host(), "a", Access::Push);
    for n in 0..10 {
        let content = bytes(n, 2 << 20);
        let d = push(&repository, &content);
        assert!(pull(&repository, &d).unwrap() == content);
        repository
            .upload_stream(&mut &content[..1000], &|_| {})
            .unwrap();
    }
    assert!(cutter.connections() <= 2, "{}", cutter.connections());
}
