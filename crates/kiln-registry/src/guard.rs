//! Where a connection may go that a registry, not the user, asked for. A redirect, a `Location` or
//! a token service at an address of this machine or of its link (`169.254.169.254`, where clouds
//! keep their credentials) is an attempt to make Kiln speak to it in the registry's place.
//!
//! The addresses are judged after names are resolved, and the connection goes to what was judged.

use std::net::IpAddr;

use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Who named the host of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reach {
    /// The user: it may be anywhere.
    Named,
    /// A registry elsewhere.
    Foreign,
    /// A registry on this machine, which may name others on this machine.
    ForeignOfLocal,
}

/// Resolves names to the addresses that are allowed.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) reach: Reach,
    pub(crate) inner: DefaultResolver,
}

/// A host has no address that is allowed.
#[derive(Debug)]
pub(crate) struct Forbidden;

impl std::fmt::Display for Forbidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "the registry leads to an address of this machine or its link, which it may not",
        )
    }
}

impl std::error::Error for Forbidden {}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let all = self.inner.resolve(uri, config, timeout)?;
        // The proxy is the user's choice; what it connects to, it must judge itself.
        if config.proxy().is_some_and(|p| p.uri() == uri) {
            return Ok(all);
        }
        let mut allowed = self.empty();
        for address in all.iter() {
            if self.reach.allows(address.ip()) {
                allowed.push(*address);
            }
        }
        if allowed.is_empty() {
            return Err(ureq::Error::Other(Box::new(Forbidden)));
        }
        Ok(allowed)
    }
}

impl Reach {
    fn allows(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let link = match address {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        // 0.0.0.0 and :: reach this machine, too.
        let here = address.is_loopback() || address.is_unspecified();
        match self {
            Reach::Named => true,
            Reach::Foreign => !link && !here && !address.is_multicast(),
            Reach::ForeignOfLocal => !link && !address.is_multicast(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (address, foreign, of_local) in [
            ("1.2.3.4", true, true),
            ("10.0.0.1", true, true),
            ("127.0.0.1", false, true),
            ("::1", false, true),
            ("::ffff:127.0.0.1", false, true),
            ("0.0.0.0", false, true),
            ("169.254.169.254", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("fe80::1", false, false),
            ("224.0.0.1", false, false),
            ("2001:db8::1", true, true),
        ] {
            let ip = address.parse().unwrap();
            assert_eq!(Reach::Foreign.allows(ip), foreign, "{address}");
            assert_eq!(Reach::ForeignOfLocal.allows(ip), of_local, "{address}");
            assert!(Reach::Named.allows(ip));
        }
    }
}
