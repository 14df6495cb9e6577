//! Credentials that clients send along; they are used for that request and not kept.

use axum::Json;
use axum::body::Bytes;
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use kiln_engine::Kind;
use kiln_engine::registry::{Credential, Registries, Secret};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use crate::error::ApiError;
use crate::stream::blocking;

/// Docker's `AuthConfig`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct AuthConfig {
    username: String,
    password: String,
    auth: String,
    serveraddress: String,
    identitytoken: String,
    registrytoken: String,
}

impl AuthConfig {
    fn credential(self) -> Result<Option<Credential>, ApiError> {
        if !self.registrytoken.is_empty() {
            return Err(ApiError::absent("a registry token"));
        }
        if !self.identitytoken.is_empty() {
            let token = Secret::new(self.identitytoken);
            return Ok(Some(Credential::IdentityToken(token)));
        }
        let (username, password) = if self.auth.is_empty() {
            (self.username, self.password)
        } else {
            let both = BASE64_STANDARD.decode(&self.auth).ok();
            let both = both.and_then(|b| String::from_utf8(b).ok());
            let both = both.as_deref().and_then(|b| b.split_once(':'));
            let (name, word) = both.ok_or_else(|| unreadable("auth"))?;
            (name.to_owned(), word.to_owned())
        };
        let password = Secret::new(password);
        let named = !username.is_empty();
        Ok(named.then_some(Credential::Password { username, password }))
    }
}

/// What was sent isn't repeated.
fn unreadable(what: &str) -> ApiError {
    ApiError::invalid(format!("{what}: not what docker sends there"))
}

fn decode<T: for<'d> Deserialize<'d> + Default>(
    headers: &HeaderMap,
    name: &str,
) -> Result<T, ApiError> {
    let Some(value) = headers.get(name).filter(|v| !v.is_empty()) else {
        return Ok(T::default());
    };
    let bytes = BASE64_URL_SAFE
        .decode(value.as_bytes())
        .or_else(|_| BASE64_URL_SAFE_NO_PAD.decode(value.as_bytes()))
        .or_else(|_| BASE64_STANDARD.decode(value.as_bytes()))
        .map_err(|_| unreadable(name))?;
    serde_json::from_slice(&bytes).map_err(|_| unreadable(name))
}

/// `X-Registry-Config`: a credential for each of several registries.
pub fn registries(headers: &HeaderMap) -> Result<Registries, ApiError> {
    let all: BTreeMap<String, AuthConfig> = decode(headers, "x-registry-config")?;
    let mut given = Vec::new();
    for (registry, config) in all {
        if let Some(credential) = config.credential()? {
            given.push((host(&registry), credential));
        }
    }
    Ok(Registries::with(given))
}

/// `X-Registry-Auth`: a credential for the registry that is talked to.
pub fn registry(headers: &HeaderMap, registry: &str) -> Result<Registries, ApiError> {
    let config: AuthConfig = decode(headers, "x-registry-auth")?;
    let given = config.credential()?;
    let pair = given.map(|c| (registry.to_owned(), c));
    Ok(Registries::with(pair.into_iter().collect()))
}

/// The registry that a client's configuration calls by a URL.
fn host(key: &str) -> String {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    match rest.split('/').next().unwrap_or(rest) {
        "" | "index.docker.io" => "docker.io".to_owned(),
        other => other.to_owned(),
    }
}

/// `POST /auth`
pub async fn check(body: Bytes) -> Result<Json<Value>, ApiError> {
    let config: AuthConfig = serde_json::from_slice(&body).map_err(|_| unreadable("the login"))?;
    let registry = host(&config.serveraddress);
    let credential = config.credential()?;
    let credential = credential.ok_or_else(|| ApiError::invalid("a login needs a user name"))?;
    blocking(move || {
        let checked = Registries::with(Vec::new()).check(&registry, &credential);
        checked.map_err(|e| match e.kind {
            Kind::Denied => ApiError::unauthorized(e.to_string()),
            _ => e.into(),
        })?;
        Ok(Json(
            json!({ "Status": "Login Succeeded", "IdentityToken": "" }),
        ))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_have_names() {
        assert_eq!(host("https://index.docker.io/v1/"), "docker.io");
        assert_eq!(host("localhost:5000"), "localhost:5000");
        assert_eq!(host("https://r.example/v2/"), "r.example");
    }

    #[test]
    fn errors_do_not_repeat_what_was_sent() {
        let mut headers = HeaderMap::new();
        for text in ["c2VjcmV0", "!secret!", "eyJ1c2VybmFtZSI6MX0="] {
            headers.insert(
                "x-registry-auth",
                text.parse().unwrap_or_else(|_| unreachable!()),
            );
            let e = registry(&headers, "r").err().map(|e| e.message);
            assert_eq!(
                e.as_deref(),
                Some("x-registry-auth: not what docker sends there")
            );
        }
    }
}
