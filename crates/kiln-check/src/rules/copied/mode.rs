//! What chmod makes of a mode.

/// The mode that `chmod text` gives a file of a known mode, under the usual umask 022. Nothing for
/// what isn't plain `rwx` or octal.
pub fn changed(text: &str, mode: u32) -> Option<u32> {
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    if octal {
        return u32::from_str_radix(text, 8).ok();
    }
    text.split(',')
        .try_fold(mode, |mode, clause| symbolic(clause, mode))
}

fn symbolic(clause: &str, mode: u32) -> Option<u32> {
    let at = clause.find(['+', '-', '='])?;
    let (who, rest) = clause.split_at(at);
    let mut classes = 0;
    for c in who.chars() {
        classes |= match c {
            'u' => 0o700,
            'g' => 0o070,
            'o' => 0o007,
            'a' => 0o777,
            _ => return None,
        };
    }
    // Without a class the umask decides.
    let mask = match classes {
        0 => 0o777 & !0o022,
        classes => classes,
    };
    let mut bits = 0;
    for c in rest.chars().skip(1) {
        bits |= match c {
            'r' => 0o444,
            'w' => 0o222,
            'x' => 0o111,
            _ => return None,
        };
    }
    let bits = bits & mask;
    Some(match rest.chars().next()? {
        '+' => mode | bits,
        '-' => mode & !bits,
        _ => mode & !(if classes == 0 { 0o777 } else { classes }) | bits,
    })
}

#[cfg(test)]
mod tests {
    use super::changed;

    #[test]
    fn modes() {
        for (text, from, want) in [
            ("755", 0o644, Some(0o755)),
            ("0644", 0o755, Some(0o644)),
            ("+x", 0o644, Some(0o755)),
            ("+x", 0o600, Some(0o711)),
            ("u+x", 0o644, Some(0o744)),
            ("a+rx,go-w", 0o620, Some(0o755)),
            ("+w", 0o444, Some(0o644)),
            ("go=", 0o755, Some(0o700)),
            ("=r", 0o755, Some(0o444)),
            ("u+s", 0o755, None),
            ("+X", 0o644, None),
            ("75", 0o644, None),
            ("u=g", 0o644, None),
        ] {
            assert_eq!(changed(text, from), want, "{text}");
        }
    }
}
