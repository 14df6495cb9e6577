//! Tokens, and whom they and passwords are shown to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kiln_registry::{Access, Client, Credential, CredentialStore, RegistryError, Secret, Target};
use serde_json::json;

use crate::mock::{Mock, Reply, Request, reply};
use crate::{bytes, descriptor, open, pull, quick};

const PASSWORD: &str = "hunter2";

fn logged_in(host: &str) -> Client {
    let credential = Credential::Password {
        username: "user".into(),
        password: Secret::new(PASSWORD),
    };
    Client::new(quick(), CredentialStore::none().with(host, credential))
}

fn basic() -> String {
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("user:{PASSWORD}"))
    )
}

fn challenge(realm: &str) -> Reply {
    let value =
        format!("Bearer realm=\"{realm}\",service=\"the service\",scope=\"registry:catalog:*\"");
    reply(401).with("WWW-Authenticate", value)
}

/// A registry that takes the tokens its service at the same address gives, which are numbered.
fn registry(content: &[u8], takes: impl Fn(usize) -> bool + Send + Sync + 'static) -> Mock {
    let content = content.to_vec();
    let issued = AtomicUsize::new(0);
    Mock::start(move |r: &Request| {
        let realm = format!("http://{}/token", r.header("host").unwrap());
        if r.path.starts_with("/token?") {
            let n = issued.fetch_add(1, Ordering::SeqCst) + 1;
            return reply(200).json(json!({"token": format!("t{n}"), "expires_in": 300}));
        }
        let token = r
            .header("authorization")
            .and_then(|a| a.strip_prefix("Bearer t"));
        match token.and_then(|t| t.parse().ok()) {
            Some(n) if takes(n) => answer(r, &content),
            _ => challenge(&realm),
        }
    })
}

fn answer(r: &Request, content: &[u8]) -> Reply {
    match r.method.as_str() {
        "GET" | "HEAD" => reply(200).body(content),
        "POST" => reply(202).with("Location", format!("{}session?state=a%3D", r.path)),
        _ => reply(201),
    }
}

#[test]
fn tokens_are_fetched_once() {
    let content = bytes(1, 1000);
    let mock = registry(&content, |_| true);
    let client = logged_in(&mock.host());
    let repository = open(&client, &mock.host(), "a/b", Access::Pull);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert!(pull(&repository, &descriptor(&content)).unwrap() == content));
        }
    });
    let tokens: Vec<Request> = mock
        .seen()
        .into_iter()
        .filter(|r| r.path.starts_with("/token"))
        .collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(
        tokens[0].path,
        "/token?service=the%20service&scope=repository:a/b:pull&account=user"
    );
    assert_eq!(tokens[0].header("authorization"), Some(basic().as_str()));
    // The password went to the token service, the token to the registry.
    for r in mock.all().iter().filter(|r| !r.path.starts_with("/token")) {
        assert_ne!(r.header("authorization"), Some(basic().as_str()));
    }
    // Another repository, other access: other tokens.
    let push = open(&client, &mock.host(), "a/b", Access::Push);
    push.upload(
        &descriptor(&content).digest,
        1000,
        &mut &content[..],
        &|_| {},
    )
    .unwrap();
    assert!(
        mock.seen()
            .iter()
            .any(|r| r.path.contains("scope=repository:a/b:pull%2Cpush"))
    );
    assert!(!push.mount(&descriptor(&content).digest, "c").unwrap());
    let both = "scope=repository:a/b:pull%2Cpush&scope=repository:c:pull";
    assert!(mock.seen().iter().any(|r| r.path.contains(both)));
}

#[test]
fn a_token_that_ran_out_is_fetched_anew() {
    let content = bytes(1, 3 << 20);
    // Each token is good for two requests.
    let uses = AtomicUsize::new(0);
    let mock = registry(&content, move |n| {
        uses.fetch_add(1, Ordering::SeqCst) / 3 + 1 == n
    });
    let repository = open(&logged_in(&mock.host()), &mock.host(), "a", Access::Push);
    let d = descriptor(&content);
    for _ in 0..7 {
        assert_eq!(repository.has_blob(&d.digest).unwrap(), Some(d.size));
    }
    let tokens = mock
        .seen()
        .iter()
        .filter(|r| r.path.starts_with("/token"))
        .count();
    assert!(tokens >= 3, "{tokens}");
}

