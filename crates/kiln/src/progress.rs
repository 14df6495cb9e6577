//! Progress on standard error: live on a terminal, plain lines elsewhere, JSON for programs.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use kiln_build::{Event, Progress};

use crate::args::ProgressMode;

/// How many lines of a running step's output a terminal shows.
const LIVE_LINES: usize = 6;

/// Shows events until `finish`.
pub trait Screen: Progress {
    /// The image is in the store.
    fn exported(&self, id: &str, names: &[String]);
    /// Leaves the terminal as it was.
    fn finish(&self) {}
}

impl dyn Screen {
    /// The screen for a mode.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(mode: ProgressMode) -> Box<dyn Screen> {
        match mode {
            ProgressMode::Quiet => Box::new(Quiet),
            ProgressMode::Rawjson => Box::new(RawJson),
            ProgressMode::Plain => Box::new(Plain::default()),
            ProgressMode::Tty => Box::new(Tty::default()),
            ProgressMode::Auto if std::io::stderr().is_terminal() => Box::new(Tty::default()),
            ProgressMode::Auto => Box::new(Plain::default()),
        }
    }
}

struct Quiet;

impl Progress for Quiet {
    fn event(&self, _: Event) {}
}

impl Screen for Quiet {
    fn exported(&self, _: &str, _: &[String]) {}
}

/// A step under way.
struct Running {
    name: String,
    began: Instant,
    /// Output not yet ended by a newline.
    partial: Vec<u8>,
    lines: Vec<String>,
    bar: Option<ProgressBar>,
}

impl Running {
    fn new(name: String, bar: Option<ProgressBar>) -> Running {
        Running {
            name,
            began: Instant::now(),
            partial: Vec::new(),
            lines: Vec::new(),
            bar,
        }
    }

    /// The whole lines that `data` completes.
    fn take_lines(&mut self, data: &[u8]) -> Vec<String> {
        self.partial.extend_from_slice(data);
        let Some(end) = self.partial.iter().rposition(|b| *b == b'\n') else {
            return Vec::new();
        };
        let rest = self.partial.split_off(end + 1);
        let whole = std::mem::replace(&mut self.partial, rest);
        String::from_utf8_lossy(&whole).lines().map(String::from).collect()
    }

    /// What is left without a newline at the step's end.
    fn last_line(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.partial);
        (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned())
    }
}

type Steps = Mutex<HashMap<usize, Running>>;

/// BuildKit's plain form: `#3 [2/4] RUN make`, `#3 0.120 output`, `#3 DONE 1.2s`.
#[derive(Default)]
struct Plain {
    steps: Steps,
}

impl Plain {
    fn show(&self, id: usize, step: &Running, lines: &[String]) {
        let at = step.began.elapsed().as_secs_f64();
        let mut err = std::io::stderr().lock();
        for line in lines {
            let _ = writeln!(err, "#{id} {at:.3} {line}");
        }
    }
}

impl Progress for Plain {
    fn event(&self, event: Event) {
        let mut steps = self.steps.lock().unwrap_or_else(|e| e.into_inner());
        match event {
            Event::Started { id, name } => {
                eprintln!("#{id} {}", one_line(&name));
                steps.insert(id, Running::new(name, None));
            }
            Event::Output { id, data, .. } => {
                if let Some(s) = steps.get_mut(&id) {
                    let lines = s.take_lines(&data);
                    self.show(id, s, &lines);
                }
            }
            Event::Done { id, cached, took } => {
                if let Some(mut s) = steps.remove(&id) {
                    let last: Vec<String> = s.last_line().into_iter().collect();
                    self.show(id, &s, &last);
                }
                if cached {
                    eprintln!("#{id} CACHED\n");
                } else {
                    eprintln!("#{id} DONE {}\n", seconds(took));
                }
            }
            Event::Failed { id, message } => {
                if let Some(mut s) = steps.remove(&id) {
                    let last: Vec<String> = s.last_line().into_iter().collect();
                    self.show(id, &s, &last);
                }
                eprintln!("#{id} ERROR: {message}\n");
            }
            Event::Warning(text) => eprintln!("WARNING: {text}"),
        }
    }
}

