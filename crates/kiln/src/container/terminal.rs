//! The user's terminal: passed through as it is while a container has it.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// A terminal that passes every key on, until this is dropped.
pub struct Raw {
    before: Termios,
}

impl Raw {
    /// Standard input, if it is a terminal.
    pub fn stdin() -> Option<Raw> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &raw).ok()?;
        Some(Raw { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// Rows and columns of the user's terminal, if there is one.
pub fn size() -> Option<(u16, u16)> {
    let of = |fd: std::os::fd::BorrowedFd| tcgetwinsize(fd).ok();
    let size = of(std::io::stdout().as_fd()).or_else(|| of(std::io::stdin().as_fd()))?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// Finds the keys that detach, Ctrl-P Ctrl-Q, in what is typed.
#[derive(Default)]
pub struct DetachKeys {
    first: bool,
}

impl DetachKeys {
    /// What is to be passed on, and whether the keys were typed.
    pub fn filter(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        const FIRST: u8 = 16;
        const SECOND: u8 = 17;
        let mut out = Vec::with_capacity(typed.len() + 1);
        for byte in typed {
            match (self.first, *byte) {
                (true, SECOND) => return (out, true),
                (true, FIRST) => out.push(FIRST),
                (true, byte) => {
                    self.first = false;
                    out.extend([FIRST, byte]);
                }
                (false, FIRST) => self.first = true,
                (false, byte) => out.push(byte),
            }
        }
        (out, false)
    }
}

#[cfg(test)]
mod tests {
    use super::DetachKeys;

    #[test]
    fn the_keys_may_come_apart() {
        let mut keys = DetachKeys::default();
        assert_eq!(keys.filter(b"ab\x10"), (b"ab".to_vec(), false));
        assert_eq!(keys.filter(b"c"), (b"\x10c".to_vec(), false));
        assert_eq!(keys.filter(b"\x10"), (Vec::new(), false));
        assert_eq!(keys.filter(b"\x11d"), (Vec::new(), true));
    }
}