#[test]
fn a_401_in_the_middle_of_an_upload() {
    let content = bytes(1, 3 << 20);
    let first = Arc::new(AtomicUsize::new(0));
    let count = first.clone();
    let body = content.clone();
    let mock = Mock::start(move |r| {
        let realm = format!("http://{}/token", r.header("host").unwrap());
        if r.path.starts_with("/token") {
            let n = count.load(Ordering::SeqCst);
            return reply(200).json(json!({"access_token": format!("t{n}")}));
        }
        let good = format!("Bearer t{}", count.load(Ordering::SeqCst));
        if r.header("authorization") != Some(&good) {
            return challenge(&realm);
        }
        // The registry forgets its tokens when the upload was begun.
        if r.method == "POST" {
            count.fetch_add(1, Ordering::SeqCst);
        }
        answer(r, &body)
    });
    let repository = open(&logged_in(&mock.host()), &mock.host(), "a", Access::Push);
    // It is asked before any of it is read: once is enough.
    let d = descriptor(&content);
    repository
        .upload(&d.digest, d.size, &mut &content[..], &|_| {})
        .unwrap();
    let puts: Vec<Request> = mock
        .seen()
        .into_iter()
        .filter(|r| r.method == "PUT")
        .collect();
    assert_eq!(
        puts.iter().map(|r| r.body.len()).collect::<Vec<_>>(),
        [0, content.len()]
    );
    assert!(puts[1].body == content);
    assert!(
        puts[1]
            .path
            .ends_with(&format!("session?state=a%3D&digest={}", d.digest))
    );
    assert_ne!(
        puts[0].header("authorization"),
        puts[1].header("authorization")
    );
    // What is small was sent already: the caller has to begin again.
    let small = descriptor(b"small");
    let up = || repository.upload(&small.digest, 5, &mut &b"small"[..], &|_| {});
    assert!(up().unwrap_err().retryable());
}

#[test]
fn identity_tokens() {
    let mock = Mock::start(|r| {
        let realm = format!("http://{}/token", r.header("host").unwrap());
        if r.path == "/token" {
            let form = String::from_utf8(r.body.clone()).unwrap();
            assert!(
                form.contains("grant_type=refresh_token") && form.contains("refresh_token=ident")
            );
            return reply(200).json(json!({"access_token": "t1"}));
        }
        match r.header("authorization") {
            Some("Bearer t1") => answer(r, b"x"),
            _ => challenge(&realm),
        }
    });
    let token = Credential::IdentityToken(Secret::new("ident"));
    let store = CredentialStore::none().with(&mock.host(), token);
    let client = Client::new(quick(), store);
    client.ping(&mock.host()).unwrap();
    let repository = open(&client, &mock.host(), "a", Access::Pull);
    assert_eq!(pull(&repository, &descriptor(b"x")).unwrap(), b"x");
    assert_eq!(mock.count("POST", "/token"), 2);
}

#[test]
fn who_refuses_is_named() {
    // The token service knows the password is wrong.
    let mock = Mock::start(|r| match r.path.starts_with("/token") {
        true => reply(401).json(json!({"details": "incorrect username or password"})),
        false => challenge(&format!("http://{}/token", r.header("host").unwrap())),
    });
    let client = logged_in(&mock.host());
    for e in [
        client.ping(&mock.host()).unwrap_err(),
        open(&client, &mock.host(), "a", Access::Pull)
            .manifest(&Target::Tag("x".into()))
            .unwrap_err(),
    ] {
        assert!(matches!(e, RegistryError::Login { .. }), "{e}");
        let text = e.to_string();
        assert!(
            text.contains(&mock.host()) && text.contains("incorrect username"),
            "{text}"
        );
        assert!(!text.contains(PASSWORD), "{text}");
    }
    // Without a password, one is what is missing.
    let e = crate::client().ping(&mock.host()).unwrap_err();
    assert!(matches!(e, RegistryError::Denied { .. }), "{e}");
    assert!(
        e.to_string()
            .contains(&format!("kiln login {}", mock.host())),
        "{e}"
    );
    // A registry that refuses every token is asked twice, not for ever.
    let content = bytes(1, 10);
    let never = registry(&content, |_| false);
    let repository = open(&logged_in(&never.host()), &never.host(), "a", Access::Pull);
    let e = repository.manifest(&Target::Tag("x".into())).unwrap_err();
    assert!(matches!(e, RegistryError::Denied { .. }), "{e}");
    assert_eq!(never.count("GET", "/v2/a/manifests/x"), 2);
    // And what the registry says is said.
    let says = Mock::start(|_| {
        reply(403)
            .json(json!({"errors": [{"code": "DENIED", "message": "your plan has no\u{1b}[2J"}]}))
    });
    let e = open(&client, &says.host(), "a", Access::Pull).manifest(&Target::Tag("x".into()));
    let e = e.unwrap_err().to_string();
    assert!(
        e.contains("your plan has no [2J (DENIED)") && !e.contains('\u{1b}'),
        "{e}"
    );
}

#[test]
fn a_missing_helper_is_told_when_it_matters() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    std::fs::write(&file, r#"{"credsStore":"desktop"}"#).unwrap();
    let client = || Client::new(quick(), CredentialStore::at(&file, dir.path()));
    let content = bytes(1, 10);
    let open_to_all = registry(&content, |_| true);
    let repository = open(&client(), &open_to_all.host(), "a", Access::Pull);
    assert!(pull(&repository, &descriptor(&content)).unwrap() == content);
    let closed = registry(&content, |_| false);
    let e = client().ping(&closed.host()).unwrap_err().to_string();
    assert!(
        e.contains("docker-credential-desktop isn't installed"),
        "{e}"
    );
}