impl Screen for Plain {
    fn exported(&self, id: &str, names: &[String]) {
        eprintln!("writing image {id} done");
        for n in names {
            eprintln!("naming to {n} done");
        }
    }
}

/// Live lines: finished steps above, running ones below with time and last output.
struct Tty {
    multi: MultiProgress,
    steps: Steps,
    began: Instant,
}

impl Default for Tty {
    fn default() -> Self {
        Tty {
            multi: MultiProgress::new(),
            steps: Mutex::default(),
            began: Instant::now(),
        }
    }
}

impl Tty {
    fn end(&self, steps: &mut HashMap<usize, Running>, id: usize, mark: &str, took: &str) {
        let Some(s) = steps.remove(&id) else { return };
        if let Some(bar) = s.bar {
            bar.finish_and_clear();
        }
        let _ = self
            .multi
            .println(format!(" => {mark}{} {took}", one_line(&s.name)));
    }
}

impl Progress for Tty {
    fn event(&self, event: Event) {
        let mut steps = self.steps.lock().unwrap_or_else(|e| e.into_inner());
        match event {
            Event::Started { id, name } => {
                let bar = self.multi.add(ProgressBar::new_spinner());
                if let Ok(style) = ProgressStyle::with_template(" => {prefix} {elapsed}{msg}") {
                    bar.set_style(style);
                }
                bar.set_prefix(one_line(&name));
                bar.enable_steady_tick(Duration::from_millis(100));
                steps.insert(id, Running::new(name, Some(bar)));
            }
            Event::Output { id, data, .. } => {
                if let Some(s) = steps.get_mut(&id) {
                    let new = s.take_lines(&data);
                    s.lines.extend(new);
                    let extra = s.lines.len().saturating_sub(LIVE_LINES);
                    s.lines.drain(..extra);
                    if let Some(bar) = &s.bar {
                        let text: String =
                            s.lines.iter().map(|l| format!("\n => => # {l}")).collect();
                        bar.set_message(text);
                    }
                }
            }
            Event::Done { id, cached, took } => {
                let mark = if cached { "CACHED " } else { "" };
                self.end(&mut steps, id, mark, &seconds(took));
            }
            Event::Failed { id, .. } => self.end(&mut steps, id, "ERROR ", ""),
            Event::Warning(text) => {
                let _ = self.multi.println(format!("WARNING: {text}"));
            }
        }
    }
}

impl Screen for Tty {
    fn exported(&self, id: &str, names: &[String]) {
        let _ = self.multi.println(format!(" => writing image {id}"));
        for n in names {
            let _ = self.multi.println(format!(" => naming to {n}"));
        }
        let took = seconds(self.began.elapsed());
        let _ = self.multi.println(format!("[+] Building {took} FINISHED"));
    }

    fn finish(&self) {
        let _ = self.multi.clear();
    }
}

/// One JSON object a line.
struct RawJson;

impl RawJson {
    fn line(value: &serde_json::Value) {
        eprintln!("{value}");
    }
}

impl Progress for RawJson {
    fn event(&self, event: Event) {
        let value = match event {
            Event::Started { id, name } => serde_json::json!({"id": id, "started": name}),
            Event::Output { id, stderr, data } => serde_json::json!({
                "id": id,
                "stream": if stderr { 2 } else { 1 },
                "data": String::from_utf8_lossy(&data),
            }),
            Event::Done { id, cached, took } => {
                serde_json::json!({"id": id, "done": true, "cached": cached, "seconds": took.as_secs_f64()})
            }
            Event::Failed { id, message } => serde_json::json!({"id": id, "error": message}),
            Event::Warning(text) => serde_json::json!({"warning": text}),
        };
        RawJson::line(&value);
    }
}

impl Screen for RawJson {
    fn exported(&self, id: &str, names: &[String]) {
        RawJson::line(&serde_json::json!({"image": id, "names": names}));
    }
}

fn seconds(d: Duration) -> String {
    format!("{:.1}s", d.as_secs_f64())
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}
