//! When something that failed is tried again: after a pause that doubles, with a random part so
//! that clients don't come back all at once, or when the registry says (RFC 9110, section 10.2.3).

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::RegistryError;

/// How often and how long requests are tried that fail for a passing reason.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// Tries in all.
    pub tries: u32,
    /// The first pause.
    pub first: Duration,
    /// The longest pause, unless the registry asks for a longer one.
    pub longest: Duration,
    /// When the first failure is so long ago, no new try begins.
    pub total: Duration,
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy {
            tries: 5,
            first: Duration::from_millis(250),
            longest: Duration::from_secs(10),
            total: Duration::from_secs(90),
        }
    }
}

impl RetryPolicy {
    /// One try.
    pub(crate) fn once() -> RetryPolicy {
        RetryPolicy {
            tries: 1,
            ..RetryPolicy::default()
        }
    }

    /// Tries until it succeeds, fails for good, or was tried enough.
    pub(crate) fn run<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut attempts = Attempts::new(self.clone());
        loop {
            match attempt() {
                Ok(done) => return Ok(done),
                Err(e) => attempts.failed(e)?,
            }
        }
    }
}

/// The tries made so far.
pub(crate) struct Attempts {
    policy: RetryPolicy,
    /// When the first of these failures was.
    begun: Instant,
    failed: u32,
}

impl Attempts {
    pub(crate) fn new(policy: RetryPolicy) -> Attempts {
        Attempts {
            policy,
            begun: Instant::now(),
            failed: 0,
        }
    }

    /// Forgets the failures: there was progress since.
    pub(crate) fn progressed(&mut self) {
        self.failed = 0;
    }

    /// Waits for the next try, or gives the error back where there is none.
    pub(crate) fn failed(&mut self, error: RegistryError) -> Result<(), RegistryError> {
        // What lies beneath, such as fetching a token, has been tried often enough already.
        let enough = matches!(error, RegistryError::Tried { enough: true, .. });
        if enough || !error.retryable() {
            return Err(error);
        }
        if self.failed == 0 {
            self.begun = Instant::now();
        }
        self.failed += 1;
        let pause = self.pause();
        let wait = error.retry_after().map_or(pause, |asked| asked.max(pause));
        if self.failed < self.policy.tries && self.begun.elapsed() + wait <= self.policy.total {
            std::thread::sleep(wait);
            return Ok(());
        }
        Err(match (error.retry_after(), self.failed) {
            (Some(asked), _) if asked > self.policy.longest => {
                let note = format!("it wants to be asked again in {} s", asked.as_secs());
                error.noted(note, true)
            }
            (_, 0 | 1) => error,
            (_, tries) => error.noted(format!("tried {tries} times"), true),
        })
    }

    /// Between half of the doubled pause and all of it.
    fn pause(&self) -> Duration {
        let doubled = self.policy.first * 2u32.saturating_pow((self.failed - 1).min(20));
        let most = doubled.min(self.policy.longest);
        // The standard library's hasher is keyed anew each time: random enough to spread load.
        let random = RandomState::new().hash_one(self.failed) % 1024;
        most / 2 + most.mul_f64(random as f64 / 2048.0)
    }
}

/// Reads `Retry-After`: seconds, or a date.
pub(crate) fn retry_after(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(&value.replace("GMT", "+0000")).ok()?;
    let wait = date.timestamp().as_second() - jiff::Timestamp::now().as_second();
    Some(Duration::from_secs(wait.try_into().unwrap_or(0)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn status(status: u16, seconds: Option<u64>) -> RegistryError {
        RegistryError::Status {
            what: "x".into(),
            host: "h".into(),
            status,
            detail: String::new(),
            retry_after: seconds.map(Duration::from_secs),
        }
    }

    fn quick() -> RetryPolicy {
        RetryPolicy {
            tries: 3,
            first: Duration::from_millis(4),
            longest: Duration::from_millis(8),
            total: Duration::from_secs(5),
        }
    }

    #[test]
    fn passing_errors_are_tried_again() {
        for (code, tries) in [(503, 3), (429, 3), (404, 1), (401, 1), (501, 1)] {
            let mut n = 0;
            let result: Result<(), _> = quick().run(|| {
                n += 1;
                Err(status(code, None))
            });
            assert_eq!(n, tries, "{code}");
            assert_eq!(
                result.unwrap_err().to_string().contains("3 times"),
                tries == 3
            );
        }
        let mut n = 0;
        let done = quick().run(|| {
            n += 1;
            if n < 3 {
                Err(status(502, Some(0)))
            } else {
                Ok(n)
            }
        });
        assert_eq!(done.unwrap(), 3);
    }

    #[test]
    fn a_long_wait_is_told_not_waited_for() {
        let begun = Instant::now();
        let result: Result<(), _> = quick().run(|| Err(status(429, Some(3600))));
        let e = result.unwrap_err();
        assert!(e.to_string().contains("in 3600 s"), "{e}");
        assert!(e.retryable() && begun.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn dates() {
        assert_eq!(retry_after("7"), Some(Duration::from_secs(7)));
        let past = retry_after("Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(past, Some(Duration::ZERO));
        assert!(retry_after("Wed, 21 Oct 2099 07:28:00 GMT").unwrap() > Duration::from_secs(1));
        assert_eq!(retry_after("soon"), None);
    }

    #[test]
    fn pauses_grow_and_end() {
        let mut attempts = Attempts::new(RetryPolicy::default());
        for (failed, least, most) in [(1, 125, 250), (2, 250, 500), (40, 5000, 10_000)] {
            attempts.failed = failed;
            let pause = attempts.pause().as_millis();
            assert!((least..=most).contains(&pause), "{failed}: {pause}");
        }
    }
}
