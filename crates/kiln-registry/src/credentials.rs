//! Docker's `config.json`: who one is at which registry (docker/cli, `cli/config`). What Kiln
//! doesn't know in it stays as it is.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustix::fs::FlockOperation;
use serde_json::{Map, Value, json};

use crate::helper::Helper;
use crate::settings::{DOCKER_HUB, read_limited, registry_name};
use crate::{RegistryError, Secret};

/// What Docker Hub is called in `config.json` and by helpers.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// The largest file that is read.
const MAX_FILE: u64 = 4 << 20;

/// What one shows a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A user name and a password.
    Password {
        /// The name.
        username: String,
        /// The password, or what the registry gave in its place.
        password: Secret,
    },
    /// A token that the token service gives others for.
    IdentityToken(Secret),
}

/// Where credentials are kept.
#[derive(Clone, Debug)]
pub struct CredentialStore {
    /// `config.json`, if there is to be one.
    file: Option<PathBuf>,
    /// The directories in which helpers are looked for, as `PATH` has them.
    path: OsString,
    /// What was given in its place.
    fixed: BTreeMap<String, Credential>,
}

impl CredentialStore {
    /// Docker's: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`; helpers from `PATH`.
    pub fn open() -> CredentialStore {
        let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
        let dir = var("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| Some(Path::new(&var("HOME")?).join(".docker")));
        CredentialStore {
            file: dir.map(|dir| dir.join("config.json")),
            path: var("PATH").unwrap_or_default(),
            fixed: BTreeMap::new(),
        }
    }

    /// A `config.json` that need not exist; helpers from the directories of `path`.
    pub fn at(file: impl Into<PathBuf>, path: impl Into<OsString>) -> CredentialStore {
        CredentialStore {
            file: Some(file.into()),
            path: path.into(),
            fixed: BTreeMap::new(),
        }
    }

    /// None at all.
    pub fn none() -> CredentialStore {
        CredentialStore {
            file: None,
            path: OsString::new(),
            fixed: BTreeMap::new(),
        }
    }

    /// The same with a credential that is used for a registry whatever is kept for it.
    pub fn with(mut self, registry: &str, credential: Credential) -> CredentialStore {
        self.fixed.insert(registry_name(registry), credential);
        self
    }

    /// What to show a registry.
    pub fn get(&self, registry: &str) -> Result<Option<Credential>, RegistryError> {
        let registry = registry_name(registry);
        if let Some(fixed) = self.fixed.get(&registry) {
            return Ok(Some(fixed.clone()));
        }
        let config = self.read()?;
        let key = key(&registry);
        if let Some(helper) = self.helper(&config, &registry)?
            && let Some(found) = helper.get(key)?
        {
            return Ok(Some(found));
        }
        let auths = config.get("auths").and_then(Value::as_object);
        let entry = auths.and_then(|auths| {
            auths.get(key).or_else(|| {
                let same = |(k, _): &(&String, &Value)| hostname(k) == hostname(key);
                auths.iter().find(same).map(|(_, entry)| entry)
            })
        });
        entry.map_or(Ok(None), |entry| {
            read_entry(entry).map_err(|why| self.bad(format!("auths.{key:?}: {why}")))
        })
    }

    /// Keeps a credential for a registry: with its helper, else in the file.
    pub fn store(&self, registry: &str, credential: &Credential) -> Result<(), RegistryError> {
        let registry = registry_name(registry);
        let key = key(&registry);
        self.change(|store, config| {
            let entry = match store.helper(config, &registry)? {
                Some(helper) => {
                    helper.store(key, credential)?;
                    // Docker lists registries whose passwords are elsewhere, too.
                    json!({})
                }
                None => write_entry(credential).map_err(|why| store.bad(why))?,
            };
            let auths = config.entry("auths").or_insert_with(|| json!({}));
            let auths = auths.as_object_mut();
            let auths = auths.ok_or_else(|| store.bad("\"auths\" is no object".to_owned()))?;
            auths.insert(key.to_owned(), entry);
            Ok(true)
        })
        .map(drop)
    }

    /// Forgets the credential of a registry; whether there was one.
    pub fn erase(&self, registry: &str) -> Result<bool, RegistryError> {
        let registry = registry_name(registry);
        let key = key(&registry);
        let mut erased = false;
        self.change(|store, config| {
            if let Some(helper) = store.helper(config, &registry)? {
                erased = helper.erase(key)?;
            }
            let Some(auths) = config.get_mut("auths").and_then(Value::as_object_mut) else {
                return Ok(false);
            };
            let before = auths.len();
            auths.retain(|k, _| k != key && hostname(k) != hostname(key));
            let changed = auths.len() != before;
            erased |= changed;
            Ok(changed)
        })?;
        Ok(erased)
    }

    /// The helper that is responsible for a registry.
    fn helper(
        &self,
        config: &Map<String, Value>,
        registry: &str,
    ) -> Result<Option<Helper>, RegistryError> {
        let own = config.get("credHelpers").and_then(|helpers| {
            let own = helpers.get(key(registry)).or_else(|| helpers.get(registry));
            own.and_then(Value::as_str)
        });
        let name = own.or_else(|| config.get("credsStore").and_then(Value::as_str));
        match name {
            None | Some("") => Ok(None),
            Some(name) => Helper::find(name, &self.path).map(Some),
        }
    }

    fn read(&self) -> Result<Map<String, Value>, RegistryError> {
        let Some(file) = &self.file else {
            return Ok(Map::new());
        };
        if matches!(fs::metadata(file), Err(e) if e.kind() == io::ErrorKind::NotFound) {
            return Ok(Map::new());
        }
        let bytes = read_limited(file, MAX_FILE).map_err(|why| self.bad(why))?;
        if bytes.trim_ascii().is_empty() {
            return Ok(Map::new());
        }
        // What serde_json says of a mistake has no values in it.
        serde_json::from_slice(&bytes).map_err(|e| self.bad(format!("invalid JSON: {e}")))
    }

    /// Reads, changes and writes the file while nobody else does.
    fn change(
        &self,
        change: impl FnOnce(&CredentialStore, &mut Map<String, Value>) -> Result<bool, RegistryError>,
    ) -> Result<(), RegistryError> {
        let Some(file) = &self.file else {
            return Err(RegistryError::Credentials {
                what: "credentials".to_owned(),
                why: "there is no place to keep them: neither DOCKER_CONFIG nor HOME is set"
                    .to_owned(),
            });
        };
        // A link stays one: what it leads to is written.
        let file = fs::canonicalize(file).unwrap_or_else(|_| file.clone());
        let dir = file.parent().unwrap_or(Path::new("."));
        let mut private = fs::DirBuilder::new();
        let made = private.recursive(true).mode(0o700).create(dir);
        made.map_err(|e| self.bad(format!("making its directory: {e}")))?;
        let lock = fs::File::open(dir).map_err(|e| self.bad(e.to_string()))?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)
            .map_err(|e| self.bad(format!("locking its directory: {e}")))?;
        let mut config = self.read()?;
        if !change(self, &mut config)? {
            return Ok(());
        }
        write_atomically(&file, &config).map_err(|e| self.bad(format!("writing it: {e}")))
    }

