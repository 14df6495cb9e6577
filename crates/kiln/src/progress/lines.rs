//! Output that arrives in pieces, as lines.

/// A line that is longer is cut in pieces: a program may write without end.
const LONGEST: usize = 16 * 1024;

/// Collects the pieces of one stream.
#[derive(Default)]
pub struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// The lines that `data` completes, without their ends.
    pub fn push(&mut self, data: &[u8]) -> Vec<String> {
        self.partial.extend_from_slice(data);
        let end = match self.partial.iter().rposition(|b| *b == b'\n') {
            Some(newline) => newline + 1,
            None if self.partial.len() > LONGEST => self.partial.len(),
            None => return Vec::new(),
        };
        let rest = self.partial.split_off(end);
        let whole = std::mem::replace(&mut self.partial, rest);
        String::from_utf8_lossy(&whole)
            .lines()
            .map(String::from)
            .collect()
    }

    /// What is left without an end.
    pub fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.partial);
        (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned())
    }
}

/// A line as it may be shown inside a picture: what a carriage return would have left of it, no
/// escape sequences, no control characters.
pub fn tame(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    let line = line.rsplit('\r').next().unwrap_or_default();
    console::strip_ansi_codes(line)
        .replace('\t', "    ")
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_lines() {
        let mut lines = Lines::default();
        assert!(lines.push(b"a").is_empty());
        assert_eq!(lines.push(b"b\nc\nd"), ["ab", "c"]);
        assert_eq!(lines.rest().as_deref(), Some("d"));
        assert_eq!(lines.rest(), None);
    }

    #[test]
    fn endless_lines_do_not_fill_the_memory() {
        let mut lines = Lines::default();
        let shown: usize = (0..1000).map(|_| lines.push(&[b'x'; 1000]).len()).sum();
        assert!(shown > 50);
        assert!(lines.partial.capacity() < 100_000);
    }

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(tame("10%\r55%\r100%\r"), "100%");
        assert_eq!(tame("\x1b[2J\x1b[31mred\x07\tx"), "red    x");
    }
}
