//! Tokens of a service beside the registry, as Docker Hub has it.

use super::auth::{login, private};
use super::error_line;
use super::mock::{Mock, Reply, Site};
use crate::harness::{Kiln, run};

/// A registry that wants tokens, and the service that gives them: `guest` to everybody, `full` to
/// who shows a password.
fn services() -> (Mock, Mock) {
    let tokens = Mock::start(|asked| match asked.header("authorization") {
        // user:secret
        Some("Basic dXNlcjpzZWNyZXQ=") => Reply::of("application/json", r#"{"token": "full"}"#),
        Some(_) => Reply::new(401),
        None => Reply::of(
            "application/json",
            r#"{"token": "guest", "expires_in": 300}"#,
        ),
    });
    let site = Site::new();
    let realm = format!("http://{}/token", tokens.host());
    let registry = Mock::start(move |asked| {
        let reading = asked.method == "GET" || asked.method == "HEAD";
        match asked.header("authorization") {
            Some("Bearer guest") if reading => site.answer(asked),
            Some("Bearer full") => site.answer(asked),
            _ => Reply::new(401).header(
                "WWW-Authenticate",
                format!("Bearer realm=\"{realm}\",service=\"kiln tests\""),
            ),
        }
    });
    (registry, tokens)
}

#[test]
fn anybody_may_pull_with_a_token() {
    let (registry, tokens) = services();
    let (kiln, name) = (Kiln::empty(), registry.name("app:1"));
    run(&mut private(&kiln, &["pull", &name])).ok();
    kiln.id(&name);
    // One token for all of it, and for no more than that.
    let asked = tokens.seen();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(
        asked[0].path.contains("scope=repository:app:pull"),
        "{asked:?}"
    );
    assert!(!asked[0].path.contains("push"), "{asked:?}");
    assert!(asked[0].path.contains("service=kiln%20tests"), "{asked:?}");
}

#[test]
fn a_login_is_shown_to_the_token_service_only() {
    let (registry, tokens) = services();
    let (kiln, name) = (Kiln::empty(), registry.name("app:1"));
    let args = [
        "login",
        "--username",
        "user",
        "--password-stdin",
        &registry.host(),
    ];
    let error = error_line(login(&mut private(&kiln, &args), "wr0ng"));
    assert!(
        error.contains(&registry.host()) && !error.contains("wr0ng"),
        "{error}"
    );
    login(&mut private(&kiln, &args), "secret").ok();
    run(&mut private(&kiln, &["pull", &name])).ok();
    for asked in registry.seen() {
        let shown = asked.header("authorization").unwrap_or_default();
        assert!(!shown.starts_with("Basic"), "{asked:?}");
    }
    let last = tokens.seen().pop().unwrap();
    assert_eq!(last.header("authorization"), Some("Basic dXNlcjpzZWNyZXQ="));
}
