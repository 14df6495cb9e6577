//! What goes into `Authorization`: learned from what a registry asks for, kept as long as it is
//! good, made anew when the registry refuses it.

use crate::challenge::Challenge;
use crate::endpoint::{Endpoint, lock};
use crate::token::{Wanted, basic, fetch};
use crate::transport::Transport;
use crate::{Credential, CredentialStore, RegistryError, Secret};

/// The value of `Authorization` for a request that needs these scopes; nothing where the registry
/// asks for nothing, or nothing is known that it would take.
pub(crate) fn authorization(
    transport: &Transport,
    store: &CredentialStore,
    endpoint: &Endpoint,
    what: &str,
    scopes: &[String],
) -> Result<Option<Secret>, RegistryError> {
    let challenge = lock(&endpoint.auth).challenge.clone();
    match challenge {
        None => Ok(None),
        Some(Challenge::Basic) => Ok(match credential(store, endpoint) {
            Some(Credential::Password { username, password }) => Some(basic(&username, &password)),
            _ => None,
        }),
        Some(Challenge::Bearer { realm, service, .. }) => {
            let place = endpoint.token(&scopes.join(" "));
            let mut place = lock(&place);
            if let Some(token) = place.as_ref().filter(|t| t.is_good()) {
                return Ok(Some(bearer(&token.value)));
            }
            let wanted = Wanted {
                what,
                realm: &realm,
                service: service.as_deref(),
                scopes,
            };
            let known = lock(&endpoint.auth).credential.is_some();
            let shown = credential(store, endpoint);
            let get = |shown: Option<&Credential>| {
                fetch(transport, endpoint, &wanted, shown, &hint(endpoint))
            };
            let token = match get(shown.as_ref()) {
                // What a helper gave may have been for a time only.
                Err(RegistryError::Login { .. }) if known => {
                    lock(&endpoint.auth).credential = None;
                    get(credential(store, endpoint).as_ref())
                }
                other => other,
            }?;
            Ok(Some(bearer(&place.insert(token).value)))
        }
    }
}

/// Takes note that a registry refused a request, and of what it asks for.
pub(crate) fn refused(
    endpoint: &Endpoint,
    challenge: Option<Challenge>,
    used: Option<&Secret>,
    scopes: &[String],
) {
    let mut known = lock(&endpoint.auth);
    // A login by another process, or a helper's next password, may do.
    known.credential = None;
    known.challenge = challenge;
    drop(known);
    let place = endpoint.token(&scopes.join(" "));
    let mut place = lock(&place);
    // Another thread may have fetched a new one already.
    let same = place
        .as_ref()
        .is_some_and(|t| used.is_some_and(|u| *u == bearer(&t.value)));
    if same {
        *place = None;
    }
}

/// What the user can do about a refusal.
pub(crate) fn hint(endpoint: &Endpoint) -> String {
    let name = &endpoint.name;
    let known = lock(&endpoint.auth);
    let mut hint = match &known.credential {
        Some(Some(_)) => format!("check that your account at {name} may do so"),
        _ => format!("check the name, or log in with `kiln login {name}` if it needs a login"),
    };
    if let Some(trouble) = &known.trouble {
        hint = format!("{hint} ({trouble})");
    }
    hint
}

fn bearer(token: &Secret) -> Secret {
    Secret::new(format!("Bearer {}", token.reveal()))
}

/// The credential for a registry, looked up once. A helper that isn't there or fails is no reason
/// not to pull what anybody may pull; a refusal later on tells of it.
fn credential(store: &CredentialStore, endpoint: &Endpoint) -> Option<Credential> {
    if let Some(known) = &lock(&endpoint.auth).credential {
        return known.clone();
    }
    // Helpers may ask the user: nothing is locked meanwhile.
    let (found, trouble) = match store.get(&endpoint.name) {
        Ok(found) => (found, None),
        Err(e) => (None, Some(e.to_string())),
    };
    let mut known = lock(&endpoint.auth);
    known.credential = Some(found.clone());
    known.trouble = trouble;
    found
}
