//! Whether a label's value is of a kind.

/// A URI with a scheme (RFC 3986).
pub(super) fn url(value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once(':') else {
        return false;
    };
    let in_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let in_rest = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c);
    let mut escapes = rest.split('%').skip(1);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(in_scheme)
        && !rest.is_empty()
        && rest.chars().all(in_rest)
        && rest.matches('#').count() < 2
        && escapes.all(|e| e.len() >= 2 && e.chars().take(2).all(|c| c.is_ascii_hexdigit()))
}

/// `2024-05-01T12:00:00.5+02:00` (RFC 3339).
pub(super) fn time(value: &str) -> bool {
    let (shape, rest) = match value.split_at_checked(19) {
        Some(parts) => parts,
        None => return false,
    };
    let shape = shape.replace(|c: char| c.is_ascii_digit(), "0");
    let fraction = rest.strip_prefix('.').map(|f| {
        let zone = f.trim_start_matches(|c: char| c.is_ascii_digit());
        (f.len() > zone.len()).then_some(zone)
    });
    let Some(zone) = fraction.unwrap_or(Some(rest)) else {
        return false;
    };
    let zone = zone.replace(|c: char| c.is_ascii_digit(), "0");
    shape.eq_ignore_ascii_case("0000-00-00T00:00:00")
        && matches!(zone.as_str(), "Z" | "z" | "+00:00" | "-00:00")
        // Whether there is such a day and hour.
        && value.parse::<jiff::Timestamp>().is_ok()
}

/// A license or an expression of several: `MIT OR Apache-2.0`.
pub(super) fn license(value: &str) -> bool {
    spdx::Expression::parse(value).is_ok()
}

/// A commit's hash, whole or short.
pub(super) fn hash(value: &str) -> bool {
    matches!(value.len(), 40 | 7) && value.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

/// `1.2.3-rc.1+build`
pub(super) fn version(value: &str) -> bool {
    semver::Version::parse(value).is_ok()
}

/// `me@example.com`: the address of RFC 5322 without comments.
pub(super) fn email(value: &str) -> bool {
    let Some((local, domain)) = value.rsplit_once('@') else {
        return false;
    };
    let in_atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let in_label = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let atoms = |text: &str, fits: &dyn Fn(char) -> bool| {
        let mut parts = text.split('.');
        parts.all(|p| !p.is_empty() && p.chars().all(fits))
    };
    let dashed = |label: &str| label.starts_with('-') || label.ends_with('-');
    atoms(local, &in_atom) && atoms(domain, &in_label) && !domain.split('.').any(dashed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(good: fn(&str) -> bool, yes: &[&str], no: &[&str]) {
        for value in yes {
            assert!(good(value), "{value}");
        }
        for value in no {
            assert!(!good(value), "{value}");
        }
    }

    #[test]
    fn kinds() {
        all(
            url,
            &["https://example.com/a?b=%20#c", "mailto:a@b", "urn:x"],
            &["example", "https://a b", "1x://a", "https://a/%2", "a:"],
        );
        all(
            time,
            &["2024-05-01T12:00:00Z", "2024-05-01t12:00:00.25+01:00"],
            &[
                "2024-05-01",
                "2024-05-01T12:00Z",
                "2024-13-01T12:00:00Z",
                "today",
                "2024-05-01T12:00:00",
                "2024-05-01T12:00:00.Z",
            ],
        );
        all(
            license,
            &["MIT", "MIT OR Apache-2.0"],
            &["my own", "MIT OR"],
        );
        all(hash, &["0123abc"], &["0123ABC", "0123abcd", ""]);
        all(
            version,
            &["1.2.3", "1.2.3-rc.1+b"],
            &["1.2", "v1.2.3", "01.2.3"],
        );
        all(
            email,
            &["a.b+c@example.com"],
            &["a", "@b", "a@", "a..b@c", "a@-b.c"],
        );
    }
}
