//! URLs as far as registries need them: http and https, an origin that can be compared, and
//! references resolved against a base (RFC 3986, section 5.2).

use std::fmt;
use std::net::IpAddr;

use ureq::http::Uri;

/// An absolute http or https URL without user and fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Url {
    pub(crate) https: bool,
    /// In lower case; brackets around an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// With the query; begins with a slash.
    path: String,
}

impl Url {
    /// Parses an absolute URL; the error says what is wrong with it without repeating it, since
    /// URLs may hold signatures and passwords.
    pub(crate) fn parse(text: &str) -> Result<Url, String> {
        let uri: Uri = text.parse().map_err(|_| "it is no URL".to_owned())?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(other) => return Err(format!("{other}: URLs are not followed")),
            None => return Err("it is no absolute URL".to_owned()),
        };
        let authority = uri.authority().ok_or("it has no host")?;
        if authority.as_str().contains('@') {
            return Err("it has a user name in it".to_owned());
        }
        let host = authority.host().to_ascii_lowercase();
        let rest = &authority.as_str()[authority.host().len()..];
        let port = match rest.strip_prefix(':') {
            None | Some("") => default_port(https),
            Some(port) => port.parse().map_err(|_| "its port is no number")?,
        };
        if !is_host(&host) {
            return Err("it has no valid host name".to_owned());
        }
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Url {
            https,
            host,
            port,
            path: format!("{slash}{path}"),
        })
    }

    /// The root of `host[:port]`.
    pub(crate) fn root(https: bool, authority: &str) -> Result<Url, String> {
        let scheme = if https { "https" } else { "http" };
        Url::parse(&format!("{scheme}://{authority}/"))
    }

    /// Resolves what a `Location` or `Link` says.
    pub(crate) fn join(&self, reference: &str) -> Result<Url, String> {
        let scheme = reference.split(['/', '?', '#']).next().unwrap_or_default();
        if let Some((scheme, _)) = scheme.split_once(':') {
            return match scheme.to_ascii_lowercase().as_str() {
                "http" | "https" => Url::parse(reference),
                other => Err(format!("{other:?} URLs are not followed")),
            };
        }
        if let Some(rest) = reference.strip_prefix("//") {
            let scheme = if self.https { "https" } else { "http" };
            return Url::parse(&format!("{scheme}://{rest}"));
        }
        let base = self.path.split('?').next().unwrap_or("/");
        let directory = &base[..base.rfind('/').map_or(0, |i| i + 1)];
        let before = match reference.chars().next() {
            Some('/') => "",
            Some('?') => base,
            None | Some('#') => &self.path,
            Some(_) => directory,
        };
        Url::parse(&format!("{}{before}{reference}", self.origin()))
    }

    /// The same with another path beneath the same origin; `path` begins with a slash.
    pub(crate) fn with_path(&self, path: &str) -> Url {
        Url {
            path: path.to_owned(),
            ..self.clone()
        }
    }

    /// The path with the query.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Adds to the query.
    pub(crate) fn with_query(mut self, name: &str, value: &str) -> Url {
        let separator = if self.path.contains('?') { '&' } else { '?' };
        self.path = format!("{}{separator}{name}={}", self.path, encode(value));
        self
    }

    /// `host[:port]`, without the port that is the default.
    pub(crate) fn authority(&self) -> String {
        if self.port == default_port(self.https) {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Scheme, host and port: what credentials belong to (RFC 6454).
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    pub(crate) fn same_origin(&self, other: &Url) -> bool {
        (self.https, &self.host, self.port) == (other.https, &other.host, other.port)
    }

    /// Whether the host is this machine by its name.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// All of it. For the connection only: the query may hold a signature.
    pub(crate) fn to_uri(&self) -> String {
        format!("{}{}", self.origin(), self.path)
    }
}

/// Shows the origin only: paths and queries may hold signatures.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

/// Whether a host (without port) is this machine by its name.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A name or an address; nothing that means something in a path.
pub(crate) fn is_host(host: &str) -> bool {
    let v6 = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    match v6 {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && !host.starts_with(['.', '-'])
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        }
    }
}

/// Percent-encodes all but unreserved characters (RFC 3986, section 2.3), and `:` and `/`, which
/// need not be encoded in a query and are all that digests and scopes have besides.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~:/".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn origins() {
        let u = |t: &str| Url::parse(t).unwrap();
        assert!(u("https://A.example/x").same_origin(&u("https://a.example:443/y?z")));
        assert!(!u("https://a.example/").same_origin(&u("http://a.example/")));
        assert!(!u("https://a.example/").same_origin(&u("https://a.example:444/")));
        assert_eq!(u("http://h:80").to_uri(), "http://h/");
        assert_eq!(u("http://h?q").to_uri(), "http://h/?q");
        assert_eq!(u("http://[::1]:5000/x").authority(), "[::1]:5000");
        assert_eq!(u("http://h/secret?sig=1").to_string(), "http://h");
        for (url, loopback) in [
            ("http://localhost:1", true),
            ("http://127.8.0.1", true),
            ("http://[::1]", true),
            ("http://127.0.0.1.example.com", false),
            ("http://localhost.example.com", false),
        ] {
            assert_eq!(u(url).is_loopback(), loopback, "{url}");
        }
    }

    #[test]
    fn references() {
        let base = Url::parse("https://r.example:5000/v2/a/blobs/uploads/?x=1").unwrap();
        for (reference, found) in [
            (
                "/v2/b?_state=a%3D",
                "https://r.example:5000/v2/b?_state=a%3D",
            ),
            (
                "uuid?s=1",
                "https://r.example:5000/v2/a/blobs/uploads/uuid?s=1",
            ),
            ("?y", "https://r.example:5000/v2/a/blobs/uploads/?y"),
            ("//s3.example/b", "https://s3.example/b"),
            ("http://o.example/b#f", "http://o.example/b"),
            ("HTTPS://o.example", "https://o.example/"),
            ("a/b:c", "https://r.example:5000/v2/a/blobs/uploads/a/b:c"),
        ] {
            assert_eq!(base.join(reference).unwrap().to_uri(), found);
        }
        for bad in [
            "file:///etc/passwd",
            "FILE:/etc/passwd",
            "gopher://x",
            "https://user:pw@o.example/",
            "http://",
            "http:///x",
            "https://a b/",
            "http://..:80/",
            "http://h:99999/",
            "http://[::zz]/",
            "data:x",
            "/a b\u{1}",
        ] {
            assert!(base.join(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn queries() {
        let u = Url::parse("http://h/t?a=b").unwrap();
        let u = u.with_query("scope", "repository:a/b:pull,push");
        assert_eq!(u.path(), "/t?a=b&scope=repository:a/b:pull%2Cpush");
        assert_eq!(encode("a b&c=ä"), "a%20b%26c%3D%C3%A4");
    }

    proptest! {
        #[test]
        fn a_reference_without_scheme_and_host_stays(reference in "[a-z0-9/?#.%_-]{0,20}") {
            let base = Url::parse("https://r.example/v2/").unwrap();
            if !reference.starts_with("//") && let Ok(u) = base.join(&reference) {
                prop_assert!(u.same_origin(&base));
            }
        }

        #[test]
        fn never_panics(text in "\\PC{0,40}|https?://[a-z\\[\\]:@/?#.]{0,30}") {
            if let Ok(u) = Url::parse(&text) {
                prop_assert_eq!(Url::parse(&u.to_uri()).unwrap(), u);
            }
        }
    }
}
