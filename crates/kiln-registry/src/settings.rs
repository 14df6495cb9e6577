//! The settings file: what the user says about registries (`docs/registries.md`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::url::{Url, is_host};
use crate::{Proxies, RegistryError, RetryPolicy};

/// The registry of names without one.
pub(crate) const DOCKER_HUB: &str = "docker.io";
/// The host that speaks for it.
pub(crate) const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// The largest settings file that is read.
const MAX_FILE: u64 = 1 << 20;

/// What the user says about registries, certificates and proxies.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Settings {
    registries: BTreeMap<String, RegistrySettings>,
    /// Directories with a directory for each registry, in which `*.crt` are certificates that are
    /// trusted, and `*.cert` with `*.key` what Kiln shows of itself.
    pub cert_dirs: Vec<PathBuf>,
    /// The proxies.
    pub proxies: Proxies,
    /// How often and how long failed requests are tried again.
    pub retry: RetryPolicy,
}

/// What the user says about one registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegistrySettings {
    /// Registries that are asked first when something is pulled: `[http[s]://]host[:port][/path]`.
    pub mirrors: Vec<String>,
    /// Its certificate isn't checked.
    pub insecure: bool,
    /// It speaks plain HTTP.
    pub http: bool,
    /// A file of certificates (PEM) that are trusted besides the system's.
    pub ca: Option<PathBuf>,
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    registry: BTreeMap<String, RegistrySettings>,
}

/// A mirror's address taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    /// Where the address has a scheme, whether it is https.
    pub(crate) https: Option<bool>,
    /// `host[:port]`.
    pub(crate) authority: String,
    /// What comes before the repository's name, with a slash at its end, or nothing.
    pub(crate) prefix: String,
}

impl Settings {
    /// Reads the settings file, where there is one, and the proxy variables.
    pub fn load() -> Result<Settings, RegistryError> {
        let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
        let mut settings = match locate(var) {
            Some(path) => Settings::from_file(&path)?,
            None => Settings::default(),
        };
        settings.cert_dirs = vec![PathBuf::from("/etc/docker/certs.d")];
        if let Some(home) = var("HOME") {
            let dir = Path::new(&home).join(".docker/certs.d");
            settings.cert_dirs.push(dir);
        }
        settings.proxies = Proxies::from_env()?;
        Ok(settings)
    }

    /// Reads a settings file; nothing is taken from the environment.
    pub fn from_file(path: &Path) -> Result<Settings, RegistryError> {
        let bad = |why: String| RegistryError::Settings {
            what: path.display().to_string(),
            why,
        };
        let text = read_limited(path, MAX_FILE).map_err(bad)?;
        let text = String::from_utf8(text).map_err(|_| bad("it is no UTF-8 text".to_owned()))?;
        let base = path.parent().unwrap_or(Path::new("."));
        Settings::from_toml(&text, base).map_err(bad)
    }

    /// Reads the text of a settings file; paths in it are relative to `base`. The error is for a
    /// person and without the file's name.
    pub fn from_toml(text: &str, base: &Path) -> Result<Settings, String> {
        let file: File = toml::from_str(text).map_err(|e| e.to_string().trim().to_owned())?;
        let mut settings = Settings::default();
        for (host, mut registry) in file.registry {
            if !is_authority(&host) {
                return Err(format!(
                    "[registry.{host:?}]: expected HOST or HOST:PORT, without scheme and path"
                ));
            }
            for mirror in &registry.mirrors {
                parse_mirror(mirror)
                    .map_err(|why| format!("[registry.{host:?}]: mirror {mirror:?}: {why}"))?;
            }
            registry.ca = registry.ca.map(|ca| base.join(ca));
            *settings.registry_mut(&host) = registry;
        }
        Ok(settings)
    }

    /// What is said about a registry, to be changed: `--insecure`, `--ca`.
    pub fn registry_mut(&mut self, host: &str) -> &mut RegistrySettings {
        self.registries.entry(registry_name(host)).or_default()
    }

    /// What is said about a registry.
    pub fn registry(&self, host: &str) -> RegistrySettings {
        let found = self.registries.get(&registry_name(host));
        found.cloned().unwrap_or_default()
    }

    /// Whether plain HTTP may be spoken to this host.
    pub(crate) fn allows_http(&self, url: &Url) -> bool {
        url.is_loopback() || self.registry(&url.authority()).http
    }
}

/// The name a registry goes by in settings: all names of Docker's are one.
pub(crate) fn registry_name(host: &str) -> String {
    match host.to_ascii_lowercase().as_str() {
        "index.docker.io" | DOCKER_HUB_HOST => DOCKER_HUB.to_owned(),
        other => other.to_owned(),
    }
}

