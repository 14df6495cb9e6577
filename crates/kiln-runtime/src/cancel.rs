//! Asking running processes to stop.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// A flag shared between threads; once set it stays set and wakes every
/// [`run`](crate::run) that was given it.
#[derive(Clone)]
pub struct Cancel(Arc<Inner>);

struct Inner {
    flag: AtomicBool,
    wake: Option<OwnedFd>,
}

impl Default for Cancel {
    fn default() -> Self {
        Cancel(Arc::new(Inner {
            flag: AtomicBool::new(false),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok(),
        }))
    }
}

impl Cancel {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the flag.
    pub fn cancel(&self) {
        self.0.flag.store(true, Ordering::SeqCst);
        if let Some(fd) = &self.0.wake {
            // Nobody reads the counter, so it stays readable; when it is
            // full it is readable already.
            let _ = rustix::io::write(fd, &1u64.to_ne_bytes());
        }
    }

    /// Whether the flag is set.
    pub fn is_cancelled(&self) -> bool {
        self.0.flag.load(Ordering::SeqCst)
    }

    /// Becomes readable when the flag is set; without it, poll the flag.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.wake.as_ref().map(|fd| fd.as_fd())
    }
}
