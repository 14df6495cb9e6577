//! TLS with a private CA, logins, certificates of clients, a proxy.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use kiln_registry::{
    Access, Client, Credential, CredentialStore, Proxies, RegistryError, Secret, Settings,
};

use crate::mock::{Mock, reply};
use crate::server::{Options, Server};
use crate::{bytes, client, descriptor, open, pull, push, quick};

/// A CA, and a certificate of it for 127.0.0.1, localhost and registry.test.
pub fn authority(dir: &Path) {
    let run = |args: &str| {
        let out = Command::new("openssl")
            .current_dir(dir)
            .args(args.split(' '))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
    };
    let names = "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:registry.test\n";
    std::fs::write(dir.join("names"), names).unwrap();
    let new = "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    run(&format!(
        "{new} -x509 -days 2 -subj /CN=Kiln-CA -keyout ca.key -out ca.pem"
    ));
    for name in ["server", "client"] {
        run(&format!(
            "{new} -subj /CN={name} -keyout {name}.key -out {name}.csr"
        ));
        run(&format!(
            "x509 -req -days 2 -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
             -extfile names -out {name}.pem"
        ));
    }
}

fn password(text: &str) -> Credential {
    Credential::Password {
        username: "user".into(),
        password: Secret::new(text),
    }
}

struct Secured {
    dir: tempfile::TempDir,
    server: Server,
}

impl Secured {
    fn start(client_certificates: bool) -> Secured {
        let dir = tempfile::tempdir().unwrap();
        authority(dir.path());
        let server = Server::start(&Options {
            tls: Some(dir.path()),
            login: !client_certificates,
            client_certificates,
            ..Default::default()
        });
        Secured { dir, server }
    }

    fn host(&self) -> String {
        self.server.host()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn trusting(&self) -> Settings {
        let mut settings = quick();
        settings.registry_mut(&self.host()).ca = Some(self.path("ca.pem"));
        settings
    }
}

#[test]
fn certificates_are_checked() {
    let s = Secured::start(false);
    let host = s.host();
    let e = client().ping(&host).unwrap_err();
    assert!(matches!(e, RegistryError::Tls { .. }), "{e}");
    assert!(
        e.to_string().contains(&host) && e.to_string().contains("ca ="),
        "{e}"
    );
    // With its CA, without checking, or with its CA in certs.d: the login is what is missing.
    let mut insecure = quick();
    insecure.registry_mut(&host).insecure = true;
    let mut certs_d = quick();
    let dir = s.path("certs.d").join(&host);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::copy(s.path("ca.pem"), dir.join("ca.crt")).unwrap();
    certs_d.cert_dirs = vec![s.path("certs.d")];
    for settings in [s.trusting(), insecure, certs_d] {
        let client = Client::new(settings, CredentialStore::none());
        let e = client.ping(&host).unwrap_err().to_string();
        assert!(e.contains(&format!("kiln login {host}")), "{e}");
    }
    // Trust in one host is no trust in another.
    let mut other = quick();
    other.registry_mut("localhost:1").insecure = true;
    other.registry_mut("localhost:1").ca = Some(s.path("ca.pem"));
    let e = Client::new(other, CredentialStore::none())
        .ping(&host)
        .unwrap_err();
    assert!(matches!(e, RegistryError::Tls { .. }), "{e}");
    for (file, why) in [("names", "no certificates"), ("missing", "No such file")] {
        let mut bad = quick();
        bad.registry_mut(&host).ca = Some(s.path(file));
        let e = Client::new(bad, CredentialStore::none())
            .ping(&host)
            .unwrap_err()
            .to_string();
        assert!(e.contains(why) && e.contains(file), "{e}");
    }
}

#[test]
fn logins() {
    let s = Secured::start(false);
    let host = s.host();
    let file = s.path("docker/config.json");
    let client = Client::new(s.trusting(), CredentialStore::at(&file, ""));
    let e = client.login(&host, &password("wrong")).unwrap_err();
    assert!(matches!(e, RegistryError::Login { .. }), "{e}");
    assert!(
        e.to_string().contains(&host) && !e.to_string().contains("wrong"),
        "{e}"
    );
    assert!(!file.exists());
    let before = open(&client, &host, "a", Access::Push);
    let e = before.has_blob(&descriptor(b"").digest).unwrap_err();
    assert!(matches!(e, RegistryError::Denied { .. }), "{e}");

    client.login(&host, &password("pass word")).unwrap();
    assert!(file.exists());
    client.ping(&host).unwrap();
    // The same client finds what was kept since.
    let content = bytes(1, 2 << 20);
    let d = push(&before, &content);
    let pulling = open(&client, &host, "a", Access::Pull);
    assert!(pull(&pulling, &d).unwrap() == content);
    let (digest, _) = before
        .upload_stream(&mut &content[..1000], &|_| {})
        .unwrap();
    assert!(before.mount(&digest, "a").unwrap());
    // docker's own tools read the file.
    let out = Command::new("skopeo")
        .args(["list-tags", "--tls-verify=false", "--authfile"])
        .arg(&file)
        .arg(format!("docker://{host}/a"))
        .output()
        .unwrap();
    let e = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!e.contains("unauthorized"), "{e}");

    assert!(client.logout(&host).unwrap());
    assert!(!client.logout(&host).unwrap());
    let fresh = Client::new(s.trusting(), CredentialStore::at(&file, ""));
    assert!(matches!(
        fresh.ping(&host),
        Err(RegistryError::Denied { .. })
    ));
    let wrong = CredentialStore::none().with(&host, password("wrong"));
    let fresh = Client::new(s.trusting(), wrong);
    let e = open(&fresh, &host, "a", Access::Pull)
        .blob(&d)
        .map(drop)
        .unwrap_err();
    assert!(matches!(e, RegistryError::Denied { .. }), "{e}");
}

