//! One registry or mirror: where it is, and what is known of how it wants to be spoken to.

use std::collections::HashMap;
use std::net::ToSocketAddrs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ureq::http::Method;

use crate::challenge::Challenge;
use crate::guard::Reach;
use crate::outgoing::Payload;
use crate::settings::{DOCKER_HUB, DOCKER_HUB_HOST, Mirror};
use crate::token::Token;
use crate::transport::{Call, Transport};
use crate::url::Url;
use crate::{Credential, RegistryError};

/// A registry or mirror.
pub(crate) struct Endpoint {
    /// The name it goes by in settings, credentials and messages: `docker.io`, `host:port`.
    pub(crate) name: String,
    /// What comes before the repository's name; of mirrors only.
    pub(crate) prefix: String,
    /// It stands for another one.
    pub(crate) mirror: bool,
    authority: String,
    https: Option<bool>,
    root: Mutex<Option<Url>>,
    local: OnceLock<bool>,
    /// A mirror that can't be reached or lied is not asked again.
    left_out: AtomicBool,
    /// It doesn't answer when it is asked whether it wants an upload.
    pub(crate) silent: AtomicBool,
    pub(crate) auth: Mutex<Known>,
    /// By scopes. The inner lock is held while a token is fetched, so that threads that need the
    /// same one fetch it once.
    tokens: Mutex<HashMap<String, Arc<Mutex<Option<Token>>>>>,
}

/// What is known of how an endpoint wants to be shown who one is.
#[derive(Default)]
pub(crate) struct Known {
    /// What it asked for last.
    pub(crate) challenge: Option<Challenge>,
    /// What was found for it: nothing is an answer, too.
    pub(crate) credential: Option<Option<Credential>>,
    /// Why looking for it failed.
    pub(crate) trouble: Option<String>,
}

impl Endpoint {
    /// The registry that a name's first part says.
    pub(crate) fn registry(name: &str) -> Endpoint {
        let authority = if name == DOCKER_HUB {
            DOCKER_HUB_HOST
        } else {
            name
        };
        Endpoint::new(name, authority, None, "", false)
    }

    /// A mirror of it.
    pub(crate) fn mirror(mirror: &Mirror) -> Endpoint {
        let authority = &mirror.authority;
        Endpoint::new(authority, authority, mirror.https, &mirror.prefix, true)
    }

    fn new(
        name: &str,
        authority: &str,
        https: Option<bool>,
        prefix: &str,
        mirror: bool,
    ) -> Endpoint {
        Endpoint {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            mirror,
            authority: authority.to_owned(),
            https,
            root: Mutex::default(),
            local: OnceLock::new(),
            left_out: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            auth: Mutex::default(),
            tokens: Mutex::default(),
        }
    }

    /// The root of its origin. On loopback, where TLS is rare and plain HTTP allowed, one request
    /// without credentials finds out which it speaks.
    pub(crate) fn root(&self, transport: &Transport, what: &str) -> Result<Url, RegistryError> {
        let mut known = lock(&self.root);
        if let Some(url) = &*known {
            return Ok(url.clone());
        }
        let parse = |https| {
            Url::root(https, &self.authority).map_err(|why| RegistryError::Refused {
                what: format!("registry {:?}", self.authority),
                why,
            })
        };
        let http = transport.settings.registry(&self.name).http;
        let https = parse(true)?;
        let url = match self.https.or(http.then_some(false)) {
            Some(true) => https,
            Some(false) => parse(false)?,
            None if https.is_loopback() => {
                let plain = parse(false)?;
                if speaks_http(transport, &plain, what)? {
                    plain
                } else {
                    https
                }
            }
            None => https,
        };
        *known = Some(url.clone());
        Ok(url)
    }