/// The file that holds: `$KILN_REGISTRIES`, else the first that is there.
fn locate(var: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(path) = var("KILN_REGISTRIES") {
        return Some(path.into());
    }
    let config = var("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = var("HOME").map(|h| Path::new(&h).join(".config"));
    [config, home]
        .into_iter()
        .flatten()
        .map(|dir| dir.join("kiln/registries.toml"))
        .chain([PathBuf::from("/etc/kiln/registries.toml")])
        .find(|path| path.exists())
}

/// Whether a text is `host[:port]`.
fn is_authority(text: &str) -> bool {
    Url::root(true, text).is_ok_and(|url| {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (text, "1"),
        };
        url.path() == "/" && is_host(host) && port.parse::<u16>().is_ok()
    })
}

pub(crate) fn parse_mirror(text: &str) -> Result<Mirror, &'static str> {
    let (https, rest) = match text.split_once("://") {
        Some(("https", rest)) => (Some(true), rest),
        Some(("http", rest)) => (Some(false), rest),
        Some(_) => return Err("only http and https are possible"),
        None => (None, text),
    };
    let rest = rest.trim_end_matches('/');
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !is_authority(authority) {
        return Err("expected HOST, HOST:PORT or HOST:PORT/PATH");
    }
    let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/".contains(&b);
    if !path.bytes().all(ok) || path.split('/').any(|p| p == "." || p == "..") {
        return Err("its path is no part of a repository's name");
    }
    Ok(Mirror {
        https,
        authority: authority.to_owned(),
        prefix: match path {
            "" => String::new(),
            path => format!("{path}/"),
        },
    })
}

/// Reads a small file of the user's; the error is for a person and without the file's name.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let mut out = Vec::new();
    let mut file = file.take(limit + 1);
    file.read_to_end(&mut out).map_err(|e| e.to_string())?;
    if out.len() as u64 > limit {
        return Err(format!("it is larger than {limit} bytes"));
    }
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        Settings::from_toml(text, Path::new("/etc/kiln"))
    }

    #[test]
    fn all_keys() {
        let s = read(
            r#"
            [registry."docker.io"]
            mirrors = ["mirror.example", "http://127.0.0.1:5000", "harbor.example/hub"]
            [registry."r.example:5000"]
            insecure = true
            http = true
            ca = "ca.pem"
            "#,
        )
        .unwrap();
        assert_eq!(s.registry("registry-1.docker.io").mirrors.len(), 3);
        let r = s.registry("R.example:5000");
        assert!(r.insecure && r.http);
        assert_eq!(r.ca.as_deref(), Some(Path::new("/etc/kiln/ca.pem")));
        assert_eq!(s.registry("r.example"), RegistrySettings::default());
        let url = |t| Url::parse(t).unwrap();
        assert!(s.allows_http(&url("http://r.example:5000/")));
        assert!(s.allows_http(&url("http://127.0.0.1:1/")));
        assert!(!s.allows_http(&url("http://r.example/")));
    }

    #[test]
    fn refused() {
        for (text, why) in [
            ("[registry.\"a.b\"]\nmirror = []", "unknown field `mirror`"),
            ("[registries]", "unknown field `registries`"),
            ("[registry.\"a.b\"]\ninsecure = 1", "boolean"),
            ("[registry.\"https://a.b\"]", "HOST:PORT"),
            ("[registry.\"a.b/c\"]", "HOST:PORT"),
            ("[registry.\"..\"]", "HOST:PORT"),
            ("[registry.\"a.b\"]\nmirrors = [\"ftp://x\"]", "ftp://x"),
            ("[registry.\"a.b\"]\nmirrors = [\"x/../y\"]", "path"),
            ("[registry.\"a.b\"]\nmirrors = [\"u@x\"]", "HOST"),
            ("x =", "line 1"),
        ] {
            let e = read(text).unwrap_err();
            assert!(e.contains(why), "{text}: {e}");
        }
        let e = Settings::from_file(Path::new("/nonexistent/r.toml")).unwrap_err();
        assert!(e.to_string().starts_with("/nonexistent/r.toml: "), "{e}");
    }

    #[test]
    fn mirrors() {
        let m = parse_mirror("https://h:1/a/b/").unwrap();
        assert_eq!(
            (m.https, m.authority.as_str(), m.prefix.as_str()),
            (Some(true), "h:1", "a/b/")
        );
        assert_eq!(parse_mirror("[::1]:5000").unwrap().authority, "[::1]:5000");
        assert_eq!(parse_mirror("h").unwrap().prefix, "");
    }

    #[test]
    fn places() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kiln/registries.toml");
        let var = |name: &str| match name {
            "XDG_CONFIG_HOME" => Some(dir.path().into()),
            _ => None,
        };
        assert_ne!(locate(var).as_deref(), Some(file.as_path()));
        std::fs::create_dir(dir.path().join("kiln")).unwrap();
        std::fs::write(&file, "").unwrap();
        assert_eq!(locate(var).as_deref(), Some(file.as_path()));
        let all = |name: &str| Some(OsString::from(format!("/{name}")));
        assert_eq!(locate(all).unwrap(), Path::new("/KILN_REGISTRIES"));
    }
}
