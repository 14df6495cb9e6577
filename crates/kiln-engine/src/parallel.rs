//! Several threads on one list of work.

use std::sync::{Mutex, MutexGuard, PoisonError};

use kiln_build::BuildError;

/// Runs `work` on `threads` threads, each on what `next` gives a thread of that number, until
/// there is no more or one piece fails; pieces begun by then still end. The first failure.
pub(crate) fn work_off<T>(
    threads: usize,
    next: impl Fn(usize) -> Option<T> + Sync,
    work: impl Fn(T) -> Result<(), BuildError> + Sync,
) -> Result<(), BuildError> {
    let failure: Mutex<Option<BuildError>> = Mutex::new(None);
    std::thread::scope(|s| {
        for thread in 0..threads {
            let (next, work, failure) = (&next, &work, &failure);
            s.spawn(move || {
                while lock(failure).is_none()
                    && let Some(piece) = next(thread)
                {
                    if let Err(e) = work(piece) {
                        lock(failure).get_or_insert(e);
                    }
                }
            });
        }
    });
    let failure = lock(&failure).take();
    failure.map_or(Ok(()), Err)
}

/// What a mutex holds; a panic of another thread doesn't spoil it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
