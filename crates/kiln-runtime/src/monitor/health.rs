//! Health checks: when the next one is due, and what its outcome means.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::launch::now;
use super::state::{Check, Health};
use crate::container::spec::HealthSpec;

/// How much of a check's output is kept.
const OUTPUT: usize = 4096;
/// How many checks are kept.
const KEPT: usize = 5;

/// The checks of one container.
pub(super) struct Checks {
    spec: HealthSpec,
    began: Instant,
    due: Instant,
    running: Option<Running>,
}

struct Running {
    start: String,
    output: Vec<u8>,
    pipe: OwnedFd,
    late: bool,
}

impl Checks {
    pub fn new(spec: HealthSpec) -> Checks {
        let began = Instant::now();
        Checks {
            due: began + Duration::from_millis(spec.interval),
            began,
            spec,
            running: None,
        }
    }

    /// When something is to be done next, if nothing runs.
    pub fn due(&self) -> Option<Instant> {
        self.running.is_none().then_some(self.due)
    }

    pub fn argv(&self) -> &[String] {
        &self.spec.argv
    }

    /// A check has begun, its output comes by the pipe; it may run until the
    /// time returned.
    pub fn begin(&mut self, pipe: OwnedFd) -> Instant {
        self.running = Some(Running {
            start: now(),
            output: Vec::new(),
            pipe,
            late: false,
        });
        Instant::now() + Duration::from_millis(self.spec.timeout)
    }

    /// Where the output of a running check comes from.
    pub fn pipe(&self) -> Option<BorrowedFd<'_>> {
        Some(self.running.as_ref()?.pipe.as_fd())
    }

    /// Takes output.
    pub fn read(&mut self) {
        if let Some(running) = &mut self.running {
            running.read();
        }
    }

    /// It runs too long.
    pub fn late(&mut self) {
        if let Some(running) = &mut self.running {
            running.late = true;
        }
    }

    /// It could not be begun, or has ended.
    pub fn end(&mut self, code: Result<i32, String>, health: &mut Health) {
        self.due = Instant::now() + Duration::from_millis(self.spec.interval);
        let mut check = Check {
            start: now(),
            end: now(),
            exit_code: -1,
            output: String::new(),
        };
        let mut late = false;
        if let Some(mut running) = self.running.take() {
            running.read();
            late = running.late;
            check.start = running.start;
            check.output = String::from_utf8_lossy(&running.output).into_owned();
        }
        match code {
            _ if late => {
                let timeout = Duration::from_millis(self.spec.timeout);
                check.output = format!("Health check exceeded timeout ({timeout:?})");
            }
            Ok(code) => check.exit_code = code,
            Err(why) => check.output = why,
        }
        let failed = check.exit_code != 0;
        health.log.push(check);
        if health.log.len() > KEPT {
            health.log.remove(0);
        }
        if !failed {
            health.failing_streak = 0;
            health.status = "healthy".into();
            return;
        }
        // At the start a failure is no news.
        let starting = health.status == "starting"
            && self.began.elapsed() < Duration::from_millis(self.spec.start_period);
        if !starting {
            health.failing_streak += 1;
            if health.failing_streak >= self.spec.retries {
                health.status = "unhealthy".into();
            }
        }
    }
}

impl Running {
    /// Takes what was written; the pipe doesn't block.
    fn read(&mut self) {
        let mut buffer = [0; 1024];
        loop {
            match rustix::io::read(&self.pipe, &mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    let room = OUTPUT - self.output.len();
                    self.output.extend_from_slice(&buffer[..n.min(room)]);
                }
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_count() {
        let mut checks = Checks::new(HealthSpec {
            argv: Vec::new(),
            interval: 1,
            timeout: 1,
            start_period: 0,
            retries: 2,
        });
        let mut health = Health {
            status: "starting".into(),
            ..Health::default()
        };
        let mut step = |code| {
            checks.end(code, &mut health);
            (health.status.clone(), health.failing_streak)
        };
        assert_eq!(step(Ok(1)), ("starting".into(), 1));
        assert_eq!(step(Ok(0)), ("healthy".into(), 0));
        assert_eq!(step(Err("no such command".into())), ("healthy".into(), 1));
        assert_eq!(step(Ok(1)), ("unhealthy".into(), 2));
        assert_eq!(step(Ok(0)), ("healthy".into(), 0));
        assert_eq!(health.log.len(), 5);
    }
}
