//! The texts of docker's classic builder: one instruction after the other, whatever runs at the
//! same time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;
use kiln_build::{Built, Event, Listed, Makes, Moment, Progress};
use kiln_oci::Digest;
use serde_json::{Value, json};

use crate::stream::Lines;

/// How much of an instruction's output is kept until it is its turn: as much as BuildKit keeps.
const KEPT: usize = 2 << 20;

/// Where the texts go.
pub trait Sink: Send + Sync {
    /// One message.
    fn send(&self, message: Value);
}

impl Sink for Lines {
    fn send(&self, message: Value) {
        Lines::send(self, &message);
    }
}

/// Keeps messages back: a quiet build shows them only when it fails.
#[derive(Default)]
pub struct Held(Mutex<(Vec<Value>, usize)>);

impl Held {
    /// What was kept back.
    pub fn take(&self) -> Vec<Value> {
        let mut held = self.0.lock().unwrap_or_else(|e| e.into_inner());
        std::mem::take(&mut held.0)
    }
}

impl Sink for Held {
    fn send(&self, message: Value) {
        let mut held = self.0.lock().unwrap_or_else(|e| e.into_inner());
        held.1 += message.to_string().len();
        if held.1 <= KEPT {
            held.0.push(message);
        }
    }
}

/// Shows a build as the classic builder does.
pub struct Classic<'s> {
    sink: &'s dyn Sink,
    /// `--rm`: containers are removed, and that is told.
    remove: bool,
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    list: Vec<Listed>,
    items: Vec<Item>,
    /// The instruction whose turn it is.
    turn: usize,
    /// The instruction that each step belongs to.
    steps: HashMap<usize, usize>,
    warnings: Vec<String>,
    /// The command that failed.
    failed: String,
    containers: u64,
}

/// One instruction.
#[derive(Default)]
struct Item {
    /// What waits until it is its turn.
    waiting: Vec<String>,
    size: usize,
    ended: bool,
    /// Its command, if it is one.
    command: String,
    /// The container that is told to run.
    container: Option<String>,
    /// The beginning of a character whose end is still to come.
    partial: Vec<u8>,
}

