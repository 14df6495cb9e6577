//! A registry that wants a login, behind a certificate of a private authority.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::registry::{Authority, PASSWORD, Registry, USER};
use super::{error_line, file, skopeo, text, told_digest, with_app};
use crate::harness::{Dockerd, Done, Kiln, run, run_with};

/// A command whose settings and credentials are in files of the test.
pub fn private(kiln: &Kiln, args: &[&str]) -> Command {
    let settings = kiln.file("registries.toml");
    if !settings.exists() {
        std::fs::write(&settings, "").unwrap();
    }
    let mut command = kiln.command(args);
    command
        .env("HOME", kiln.file("home"))
        .env("DOCKER_CONFIG", kiln.file("docker"))
        .env("KILN_REGISTRIES", settings)
        .env_remove("SSL_CERT_FILE")
        .env_remove("SSL_CERT_DIR");
    command
}

/// Writes the settings file.
pub fn settings(kiln: &Kiln, registry: &str, setting: &str) {
    let content = format!("[registry.\"{registry}\"]\n{setting}\n");
    std::fs::write(kiln.file("registries.toml"), content).unwrap();
}

/// The registry's name, by which its certificate is made out, too.
pub fn localhost(registry: &Registry) -> String {
    registry.host().replace("127.0.0.1", "localhost")
}

/// Logs in with a password on standard input.
pub fn login(command: &mut Command, password: &str) -> Done {
    run_with(command, format!("{password}\n").into_bytes())
}

fn trust(kiln: &Kiln, registry: &str, authority: &Authority) {
    let ca = authority.certificate();
    settings(kiln, registry, &format!("ca = {:?}", text(&ca)));
}

#[test]
fn a_certificate_of_nobody_known() {
    let authority = Authority::new();
    let registry = Registry::private(&authority);
    let (kiln, host) = (Kiln::empty(), localhost(&registry));
    let name = format!("{host}/app:1");
    for args in [
        &["pull", &name][..],
        &["login", "-u", USER, "--password-stdin", &host],
    ] {
        let done = login(&mut private(&kiln, args), PASSWORD);
        assert!(!done.report().contains(PASSWORD), "{}", done.report());
        let error = error_line(done);
        // What is wrong, and what to write where.
        for word in [&host, "certificate", "ca = ", "registries.toml"] {
            assert!(error.contains(word), "{word}: {error}");
        }
        assert!(error.contains(&format!("[registry.\"{host}\"]")), "{error}");
    }
    assert!(!kiln.file("docker/config.json").exists());

    // Another authority's certificate is no better.
    let another = Authority::new();
    trust(&kiln, &host, &another);
    let error = error_line(run(&mut private(&kiln, &["pull", &name])));
    assert!(error.contains("certificate"), "{error}");
    // One that isn't there is named.
    settings(&kiln, &host, "ca = \"/nonexistent/ca.pem\"");
    let error = error_line(run(&mut private(&kiln, &["pull", &name])));
    assert!(error.contains("/nonexistent/ca.pem"), "{error}");
    // So is a settings file that can't be read, with the place in it.
    settings(&kiln, &host, "certificate = \"/ca.pem\"");
    let failed = run(&mut private(&kiln, &["pull", &name])).code(1);
    assert!(
        failed.err().contains(text(&kiln.file("registries.toml"))),
        "{}",
        failed.report()
    );
    assert!(
        failed.err().contains("unknown field `certificate`"),
        "{}",
        failed.report()
    );
    // Who doesn't want it checked gets to the login.
    settings(&kiln, &host, "insecure = true");
    let error = error_line(run(&mut private(&kiln, &["pull", &name])));
    assert!(error.contains(&format!("kiln login {host}")), "{error}");
    // By an address the certificate isn't made out to: 127.0.0.2 is this machine, too, but the
    // proxy listens at 127.0.0.1 only, so there is nobody.
    let error = error_line(run(&mut private(&kiln, &["pull", "127.0.0.2:1/app"])));
    assert!(error.contains("127.0.0.2:1"), "{error}");
}

