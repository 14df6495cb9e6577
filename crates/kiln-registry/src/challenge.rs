//! `WWW-Authenticate` (RFC 9110, section 11.6.1): what a registry wants to see. Of the schemes,
//! registries use Basic (RFC 7617) and Docker's token authentication, which is Bearer (RFC 6750)
//! with the token service's address.

/// What a registry wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User name and password.
    Basic,
    /// A token of the service at `realm`.
    Bearer {
        realm: String,
        service: Option<String>,
        /// Why the last token would not do.
        error: Option<String>,
    },
}

/// The strongest challenge that is known here, out of all headers.
pub(crate) fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let mut basic = None;
    for header in headers {
        for (scheme, parameters) in challenges(header) {
            let get = |name: &str| {
                let found = parameters
                    .iter()
                    .find(|(n, _)| n.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.clone())
            };
            if scheme.eq_ignore_ascii_case("bearer") {
                if let Some(realm) = get("realm") {
                    return Some(Challenge::Bearer {
                        realm,
                        service: get("service"),
                        error: get("error"),
                    });
                }
            } else if scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Challenge::Basic);
            }
        }
    }
    basic
}

type Parameters = Vec<(String, String)>;

/// The schemes of one header with their parameters. What is no challenge is passed over.
fn challenges(header: &str) -> Vec<(String, Parameters)> {
    let mut out: Vec<(String, Parameters)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            // Something else, such as the rest of a `token68`.
            match after.char_indices().nth(1) {
                Some((i, _)) => rest = &after[i..],
                None => return out,
            }
            continue;
        }
        match after.trim_start_matches([' ', '\t']).strip_prefix('=') {
            Some(value) => {
                let (value, after) = read_value(value.trim_start_matches([' ', '\t']));
                if let Some((_, parameters)) = out.last_mut() {
                    parameters.push((word.to_owned(), value));
                }
                rest = after;
            }
            None => {
                out.push((word.to_owned(), Vec::new()));
                rest = after;
            }
        }
    }
}

/// A token, or a quoted string without its quotes; and what follows.
fn read_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((i, c)) = characters.next() {
        match c {
            '"' => return (value, &quoted[i + 1..]),
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: realm.into(),
            service: service.map(String::from),
            error: None,
        })
    }

    #[test]
    fn forms() {
        let one = |h: &str| parse([h].into_iter());
        assert_eq!(one("Basic realm=\"x, y\""), Some(Challenge::Basic));
        assert_eq!(one("basic"), Some(Challenge::Basic));
        let docker = "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",\
                      scope=\"repository:a/b:pull,push\"";
        let found = bearer("https://auth.docker.io/token", Some("registry.docker.io"));
        assert_eq!(one(docker), found);
        assert_eq!(one(&format!("Basic realm=\"x\", {docker}")), found);
        assert_eq!(parse(["Basic realm=x", docker].into_iter()), found);
        assert_eq!(
            one("Negotiate abc/+==, bearer REALM = \"a\\\"b\""),
            bearer("a\"b", None)
        );
        assert_eq!(
            one("Bearer realm=https://h/t,service=s"),
            bearer("https://h/t", Some("s"))
        );
        let e = one("Bearer realm=\"r\",error=\"insufficient_scope\"");
        assert!(matches!(e, Some(Challenge::Bearer { error: Some(e), .. }) if e.contains("scope")));
        for bad in [
            "",
            "Bearer",
            "Bearer scope=\"x\"",
            "realm=\"x\"",
            "Digest realm=\"x\"",
            "=,\"\\",
        ] {
            assert_eq!(one(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(header in "\\PC{0,60}|(Bearer|Basic|[a-z]{1,3}|=|,| |\"|\\\\|realm){0,20}") {
            let _ = parse([header.as_str()].into_iter());
        }

        #[test]
        fn quoting_is_undone(realm in "[ -~]{0,30}") {
            let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!("Bearer realm=\"{quoted}\",service=\"s\"");
            prop_assert_eq!(parse([header.as_str()].into_iter()), bearer(&realm, Some("s")));
        }
    }
}
