//! A budget for what a tar's reader swallows between entries: long names and PAX records are
//! gathered in memory, and a header may claim any size for them.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

/// How many bytes may pass between two entries: far more than any real header, and the padding at
/// a tar's end.
const BETWEEN: u64 = 4 << 20;

/// How many bytes have passed since an entry was seen.
#[derive(Clone, Default)]
pub(crate) struct Budget(Rc<Cell<u64>>);

impl Budget {
    /// An entry, or a piece of its content, was taken.
    pub(crate) fn renew(&self) {
        self.0.set(0);
    }
}

/// Passes on what it reads, and fails when the budget is used up.
pub(crate) struct Guard<R> {
    inner: R,
    budget: Budget,
}

impl<R> Guard<R> {
    pub(crate) fn new(inner: R) -> (Guard<R>, Budget) {
        let budget = Budget::default();
        let guard = Guard {
            inner,
            budget: budget.clone(),
        };
        (guard, budget)
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let used = self.budget.0.get() + n as u64;
        if used > BETWEEN {
            return Err(io::Error::other(format!(
                "more than {BETWEEN} bytes that belong to no file"
            )));
        }
        self.budget.0.set(used);
        Ok(n)
    }
}

impl<R: Seek> Seek for Guard<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
