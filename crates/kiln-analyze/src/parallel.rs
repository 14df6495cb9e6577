//! Several threads on one list of work.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The results of `work` on each item, in their order; the first failure in that order.
pub(crate) fn map<T: Sync, R: Send, E: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(items.len());
    if threads <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, Result<R, E>)> = std::thread::scope(|s| {
        let worker = || {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(index) else {
                    return done;
                };
                done.push((index, work(item)));
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| s.spawn(worker)).collect();
        let ended = threads.into_iter().map(|t| match t.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ended.flatten().collect()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::map;

    #[test]
    fn order_stays_and_the_first_failure_counts() {
        let items: Vec<u32> = (0..1000).collect();
        let doubled = map(&items, |n| Ok::<u32, ()>(n * 2));
        assert_eq!(doubled, Ok((0..1000).map(|n| n * 2).collect()));
        let failed = map(&items, |n| if *n > 500 { Err(*n) } else { Ok(()) });
        assert_eq!(failed, Err(501));
    }
}
