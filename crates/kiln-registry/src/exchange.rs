//! A request to a registry with all that belongs to it: who one is, a new token when the old one
//! has run out, redirects. `Authorization` goes to the registry's own origin only.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use ureq::Body;
use ureq::http::header::{AUTHORIZATION, HeaderName, LOCATION};
use ureq::http::{Method, Response};

use crate::auth::{authorization, hint, refused};
use crate::body::{header, refusal};
use crate::challenge;
use crate::endpoint::{Endpoint, lock};
use crate::outgoing::Payload;
use crate::settings::{Mirror, registry_name};
use crate::transport::{Call, Transport};
use crate::url::Url;
use crate::{CredentialStore, RegistryError, Secret, Settings};

/// Redirects that are followed for one request.
const MAX_REDIRECTS: usize = 5;

/// What all repositories of a client share.
pub(crate) struct Shared {
    pub(crate) transport: Transport,
    store: CredentialStore,
    endpoints: Mutex<HashMap<String, Arc<Endpoint>>>,
}

/// A request to a registry.
pub(crate) struct Ask<'a> {
    /// What is being done, for errors.
    pub(crate) what: &'a str,
    pub(crate) method: Method,
    pub(crate) url: &'a Url,
    pub(crate) headers: Vec<(HeaderName, String)>,
    /// What it needs a token for.
    pub(crate) scopes: &'a [String],
}

impl<'a> Ask<'a> {
    /// A request without headers.
    pub(crate) fn new(
        what: &'a str,
        method: Method,
        url: &'a Url,
        scopes: &'a [String],
    ) -> Ask<'a> {
        Ask {
            what,
            method,
            url,
            headers: Vec::new(),
            scopes,
        }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Ask<'a> {
        self.headers.push((name, value.into()));
        self
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) response: Response<Body>,
    /// Who answered, after redirects.
    pub(crate) url: Url,
    /// That is the registry's own origin.
    own: bool,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(crate) fn host(&self) -> String {
        self.url.authority()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(self.response.headers(), name)
    }

    /// The answer, if its status is one of these.
    pub(crate) fn expect(
        self,
        what: &str,
        endpoint: &Endpoint,
        good: &[u16],
    ) -> Result<Answer, RegistryError> {
        if good.contains(&self.status()) {
            return Ok(self);
        }
        let (host, status) = (self.host(), self.status());
        Err(match refusal(what, &host, &hint(endpoint), self.response) {
            // Another host, a redirect's, knows nothing of logins here.
            RegistryError::Denied { what, detail, .. } if !self.own => RegistryError::Status {
                what,
                host,
                status,
                detail,
                retry_after: None,
            },
            other => other,
        })
    }

    /// The answer breaks the protocol.
    pub(crate) fn invalid(&self, what: &str, why: impl Into<String>) -> RegistryError {
        RegistryError::Invalid {
            what: what.to_owned(),
            host: self.host(),
            why: why.into(),
        }
    }
}

impl Shared {
    pub(crate) fn new(settings: Settings, store: CredentialStore) -> Shared {
        Shared {
            transport: Transport::new(settings),
            store,
            endpoints: Mutex::default(),
        }
    }

    /// The registry of this name; always the same, so that tokens are.
    pub(crate) fn registry(&self, name: &str) -> Arc<Endpoint> {
        let name = registry_name(name);
        let mut endpoints = lock(&self.endpoints);
        let new = || Arc::new(Endpoint::registry(&name));
        endpoints.entry(name.clone()).or_insert_with(new).clone()
    }

    /// A mirror.
    pub(crate) fn mirror(&self, mirror: &Mirror) -> Arc<Endpoint> {
        let key = format!("{:?} {}/{}", mirror.https, mirror.authority, mirror.prefix);
        let mut endpoints = lock(&self.endpoints);
        let new = || Arc::new(Endpoint::mirror(mirror));
        endpoints.entry(key).or_insert_with(new).clone()
    }

