//! Archives that must be refused, and what every refusal has in common.

mod cut;
mod docker;
mod layers;
mod oci;
mod ways_out;

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use super::forge::{Tar, config, docker_archive, json_bytes};
use super::text;
use crate::harness::{Kiln, MEMORY, Measured, leftovers, measured, run_with};

/// How long an archive of these sizes may keep a processor busy.
pub const CPU: Duration = Duration::from_secs(10);

/// An archive that must be refused, and what the error must say: the name of the culprit.
pub struct Bad {
    pub name: String,
    pub archive: Vec<u8>,
    pub says: Vec<String>,
}

pub fn bad(name: &str, archive: Vec<u8>, says: &[&str]) -> Bad {
    Bad {
        name: name.to_owned(),
        archive,
        says: says.iter().map(|s| (*s).to_owned()).collect(),
    }
}

/// A store with an image in it, and a file beside it that nobody may touch.
pub struct Victim {
    pub kiln: Kiln,
    images: String,
    canary: Metadata,
    wrong: Vec<String>,
}

impl Victim {
    pub fn new() -> Victim {
        let kiln = Kiln::empty();
        let good = docker_archive(&[&Tar::new().file("good", b"good").done()]);
        run_with(&mut kiln.command(["load"]), good).ok();
        kiln.ok(["tag", "forged", "good"]);
        kiln.ok(["rmi", "forged"]);
        std::fs::write(kiln.file("canary"), "alive").unwrap();
        Victim {
            images: images(&kiln),
            canary: std::fs::metadata(kiln.file("canary")).unwrap(),
            kiln,
            wrong: Vec::new(),
        }
    }

    /// Loads an archive from a file and from a pipe; neither may work.
    pub fn refuses(&mut self, bad: &Bad) {
        let file = self.kiln.file("bad.tar");
        std::fs::write(&file, &bad.archive).unwrap();
        let load = ["load", "-i", text(&file)];
        let from_file = measured(&self.kiln, &load, Vec::new());
        self.judge(&format!("{}, file", bad.name), &from_file, &bad.says);
        let from_pipe = measured(&self.kiln, &["load"], bad.archive.clone());
        self.judge(&format!("{}, pipe", bad.name), &from_pipe, &bad.says);
    }

    /// Notes what is wrong with how a command failed.
    pub fn judge(&mut self, name: &str, measured: &Measured, says: &[String]) {
        let done = &measured.done;
        let err = done.err();
        let mut note = |what: String| {
            let shown: String = err.chars().take(400).collect();
            self.wrong.push(format!("{name}: {what}\n      {shown}"));
        };
        if done.code != Some(1) {
            note(format!("exit code {:?}", done.code));
        }
        let errors = err.lines().filter(|l| l.starts_with("ERROR")).count();
        if errors != 1 {
            note(format!("{errors} lines begin with ERROR"));
        }
        for text in says {
            if !err.contains(text.as_str()) {
                note(format!("does not say {text:?}"));
            }
        }
        if err.contains("panicked") {
            note("panics".to_owned());
        }
        if err.len() > 4096 {
            note(format!("says {} bytes", err.len()));
        }
        if measured.memory > MEMORY {
            note(format!("took {} MiB", measured.memory >> 10));
        }
        if measured.cpu > CPU {
            note(format!("computed {:?}", measured.cpu));
        }
        if measured.time > Duration::from_secs(60) {
            note(format!("took {:?}", measured.time));
        }
        self.unharmed(name);
    }

    /// Notes what is not as it was.
    pub fn unharmed(&mut self, name: &str) {
        let left = leftovers(self.kiln.store());
        if !left.is_empty() {
            self.wrong.push(format!("{name}: left {left:?}"));
        }
        let images = images(&self.kiln);
        if images != self.images {
            self.wrong.push(format!("{name}: images are now\n{images}"));
            self.images = images;
        }
        let facts = |m: &Metadata| {
            (
                m.ino(),
                m.mode(),
                m.uid(),
                m.nlink(),
                m.ctime(),
                m.ctime_nsec(),
            )
        };
        let canary = std::fs::metadata(self.kiln.file("canary"));
        if canary.is_ok_and(|c| facts(&c) == facts(&self.canary)) {
            return;
        }
        self.wrong.push(format!("{name}: the canary was touched"));
    }

    /// Asserts that nothing was wrong, and that a good archive is still loaded.
    #[track_caller]
    pub fn assert_well(self) {
        let wrong = self.wrong;
        assert!(
            wrong.is_empty(),
            "{} faults:\n  {}",
            wrong.len(),
            wrong.join("\n  ")
        );
        let mut beside: Vec<String> = std::fs::read_dir(self.kiln.file("."))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|n| !["bad.tar", "canary", "store", "time"].contains(&n.as_str()))
            .collect();
        beside.sort();
        assert_eq!(beside, [""; 0], "beside the store");
        let layer = Tar::new().file("fine", b"fine").done();
        run_with(&mut self.kiln.command(["load"]), docker_archive(&[&layer])).ok();
        assert_eq!(self.kiln.cat("forged", "/fine"), "fine");
        assert_eq!(self.kiln.cat("good", "/good"), "good");
    }
}

fn images(kiln: &Kiln) -> String {
    let format = "{{.Repository}}:{{.Tag}} {{.ID}}";
    kiln.ok(["images", "--no-trunc", "--format", format]).out()
}

fn layer() -> Vec<u8> {
    Tar::new()
        .dir("d/")
        .file("d/f", b"content of a file\n")
        .done()
}

/// Members of which one is replaced, or taken away.
fn replaced(
    members: Vec<(String, Vec<u8>)>,
    member: &str,
    data: Option<Vec<u8>>,
) -> Vec<(String, Vec<u8>)> {
    assert!(members.iter().any(|(n, _)| n == member), "{member}");
    let mut out = Vec::new();
    for (name, old) in members {
        if name != member {
            out.push((name, old));
        } else if let Some(data) = &data {
            out.push((name, data.clone()));
        }
    }
    out
}

/// A config that JSON readers which call themselves run out of stack with.
fn deep(at: &str) -> Vec<u8> {
    let config = json_bytes(&config(&[&layer()]));
    let text = String::from_utf8(config).unwrap();
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    match at {
        "" => nested.into_bytes(),
        "config" => text
            .replacen("\"Cmd\":[\"/x\"]", &format!("\"Cmd\":{nested}"), 1)
            .into_bytes(),
        other => text
            .replacen('{', &format!("{{\"{other}\":{nested},"), 1)
            .into_bytes(),
    }
}
