//! Registries, asked for the first time when they are needed.

use std::sync::Mutex;

use kiln_build::{BuildError, Kind};
use kiln_registry::{Client, CredentialStore, RegistryError, Settings};

use crate::parallel::lock;

pub use kiln_registry::{Credential, Secret};

/// The settings, credentials and connections of this user.
#[derive(Default)]
pub struct Registries {
    client: Mutex<Option<Client>>,
    /// What is shown to registries, where that isn't what this user has kept.
    given: Option<CredentialStore>,
}

impl Registries {
    /// Nothing is read yet.
    pub fn new() -> Registries {
        Registries::default()
    }

    /// Registries that are shown these credentials and no others.
    pub fn with(given: Vec<(String, Credential)>) -> Registries {
        let store = given
            .into_iter()
            .fold(CredentialStore::none(), |s, (r, c)| s.with(&r, c));
        Registries {
            given: Some(store),
            ..Registries::default()
        }
    }

    /// Checks a credential with its registry; nothing is kept.
    pub fn check(&self, registry: &str, credential: &Credential) -> Result<(), BuildError> {
        self.client()?.check(registry, credential).map_err(failed)
    }

    /// The client; settings are read the first time.
    pub(crate) fn client(&self) -> Result<Client, BuildError> {
        let mut client = lock(&self.client);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let credentials = self.given.clone().unwrap_or_else(CredentialStore::open);
        let new = Client::new(Settings::load().map_err(failed)?, credentials);
        Ok(client.insert(new).clone())
    }

    /// Checks a credential with its registry and keeps it where docker keeps it.
    pub fn login(&self, registry: &str, credential: &Credential) -> Result<(), BuildError> {
        self.client()?.login(registry, credential).map_err(failed)
    }

    /// Forgets a credential; whether there was one.
    pub fn logout(&self, registry: &str) -> Result<bool, BuildError> {
        self.client()?.logout(registry).map_err(failed)
    }
}

pub(crate) fn failed(e: RegistryError) -> BuildError {
    let kind = match &e {
        e if e.not_found() => Kind::NotFound,
        RegistryError::Denied { .. } | RegistryError::Login { .. } => Kind::Denied,
        _ => Kind::Other,
    };
    BuildError::new(e.to_string()).of_kind(kind)
}

/// What happens to the parts of an image on their way.
pub trait Transfer: Sync {
    /// A part begins; `total` bytes if that is known.
    fn begin(&self, part: &str, what: &str, total: Option<u64>);
    /// So many bytes more of a part have come or gone.
    fn bytes(&self, part: &str, n: u64);
    /// A part has ended, so.
    fn end(&self, part: &str, how: &str);
    /// A line about the whole.
    fn line(&self, text: &str);
}

/// Shows nothing.
pub struct Quiet;

impl Transfer for Quiet {
    fn begin(&self, _: &str, _: &str, _: Option<u64>) {}
    fn bytes(&self, _: &str, _: u64) {}
    fn end(&self, _: &str, _: &str) {}
    fn line(&self, _: &str) {}
}
