//! The live picture on a terminal, as BuildKit draws it: ended steps scroll up, below them a line
//! that sums up, then the running steps with their times and last output.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use console::{Alignment, Term, measure_text_width, pad_str, truncate_str};
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use kiln_build::{Event, Progress};

use super::lines::{Lines, tame};
use super::{Screen, one_line, seconds};

/// How many lines of a running step's output are shown.
const LIVE_LINES: usize = 6;
/// How often times move on.
const TICK: Duration = Duration::from_millis(100);

/// Draws events until it is told that the build has ended.
pub struct Tty {
    multi: MultiProgress,
    state: Mutex<State>,
    began: Instant,
}

struct State {
    summary: ProgressBar,
    steps: HashMap<usize, Step>,
    planned: usize,
    ended: usize,
}

/// A step under way.
struct Step {
    name: String,
    lines: Lines,
    last: Vec<String>,
    bar: ProgressBar,
    /// Below it, once there is output.
    output: Option<ProgressBar>,
}

fn took(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    let _ = write!(out, "{}", seconds(state.elapsed()));
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .with_key("took", took)
}

impl Tty {
    pub fn new() -> Tty {
        let multi = MultiProgress::new();
        let summary = multi.add(ProgressBar::new_spinner());
        summary.set_style(style("[+] Building {took} ({msg})"));
        let state = State {
            summary,
            steps: HashMap::new(),
            planned: 0,
            ended: 0,
        };
        state.count();
        state.summary.enable_steady_tick(TICK);
        Tty {
            multi,
            state: Mutex::new(state),
            began: Instant::now(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// A line above the live part, its end at the right margin.
    fn line(&self, text: &str, end: &str) {
        let columns = usize::from(Term::stderr().size().1);
        let room = columns.saturating_sub(measure_text_width(end) + 2);
        let text = truncate_str(text, room, "…");
        let text = pad_str(&text, room, Alignment::Left, None);
        let _ = self.multi.println(format!("{text} {end}"));
    }

    fn end(&self, id: usize, mark: &str, end: &str) {
        let mut state = self.lock();
        let Some(step) = state.steps.remove(&id) else {
            return;
        };
        for bar in step.output.iter().chain([&step.bar]) {
            bar.finish_and_clear();
        }
        state.ended += 1;
        state.count();
        self.line(&format!(" => {mark}{}", step.name), end);
    }
}

impl State {
    fn count(&self) {
        self.summary
            .set_message(format!("{}/{}", self.ended, self.planned.max(self.ended)));
    }
}

impl Progress for Tty {
    fn event(&self, event: Event) {
        match event {
            Event::Planned { steps } => {
                let mut state = self.lock();
                state.planned = steps;
                state.count();
            }
            Event::Started { id, name } => {
                let name = tame(&one_line(&name));
                let bar = self.multi.add(ProgressBar::new_spinner());
                bar.set_style(style(" => {wide_msg} {took}"));
                bar.set_message(name.clone());
                bar.enable_steady_tick(TICK);
                self.lock().steps.insert(
                    id,
                    Step {
                        name,
                        lines: Lines::default(),
                        last: Vec::new(),
                        bar,
                        output: None,
                    },
                );
            }
            Event::Output { id, data, .. } => {
                let mut state = self.lock();
                if let Some(step) = state.steps.get_mut(&id) {
                    step.show(&self.multi, &data);
                }
            }
            Event::Done { id, cached, took } => {
                let mark = if cached { "CACHED " } else { "" };
                self.end(id, mark, &seconds(took));
            }
            Event::Failed { id, .. } => self.end(id, "ERROR ", ""),
            Event::Explained(_) => {}
            Event::Instructions(_) | Event::Instruction { .. } => {}
            Event::Warning(text) => {
                let _ = self.multi.println(format!("WARNING: {text}"));
            }
        }
    }
}

impl Step {
    fn show(&mut self, multi: &MultiProgress, data: &[u8]) {
        self.last
            .extend(self.lines.push(data).iter().map(|l| tame(l)));
        let extra = self.last.len().saturating_sub(LIVE_LINES);
        self.last.drain(..extra);
        if self.last.is_empty() {
            return;
        }
        let output = self.output.get_or_insert_with(|| {
            let bar = multi.insert_after(&self.bar, ProgressBar::new_spinner());
            bar.set_style(style("{msg}"));
            bar
        });
        let text: Vec<String> = self.last.iter().map(|l| format!(" => => # {l}")).collect();
        output.set_message(text.join("\n"));
        output.tick();
    }
}

impl Screen for Tty {
    fn exported(&self, id: &str, names: &[String]) {
        self.line(&format!(" => writing image {id}"), "");
        for name in names {
            self.line(&format!(" => naming to {name}"), "");
        }
    }

    fn finish(&self) {
        let state = self.lock();
        state.summary.finish_and_clear();
        let _ = self.multi.clear();
        let complete = state.steps.is_empty() && state.ended >= state.planned;
        let ended = if complete { " FINISHED" } else { "" };
        let (done, all) = (state.ended, state.planned.max(state.ended));
        let took = seconds(self.began.elapsed());
        eprintln!("[+] Building {took} ({done}/{all}){ended}");
    }
}
