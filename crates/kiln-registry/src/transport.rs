//! One HTTP request to one URL: no redirects, no credentials of its own, limits on all of it.

use std::collections::HashMap;
use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ureq::http::header::{HeaderName, HeaderValue};
use ureq::http::{Method, Request, Response};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, AsSendBody, Body, RequestExt, SendBody, Timeout};

use crate::endpoint::lock;
use crate::guard::{Forbidden, Guard, Reach};
use crate::outgoing::Payload;
use crate::tls::Trust;
use crate::url::Url;
use crate::{RegistryError, Settings};

/// To connect, TLS included.
const CONNECT: Duration = Duration::from_secs(30);
/// The longest time in which nothing arrives or leaves.
const STALL: Duration = Duration::from_secs(60);
/// How long a registry has to say that it wants an upload.
pub(crate) const ASK: Duration = Duration::from_secs(1);
/// What a registry may take to store an upload after its last byte: some copy it once more.
const COMMIT: Duration = Duration::from_secs(15 * 60);
/// All headers of an answer together.
const MAX_HEADERS: usize = 32 << 10;
/// Connections to one host that are kept for the next request.
const IDLE: usize = 16;
/// Hosts that connections are kept to.
const MAX_AGENTS: usize = 64;

/// Connections, shared by all threads.
pub(crate) struct Transport {
    pub(crate) settings: Settings,
    trust: Trust,
    /// By origin, since TLS settings and proxies are a host's.
    agents: Mutex<HashMap<(String, Reach), Agent>>,
}

/// A request.
pub(crate) struct Call<'a> {
    /// What is being done, for errors: "pulling localhost:5000/a:1".
    pub(crate) what: &'a str,
    pub(crate) method: Method,
    pub(crate) url: &'a Url,
    pub(crate) reach: Reach,
    pub(crate) headers: Vec<(HeaderName, String)>,
}

impl Transport {
    pub(crate) fn new(settings: Settings) -> Transport {
        Transport {
            settings,
            trust: Trust::default(),
            agents: Mutex::default(),
        }
    }

    /// Sends a request; any status is an answer.
    pub(crate) fn send(
        &self,
        call: Call<'_>,
        payload: &mut Payload<'_>,
    ) -> Result<Response<Body>, RegistryError> {
        let (what, url) = (call.what, call.url);
        let invalid = |why: String| RegistryError::Invalid {
            what: what.to_owned(),
            host: url.authority(),
            why,
        };
        let build = |e: ureq::http::Error| invalid(format!("the request can't be made: {e}"));
        let agent = self.agent(url, call.reach)?;
        let has_body = ![Method::GET, Method::HEAD].contains(&call.method);
        let mut request = Request::builder().method(call.method).uri(url.to_uri());
        for (name, text) in call.headers {
            let mut value = HeaderValue::try_from(text)
                .map_err(|_| invalid("a header can't hold what it is to hold".to_owned()))?;
            value.set_sensitive(name == "authorization");
            request = request.header(name, value);
        }
        let result = match payload {
            Payload::None if !has_body => agent.run(request.body(()).map_err(build)?),
            Payload::None => agent.run(request.body(&[][..]).map_err(build)?),
            Payload::Bytes(bytes) => patiently(&agent, request.body(*bytes).map_err(build)?),
            Payload::Stream(outgoing) => {
                if let Some(size) = outgoing.size {
                    request = request.header("content-length", size);
                }
                if outgoing.expect {
                    request = request.header("expect", "100-continue");
                    outgoing.asked = Some(Instant::now());
                }
                let body = SendBody::from_reader(outgoing);
                patiently(&agent, request.body(body).map_err(build)?)
            }
        };
        result.map_err(|e| match payload.take_failure() {
            Some(source) => RegistryError::Source {
                what: what.to_owned(),
                source,
            },
            None => failure(what, url, e),
        })
    }

