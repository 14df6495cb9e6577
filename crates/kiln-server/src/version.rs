//! Versions of the API: a prefix of the path, the newest where there is none.

use std::fmt;

use crate::error::ApiError;

/// A version of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16, pub u16);

/// The newest that is spoken: docker 28's.
pub const NEWEST: Version = Version(1, 51);
/// The oldest: what docker's own engines speak today.
pub const OLDEST: Version = Version(1, 24);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Takes the prefix off a path.
pub fn split(path: &str) -> Result<(Version, &str), ApiError> {
    let parsed = || {
        let rest = path.strip_prefix("/v")?;
        let end = rest.find('/')?;
        let (major, minor) = rest[..end].split_once('.')?;
        let version = Version(major.parse().ok()?, minor.parse().ok()?);
        Some((version, &rest[end..]))
    };
    match parsed() {
        None => Ok((NEWEST, path)),
        Some((version, _)) if version > NEWEST => Err(ApiError::invalid(format!(
            "client version {version} is too new. Maximum supported API version is {NEWEST}"
        ))),
        Some((version, _)) if version < OLDEST => Err(ApiError::invalid(format!(
            "client version {version} is too old. Minimum supported API version is {OLDEST}, \
             please upgrade your client to a newer version"
        ))),
        Some(found) => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let ok = |path| split(path).ok();
        assert_eq!(ok("/v1.41/info"), Some((Version(1, 41), "/info")));
        assert_eq!(ok("/info"), Some((NEWEST, "/info")));
        assert_eq!(ok("/volumes/a.b/x"), Some((NEWEST, "/volumes/a.b/x")));
        assert_eq!(ok("/v1.x/info"), Some((NEWEST, "/v1.x/info")));
        for (path, text) in [("/v1.99/info", "too new"), ("/v1.4/info", "too old")] {
            assert!(
                split(path).is_err_and(|e| e.message.contains(text)),
                "{path}"
            );
        }
    }
}
