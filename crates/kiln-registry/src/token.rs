//! Tokens of a token service (Docker's "Token Authentication Specification" and its OAuth2
//! variant).

use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use ureq::http::Method;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};

use crate::body::{read_json, refusal};
use crate::endpoint::Endpoint;
use crate::outgoing::Payload;
use crate::transport::{Call, Transport};
use crate::url::{Url, encode};
use crate::{Credential, RegistryError, Secret};

/// The most that a token service's answer may have.
const MAX_ANSWER: u64 = 1 << 20;
/// How long a token is good that says nothing of it (the specification's default).
const LIFE: u64 = 60;
/// The longest life that is believed.
const LONGEST: u64 = 3600;

/// A token and when it ends.
pub(crate) struct Token {
    pub(crate) value: Secret,
    until: Instant,
}

impl Token {
    /// Whether it will still be good when the registry looks at it.
    pub(crate) fn is_good(&self) -> bool {
        Instant::now() < self.until
    }
}

/// What a token is wanted for.
pub(crate) struct Wanted<'a> {
    pub(crate) what: &'a str,
    pub(crate) realm: &'a str,
    pub(crate) service: Option<&'a str>,
    pub(crate) scopes: &'a [String],
}

/// The value of a Basic `Authorization` (RFC 7617).
pub(crate) fn basic(username: &str, password: &Secret) -> Secret {
    let both = format!("{username}:{}", password.reveal());
    Secret::new(format!("Basic {}", BASE64_STANDARD.encode(both)))
}

/// Asks the token service of a registry for a token.
pub(crate) fn fetch(
    transport: &Transport,
    endpoint: &Endpoint,
    wanted: &Wanted<'_>,
    credential: Option<&Credential>,
    hint: &str,
) -> Result<Token, RegistryError> {
    let root = endpoint.root(transport, wanted.what)?;
    let realm = allowed_realm(transport, &root, wanted)?;
    let policy = &transport.settings.retry;
    policy.run(|| {
        let (method, url, headers, form) = request(&realm, wanted, credential);
        let call = Call {
            what: wanted.what,
            method,
            url: &url,
            reach: endpoint.reach(transport, &root, &url),
            headers,
        };
        let mut payload = match &form {
            Some(form) => Payload::Bytes(form.reveal().as_bytes()),
            None => Payload::None,
        };
        let response = transport.send(call, &mut payload)?;
        let host = realm.authority();
        match response.status().as_u16() {
            200 => {
                let answer = read_json(wanted.what, &host, response, MAX_ANSWER)?;
                read(&answer).map_err(|why| RegistryError::Invalid {
                    what: wanted.what.to_owned(),
                    host,
                    why: why.to_owned(),
                })
            }
            300..400 => Err(RegistryError::Refused {
                what: wanted.what.to_owned(),
                why: format!(
                    "the token service {host} leads elsewhere; credentials are not sent on"
                ),
            }),
            _ => Err(match refusal(wanted.what, &host, hint, response) {
                RegistryError::Denied { detail, .. } if credential.is_some() => {
                    let registry = endpoint.name.clone();
                    RegistryError::Login { registry, detail }
                }
                other => other,
            }),
        }
    })
}

/// The realm, if a password may be sent there: over https, or where the user allows http.
fn allowed_realm(
    transport: &Transport,
    root: &Url,
    wanted: &Wanted<'_>,
) -> Result<Url, RegistryError> {
    let refused = |why: String| RegistryError::Refused {
        what: wanted.what.to_owned(),
        why: format!("the registry names a token service that is not asked: {why}"),
    };
    let realm = Url::parse(wanted.realm).map_err(refused)?;
    let plain_allowed = if realm.is_loopback() {
        root.is_loopback()
    } else {
        realm.same_origin(root) || transport.settings.allows_http(&realm)
    };
    if realm.https || plain_allowed {
        return Ok(realm);
    }
    Err(refused(format!(
        "{realm} speaks plain HTTP, which would show it to everybody on the way"
    )))
}

type Parts = (Method, Url, Vec<(HeaderName, String)>, Option<Secret>);

