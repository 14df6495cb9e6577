//! Programs that keep passwords for docker, and so for kiln.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::auth::{localhost, login, private, settings};
use super::registry::{Authority, PASSWORD, Registry, USER};
use super::{error_line, with_app};
use crate::harness::{Kiln, run};

/// Keeps one credential in a file, and notes what it was asked.
const HELPER: &str = r#"#!/bin/sh
dir=$(dirname "$0")
echo "$1" >> "$dir/asked"
case "$1" in
store) cat > "$dir/kept" ;;
get)
    read -r server
    if [ -e "$dir/broken" ]; then
        echo "the secret s3cr3t is in here"
        exit 7
    elif grep -q "\"$server\"" "$dir/kept" 2>/dev/null; then
        cat "$dir/kept"
    else
        echo "credentials not found in native keychain"
        exit 1
    fi ;;
erase) rm -f "$dir/kept" ;;
esac
"#;

/// The command finds the helper on its PATH.
fn with_helper(kiln: &Kiln, args: &[&str]) -> Command {
    let mut command = private(kiln, args);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", kiln.file("bin").display()));
    command
}

#[test]
fn a_helper_keeps_the_password() {
    let authority = Authority::new();
    let registry = Registry::private(&authority);
    let host = localhost(&registry);
    let name = format!("{host}/app:1");
    let (kiln, _) = with_app(&name);
    settings(
        &kiln,
        &host,
        &format!("ca = {:?}", super::text(&authority.certificate())),
    );
    for dir in ["bin", "docker"] {
        std::fs::create_dir(kiln.file(dir)).unwrap();
    }
    let helper = kiln.file("bin/docker-credential-fake");
    std::fs::write(&helper, HELPER).unwrap();
    std::fs::set_permissions(&helper, PermissionsExt::from_mode(0o755)).unwrap();
    let config = kiln.file("docker/config.json");
    let helpers = serde_json::json!({"credHelpers": {host.as_str(): "fake"}});
    std::fs::write(&config, helpers.to_string()).unwrap();
    let kept = kiln.file("bin/kept");

    // It has nothing yet.
    let error = error_line(run(&mut with_helper(&kiln, &["push", &name])));
    assert!(error.contains(&format!("kiln login {host}")), "{error}");
    let args = ["login", "--username", USER, "--password-stdin", &host];
    login(&mut with_helper(&kiln, &args), PASSWORD).ok();
    let secret: serde_json::Value = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
    let expected = serde_json::json!({
        "ServerURL": host, "Username": USER, "Secret": PASSWORD,
    });
    assert_eq!(secret, expected);
    // In the file there is nothing of it.
    let written = std::fs::read_to_string(&config).unwrap();
    let written: serde_json::Value = serde_json::from_str(&written).unwrap();
    assert!(written["auths"][&host]["auth"].is_null(), "{written}");
    assert_eq!(written["credHelpers"], helpers["credHelpers"]);

    run(&mut with_helper(&kiln, &["push", &name])).ok();
    run(&mut with_helper(&kiln, &["pull", &name])).ok();

    // A helper that fails is named, what it printed is not shown.
    std::fs::write(kiln.file("bin/broken"), "").unwrap();
    let error = error_line(run(&mut with_helper(&kiln, &["pull", &name])));
    assert!(error.contains("docker-credential-fake"), "{error}");
    assert!(!error.contains("s3cr3t"), "{error}");
    std::fs::remove_file(kiln.file("bin/broken")).unwrap();
    // So is one that isn't there.
    let error = error_line(run(&mut private(&kiln, &["pull", &name])));
    assert!(error.contains("docker-credential-fake"), "{error}");

    run(&mut with_helper(&kiln, &["logout", &host])).ok();
    assert!(!kept.exists());
    let error = error_line(run(&mut with_helper(&kiln, &["pull", &name])));
    assert!(error.contains(&format!("kiln login {host}")), "{error}");
    let asked = std::fs::read_to_string(kiln.file("bin/asked")).unwrap();
    for verb in ["store", "get", "erase"] {
        assert!(asked.lines().any(|l| l == verb), "{asked}");
    }
}
