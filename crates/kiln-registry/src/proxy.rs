//! Proxies by the usual variables: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, in upper
//! or lower case, with the meaning they have for docker (Go's `httpproxy`): one proxy for each
//! scheme, and `NO_PROXY` of names, `.suffixes`, addresses, networks and ports.

use std::net::IpAddr;

use ureq::{Proxy, ProxyProtocol};

use crate::RegistryError;
use crate::url::Url;

/// Which proxy a host is reached through. Loopback addresses are always reached directly.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    https: Option<Proxy>,
    http: Option<Proxy>,
    none: Vec<Rule>,
}

/// One entry of `NO_PROXY`.
#[derive(Clone, Debug, PartialEq)]
enum Rule {
    All,
    Network(IpAddr, u8),
    Name {
        name: String,
        /// The name itself, not only what is below it.
        itself: bool,
        port: Option<u16>,
    },
}

impl Proxies {
    /// As the process's environment has them.
    pub fn from_env() -> Result<Proxies, RegistryError> {
        Proxies::from_vars(|name| std::env::var(name).ok())
    }

    /// As the variables have them that `var` looks up.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Proxies, RegistryError> {
        let either = |name: &str| {
            [name.to_owned(), name.to_ascii_lowercase()]
                .into_iter()
                .find_map(|n| Some((n.clone(), var(&n).filter(|v| !v.is_empty())?)))
        };
        let proxy = |name: &str| {
            let found = either(name).or_else(|| either("ALL_PROXY"));
            found.map(|(name, url)| parse(&name, &url)).transpose()
        };
        let none = either("NO_PROXY").map_or(String::new(), |(_, list)| list);
        Ok(Proxies {
            https: proxy("HTTPS_PROXY")?,
            http: proxy("HTTP_PROXY")?,
            none: none.split(',').filter_map(rule).collect(),
        })
    }

    /// The proxy for a URL, if it isn't reached directly.
    pub(crate) fn get(&self, url: &Url) -> Option<Proxy> {
        if url.is_loopback() || self.none.iter().any(|r| r.matches(url)) {
            return None;
        }
        if url.https { &self.https } else { &self.http }.clone()
    }
}

fn parse(variable: &str, url: &str) -> Result<Proxy, RegistryError> {
    // The value is not shown: it may hold a password.
    let bad = |why: &str| RegistryError::Settings {
        what: variable.to_owned(),
        why: why.to_owned(),
    };
    let proxy = Proxy::new(url).map_err(|_| bad("it is no URL of a proxy"))?;
    match proxy.protocol() {
        ProxyProtocol::Http | ProxyProtocol::Https => Ok(proxy),
        _ => Err(bad("only http and https proxies are supported")),
    }
}

fn rule(text: &str) -> Option<Rule> {
    let text = text.trim().to_ascii_lowercase();
    if text == "*" {
        return Some(Rule::All);
    }
    if let Some((address, bits)) = text.split_once('/') {
        return Some(Rule::Network(address.parse().ok()?, bits.parse().ok()?));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Rule::Network(
            address,
            if address.is_ipv4() { 32 } else { 128 },
        ));
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (name, Some(port.parse().ok()?)),
        None => (text.as_str(), None),
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let name = name.strip_prefix('*').unwrap_or(name);
    let itself = !name.starts_with('.');
    let name = name.trim_start_matches('.').to_owned();
    (!name.is_empty()).then_some(Rule::Name { name, itself, port })
}

impl Rule {
    fn matches(&self, url: &Url) -> bool {
        let host = url.host.trim_start_matches('[').trim_end_matches(']');
        match self {
            Rule::All => true,
            Rule::Network(network, bits) => host
                .parse()
                .is_ok_and(|address| within(address, *network, *bits)),
            Rule::Name { name, itself, port } => {
                let below = host
                    .strip_suffix(name.as_str())
                    .is_some_and(|before| before.ends_with('.'));
                port.is_none_or(|p| p == url.port) && (below || (*itself && host == name))
            }
        }
    }
}

fn within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let (a, b, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    let shift = u32::from(width - bits.min(width));
    a.checked_shr(shift) == b.checked_shr(shift)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn proxies(vars: &[(&str, &str)]) -> Result<Proxies, RegistryError> {
        Proxies::from_vars(|name| {
            let found = vars.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn through(proxies: &Proxies, url: &str) -> Option<String> {
        let proxy = proxies.get(&Url::parse(url).unwrap());
        proxy.map(|p| p.host().to_owned())
    }

    #[test]
    fn schemes() {
        let p = proxies(&[("HTTPS_PROXY", "http://a:3128"), ("http_proxy", "b:1")]).unwrap();
        assert_eq!(through(&p, "https://x.example").as_deref(), Some("a"));
        assert_eq!(through(&p, "http://x.example").as_deref(), Some("b"));
        assert_eq!(through(&p, "https://localhost:5000"), None);
        assert_eq!(through(&p, "http://127.0.0.1"), None);
        let p = proxies(&[("ALL_PROXY", "http://a"), ("HTTP_PROXY", "")]).unwrap();
        assert_eq!(through(&p, "http://x.example").as_deref(), Some("a"));
        assert!(through(&proxies(&[]).unwrap(), "http://x.example").is_none());
        for bad in ["socks5://u:secret@a", "http://", "ftp://x"] {
            let e = proxies(&[("HTTPS_PROXY", bad)]).unwrap_err().to_string();
            assert!(e.contains("HTTPS_PROXY") && !e.contains("secret"), "{e}");
        }
    }

    #[test]
    fn exceptions() {
        let none =
            "a.example, .b.example,*.c.example,10.0.0.0/8,fd00::/8,192.168.1.1,d.example:5000,x/y,";
        let p = proxies(&[("ALL_PROXY", "http://p"), ("no_proxy", none)]).unwrap();
        for (host, direct) in [
            ("a.example", true),
            ("sub.a.example", true),
            ("xa.example", false),
            ("b.example", false),
            ("x.b.example", true),
            ("x.c.example", true),
            ("c.example", false),
            ("10.1.2.3", true),
            ("11.1.2.3", false),
            ("[fd12::1]", true),
            ("[fe12::1]", false),
            ("192.168.1.1:5000", true),
            ("192.168.1.2", false),
            ("d.example:5000", true),
            ("d.example", false),
        ] {
            let found = through(&p, &format!("https://{host}/"));
            assert_eq!(found.is_none(), direct, "{host}");
        }
        let p = proxies(&[("ALL_PROXY", "http://p"), ("NO_PROXY", "*")]).unwrap();
        assert_eq!(through(&p, "https://a"), None);
        let p = proxies(&[("ALL_PROXY", "http://p"), ("NO_PROXY", "0.0.0.0/0")]).unwrap();
        assert_eq!(through(&p, "https://1.2.3.4"), None);
    }
}
