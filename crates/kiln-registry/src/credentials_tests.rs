#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;

use super::*;

fn password(username: &str, password: &str) -> Credential {
    Credential::Password {
        username: username.into(),
        password: Secret::new(password),
    }
}

fn store(dir: &Path, config: &str) -> CredentialStore {
    let file = dir.join("config.json");
    fs::write(&file, config).unwrap();
    CredentialStore::at(file, dir)
}

fn read(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join("config.json")).unwrap()).unwrap()
}

/// A helper that keeps everything in one file, and notes what it was asked.
fn helper(dir: &Path, name: &str) {
    let file = dir.join(format!("docker-credential-{name}"));
    let here = dir.display();
    let script = format!(
        "#!/bin/sh\ncd {here}\nread -r input\necho \"{name} $1 $input\" >>log\ncase $1 in\n\
         get) [ -e kept ] || {{ echo 'credentials not found in native keychain'; exit 1; }}; cat kept;;\n\
         store) echo \"$input\" >kept;;\nerase) rm kept;;\nesac\n"
    );
    fs::write(&file, script).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn forms_of_entries() {
    let dir = tempfile::tempdir().unwrap();
    let s = store(
        dir.path(),
        r#"{"auths":{
            "https://index.docker.io/v1/":{"auth":"dTpwOnc="},
            "ghcr.io":{"auth":"","identitytoken":"t"},
            "https://quay.io/v2/":{"username":"a","password":"b"},
            "r.example:5000":{"auth":"!!"},
            "empty.example":{}}}"#,
    );
    assert_eq!(s.get("docker.io").unwrap(), Some(password("u", "p:w")));
    assert_eq!(
        s.get("index.docker.io").unwrap(),
        Some(password("u", "p:w"))
    );
    let token = Credential::IdentityToken(Secret::new("t"));
    assert_eq!(s.get("ghcr.io").unwrap(), Some(token));
    assert_eq!(s.get("quay.io").unwrap(), Some(password("a", "b")));
    for none in ["empty.example", "quay.io:443", "r.example", "x.quay.io"] {
        assert_eq!(s.get(none).unwrap(), None, "{none}");
    }
    let e = s.get("r.example:5000").unwrap_err().to_string();
    assert!(
        e.contains("config.json") && e.contains("r.example:5000"),
        "{e}"
    );
    assert!(!format!("{:?}", s.get("docker.io")).contains("p:w"));
}

#[test]
fn login_and_logout_keep_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let s = store(
        dir.path(),
        r#"{"HttpHeaders":{"X":"y"},"auths":{"old.example":{"auth":"YTpi"}},"detachKeys":"ctrl-a"}"#,
    );
    s.store("docker.io", &password("u", "p")).unwrap();
    let config = read(dir.path());
    assert_eq!(config["HttpHeaders"]["X"], "y");
    assert_eq!(config["detachKeys"], "ctrl-a");
    assert_eq!(config["auths"][DOCKER_HUB_KEY]["auth"], "dTpw");
    let mode = fs::metadata(dir.path().join("config.json"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    assert_eq!(s.get("docker.io").unwrap(), Some(password("u", "p")));
    assert!(s.erase("docker.io").unwrap());
    assert!(!s.erase("docker.io").unwrap());
    assert_eq!(s.get("docker.io").unwrap(), None);
    assert_eq!(s.get("old.example").unwrap(), Some(password("a", "b")));
    assert!(s.store("x.example", &password("a:b", "p")).is_err());
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "no temporary file stays");
}

#[test]
fn the_file_is_made_and_links_stay() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a/b/config.json");
    let s = CredentialStore::at(&file, "");
    assert_eq!(s.get("x.example").unwrap(), None);
    s.store("x.example", &password("u", "p")).unwrap();
    assert_eq!(s.get("x.example").unwrap(), Some(password("u", "p")));
    let mode = fs::metadata(dir.path().join("a/b")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o700);
    let link = dir.path().join("link.json");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let s = CredentialStore::at(&link, "");
    s.store("y.example", &password("u", "p")).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(
        CredentialStore::at(&file, "")
            .get("y.example")
            .unwrap()
            .is_some()
    );
}

#[test]
fn helpers() {
    let dir = tempfile::tempdir().unwrap();
    helper(dir.path(), "one");
    helper(dir.path(), "two");
    let s = store(
        dir.path(),
        r#"{"credsStore":"one","credHelpers":{"two.example":"two"},"auths":{"plain.example":{"auth":"YTpi"}}}"#,
    );
    assert_eq!(s.get("docker.io").unwrap(), None);
    // What was kept in the file before there was a helper is still good.
    assert_eq!(s.get("plain.example").unwrap(), Some(password("a", "b")));
    s.store("docker.io", &password("u", "s3cret")).unwrap();
    assert_eq!(read(dir.path())["auths"][DOCKER_HUB_KEY], json!({}));
    assert!(!read(dir.path()).to_string().contains("s3cret"));
    assert_eq!(s.get("two.example").unwrap(), Some(password("u", "s3cret")));
    assert!(s.erase("docker.io").unwrap());
    s.store("docker.io", &Credential::IdentityToken(Secret::new("t")))
        .unwrap();
    let token = Credential::IdentityToken(Secret::new("t"));
    assert_eq!(s.get("docker.io").unwrap(), Some(token));
    let log = fs::read_to_string(dir.path().join("log")).unwrap();
    let log: Vec<&str> = log.lines().collect();
    assert_eq!(log[0], "one get https://index.docker.io/v1/");
    assert!(log.contains(&"two get two.example"), "{log:?}");
    assert!(
        log.contains(&"one erase https://index.docker.io/v1/"),
        "{log:?}"
    );
}

#[test]
fn helpers_that_fail() {
    let dir = tempfile::tempdir().unwrap();
    for (name, why) in [
        ("../x", "letters"),
        ("a b", "letters"),
        ("a;b", "letters"),
        ("missing", "docker-credential-missing isn't installed"),
        ("broken", "it failed"),
        ("talks", "isn't what a helper answers"),
    ] {
        let s = store(dir.path(), &json!({ "credsStore": name }).to_string());
        for (file, script) in [("broken", "echo pa55; exit 3"), ("talks", "echo pa55")] {
            let file = dir.path().join(format!("docker-credential-{file}"));
            fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let e = s.get("x.example").unwrap_err().to_string();
        assert!(e.contains(why) && !e.contains("pa55"), "{e}");
    }
}

#[test]
fn files_that_are_none() {
    let dir = tempfile::tempdir().unwrap();
    for bad in ["{", "[]", "\"x\""] {
        let e = store(dir.path(), bad).get("x.example").unwrap_err();
        assert!(e.to_string().contains("config.json: invalid JSON"), "{e}");
        assert!(
            store(dir.path(), bad)
                .store("x", &password("a", "b"))
                .is_err()
        );
        assert_eq!(
            fs::read_to_string(dir.path().join("config.json")).unwrap(),
            bad
        );
    }
    assert_eq!(store(dir.path(), " \n").get("x.example").unwrap(), None);
    let s = store(dir.path(), r#"{"auths":[]}"#);
    assert!(s.store("x", &password("a", "b")).is_err());
    let fixed = CredentialStore::none().with("X.example", password("a", "b"));
    assert_eq!(fixed.get("x.example").unwrap(), Some(password("a", "b")));
    assert_eq!(fixed.get("y.example").unwrap(), None);
    assert!(fixed.store("y.example", &password("a", "b")).is_err());
}
