//! BuildKit's plain form: `#3 [2/4] RUN make`, `#3 0.120 output`, `#3 DONE 1.2s`.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::Instant;

use kiln_build::{Event, Progress};

use super::lines::Lines;
use super::{Screen, one_line, seconds};

/// Writes each event as it comes.
#[derive(Default)]
pub struct Plain {
    steps: Mutex<HashMap<usize, Step>>,
}

struct Step {
    began: Instant,
    lines: Lines,
}

impl Step {
    fn show(&self, id: usize, lines: impl IntoIterator<Item = String>) {
        let at = self.began.elapsed().as_secs_f64();
        let mut err = std::io::stderr().lock();
        for line in lines {
            let _ = writeln!(err, "#{id} {at:.3} {line}");
        }
    }
}

impl Plain {
    fn end(&self, id: usize, how: &str) {
        let mut steps = self.steps.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(mut step) = steps.remove(&id) {
            let rest = step.lines.rest();
            step.show(id, rest);
        }
        eprintln!("#{id} {how}\n");
    }
}

impl Progress for Plain {
    fn event(&self, event: Event) {
        match event {
            Event::Planned { .. } | Event::Explained(_) => {}
            Event::Started { id, name } => {
                let mut steps = self.steps.lock().unwrap_or_else(|e| e.into_inner());
                eprintln!("#{id} {}", one_line(&name));
                let (began, lines) = (Instant::now(), Lines::default());
                steps.insert(id, Step { began, lines });
            }
            Event::Output { id, data, .. } => {
                let mut steps = self.steps.lock().unwrap_or_else(|e| e.into_inner());
                if let Some(step) = steps.get_mut(&id) {
                    let lines = step.lines.push(&data);
                    step.show(id, lines);
                }
            }
            Event::Done {
                id, cached: true, ..
            } => self.end(id, "CACHED"),
            Event::Done { id, took, .. } => self.end(id, &format!("DONE {}", seconds(took))),
            Event::Failed { id, message } => self.end(id, &format!("ERROR: {message}")),
            Event::Instructions(_) | Event::Instruction { .. } => {}
            Event::Warning(text) => eprintln!("WARNING: {text}"),
        }
    }
}

impl Screen for Plain {
    fn exported(&self, id: &str, names: &[String]) {
        eprintln!("writing image {id} done");
        for name in names {
            eprintln!("naming to {name} done");
        }
    }
}