#[test]
fn passwords_go_to_no_foreign_realm() {
    let trap = Mock::start(|_| reply(200).json(json!({"token": "t"})));
    // Plain HTTP elsewhere, other schemes, names within names.
    for realm in [
        "http://198.51.100.7/token".to_owned(),
        "http://registry.invalid/token".to_owned(),
        "file:///etc/passwd".to_owned(),
        format!("http://user:x@127.0.0.1:{}/token", trap.port),
        "/token".to_owned(),
        "http://169.254.169.254/token".to_owned(),
    ] {
        let named = realm.clone();
        let mock = Mock::start(move |_| challenge(&named));
        let e = logged_in(&mock.host()).ping(&mock.host()).unwrap_err();
        assert!(matches!(e, RegistryError::Refused { .. }), "{realm}: {e}");
    }
    // https at an address that clouds keep their secrets at.
    let mock = Mock::start(|_| challenge("https://169.254.169.254/token"));
    let e = logged_in(&mock.host()).ping(&mock.host()).unwrap_err();
    assert!(matches!(e, RegistryError::Refused { .. }), "{e}");
    // A token service that leads elsewhere.
    let to = trap.url("/token");
    let mock = Mock::start(move |r| match r.path.starts_with("/token") {
        true => reply(307).with("Location", &to),
        false => challenge(&format!("http://{}/token", r.header("host").unwrap())),
    });
    let e = logged_in(&mock.host()).ping(&mock.host()).unwrap_err();
    assert!(matches!(e, RegistryError::Refused { .. }), "{e}");
    assert!(trap.all().is_empty());
    // The credentials of one registry aren't another's.
    let other = registry(b"x", |_| true);
    let client = logged_in(&mock.host());
    client.ping(&other.host()).unwrap();
    assert!(
        other
            .all()
            .iter()
            .all(|r| r.header("authorization") != Some(&basic()))
    );
}

#[test]
fn redirects_are_shown_nothing() {
    let content = bytes(3, 10_000);
    let body = content.clone();
    let storage = Mock::start(move |r| {
        assert_eq!(r.header("authorization"), None);
        reply(200).body(body.clone())
    });
    let to = storage.url("/bucket/x?sig=abc");
    let mock = Mock::start(move |r| {
        if r.header("authorization") != Some(&basic()) {
            return reply(401).with("WWW-Authenticate", "Basic realm=\"r\"");
        }
        match r.path.as_str() {
            p if p.ends_with("uploads/") => reply(202).with("Location", &to),
            p if p.starts_with("/v2/a/blobs") => reply(307).with("Location", "/moved"),
            "/moved" => reply(302).with("Location", &to),
            _ => reply(200),
        }
    });
    let client = logged_in(&mock.host());
    let repository = open(&client, &mock.host(), "a", Access::Push);
    assert!(pull(&repository, &descriptor(&content)).unwrap() == content);
    assert_eq!(
        repository.has_blob(&descriptor(&content).digest).unwrap(),
        Some(10_000)
    );
    // The upload's place is another host's, too: it gets the blob and nothing else.
    let d = descriptor(b"up");
    let e = repository
        .upload(&d.digest, 2, &mut &b"up"[..], &|_| {})
        .unwrap_err();
    assert!(
        matches!(e, RegistryError::Status { status: 200, .. }),
        "{e}"
    );
    let seen = storage.all();
    assert_eq!(seen.len(), 3);
    assert_eq!(
        seen[2].path,
        format!("/bucket/x?sig=abc&digest={}", d.digest)
    );
    assert!(seen.iter().all(|r| r.header("authorization").is_none()));
    let own = mock.all();
    let moved: Vec<&Request> = own.iter().filter(|r| r.path == "/moved").collect();
    assert!(moved.iter().all(|r| r.header("authorization").is_some()));
    assert!(client.ping(&mock.host()).is_ok());
}

#[test]
fn a_token_service_that_is_overloaded() {
    let service = |fails: usize| {
        let asked = AtomicUsize::new(0);
        Mock::start(move |r| {
            let realm = format!("http://{}/token", r.header("host").unwrap());
            match r.header("authorization") {
                Some("Bearer t") => answer(r, b"x"),
                _ if !r.path.starts_with("/token") => challenge(&realm),
                _ if asked.fetch_add(1, Ordering::SeqCst) < fails => reply(503),
                _ => reply(200).json(json!({"token": "t"})),
            }
        })
    };
    let tokens = |mock: &Mock| {
        let seen = mock.seen();
        seen.iter().filter(|r| r.path.starts_with("/token")).count()
    };
    let mock = service(2);
    let repository = open(&logged_in(&mock.host()), &mock.host(), "a", Access::Pull);
    assert_eq!(pull(&repository, &descriptor(b"x")).unwrap(), b"x");
    assert_eq!(tokens(&mock), 3);
    // It is tried as often as anything else, not as often again by everybody who needs it.
    let mock = service(1000);
    let repository = open(&logged_in(&mock.host()), &mock.host(), "a", Access::Pull);
    let e = repository.manifest(&Target::Tag("x".into())).unwrap_err();
    assert!(
        e.retryable() && e.to_string().contains("503 (tried 4 times)"),
        "{e}"
    );
    assert_eq!(tokens(&mock), 4);
}
