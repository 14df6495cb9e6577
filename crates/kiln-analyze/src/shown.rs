//! Paths as text.

use std::fmt::Write;

/// A name or path of an image as text that can't do anything to a terminal or a page: bytes that
/// are no UTF-8, control characters and those that turn the direction of writing become `\xNN` or
/// `\u{NNNN}`.
pub fn shown(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let done = match c {
                c if c.is_control() => write!(out, "\\x{:02x}", u32::from(c)),
                '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    write!(out, "{}", c.escape_unicode())
                }
                c => out.write_char(c),
            };
            // Writing to a String doesn't fail.
            debug_assert!(done.is_ok());
        }
        for byte in chunk.invalid() {
            let done = write!(out, "\\x{byte:02x}");
            debug_assert!(done.is_ok());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn only_what_is_harmless_stays() {
        assert_eq!(shown("usr/ä b".as_bytes()), "usr/ä b");
        assert_eq!(shown(b"a\xffb\xc3"), "a\\xffb\\xc3");
        assert_eq!(shown(b"a\nb\x1b[2J\x7f"), "a\\x0ab\\x1b[2J\\x7f");
        assert_eq!(shown("a\u{202e}b".as_bytes()), "a\\u{202e}b");
    }
}
