//! Whom a TLS connection trusts: the system's certificates (`SSL_CERT_FILE` and `SSL_CERT_DIR`
//! instead, where they are set), with those that settings and `certs.d` name for the host.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::settings::{read_limited, registry_name};
use crate::{RegistryError, Settings};

/// The largest file of certificates that is read.
const MAX_FILE: u64 = 16 << 20;

/// The system's certificates, read once.
#[derive(Default)]
pub(crate) struct Trust {
    system: OnceLock<RootCerts>,
}

impl Trust {
    /// What is trusted and shown when speaking to `host[:port]`.
    pub(crate) fn for_host(
        &self,
        settings: &Settings,
        authority: &str,
    ) -> Result<TlsConfig, RegistryError> {
        let registry = settings.registry(authority);
        let mut extra = Vec::new();
        if let Some(ca) = &registry.ca {
            extra.append(&mut certificates(ca)?);
        }
        let mut client = None;
        for dir in &settings.cert_dirs {
            let dir = dir.join(registry_name(authority));
            for file in files(&dir) {
                match file.extension().and_then(|e| e.to_str()) {
                    Some("crt") => extra.append(&mut certificates(&file)?),
                    Some("cert") => {
                        let key = private_key(&file.with_extension("key"))?;
                        client = Some(ClientCert::new_with_certs(&certificates(&file)?, key));
                    }
                    _ => {}
                }
            }
        }
        Ok(TlsConfig::builder()
            .root_certs(self.roots(extra)?)
            .client_cert(client)
            .disable_verification(registry.insecure)
            .build())
    }

    fn roots(&self, mut extra: Vec<Certificate<'static>>) -> Result<RootCerts, RegistryError> {
        let system = match self.system.get() {
            Some(system) => system,
            None => {
                let read = system()?;
                self.system.get_or_init(|| read)
            }
        };
        if extra.is_empty() {
            return Ok(system.clone());
        }
        if let RootCerts::Specific(system) = system {
            extra.extend(system.iter().cloned());
        }
        Ok(RootCerts::Specific(Arc::new(extra)))
    }
}

/// The system's certificates; Mozilla's, which are built in, where the system has none at all.
fn system() -> Result<RootCerts, RegistryError> {
    const FILE: &str = "SSL_CERT_FILE";
    const DIR: &str = "SSL_CERT_DIR";
    let bad = |what: &str, why: String| RegistryError::Settings {
        what: what.to_owned(),
        why,
    };
    // A file that the user names and that isn't there is a mistake, even where there are others.
    if let Some(file) = std::env::var_os(FILE) {
        let opened = std::fs::File::open(&file);
        opened.map_err(|e| bad(FILE, format!("{}: {e}", Path::new(&file).display())))?;
    }
    let found = rustls_native_certs::load_native_certs();
    if !found.certs.is_empty() {
        let certs = found.certs.iter();
        let certs = certs.map(|c| Certificate::from_der(c.as_ref()).to_owned());
        return Ok(RootCerts::Specific(Arc::new(certs.collect())));
    }
    let named = [FILE, DIR]
        .into_iter()
        .find(|v| std::env::var_os(v).is_some());
    match named {
        Some(variable) => Err(bad(
            variable,
            "there are no certificates (PEM) in it".into(),
        )),
        None => Ok(RootCerts::WebPki),
    }
}

/// The files of a directory in the order of their names; none where there is no directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|e| e.path()).collect();
    files.sort();
    files
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, RegistryError> {
    let mut out = Vec::new();
    for item in pem(path)? {
        if let PemItem::Certificate(certificate) = item {
            out.push(certificate);
        }
    }
    if out.is_empty() {
        return Err(bad(path, "there are no certificates (PEM) in it"));
    }
    Ok(out)
}

fn private_key(path: &Path) -> Result<PrivateKey<'static>, RegistryError> {
    let keys = pem(path)?.into_iter().find_map(|item| match item {
        PemItem::PrivateKey(key) => Some(key),
        _ => None,
    });
    keys.ok_or_else(|| bad(path, "there is no private key (PEM) in it"))
}

fn pem(path: &Path) -> Result<Vec<PemItem<'static>>, RegistryError> {
    let text = read_limited(path, MAX_FILE).map_err(|why| bad(path, &why))?;
    let items: Result<_, _> = parse_pem(&text).collect();
    items.map_err(|_| bad(path, "it is no PEM"))
}

fn bad(path: &Path, why: &str) -> RegistryError {
    RegistryError::Settings {
        what: path.display().to_string(),
        why: why.to_owned(),
    }
}
