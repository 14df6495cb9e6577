//! A registry that answers what the test wants, and an image that it may give.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use kiln_oci::Digest;
use kiln_oci::layer::Packer;
use kiln_oci::manifest::LayerCompression;
use serde_json::{Value, json};

use super::http::{Asked, pass_body, read_head};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An answer.
#[derive(Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    end: End,
}

/// How an answer ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// As it should.
    Whole,
    /// With the connection, after a body of another length than was said.
    Claimed(u64),
    /// With the connection; no length was said.
    Unknown,
    /// Not at all: the body comes again and again.
    Never,
}

impl Reply {
    pub fn new(status: u16) -> Reply {
        Reply {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            end: End::Whole,
        }
    }

    /// An answer with a body of a type.
    pub fn of(media_type: &str, body: impl Into<Vec<u8>>) -> Reply {
        let reply = Reply::new(200).header("Content-Type", media_type);
        Reply {
            body: body.into(),
            ..reply
        }
    }

    /// The same with another status.
    pub fn status(self, status: u16) -> Reply {
        Reply { status, ..self }
    }

    pub fn header(mut self, name: &str, text: impl Into<String>) -> Reply {
        self.headers.push((name.to_owned(), text.into()));
        self
    }

    /// Says another length than it has, and hangs up after the body.
    pub fn claiming(self, length: usize) -> Reply {
        let end = End::Claimed(length as u64);
        Reply { end, ..self }
    }

    /// Says no length, and hangs up after the body.
    pub fn unmeasured(self) -> Reply {
        let end = End::Unknown;
        Reply { end, ..self }
    }

    /// Never ends.
    pub fn endless(self) -> Reply {
        let end = End::Never;
        Reply { end, ..self }
    }

    fn send(&self, to: &mut TcpStream, with_body: bool) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {} Something\r\n", self.status);
        for (name, text) in &self.headers {
            head += &format!("{name}: {text}\r\n");
        }
        match self.end {
            End::Whole => head += &format!("Content-Length: {}\r\n", self.body.len()),
            End::Claimed(length) => head += &format!("Content-Length: {length}\r\n"),
            End::Unknown | End::Never => head += "Connection: close\r\n",
        }
        to.write_all(format!("{head}\r\n").as_bytes())?;
        if !with_body {
            return Ok(());
        }
        to.write_all(&self.body)?;
        if self.end == End::Never {
            // Until nobody listens.
            loop {
                to.write_all(&self.body)?;
            }
        }
        to.flush()
    }
}

/// A server on loopback. Its threads end with the test.
pub struct Mock {
    port: u16,
    seen: Arc<Mutex<Vec<Asked>>>,
}

impl Mock {
    pub fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Mock {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, all) = (Arc::new(answer), seen.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (answer, all) = (answer.clone(), all.clone());
                // A client that goes away is its own affair.
                std::thread::spawn(move || drop(serve(client, &*answer, &all)));
            }
        });
        Mock { port, seen }
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.host())
    }

    pub fn seen(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(
    mut to: TcpStream,
    answer: &dyn Fn(&Asked) -> Reply,
    seen: &Mutex<Vec<Asked>>,
) -> io::Result<()> {
    let mut from = BufReader::new(to.try_clone()?);
    while let Some((asked, _)) = read_head(&mut from)? {
        pass_body(&asked, &mut from, &mut io::sink())?;
        seen.lock().unwrap().push(asked.clone());
        let reply = answer(&asked);
        reply.send(&mut to, asked.method != "HEAD")?;
        if reply.end != End::Whole {
            return Ok(());
        }
    }
    Ok(())
}

/// An image in a mock registry, right as it is made.
#[derive(Clone)]
pub struct Site {
    pub config: Vec<u8>,
    pub layer: Vec<u8>,
    pub manifest: Value,
    /// What is answered to some paths in place of what is right.
    replies: BTreeMap<String, Reply>,
}

impl Site {
    /// An image of one layer with one file.
    pub fn new() -> Site {
        let mut tar = tar::Builder::new(Vec::new());
        let data = super::random::Random::seeded(1).bytes(100_000);
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        tar.append_data(&mut header, "file", data.as_slice())
            .unwrap();
        let tar = tar.into_inner().unwrap();
        Site::of_layer(&Digest::of(&tar), packed(&tar))
    }

    /// An image of one layer, whatever that is.
    pub fn of_layer(diff_id: &Digest, layer: Vec<u8>) -> Site {
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        });
        Site::of(config.to_string().into_bytes(), layer)
    }

    /// An image of a config and a layer.
    pub fn of(config: Vec<u8>, layer: Vec<u8>) -> Site {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &layer)],
        });
        Site {
            config,
            layer,
            manifest,
            replies: BTreeMap::new(),
        }
    }

    /// Answers something else to what is asked of the image's manifest.
    pub fn manifest_is(self, reply: Reply) -> Site {
        self.path_is("/v2/app/manifests/1", reply)
    }

    /// Answers something else to what is asked of its layer.
    pub fn layer_is(self, reply: Reply) -> Site {
        let path = blob_path(&self.layer);
        self.path_is(&path, reply)
    }

    /// Answers something else to what is asked of its config.
    pub fn config_is(self, reply: Reply) -> Site {
        let path = blob_path(&self.config);
        self.path_is(&path, reply)
    }

    pub fn path_is(mut self, path: &str, reply: Reply) -> Site {
        self.replies.insert(path.to_owned(), reply);
        self
    }

    pub fn answer(&self, asked: &Asked) -> Reply {
        let path = asked.path.as_str();
        if let Some(reply) = self.replies.get(path) {
            return reply.clone();
        }
        let manifest = self.manifest.to_string();
        let digest = Digest::of(manifest.as_bytes());
        let manifests = ["1", &digest.to_string()].map(|m| format!("/v2/app/manifests/{m}"));
        if path == "/v2/" {
            Reply::of("application/json", "{}")
        } else if manifests.iter().any(|m| m == path) {
            Reply::of(MANIFEST, manifest)
        } else if path == blob_path(&self.config) {
            Reply::of("application/octet-stream", self.config.as_slice())
        } else if path == blob_path(&self.layer) {
            Reply::of("application/octet-stream", self.layer.as_slice())
        } else {
            Reply::new(404)
        }
    }

    /// A registry that has it as `app:1`.
    pub fn start(self) -> Mock {
        Mock::start(move |asked| self.answer(asked))
    }
}

fn blob_path(bytes: &[u8]) -> String {
    format!("/v2/app/blobs/{}", Digest::of(bytes))
}

/// What points to something.
pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()})
}

/// Compresses as gzip.
pub fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut packer = Packer::new(LayerCompression::Gzip, None, &mut out).unwrap();
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap();
    out
}