    fn agent(&self, url: &Url, reach: Reach) -> Result<Agent, RegistryError> {
        let key = (url.origin(), reach);
        if let Some(agent) = lock(&self.agents).get(&key) {
            return Ok(agent.clone());
        }
        let mut config = Agent::config_builder()
            .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")))
            // Digests are of the bytes as they are stored.
            .accept_encoding("identity")
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(self.settings.proxies.get(url))
            .timeout_connect(Some(CONNECT))
            .timeout_send_request(Some(STALL))
            .timeout_await_100(Some(ASK))
            .timeout_recv_response(Some(STALL))
            .timeout_per_read(Some(STALL))
            .timeout_per_write(Some(STALL))
            .max_response_header_size(MAX_HEADERS)
            .max_idle_connections(IDLE)
            .max_idle_connections_per_host(IDLE);
        if url.https {
            let tls = self.trust.for_host(&self.settings, &url.authority())?;
            config = config.tls_config(tls);
        }
        let guard = Guard {
            reach,
            inner: DefaultResolver::default(),
        };
        let agent = Agent::with_parts(config.build(), DefaultConnector::default(), guard);
        let mut agents = lock(&self.agents);
        if agents.len() >= MAX_AGENTS {
            agents.clear();
        }
        Ok(agents.entry(key).or_insert(agent).clone())
    }
}

/// Runs a request that stores something, which may take a while to be answered.
fn patiently(
    agent: &Agent,
    request: Request<impl AsSendBody>,
) -> Result<Response<Body>, ureq::Error> {
    request
        .with_agent(agent)
        .configure()
        .timeout_recv_response(Some(COMMIT))
        .timeout_per_read(Some(COMMIT))
        .run()
}

/// Sorts out what the HTTP client says went wrong.
fn failure(what: &str, url: &Url, error: ureq::Error) -> RegistryError {
    let (what, host) = (what.to_owned(), url.authority());
    let unreachable = |why: String| RegistryError::Unreachable {
        what: what.clone(),
        host: host.clone(),
        why,
    };
    let broken = |why: String| RegistryError::Broken {
        what: what.clone(),
        host: host.clone(),
        why,
    };
    match error {
        ureq::Error::Io(e) => match e.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::TimedOut
            | io::ErrorKind::WouldBlock => broken(e.to_string()),
            // rustls says so of all that is wrong with TLS.
            io::ErrorKind::InvalidData if url.https => tls(what, host, e.to_string()),
            _ => unreachable(e.to_string()),
        },
        ureq::Error::Rustls(e) => tls(what, host, e.to_string()),
        ureq::Error::Tls(e) => tls(what, host, e.to_owned()),
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
            unreachable(format!("no answer in {} s", CONNECT.as_secs()))
        }
        ureq::Error::Timeout(_) => broken("nothing came for too long".to_owned()),
        ureq::Error::HostNotFound => unreachable("there is no such host".to_owned()),
        ureq::Error::ConnectProxyFailed(e) => {
            unreachable(format!("the proxy refused: {}", crate::body::one_line(&e)))
        }
        ureq::Error::ConnectionFailed => unreachable("the connection failed".to_owned()),
        ureq::Error::Other(e) if e.is::<Forbidden>() => RegistryError::Refused {
            what: format!("{what}: {url}"),
            why: e.to_string(),
        },
        ureq::Error::LargeResponseHeader(..) => RegistryError::Invalid {
            what,
            host,
            why: format!("its headers are larger than {} KiB", MAX_HEADERS >> 10),
        },
        other => RegistryError::Invalid {
            what,
            host,
            why: crate::body::one_line(&other.to_string()),
        },
    }
}

fn tls(what: String, host: String, why: String) -> RegistryError {
    let hint = if why.contains("invalid peer certificate") {
        format!(
            "if the certificate is to be trusted, name its CA: ca = \"/path.pem\" under \
             [registry.\"{host}\"] in registries.toml"
        )
    } else if why.contains("corrupt message") {
        format!(
            "it may speak plain HTTP; if it is to be used so, set http = true under \
             [registry.\"{host}\"] in registries.toml"
        )
    } else {
        "check the address and what the server supports (TLS 1.2 or 1.3)".to_owned()
    };
    RegistryError::Tls {
        what,
        host,
        why,
        hint,
    }
}
