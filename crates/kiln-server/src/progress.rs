//! How parts of images come and go, as docker shows it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use kiln_engine::registry::Transfer;
use serde_json::{Value, json};

use crate::stream::Lines;

/// How often a part is told of.
const PAUSE: Duration = Duration::from_millis(100);

/// Sends messages about the parts.
pub struct Parts<'o> {
    out: &'o Lines,
    /// What a part does while its bytes pass.
    moving: &'static str,
    /// What is told before the first part.
    before: Mutex<Option<Value>>,
    known: Mutex<HashMap<String, Part>>,
}

struct Part {
    total: Option<u64>,
    done: u64,
    told: Option<Instant>,
}

impl<'o> Parts<'o> {
    /// Nothing moves yet; `before` is told when it is known that something is there to move.
    pub fn new(out: &'o Lines, moving: &'static str, before: Option<Value>) -> Parts<'o> {
        Parts {
            out,
            moving,
            before: Mutex::new(before),
            known: Mutex::default(),
        }
    }

    /// Tells what comes before, if that wasn't told yet.
    pub fn begin_all(&self) {
        let before = self.before.lock().unwrap_or_else(|e| e.into_inner()).take();
        if let Some(before) = before {
            self.out.send(&before);
        }
    }

    fn tell(&self, part: &str, status: &str) {
        self.out
            .send(&json!({ "status": status, "progressDetail": {}, "id": part }));
    }
}

impl Transfer for Parts<'_> {
    fn begin(&self, part: &str, what: &str, total: Option<u64>) {
        self.begin_all();
        let new = Part {
            total,
            done: 0,
            told: None,
        };
        let mut known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        known.insert(part.to_owned(), new);
        drop(known);
        self.tell(
            part,
            if what == "Pulling" {
                "Pulling fs layer"
            } else {
                what
            },
        );
    }

    fn bytes(&self, part: &str, n: u64) {
        let mut known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        let Some(state) = known.get_mut(part) else {
            return;
        };
        state.done += n;
        if n == 0 || state.told.is_some_and(|t| t.elapsed() < PAUSE) {
            return;
        }
        state.told = Some(Instant::now());
        let (done, total) = (state.done, state.total);
        drop(known);
        let mut detail = json!({ "current": done });
        if let Some(total) = total {
            detail["total"] = total.into();
        }
        self.out.send(&json!({
            "status": self.moving,
            "progressDetail": detail,
            "progress": bar(done, total),
            "id": part,
        }));
    }

    fn end(&self, part: &str, how: &str) {
        self.begin_all();
        self.tell(part, how);
    }

    fn line(&self, text: &str) {
        self.begin_all();
        self.out.send(&json!({ "status": text }));
    }
}

/// `[=====>     ]  1.2MB/3MB`
fn bar(done: u64, total: Option<u64>) -> String {
    const WIDTH: u64 = 50;
    let Some(total) = total.filter(|t| *t > 0) else {
        return size(done);
    };
    let filled = (u128::from(done.min(total)) * u128::from(WIDTH) / u128::from(total)) as usize;
    let head = if filled < WIDTH as usize { ">" } else { "" };
    let rest = (WIDTH as usize).saturating_sub(filled + head.len());
    format!(
        "[{}{head}{}]  {}/{}",
        "=".repeat(filled),
        " ".repeat(rest),
        size(done),
        size(total)
    )
}

/// Four digits and a decimal unit, as docker has it.
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 {
            let digits = 3_usize.saturating_sub(value.max(1.0).log10() as usize);
            let text = format!("{value:.digits$}");
            let text = match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.'),
                false => &text,
            };
            return format!("{text}{unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.3}TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars() {
        assert_eq!(size(0), "0B");
        assert_eq!(size(1234), "1.234kB");
        assert_eq!(size(32_100_000), "32.1MB");
        assert_eq!(bar(5, None), "5B");
        let half = format!("[{}>{}]  5B/10B", "=".repeat(25), " ".repeat(24));
        assert_eq!(bar(5, Some(10)), half);
        assert_eq!(bar(11, Some(10)), format!("[{}]  11B/10B", "=".repeat(50)));
        assert!(bar(u64::MAX / 50, Some(u64::MAX)).starts_with("[>"));
    }
}
