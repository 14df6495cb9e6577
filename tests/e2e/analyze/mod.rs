//! `analyze`: its figures, its text, its page in a browser and its look around in a terminal.

mod browser;
mod figures;
mod findings;
mod limits;
mod page;
mod screen;
mod terminal;

use serde_json::Value;

use crate::harness::{Kiln, Project};

/// Bytes that compress to nothing and are like no others.
fn bytes(seed: u8, length: usize) -> Vec<u8> {
    let mut state = u32::from(seed) + 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// The report of an image as JSON.
#[track_caller]
fn report(kiln: &Kiln, image: &str) -> Value {
    let done = kiln.ok(["analyze", "--format", "json", image]);
    serde_json::from_slice(&done.stdout).unwrap()
}

/// Of a list of objects some members, each object on a line.
fn members(list: &Value, names: &[&str]) -> Vec<String> {
    let member = |v: &Value| match v {
        Value::String(s) => s.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let line = |item: &Value| {
        let all: Vec<String> = names.iter().map(|n| member(&item[n])).collect();
        all.join(" ")
    };
    list.as_array().unwrap().iter().map(line).collect()
}

/// An image with a known waste: 1 000 000 bytes deleted, 300 000 replaced, 40 000 stored again by a
/// `chmod` and 40 000 moved.
fn wasteful() -> (Kiln, Project) {
    let kiln = Kiln::new();
    let project = Project::new(
        "FROM busybox
WORKDIR /work
COPY big data moving ./
RUN rm big
RUN chmod 600 data && mkdir /there
RUN mv moving /there/moved
COPY other data2 ./
COPY new other
ENV A=b
",
    )
    .with("big", bytes(1, 1_000_000))
    .with("data", bytes(2, 40_000))
    .with("moving", bytes(3, 40_001))
    .with("other", bytes(4, 300_000))
    .with("data2", bytes(2, 40_000))
    .with("new", "new");
    kiln.build(project.dir(), &["-t", "wasteful"]);
    (kiln, project)
}