#[test]
fn login_push_pull_logout() {
    let authority = Authority::new();
    let registry = Registry::private(&authority);
    let host = localhost(&registry);
    let name = format!("{host}/team/app:1");
    let (kiln, _) = with_app(&name);
    trust(&kiln, &host, &authority);
    let refused = |args: &[&str]| {
        let error = error_line(run(&mut private(&kiln, args)));
        for word in ["access denied", &format!("kiln login {host}")] {
            assert!(error.contains(word), "{word}: {error}");
        }
        assert!(
            error.contains(&host) && !error.contains(PASSWORD),
            "{error}"
        );
    };
    refused(&["pull", &name]);
    refused(&["push", &name]);
    refused(&["inspect", "--remote", &name]);

    // A wrong password, a wrong user, and none.
    let wrong = "wr\u{f6}ng-pass:word";
    for (user, password) in [(USER, wrong), ("nobody", PASSWORD), (USER, "")] {
        let args = ["login", "--username", user, "--password-stdin", &host];
        let done = login(&mut private(&kiln, &args), password);
        let said = done.report();
        assert!(password.is_empty() || !said.contains(password), "{said}");
        assert!(error_line(done).contains(&host), "{said}");
        assert!(!kiln.file("docker/config.json").exists());
    }
    let done = run(&mut private(
        &kiln,
        &["login", "-u", USER, "-p", wrong, &host],
    ));
    let said = (done.out(), done.err());
    assert!(
        !said.0.contains(wrong) && !said.1.contains(wrong),
        "{said:?}"
    );
    assert!(said.1.contains("--password-stdin"), "{said:?}");
    assert_eq!(done.code, Some(1));
    // Nobody can be asked.
    let error = error_line(run(&mut private(&kiln, &["login", "-u", USER, &host])));
    assert!(error.contains("--password-stdin"), "{error}");

    let args = ["login", "--username", USER, "--password-stdin", &host];
    let done = login(&mut private(&kiln, &args), PASSWORD).ok();
    assert_eq!(done.out(), "Login Succeeded");
    assert!(!done.report().contains(PASSWORD));
    let config = kiln.file("docker/config.json");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&config), mode(&kiln.file("docker"))), (0o600, 0o700));

    let digest = told_digest(&run(&mut private(&kiln, &["push", &name])).ok());
    run(&mut private(&kiln, &["rmi", &name])).ok();
    let pull = run(&mut private(&kiln, &["pull", &name])).ok();
    assert_eq!(told_digest(&pull), digest);
    // skopeo finds the login, too.
    let (certificates, shown) = file(&kiln, "certs");
    std::fs::create_dir(&certificates).unwrap();
    std::fs::copy(authority.certificate(), certificates.join("ca.crt")).unwrap();
    let mut inspect = skopeo(["inspect", "--raw", "--cert-dir", &shown, "--authfile"]);
    run(inspect.arg(&config).arg(format!("docker://{name}"))).ok();

    let done = run(&mut private(&kiln, &["logout", &host])).ok();
    assert_eq!(done.out(), format!("Removing login credentials for {host}"));
    refused(&["pull", &name]);
    refused(&["push", &name]);
    let left = std::fs::read_to_string(&config).unwrap();
    assert!(!left.contains(&host), "{left}");
    let done = run(&mut private(&kiln, &["logout", &host])).ok();
    assert_eq!(done.out(), format!("Not logged in to {host}"));
}

#[test]
fn a_login_is_shared_with_docker() {
    let authority = Authority::new();
    let registry = Registry::private(&authority);
    let host = localhost(&registry);
    let name = format!("{host}/app:1");
    let (kiln, docker) = (with_app(&name).0, Dockerd::start());
    trust(&kiln, &host, &authority);
    // docker's login is good for kiln; docker asks no certificates of this machine.
    let args = ["login", "--username", USER, "--password-stdin", &host];
    let directory = kiln.file("docker");
    let docker_login = login(
        docker.command(args).env("DOCKER_CONFIG", &directory),
        PASSWORD,
    );
    docker_login.ok();
    let digest = told_digest(&run(&mut private(&kiln, &["push", &name])).ok());
    run(&mut private(&kiln, &["logout", &host])).ok();
    // kiln's is good for docker.
    let pull = |works: bool| {
        let done = run(docker
            .command(["pull", &name])
            .env("DOCKER_CONFIG", &directory));
        assert_eq!(done.code == Some(0), works, "{}", done.report());
        done
    };
    pull(false);
    login(&mut private(&kiln, &args), PASSWORD).ok();
    assert!(pull(true).out().contains(&digest));
    // What docker keeps there beside it stays.
    let config = directory.join("config.json");
    let mut all: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    all["HttpHeaders"] = serde_json::json!({"X-Kept": "yes"});
    std::fs::write(&config, all.to_string()).unwrap();
    login(&mut private(&kiln, &args), PASSWORD).ok();
    let left = std::fs::read_to_string(&config).unwrap();
    assert!(left.contains("X-Kept"), "{left}");
    pull(true);
}

#[test]
fn a_credentials_file_that_is_broken() {
    let authority = Authority::new();
    let registry = Registry::private(&authority);
    let host = localhost(&registry);
    let kiln = Kiln::empty();
    trust(&kiln, &host, &authority);
    let config = kiln.file("docker/config.json");
    std::fs::create_dir(kiln.file("docker")).unwrap();
    for broken in ["{", "[]", "{\"auths\": 7}", "\u{0}"] {
        std::fs::write(&config, broken).unwrap();
        let args = ["login", "--username", USER, "--password-stdin", &host];
        let error = error_line(login(&mut private(&kiln, &args), PASSWORD));
        assert!(error.contains(text(&config)), "{error}");
        // Nothing of it is lost.
        assert_eq!(std::fs::read_to_string(&config).unwrap(), broken);
        // A refusal tells that nothing was found there, and why.
        let name = format!("{host}/app:1");
        let error = error_line(run(&mut private(&kiln, &["pull", &name])));
        assert!(error.contains(&host), "{error}");
        assert!(
            broken.contains("auths") || error.contains(text(&config)),
            "{error}"
        );
    }
    // What needs no login needs no file.
    let open = Registry::start();
    let name = open.name("app:1");
    let pusher = with_app(&name).0;
    pusher.ok(["push", &name]);
    run(&mut private(&kiln, &["pull", &name])).ok();
}