    /// Asks a registry. Any status is an answer; 401 only where nothing more can be shown.
    pub(crate) fn ask(
        &self,
        endpoint: &Endpoint,
        ask: &Ask<'_>,
        payload: &mut Payload<'_>,
    ) -> Result<Answer, RegistryError> {
        let root = endpoint.root(&self.transport, ask.what)?;
        let who = || authorization(&self.transport, &self.store, endpoint, ask.what, ask.scopes);
        let mut shown = who()?;
        let mut renewed = false;
        if endpoint.silent.load(Ordering::Relaxed) {
            payload.stop_asking();
        }
        loop {
            let answer = self.follow(endpoint, &root, ask, shown.as_ref(), payload);
            if payload.asked_in_vain() {
                endpoint.silent.store(true, Ordering::Relaxed);
            }
            let answer = match answer {
                // Some servers don't get "100 Continue" right.
                Err(RegistryError::Invalid { .. }) if payload.stop_asking() => continue,
                other => other?,
            };
            if answer.status() == 417 && payload.stop_asking() {
                continue;
            }
            if answer.status() != 401 || !answer.own {
                return Ok(answer);
            }
            let headers = answer.response.headers().get_all("www-authenticate");
            let challenge = challenge::parse(headers.iter().filter_map(|v| v.to_str().ok()));
            // What was made for this very request won't do.
            if renewed || challenge.is_none() {
                return Ok(answer);
            }
            refused(endpoint, challenge, shown.as_ref(), ask.scopes);
            if !payload.is_whole() {
                return Err(RegistryError::Broken {
                    what: ask.what.to_owned(),
                    host: answer.host(),
                    why: "the registry wants a new login in the middle of the upload".to_owned(),
                });
            }
            renewed = true;
            shown = who()?;
            if shown.is_none() {
                return Ok(answer);
            }
        }
    }

    /// Sends a request and follows where it leads.
    fn follow(
        &self,
        endpoint: &Endpoint,
        root: &Url,
        ask: &Ask<'_>,
        shown: Option<&Secret>,
        payload: &mut Payload<'_>,
    ) -> Result<Answer, RegistryError> {
        let refused = |why: String| RegistryError::Refused {
            what: ask.what.to_owned(),
            why,
        };
        let mut url = ask.url.clone();
        let mut method = ask.method.clone();
        for _ in 0..=MAX_REDIRECTS {
            let own = url.same_origin(root);
            if !own {
                allowed(root, &url).map_err(refused)?;
            }
            let mut headers = ask.headers.clone();
            if let Some(value) = shown.filter(|_| own) {
                headers.push((AUTHORIZATION, value.reveal().to_owned()));
            }
            let call = Call {
                what: ask.what,
                method: method.clone(),
                url: &url,
                reach: endpoint.reach(&self.transport, root, &url),
                headers,
            };
            let response = self.transport.send(call, payload)?;
            let status = response.status().as_u16();
            if !matches!(status, 301 | 302 | 303 | 307 | 308) {
                return Ok(Answer { response, url, own });
            }
            let Some(location) = header(response.headers(), LOCATION.as_str()) else {
                return Ok(Answer { response, url, own });
            };
            let next = url
                .join(location)
                .map_err(|why| refused(format!("{url} leads where Kiln doesn't go: {why}")))?;
            let reads = method == Method::GET || method == Method::HEAD;
            let repeats = !matches!(payload, Payload::Stream(_)) && next.same_origin(root);
            if !reads && !repeats {
                return Err(refused(format!("{url} leads an upload on to {next}")));
            }
            if status == 303 && method != Method::HEAD {
                method = Method::GET;
            }
            url = next;
        }
        Err(refused(format!(
            "there are more than {MAX_REDIRECTS} redirects"
        )))
    }
}

/// Whether a request may go on from a registry to another origin.
pub(crate) fn allowed(root: &Url, to: &Url) -> Result<(), String> {
    let here = root.is_loopback() && to.is_loopback();
    if root.https && !to.https && !here {
        return Err(format!(
            "the registry leads from https on to plain http ({to})"
        ));
    }
    Ok(())
}
