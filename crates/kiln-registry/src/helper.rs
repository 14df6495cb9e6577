//! Docker's credential helpers: programs `docker-credential-NAME` that keep passwords
//! (docker/docker-credential-helpers, "Development"). They are started without a shell; what they
//! print is shown nowhere, since it may hold passwords.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::fs::Access;
use serde::{Deserialize, Serialize};

use crate::credentials::Credential;
use crate::{RegistryError, Secret};

/// The most that a helper's answer may have.
const MAX_ANSWER: u64 = 1 << 20;
/// The user name that marks an identity token.
const TOKEN: &str = "<token>";

/// A helper that was found.
pub(crate) struct Helper {
    name: String,
    program: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(rename = "ServerURL", default)]
    server_url: String,
    username: String,
    secret: String,
}

impl Helper {
    /// Looks for a helper in the directories of `path`.
    pub(crate) fn find(name: &str, path: &OsStr) -> Result<Helper, RegistryError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
        let bad = |why: String| RegistryError::Credentials {
            what: format!("credential helper {name:?}"),
            why,
        };
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(bad("its name may have letters, digits, - and _ only".into()));
        }
        let file = format!("docker-credential-{name}");
        // A relative directory would be looked for wherever Kiln happens to be started.
        let program = std::env::split_paths(path)
            .filter(|dir| dir.is_absolute())
            .map(|dir| dir.join(&file))
            .find(|p| p.is_file() && rustix::fs::access(p, Access::EXEC_OK).is_ok())
            .ok_or_else(|| bad(format!("{file} isn't installed: there is none on PATH")))?;
        Ok(Helper {
            name: name.to_owned(),
            program,
        })
    }

    /// What it keeps for a server.
    pub(crate) fn get(&self, server: &str) -> Result<Option<Credential>, RegistryError> {
        let (ok, out) = self.run("get", server.as_bytes())?;
        if !ok {
            let text = String::from_utf8_lossy(&out);
            // The words that the protocol has for it.
            if text.contains("credentials not found") {
                return Ok(None);
            }
            return Err(self.failed("get"));
        }
        let entry: Entry = serde_json::from_slice(&out)
            .map_err(|_| self.bad("its answer isn't what a helper answers".to_owned()))?;
        if entry.secret.is_empty() {
            return Ok(None);
        }
        let secret = Secret::new(entry.secret);
        Ok(Some(match entry.username.as_str() {
            TOKEN => Credential::IdentityToken(secret),
            _ => Credential::Password {
                username: entry.username,
                password: secret,
            },
        }))
    }

    /// Gives it something to keep.
    pub(crate) fn store(&self, server: &str, credential: &Credential) -> Result<(), RegistryError> {
        let (username, secret) = match credential {
            Credential::Password { username, password } => (username.clone(), password),
            Credential::IdentityToken(token) => (TOKEN.to_owned(), token),
        };
        let entry = Entry {
            server_url: server.to_owned(),
            username,
            secret: secret.reveal().to_owned(),
        };
        let entry = serde_json::to_vec(&entry).unwrap_or_default();
        match self.run("store", &entry)? {
            (true, _) => Ok(()),
            _ => Err(self.failed("store")),
        }
    }

    /// Makes it forget a server; whether it had one, as far as it tells.
    pub(crate) fn erase(&self, server: &str) -> Result<bool, RegistryError> {
        let (ok, out) = self.run("erase", server.as_bytes())?;
        if !ok && !String::from_utf8_lossy(&out).contains("credentials not found") {
            return Err(self.failed("erase"));
        }
        Ok(ok)
    }

    /// Whether it succeeded, and what it printed.
    fn run(&self, verb: &str, input: &[u8]) -> Result<(bool, Vec<u8>), RegistryError> {
        let bad = |e: io::Error| self.bad(format!("running it: {e}"));
        let mut child = Command::new(&self.program)
            .arg(verb)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(bad)?;
        if let Some(mut stdin) = child.stdin.take() {
            match stdin.write_all(input) {
                // It may know its answer without reading.
                Err(e) if e.kind() != io::ErrorKind::BrokenPipe => return Err(bad(e)),
                _ => {}
            }
        }
        let mut out = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(MAX_ANSWER).read_to_end(&mut out).map_err(bad)?;
        }
        let status = child.wait().map_err(bad)?;
        Ok((status.success(), out))
    }

    fn failed(&self, verb: &str) -> RegistryError {
        self.bad(format!(
            "it failed; to see why, run `docker-credential-{} {verb}` and give it the registry's \
             name on standard input",
            self.name
        ))
    }

    fn bad(&self, why: String) -> RegistryError {
        RegistryError::Credentials {
            what: format!("credential helper {}", self.program.display()),
            why,
        }
    }
}
