//! The way in.

use std::sync::Arc;

use kiln_oci::Reference;
use ureq::http::Method;

use crate::exchange::{Ask, Shared};
use crate::outgoing::Payload;
use crate::repository::Repository;
use crate::settings::{parse_mirror, registry_name};
use crate::{Credential, CredentialStore, RegistryError, Settings};

/// What is to be done with a repository; tokens are asked for no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Reading.
    Pull,
    /// Reading and writing.
    Push,
}

/// Connections, tokens and what is known of registries. Cheap to clone; all clones and all
/// threads share them.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    settings: Settings,
    store: CredentialStore,
}

impl Client {
    /// A client; no connection is made yet.
    pub fn new(settings: Settings, credentials: CredentialStore) -> Client {
        Client {
            shared: Arc::new(Shared::new(settings.clone(), credentials.clone())),
            settings,
            store: credentials,
        }
    }

    /// The repository of a name. Pulls ask the registry's mirrors first.
    pub fn repository(&self, reference: &Reference, access: Access) -> Repository {
        let registry = self.shared.registry(reference.registry());
        let mirrors = match access {
            Access::Push => Vec::new(),
            Access::Pull => {
                let named = self.settings.registry(reference.registry()).mirrors;
                let parsed = named.iter().filter_map(|m| parse_mirror(m).ok());
                parsed.map(|m| self.shared.mirror(&m)).collect()
            }
        };
        Repository::new(self.shared.clone(), registry, mirrors, reference, access)
    }

    /// Whether a registry is one and takes the credential kept for it (distribution spec, end-1).
    pub fn ping(&self, registry: &str) -> Result<(), RegistryError> {
        let endpoint = self.shared.registry(registry);
        let name = &endpoint.name;
        let what = format!("asking {name}");
        self.settings.retry.run(|| {
            let root = endpoint.root(&self.shared.transport, &what)?;
            let url = root.with_path("/v2/");
            let ask = Ask::new(&what, Method::GET, &url, &[]);
            let answer = self.shared.ask(&endpoint, &ask, &mut Payload::None)?;
            let answer = answer.expect(&what, &endpoint, &[200])?;
            let html = answer
                .header("content-type")
                .is_some_and(|t| t.starts_with("text/html"));
            if html {
                return Err(crate::body::page(&what, &answer.host(), answer.response));
            }
            Ok(())
        })
    }

    /// Whether a registry takes a credential; keeps it if so.
    pub fn login(&self, registry: &str, credential: &Credential) -> Result<(), RegistryError> {
        self.check(registry, credential)?;
        self.store.store(registry, credential)
    }

    /// Whether a registry takes a credential.
    pub fn check(&self, registry: &str, credential: &Credential) -> Result<(), RegistryError> {
        let only = CredentialStore::none().with(registry, credential.clone());
        let client = Client::new(self.settings.clone(), only);
        match client.ping(registry) {
            Err(RegistryError::Denied { detail, .. }) => Err(RegistryError::Login {
                registry: registry_name(registry),
                detail,
            }),
            other => other,
        }
    }

    /// Forgets the credential of a registry; whether there was one.
    pub fn logout(&self, registry: &str) -> Result<bool, RegistryError> {
        self.store.erase(registry)
    }
}
