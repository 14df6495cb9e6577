//! Subordinate ids: `/etc/subuid` and `/etc/subgid`.

/// The ranges (first id, count) that belong to the user, known by name or
/// by number.
pub(crate) fn ranges(text: &str, name: Option<&str>, uid: u32) -> Vec<(u32, u32)> {
    let number = uid.to_string();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let owner = fields.next()?;
            let first = fields.next()?.parse().ok()?;
            let count = fields.next()?.parse().ok()?;
            let ours = Some(owner) == name || owner == number;
            (ours && count > 0).then_some((first, count))
        })
        .collect()
}

/// The name of the user in the text of `/etc/passwd`.
pub(crate) fn user_name(passwd: &str, uid: u32) -> Option<String> {
    let number = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    })
}

/// The arguments of newuidmap after the pid: 0 is the user itself, the
/// ranges follow from 1 on.
pub(crate) fn arguments(own: u32, ranges: &[(u32, u32)]) -> Vec<String> {
    let mut out = vec!["0".to_owned(), own.to_string(), "1".to_owned()];
    let mut inside = 1u32;
    for (first, count) in ranges {
        let count = (*count).min(u32::MAX - inside);
        out.extend([inside, *first, count].map(|n| n.to_string()));
        inside += count;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_ranges_of_a_user() {
        let text = "ann:100000:65536\nbob:165536:65536\n1000:300000:10\nbad:x:y\n";
        assert_eq!(
            ranges(text, Some("ann"), 1000),
            [(100_000, 65536), (300_000, 10)]
        );
        assert!(ranges(text, None, 1).is_empty());
        assert_eq!(
            arguments(1000, &[(100_000, 10), (5, 2)]),
            ["0", "1000", "1", "1", "100000", "10", "11", "5", "2"]
        );
        let passwd = "root:x:0:0::/:/bin/sh\nann:x:1000:1000::/:/bin/sh\n";
        assert_eq!(user_name(passwd, 1000).as_deref(), Some("ann"));
    }
}