fn request(realm: &Url, wanted: &Wanted<'_>, credential: Option<&Credential>) -> Parts {
    if let Some(Credential::IdentityToken(token)) = credential {
        let mut form = format!(
            "grant_type=refresh_token&client_id=kiln&service={}&refresh_token={}",
            encode(wanted.service.unwrap_or_default()),
            encode(token.reveal()),
        );
        if !wanted.scopes.is_empty() {
            form = format!("{form}&scope={}", encode(&wanted.scopes.join(" ")));
        }
        let form_type = "application/x-www-form-urlencoded".to_owned();
        let headers = vec![(CONTENT_TYPE, form_type)];
        return (
            Method::POST,
            realm.clone(),
            headers,
            Some(Secret::new(form)),
        );
    }
    let mut url = realm.clone();
    if let Some(service) = wanted.service {
        url = url.with_query("service", service);
    }
    for scope in wanted.scopes {
        url = url.with_query("scope", scope);
    }
    let mut headers = Vec::new();
    if let Some(Credential::Password { username, password }) = credential {
        url = url.with_query("account", username);
        let value = basic(username, password).reveal().to_owned();
        headers.push((AUTHORIZATION, value));
    }
    (Method::GET, url, headers, None)
}

fn read(answer: &Value) -> Result<Token, &'static str> {
    let text = |name: &str| {
        let found = answer.get(name).and_then(Value::as_str);
        found.filter(|t| !t.is_empty())
    };
    let token = text("token")
        .or_else(|| text("access_token"))
        .ok_or("there is no token in it")?;
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("the token in it has characters that tokens don't have");
    }
    let life = answer.get("expires_in").and_then(Value::as_u64);
    let life = life.filter(|l| *l > 0).unwrap_or(LIFE).min(LONGEST);
    // A request takes a while to get there.
    let margin = (life / 4).min(15);
    Ok(Token {
        value: Secret::new(token),
        until: Instant::now() + Duration::from_secs(life - margin),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Settings;

    #[test]
    fn answers() {
        for (answer, ok) in [
            (json!({"token": "a", "expires_in": 300}), true),
            (json!({"access_token": "a", "expires_in": u64::MAX}), true),
            (json!({"token": "", "access_token": "b"}), true),
            (json!({"token": "a\r\nX: y"}), false),
            (json!({"token": "a b"}), false),
            (json!({}), false),
            (json!([]), false),
            (json!({"token": 1}), false),
        ] {
            assert_eq!(read(&answer).is_ok_and(|t| t.is_good()), ok, "{answer}");
        }
    }

    #[test]
    fn realms() {
        let mut settings = Settings::default();
        settings.registry_mut("auth.lan:5001").http = true;
        let transport = Transport::new(settings);
        for (registry, realm, ok) in [
            ("https://r.example", "https://auth.example/token", true),
            ("https://r.example", "http://auth.example/token", false),
            ("https://r.example", "http://r.example/token", false),
            ("https://r.example", "http://127.0.0.1/token", false),
            ("https://r.example", "http://auth.lan:5001/token", true),
            ("https://r.example", "file:///token", false),
            ("https://r.example", "https://u:p@auth.example/token", false),
            ("https://r.example", "/token", false),
            ("http://r.lan:5000", "http://r.lan:5000/token", true),
            ("http://r.lan:5000", "http://r.lan:5001/token", false),
            ("http://127.0.0.1:5000", "http://localhost:5001/token", true),
            ("http://127.0.0.1:5000", "http://auth.example/token", false),
        ] {
            let wanted = Wanted {
                what: "x",
                realm,
                service: None,
                scopes: &[],
            };
            let root = Url::parse(registry).unwrap();
            let found = allowed_realm(&transport, &root, &wanted);
            assert_eq!(found.is_ok(), ok, "{registry} {realm}");
        }
    }

    #[test]
    fn requests() {
        let wanted = Wanted {
            what: "x",
            realm: "",
            service: Some("a b"),
            scopes: &["repository:x:pull".into(), "repository:y:pull,push".into()],
        };
        let realm = Url::parse("https://h/t?x=y").unwrap();
        let (_, url, headers, _) = request(&realm, &wanted, None);
        assert!(headers.is_empty());
        assert_eq!(
            url.path(),
            "/t?x=y&service=a%20b&scope=repository:x:pull&scope=repository:y:pull%2Cpush"
        );
        let token = Credential::IdentityToken(Secret::new("t&"));
        let (method, url, _, form) = request(&realm, &wanted, Some(&token));
        assert_eq!((method, url), (Method::POST, realm));
        let form = form.unwrap();
        assert!(
            form.reveal()
                .contains("&refresh_token=t%26&scope=repository:x:pull%20")
        );
    }
}
