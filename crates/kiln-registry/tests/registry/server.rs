//! A `docker-registry` on loopback that ends with the test, and a proxy before it that breaks off.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

pub struct Server {
    process: Child,
    pub port: u16,
    // The images are in it.
    _dir: tempfile::TempDir,
}

/// What to start a registry with.
#[derive(Default)]
pub struct Options<'a> {
    /// The directory made by [`crate::tls::authority`].
    pub tls: Option<&'a Path>,
    /// It wants a certificate of its clients.
    pub client_certificates: bool,
    /// It wants `user` and `pass word`.
    pub login: bool,
    /// 0 for any.
    pub port: u16,
    /// Where it keeps things, if another one is to find them.
    pub storage: Option<&'a Path>,
}

/// `htpasswd -Bbn user 'pass word'`
const HTPASSWD: &str = "user:$2y$04$Xa8NtZll4A6G7SwBr5WL1ePg8oColtAa2qYSz8JJ7vHG0MvckXNsu";

impl Server {
    pub fn start(options: &Options) -> Server {
        let dir = tempfile::tempdir().unwrap();
        let storage = options.storage.unwrap_or(dir.path()).display();
        let mut config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {storage}}}}}\n\
             http:\n  addr: 127.0.0.1:{}\n",
            options.port
        );
        if let Some(tls) = options.tls {
            let tls = tls.display();
            config +=
                &format!("  tls:\n    certificate: {tls}/server.pem\n    key: {tls}/server.key\n");
            if options.client_certificates {
                config += &format!("    clientcas: [{tls}/ca.pem]\n");
            }
        }
        if options.login {
            let file = dir.path().join("htpasswd");
            std::fs::write(&file, HTPASSWD).unwrap();
            config += &format!(
                "auth: {{htpasswd: {{realm: kiln, path: {}}}}}\n",
                file.display()
            );
        }
        let file = dir.path().join("config.yml");
        std::fs::write(&file, config).unwrap();
        // The kernel ends it when the test ends, however that ends.
        let mut process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "docker-registry", "serve"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the tests need docker-registry and setpriv");
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut seen = String::new();
        let port = loop {
            let mut line = String::new();
            let n = log.read_line(&mut line).unwrap();
            assert!(n > 0, "docker-registry didn't start: {seen}");
            seen += &line;
            if let Some((_, rest)) = line.split_once("listening on 127.0.0.1:") {
                let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
                break rest[..end].parse().unwrap();
            }
        };
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Server {
            process,
            port,
            _dir: dir,
        }
    }

    pub fn plain() -> Server {
        Server::start(&Options::default())
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A TCP proxy that cuts connections.
pub struct Cutter {
    pub port: u16,
    connections: Arc<AtomicUsize>,
}

/// After how many bytes to cut, down and up; the connection's number is given.
pub type Cuts = fn(usize) -> (Option<usize>, Option<usize>);

impl Cutter {
    pub fn start(to: u16, cuts: Cuts) -> Cutter {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let n = counter.fetch_add(1, Ordering::SeqCst);
                let far = TcpStream::connect(("127.0.0.1", to)).unwrap();
                let (down, up) = cuts(n);
                let other = (far.try_clone().unwrap(), near.try_clone().unwrap());
                thread::spawn(move || pass(other.0, other.1, down));
                thread::spawn(move || pass(near, far, up));
            }
        });
        Cutter { port, connections }
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, limit: Option<usize>) {
    let mut left = limit.unwrap_or(usize::MAX);
    let mut buf = vec![0; 64 << 10];
    loop {
        let most = buf.len().min(left);
        match from.read(&mut buf[..most]) {
            Ok(n) if n > 0 => {
                if to.write_all(&buf[..n]).is_err() {
                    break;
                }
                left -= n;
            }
            _ => break,
        }
        if left == 0 {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
