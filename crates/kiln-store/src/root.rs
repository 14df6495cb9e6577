//! Where the store lives by default.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::{Result, Store, StoreError};

impl Store {
    /// The store's directory when none is given: `$KILN_ROOT`, else
    /// `/var/lib/kiln` for the real root user, else `kiln` in the user's data
    /// directory.
    ///
    /// Inside a user namespace the effective uid is 0 as well, but the files
    /// must be the same as outside it, so there the user's directory counts.
    pub fn default_root() -> Result<PathBuf> {
        let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let root = rustix::process::geteuid().is_root() && is_initial(&map);
        let path = choose(root, |name| std::env::var_os(name))?;
        std::path::absolute(&path).map_err(|e| StoreError::io("cannot resolve", &path, e))
    }
}

/// Whether a uid map is the one of the initial user namespace: everything
/// onto itself. (A kernel without user namespaces has no map at all.)
fn is_initial(map: &str) -> bool {
    let fields: Vec<&str> = map.split_whitespace().collect();
    fields.is_empty() || fields == ["0", "0", "4294967295"]
}

fn choose(root: bool, var: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    let path = |name| {
        let value = var(name).filter(|v| !v.is_empty());
        value.map(PathBuf::from)
    };
    if let Some(dir) = path("KILN_ROOT") {
        return Ok(dir);
    }
    if root {
        return Ok(PathBuf::from("/var/lib/kiln"));
    }
    // The base directory specification says to ignore a relative path.
    if let Some(data) = path("XDG_DATA_HOME").filter(|p| p.is_absolute()) {
        return Ok(data.join("kiln"));
    }
    let home = path("HOME").ok_or(StoreError::NoRoot)?;
    Ok(home.join(".local/share/kiln"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_preference() {
        let env = |pairs: &'static [(&str, &str)]| {
            move |name: &str| {
                let found = pairs.iter().find(|(k, _)| *k == name);
                found.map(|(_, v)| OsString::from(v))
            }
        };
        let pick = |root, pairs| {
            choose(root, env(pairs))
                .ok()
                .map(|p| p.display().to_string())
        };
        let some = |s: &str| Some(s.to_owned());
        assert_eq!(
            pick(true, &[("KILN_ROOT", "/k"), ("HOME", "/h")]),
            some("/k")
        );
        assert_eq!(
            pick(true, &[("KILN_ROOT", ""), ("HOME", "/h")]),
            some("/var/lib/kiln")
        );
        assert_eq!(pick(false, &[("XDG_DATA_HOME", "/x")]), some("/x/kiln"));
        assert_eq!(
            pick(false, &[("XDG_DATA_HOME", "x"), ("HOME", "/h")]),
            some("/h/.local/share/kiln")
        );
        assert_eq!(pick(false, &[]), None);
    }

    #[test]
    fn namespaces() {
        assert!(is_initial("         0          0 4294967295\n"));
        assert!(!is_initial("0 1000 1\n1 100000 65536\n"));
    }
}