impl<'s> Classic<'s> {
    /// Nothing is shown yet.
    pub fn new(sink: &'s dyn Sink, remove: bool) -> Classic<'s> {
        Classic {
            sink,
            remove,
            shown: Mutex::default(),
        }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn send(&self, text: &str) {
        self.sink.send(json!({ "stream": text }));
    }

    /// Shows a text of an instruction, or keeps it until its turn.
    fn say(&self, shown: &mut Shown, at: usize, text: String) {
        if at == shown.turn {
            return self.send(&text);
        }
        let Some(item) = shown.items.get_mut(at) else {
            return;
        };
        if item.size > KEPT {
            return;
        }
        item.size += text.len();
        item.waiting.push(text);
        if item.size > KEPT {
            item.waiting.push("\n[output clipped]\n".to_owned());
        }
    }

    fn moment(&self, at: usize, moment: Moment) {
        let mut guard = self.shown();
        let shown = &mut *guard;
        let (total, last) = (shown.list.len(), at + 1 == shown.list.len());
        let Some(listed) = shown.list.get(at).cloned() else {
            return;
        };
        let rest = shown
            .items
            .get_mut(at)
            .map(|i| std::mem::take(&mut i.partial));
        if let Some(rest) = rest.filter(|r| !r.is_empty()) {
            self.say(shown, at, String::from_utf8_lossy(&rest).into_owned());
        }
        self.close_container(shown, at);
        match moment {
            Moment::Began => {
                let mut text = format!("Step {}/{total} : {}\n", at + 1, listed.text);
                if let Makes::Start { triggers } = listed.makes
                    && triggers > 0
                {
                    let s = if triggers == 1 { "" } else { "s" };
                    text.push_str(&format!("# Executing {triggers} build trigger{s}\n"));
                }
                self.say(shown, at, text);
            }
            Moment::Cached => self.say(shown, at, " ---> Using cache\n".to_owned()),
            Moment::Running { step, command } => {
                if let (Some(item), Some(command)) = (shown.items.get_mut(at), command) {
                    item.command = command;
                }
                if let Some(step) = step {
                    shown.steps.insert(step, at);
                }
                if listed.makes == Makes::Copy {
                    return;
                }
                shown.containers += 1;
                let name = format!("{}-{}", Timestamp::now(), shown.containers);
                let id = Digest::of(name.as_bytes()).short();
                self.say(shown, at, format!(" ---> Running in {id}\n"));
                if let Some(item) = shown.items.get_mut(at) {
                    item.container = Some(id);
                }
            }
            Moment::Ended { state } => {
                // The last state is the image, whose id isn't known yet.
                if listed.makes != Makes::Nothing && !last {
                    let short: String = state.chars().take(12).collect();
                    self.say(shown, at, format!(" ---> {short}\n"));
                }
                if let Some(item) = shown.items.get_mut(at) {
                    item.ended = true;
                }
                self.advance(shown);
            }
        }
    }

    fn close_container(&self, shown: &mut Shown, at: usize) {
        let container = shown.items.get_mut(at).and_then(|i| i.container.take());
        if let Some(id) = container.filter(|_| self.remove) {
            self.say(shown, at, format!("Removing intermediate container {id}\n"));
        }
    }

    /// It is the turn of the first instruction that hasn't ended.
    fn advance(&self, shown: &mut Shown) {
        while let Some(item) = shown.items.get_mut(shown.turn) {
            for text in std::mem::take(&mut item.waiting) {
                self.send(&text);
            }
            if !item.ended {
                return;
            }
            shown.turn += 1;
        }
    }

    fn output(&self, id: usize, stderr: bool, data: &[u8]) {
        let mut guard = self.shown();
        let shown = &mut *guard;
        let Some(&at) = shown.steps.get(&id) else {
            // A base image comes before all instructions.
            for line in String::from_utf8_lossy(data).lines() {
                self.sink.send(json!({ "status": line }));
            }
            return;
        };
        let Some(item) = shown.items.get_mut(at) else {
            return;
        };
        item.partial.extend_from_slice(data);
        let whole = whole_characters(&item.partial);
        let bytes: Vec<u8> = item.partial.drain(..whole).collect();
        let text = String::from_utf8_lossy(&bytes);
        if text.is_empty() {
            return;
        }
        let text = match stderr {
            true => format!("\u{1b}[91m{text}\u{1b}[0m"),
            false => text.into_owned(),
        };
        self.say(shown, at, text);
    }

    /// The build went well.
    pub fn finish(&self, built: &Built, names: &[String]) {
        let shown = self.shown();
        let id = built.id.short();
        self.send(&format!(" ---> {id}\n"));
        self.sink
            .send(json!({ "aux": { "ID": built.id.to_string() } }));
        for warning in &shown.warnings {
            self.send(&format!("{warning}\n"));
        }
        self.send(&format!("Successfully built {id}\n"));
        for name in names {
            self.send(&format!("Successfully tagged {name}\n"));
        }
    }

    /// The command that failed, if one did.
    pub fn failed_command(&self) -> String {
        self.shown().failed.clone()
    }

    /// The build failed; shows what waits. `forced`: its container goes, too.
    pub fn failed(&self, forced: bool) {
        let mut guard = self.shown();
        let shown = &mut *guard;
        for at in shown.turn..shown.items.len() {
            let Some(item) = shown.items.get_mut(at) else {
                return;
            };
            let container = item.container.take();
            let mut texts = std::mem::take(&mut item.waiting);
            let partial = std::mem::take(&mut item.partial);
            texts.push(String::from_utf8_lossy(&partial).into_owned());
            if let Some(id) = container.filter(|_| forced) {
                texts.push(format!("Removing intermediate container {id}\n"));
            }
            texts
                .iter()
                .filter(|t| !t.is_empty())
                .for_each(|t| self.send(t));
        }
    }
}

/// How many of the bytes are whole characters, or none at all.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        // Nothing wrong, only unfinished.
        Err(e) if e.error_len().is_none() => e.valid_up_to(),
        Err(_) => {
            let tail = &bytes[bytes.len().saturating_sub(3)..];
            let start = tail.iter().rposition(|b| b & 0xc0 == 0xc0);
            let unfinished = start
                .map(|s| &tail[s..])
                .filter(|c| std::str::from_utf8(c).is_err_and(|e| e.error_len().is_none()));
            bytes.len() - unfinished.map_or(0, <[u8]>::len)
        }
    }
}

