//! A `docker-registry` of the test's own, on loopback.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::http::Asked;
use super::relay::{Cut, Relay};
use crate::harness::{program, run};

/// A running registry; it ends with the value, and with the test if that is killed.
///
/// It listens on a Unix socket, which no other process can take from it; ports are the proxies'.
pub struct Registry {
    process: Child,
    relay: Relay,
    dir: TempDir,
}

/// Who may use a registry that speaks TLS.
pub const USER: &str = "builder";
/// The user's password.
pub const PASSWORD: &str = "pass:w\u{f6}rd with 'quotes' and more";

impl Registry {
    /// A registry that speaks plain HTTP and lets everybody in.
    pub fn start() -> Registry {
        Registry::with("")
    }

    /// A registry with a certificate of a private authority that wants a login.
    pub fn private(authority: &Authority) -> Registry {
        let dir = authority.dir.path();
        let mut htpasswd = Command::new(program("htpasswd", "apache2-utils"));
        let users = run(htpasswd.args(["-Bbn", USER, PASSWORD])).ok().stdout;
        std::fs::write(dir.join("users"), users).unwrap();
        let dir = dir.display();
        Registry::with(&format!(
            "  tls: {{certificate: {dir}/server.pem, key: {dir}/server.key}}\n\
                 auth: {{htpasswd: {{realm: kiln, path: {dir}/users}}}}\n"
        ))
    }

    fn with(more: &str) -> Registry {
        let dir = tempfile::Builder::new().prefix("kr-").tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http:\n  net: unix\n  addr: {}\n  secret: not secret\n{more}",
            at("data").display(),
            at("socket").display()
        );
        std::fs::write(at("config.yml"), config).unwrap();
        let log = std::fs::File::create(at("log")).unwrap();
        let process = Command::new(program("setpriv", "util-linux"))
            .args(["--pdeathsig", "KILL"])
            .arg(program("docker-registry", "docker-registry"))
            .arg("serve")
            .arg(at("config.yml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let relay = Relay::start(&at("socket"), |_| Cut::Never);
        let mut registry = Registry {
            process,
            relay,
            dir,
        };
        registry.wait_until_it_listens();
        registry
    }

    fn wait_until_it_listens(&mut self) {
        let began = Instant::now();
        while UnixStream::connect(self.dir.path().join("socket")).is_err() {
            let ended = self.process.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < Duration::from_secs(30),
                "docker-registry does not answer ({ended:?}):\n{}",
                std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its name: `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.relay.port())
    }

    /// The name of something in it.
    pub fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.host())
    }

    /// All that it was asked since it was started, or since [`Registry::forget`]; only where it
    /// speaks plain HTTP.
    pub fn seen(&self) -> Vec<Asked> {
        self.relay.seen()
    }

    /// What was asked with one of these methods, as `METHOD /path`.
    pub fn asked(&self, methods: &[&str]) -> Vec<String> {
        let seen = self.seen().into_iter();
        seen.filter(|a| methods.contains(&a.method.as_str()))
            .map(|a| format!("{} {}", a.method, a.path))
            .collect()
    }

    /// Begins to count anew.
    pub fn forget(&self) {
        self.relay.forget();
    }

    /// Puts an index there that kiln wouldn't make.
    #[track_caller]
    pub fn put(&self, repository: &str, tag: &str, index: &Value) {
        let body = index.to_string();
        let mut to = TcpStream::connect(self.host()).unwrap();
        write!(
            to,
            "PUT /v2/{repository}/manifests/{tag} HTTP/1.1\r\nHost: {}\r\nContent-Type: {}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.host(),
            index["mediaType"].as_str().unwrap(),
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        to.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }

    /// Another way to it, on which connections are cut.
    pub fn cutter(&self, cut: impl Fn(usize) -> Cut + Send + 'static) -> Relay {
        Relay::start(&self.dir.path().join("socket"), cut)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A private certificate authority, and the certificate it gave to this machine.
pub struct Authority {
    dir: TempDir,
}

impl Authority {
    pub fn new() -> Authority {
        let dir = tempfile::Builder::new().prefix("kr-ca-").tempdir().unwrap();
        let openssl = |args: &str| {
            let mut command = Command::new(program("openssl", "openssl"));
            run(command.args(args.split(' ')).current_dir(dir.path())).ok();
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(&format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=kiln-tests -days 2 \
             -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
        ));
        openssl(&format!(
            "req {key} -keyout server.key -out server.csr -subj /CN=localhost"
        ));
        let names = "subjectAltName=DNS:localhost,IP:127.0.0.1\n";
        std::fs::write(dir.path().join("names"), names).unwrap();
        openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
             -extfile names -out server.pem",
        );
        Authority { dir }
    }

    /// Its own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }
}