    /// How far a URL of its may reach.
    pub(crate) fn reach(&self, transport: &Transport, root: &Url, url: &Url) -> Reach {
        if url.host == root.host {
            return Reach::Named;
        }
        // Behind a proxy there need be nobody who knows its address here.
        if transport.settings.proxies.get(root).is_some() {
            return Reach::Foreign;
        }
        let local = *self.local.get_or_init(|| {
            let host = root.host.trim_start_matches('[').trim_end_matches(']');
            let found = (host, root.port).to_socket_addrs();
            found.is_ok_and(|mut all| all.any(|a| a.ip().is_loopback()))
        });
        match local {
            true => Reach::ForeignOfLocal,
            false => Reach::Foreign,
        }
    }

    /// Asks it no more.
    pub(crate) fn leave_out(&self) {
        self.left_out.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_left_out(&self) -> bool {
        self.left_out.load(Ordering::Relaxed)
    }

    /// The place of the token for these scopes.
    pub(crate) fn token(&self, scopes: &str) -> Arc<Mutex<Option<Token>>> {
        let mut tokens = lock(&self.tokens);
        tokens.entry(scopes.to_owned()).or_default().clone()
    }
}

/// How often a loopback address is asked whether it speaks plain HTTP.
const PROBES: usize = 3;

/// Whether the server at a loopback address answers plain HTTP as one that speaks it.
fn speaks_http(transport: &Transport, root: &Url, what: &str) -> Result<bool, RegistryError> {
    // A connection that broke tells nothing: what speaks TLS breaks each one off.
    for _ in 0..PROBES {
        let call = Call {
            what,
            method: Method::GET,
            url: &root.with_path("/v2/"),
            reach: Reach::Named,
            headers: Vec::new(),
        };
        match transport.send(call, &mut Payload::None) {
            // What servers that speak TLS answer to those who don't.
            Ok(response) => return Ok(response.status().as_u16() != 400),
            // Without a port in the name, https is at another one.
            Err(e @ RegistryError::Unreachable { .. }) if root.port != 80 => return Err(e),
            Err(_) => {}
        }
    }
    Ok(false)
}

/// Locks what stays right when another thread has panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Settings;
    use crate::settings::parse_mirror;

    #[test]
    fn roots() {
        let mut settings = Settings::default();
        settings.registry_mut("plain.example:5000").http = true;
        let transport = Transport::new(settings);
        let root = |e: &Endpoint| e.root(&transport, "x").unwrap().to_uri();
        for (name, found) in [
            ("docker.io", "https://registry-1.docker.io/"),
            ("ghcr.io", "https://ghcr.io/"),
            ("plain.example:5000", "http://plain.example:5000/"),
            ("plain.example", "https://plain.example/"),
        ] {
            assert_eq!(root(&Endpoint::registry(name)), found);
        }
        let mirror = Endpoint::mirror(&parse_mirror("http://m.example/hub").unwrap());
        assert_eq!(
            (root(&mirror).as_str(), mirror.prefix.as_str()),
            ("http://m.example/", "hub/")
        );
        // Nothing listens there: neither scheme is a guess.
        assert!(
            Endpoint::registry("127.0.0.1:1")
                .root(&transport, "x")
                .is_err()
        );
    }

    #[test]
    fn reaches() {
        let transport = Transport::new(Settings::default());
        let reach = |root: &str, url: &str| {
            let (root, url) = (Url::parse(root).unwrap(), Url::parse(url).unwrap());
            Endpoint::registry(&root.authority()).reach(&transport, &root, &url)
        };
        assert_eq!(
            reach("https://192.0.2.1/", "http://192.0.2.1:81/"),
            Reach::Named
        );
        assert_eq!(
            reach("https://192.0.2.1/", "https://127.0.0.1/"),
            Reach::Foreign
        );
        assert_eq!(
            reach("http://127.0.0.1:5000/", "http://localhost/"),
            Reach::ForeignOfLocal
        );
        assert_eq!(
            reach("http://localhost:5000/", "http://127.0.0.1/"),
            Reach::ForeignOfLocal
        );
    }
}