#[test]
fn clients_show_certificates() {
    let s = Secured::start(true);
    let host = s.host();
    let client = Client::new(s.trusting(), CredentialStore::none());
    assert!(client.ping(&host).is_err());
    let dir = s.path("certs.d").join(&host);
    std::fs::create_dir_all(&dir).unwrap();
    for (from, to) in [
        ("ca.pem", "ca.crt"),
        ("client.pem", "c.cert"),
        ("client.key", "c.key"),
    ] {
        std::fs::copy(s.path(from), dir.join(to)).unwrap();
    }
    let mut settings = quick();
    settings.cert_dirs = vec![s.path("certs.d")];
    let client = Client::new(settings.clone(), CredentialStore::none());
    client.ping(&host).unwrap();
    push(&open(&client, &host, "a", Access::Push), b"x");
    std::fs::remove_file(dir.join("c.key")).unwrap();
    let e = Client::new(settings, CredentialStore::none())
        .ping(&host)
        .unwrap_err();
    assert!(e.to_string().contains("c.key"), "{e}");
}

/// What the environment says is taken from it: in a process of its own, since it can't be changed
/// in one that has threads.
#[test]
fn the_environment_counts() {
    let s = Secured::start(false);
    let file = s.path("docker/config.json");
    let client = Client::new(s.trusting(), CredentialStore::at(&file, ""));
    client.login(&s.host(), &password("pass word")).unwrap();
    let settings = s.path("registries.toml");
    let text = format!("[registry.\"named.example\"]\nmirrors = [{:?}]\n", s.host());
    std::fs::write(&settings, text).unwrap();
    let child = |ca: &str, settings: &Path| {
        let out = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "tls::in_an_environment",
                "--ignored",
                "--nocapture",
            ])
            .env("SSL_CERT_FILE", s.path(ca))
            .env_remove("SSL_CERT_DIR")
            .env("DOCKER_CONFIG", s.path("docker"))
            .env("KILN_REGISTRIES", settings)
            .env("KILN_TEST_HOST", s.host())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        (out.status.success(), text)
    };
    let (ok, text) = child("ca.pem", &settings);
    assert!(ok, "{text}");
    for bad in ["missing.pem", "names"] {
        let (ok, text) = child(bad, &settings);
        assert!(!ok && text.contains("SSL_CERT_FILE: "), "{text}");
    }
    let (ok, text) = child("ca.pem", &s.path("missing.toml"));
    assert!(!ok && text.contains("missing.toml"), "{text}");
}

#[test]
#[ignore = "started by the_environment_counts"]
fn in_an_environment() {
    let host = std::env::var("KILN_TEST_HOST").unwrap();
    let settings = Settings::load().unwrap_or_else(|e| panic!("{e}"));
    let mirrors = settings.registry("named.example").mirrors;
    assert_eq!(mirrors, std::slice::from_ref(&host));
    let client = Client::new(settings, CredentialStore::open());
    client.ping(&host).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn through_a_proxy() {
    let s = Secured::start(false);
    let name = format!("registry.test:{}", s.server.port);
    let proxy = connect_proxy();
    let client = |no_proxy: &str| {
        let mut settings = quick();
        settings.registry_mut(&name).ca = Some(s.path("ca.pem"));
        settings.proxies = Proxies::from_vars(|v| match v {
            "HTTPS_PROXY" => Some(format!("http://proxy:secret@127.0.0.1:{proxy}")),
            "NO_PROXY" => Some(no_proxy.to_owned()),
            _ => None,
        })
        .unwrap();
        let store = CredentialStore::none().with(&name, password("pass word"));
        Client::new(settings, store)
    };
    // The name exists for the proxy only.
    client("").ping(&name).unwrap();
    let e = client("registry.test").ping(&name).unwrap_err();
    assert!(matches!(e, RegistryError::Unreachable { .. }), "{e}");
    let e = client("").ping("refused.example").unwrap_err().to_string();
    assert!(e.contains("proxy refused") && !e.contains("secret"), "{e}");
}

#[test]
fn redirects_through_a_proxy() {
    let content = bytes(1, 1000);
    let body = content.clone();
    let storage = Mock::start(move |_| reply(200).body(body.clone()));
    let to = format!("http://storage.test:{}/x", storage.port);
    let mock = Mock::start(move |_| reply(307).with("Location", &to));
    let (name, proxy) = (format!("plain.test:{}", mock.port), connect_proxy());
    let mut settings = quick();
    settings.registry_mut(&name).http = true;
    settings.proxies = Proxies::from_vars(|v| {
        (v == "HTTP_PROXY").then(|| format!("http://a:b@127.0.0.1:{proxy}"))
    })
    .unwrap();
    let client = Client::new(settings, CredentialStore::none());
    let repository = open(&client, &name, "a", Access::Pull);
    assert!(pull(&repository, &descriptor(&content)).unwrap() == content);
    assert_eq!(storage.all().len(), 1);
}

/// A proxy that connects hosts of `test` to this machine and refuses all else.
fn connect_proxy() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut near in listener.incoming().flatten() {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                near.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let to = head
                .strip_prefix("CONNECT ")
                .and_then(|t| t.split(' ').next());
            let port = to.and_then(|t| t.split_once(".test:")?.1.parse::<u16>().ok());
            let Some(port) = port.filter(|_| head.contains("Proxy-Authorization: Basic ")) else {
                near.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").unwrap();
                continue;
            };
            let far = TcpStream::connect(("127.0.0.1", port)).unwrap();
            near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            for (mut from, mut to) in [
                (near.try_clone().unwrap(), far.try_clone().unwrap()),
                (far, near),
            ] {
                thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
        }
    });
    port
}