impl Progress for Classic<'_> {
    fn event(&self, event: Event) {
        match event {
            Event::Instructions(list) => {
                let mut shown = self.shown();
                shown.items = list.iter().map(|_| Item::default()).collect();
                shown.list = list;
            }
            Event::Instruction { at, moment } => self.moment(at, moment),
            Event::Output { id, stderr, data } => self.output(id, stderr, &data),
            Event::Failed { id, .. } => {
                let mut guard = self.shown();
                let shown = &mut *guard;
                let item = shown.steps.get(&id).and_then(|at| shown.items.get(*at));
                if let Some(item) = item.filter(|_| shown.failed.is_empty()) {
                    shown.failed = item.command.clone();
                }
            }
            // The classic builder has no checks; what it does warn of comes at the end.
            Event::Warning(text) if text.starts_with("[Warning]") => {
                self.shown().warnings.push(text);
            }
            Event::Warning(_)
            | Event::Planned { .. }
            | Event::Started { .. }
            | Event::Done { .. }
            | Event::Explained(_) => {}
        }
    }

    fn instructions(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(held: &Held) -> String {
        let texts = held.take();
        let text = |v: &Value| v["stream"].as_str().unwrap_or_default().to_owned();
        texts.iter().map(text).collect()
    }

    fn listed(text: &str, makes: Makes) -> Listed {
        Listed {
            text: text.to_owned(),
            makes,
        }
    }

    #[test]
    fn a_later_stage_waits_for_its_turn() {
        let held = Held::default();
        let classic = Classic::new(&held, true);
        classic.event(Event::Instructions(vec![
            listed("FROM a", Makes::Start { triggers: 0 }),
            listed("COPY x /", Makes::Copy),
            listed("FROM scratch", Makes::Start { triggers: 0 }),
        ]));
        let moment = |at, moment| classic.event(Event::Instruction { at, moment });
        let ended = |state: &str| Moment::Ended {
            state: state.to_owned(),
        };
        moment(2, Moment::Began);
        assert_eq!(texts(&held), "");
        moment(0, Moment::Began);
        moment(0, ended("0123456789abcdef"));
        moment(1, Moment::Began);
        moment(
            1,
            Moment::Running {
                step: Some(4),
                command: None,
            },
        );
        let data = "hi\n".into();
        classic.event(Event::Output {
            id: 4,
            stderr: true,
            data,
        });
        moment(1, ended("f"));
        assert_eq!(
            texts(&held),
            "Step 1/3 : FROM a\n ---> 0123456789ab\nStep 2/3 : COPY x /\n\
             \u{1b}[91mhi\n\u{1b}[0m ---> f\nStep 3/3 : FROM scratch\n"
        );
    }

    #[test]
    fn characters_stay_whole() {
        assert_eq!(whole_characters("aé".as_bytes()), 3);
        assert_eq!(whole_characters(&"aé".as_bytes()[..2]), 1);
        assert_eq!(whole_characters(b"\xff\xc3"), 1);
        assert_eq!(whole_characters(b"\xff"), 1);
        assert_eq!(whole_characters(b""), 0);
    }
}
