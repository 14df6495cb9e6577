//! Pull and push with what the client knows of registries.

use crate::harness::{Kiln, Project, run, run_with};
use crate::registries::auth::{localhost, settings};
use crate::registries::registry::{Authority, PASSWORD, Registry, USER};

use super::Engine;

#[test]
fn push_and_pull() {
    let registry = Registry::start();
    let engine = Engine::with_base();
    let name = registry.name("app:1");
    let project = Project::new("FROM busybox\nCOPY x /\n").with("x", "hello\n");
    let context = project.dir().to_str().unwrap();
    engine.ok(["build", "-t", &name, context]);
    let pushed = engine.ok(["push", &name]).out();
    let first = format!("The push refers to repository [{}]", registry.name("app"));
    assert!(pushed.starts_with(&first), "{pushed}");
    assert!(pushed.contains(": Pushed"), "{pushed}");
    let last = pushed.lines().last().unwrap();
    assert!(
        last.starts_with("1: digest: sha256:") && last.contains(" size: "),
        "{last}"
    );
    let again = engine.ok(["push", &name]).out();
    assert!(again.contains(": Layer already exists"), "{again}");

    let other = Engine::on(Kiln::empty());
    let pulled = other.ok(["pull", &name]).out();
    let lines: Vec<&str> = pulled.lines().collect();
    assert_eq!(lines[0], "1: Pulling from app");
    assert!(pulled.contains(": Pull complete\n"), "{pulled}");
    assert!(pulled.contains("\nDigest: sha256:"), "{pulled}");
    assert!(pulled.contains(&format!("\nStatus: Downloaded newer image for {name}\n")));
    let again = other.ok(["pull", &name]).out();
    assert!(
        again.contains(&format!("\nStatus: Image is up to date for {name}\n")),
        "{again}"
    );
    assert_eq!(other.kiln().cat(&name, "/x"), "hello\n");
    // What isn't here is fetched for a build.
    let third = Engine::on(Kiln::empty());
    let dockerfile = format!("FROM {name}\nRUN cat /x\n");
    let mut build = third.command(["build", "--network", "host", "-"]);
    let built = run_with(&mut build, dockerfile.into_bytes()).ok().out();
    assert!(built.contains("\nhello\n"), "{built}");
    let missing = run(&mut other.command(["pull", &registry.name("none:1")])).code(1);
    assert!(missing.err().contains("not found"), "{}", missing.err());
    let absent = run(&mut engine.command(["push", &registry.name("absent")])).code(1);
    let text = "An image does not exist locally with the tag: ";
    assert!(absent.err().contains(text), "{}", absent.err());
}

#[test]
fn credentials_are_the_clients() {
    let authority = Authority::new();
    let registry = Registry::private(&authority);
    let kiln = Kiln::new();
    let host = localhost(&registry);
    let name = format!("{host}/app:1");
    let ca = authority.certificate();
    settings(
        &kiln,
        &host,
        &format!("ca = {:?}", ca.display().to_string()),
    );
    kiln.ok(["tag", "busybox", &name]);
    let file = kiln.file("registries.toml");
    let engine = Engine::with(kiln, |command| {
        command.env("KILN_REGISTRIES", file);
    });
    let login = ["login", "-u", USER, "--password-stdin", &host];
    let wrong = run_with(&mut engine.command(login), b"wrong".to_vec()).code(1);
    assert!(
        wrong.err().contains("refused the user name"),
        "{}",
        wrong.err()
    );
    run_with(&mut engine.command(login), PASSWORD.into()).ok();
    engine.ok(["push", &name]);
    engine.ok(["rmi", &name]);
    engine.ok(["pull", &name]);
    engine.ok(["logout", &host]);
    let denied = run(&mut engine.command(["pull", &name])).code(1);
    assert!(denied.err().contains("access denied"), "{}", denied.err());
    assert!(!engine.log().contains(PASSWORD));
}
