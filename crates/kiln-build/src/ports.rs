//! EXPOSE's port specifications: `80`, `80/udp`, `8000-8010/tcp` (docker/go-connections `nat`).

use crate::error::BuildError;

/// The ports one word names, as `N/proto`.
pub fn exposed_ports(word: &str) -> Result<Vec<String>, BuildError> {
    let bad = |why: &str| BuildError::new(format!("invalid containerPort: {word}: {why}"));
    let (range, proto) = word.split_once('/').unwrap_or((word, "tcp"));
    let proto = if proto.is_empty() { "tcp" } else { proto }.to_ascii_lowercase();
    if !["tcp", "udp", "sctp"].contains(&proto.as_str()) {
        return Err(bad("the protocol is none of tcp, udp, sctp"));
    }
    // docker accepts `ip:host:container` here and keeps the container's port.
    let range = range.rsplit(':').next().unwrap_or(range);
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let port = |t: &str| t.parse::<u16>().map_err(|_| bad("not a port number"));
    let (first, last) = (port(first)?, port(last)?);
    if last < first {
        return Err(bad("the range ends before it starts"));
    }
    Ok((first..=last).map(|n| format!("{n}/{proto}")).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::exposed_ports as p;

    #[test]
    fn forms() {
        assert_eq!(p("80").unwrap(), ["80/tcp"]);
        assert_eq!(p("53/UDP").unwrap(), ["53/udp"]);
        assert_eq!(
            p("8000-8002/tcp").unwrap(),
            ["8000/tcp", "8001/tcp", "8002/tcp"]
        );
        assert!(p("x").is_err());
        assert!(p("99999").is_err());
        assert!(p("5-4").is_err());
        assert!(p("80/icmp").is_err());
    }
}