    fn bad(&self, why: String) -> RegistryError {
        let file = self.file.as_deref().unwrap_or(Path::new("config.json"));
        RegistryError::Credentials {
            what: file.display().to_string(),
            why,
        }
    }
}

/// What a registry is called in the file and by helpers.
fn key(registry: &str) -> &str {
    match registry {
        DOCKER_HUB => DOCKER_HUB_KEY,
        other => other,
    }
}

/// The host of a key: older versions of Docker wrote URLs.
fn hostname(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn read_entry(entry: &Value) -> Result<Option<Credential>, String> {
    let text = |name: &str| {
        let found = entry.get(name).and_then(Value::as_str);
        found.filter(|t| !t.is_empty())
    };
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credential::IdentityToken(Secret::new(token))));
    }
    if let Some(auth) = text("auth") {
        let bytes = BASE64_STANDARD.decode(auth).ok();
        let both = bytes.and_then(|b| String::from_utf8(b).ok());
        let both = both.ok_or("\"auth\" is no base64 of a text")?;
        let (username, password) = both
            .split_once(':')
            .ok_or("\"auth\" is no user name and password")?;
        return Ok(Some(Credential::Password {
            username: username.to_owned(),
            // Docker strips what some versions padded with.
            password: Secret::new(password.trim_end_matches('\0')),
        }));
    }
    Ok(match (text("username"), text("password")) {
        (Some(username), Some(password)) => Some(Credential::Password {
            username: username.to_owned(),
            password: Secret::new(password),
        }),
        _ => None,
    })
}

fn write_entry(credential: &Credential) -> Result<Value, String> {
    Ok(match credential {
        Credential::IdentityToken(token) => json!({"auth": "", "identitytoken": token.reveal()}),
        Credential::Password { username, password } => {
            if username.contains(':') {
                return Err("a user name can't have a colon".to_owned());
            }
            json!({"auth": BASE64_STANDARD.encode(format!("{username}:{}", password.reveal()))})
        }
    })
}

/// Writes beside the file, for the user alone, and puts it in its place.
fn write_atomically(file: &Path, config: &Map<String, Value>) -> io::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(config)?;
    bytes.push(b'\n');
    let name = format!(".config.json.{}", std::process::id());
    let beside = file.with_file_name(name);
    let _ = fs::remove_file(&beside);
    let write = || {
        let mut options = fs::OpenOptions::new();
        let mut out = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        out.write_all(&bytes)?;
        out.sync_all()?;
        fs::rename(&beside, file)
    };
    write().inspect_err(|_| drop(fs::remove_file(&beside)))
}

#[cfg(test)]
#[path = "credentials_tests.rs"]
mod tests;
