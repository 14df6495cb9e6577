//! Fixing is safe: every directory of `tests/fixes` is built as it is and as `kiln check --fix`
//! makes it, and the two images compared. Nothing may differ but what the case promises.

mod case;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use case::{Case, top};

use crate::harness::{Archive, Done, Image, Kiln, compare_configs, compare_trees, run};

/// No fewer cases than this may be found: a wrong path must not look like success.
const AT_LEAST: usize = 30;

/// The names under which the cases know their base.
const BASES: [&str; 12] = [
    "debian:12",
    "ubuntu:24.04",
    "node:22",
    "python:3.12",
    "golang:1.23",
    "alpine:3.20",
    "php:8.3",
    "nginx:1.27",
    "eclipse-temurin:21",
    "fedora:41",
    "centos:7",
    "opensuse/leap:15",
];

/// The cases are dealt out to so many tests.
const SHARDS: usize = 3;

#[test]
fn cases_0() {
    shard(0);
}

#[test]
fn cases_1() {
    shard(1);
}

#[test]
fn cases_2() {
    shard(2);
}

#[test]
fn there_are_cases() {
    let all = Case::all();
    assert!(all.len() >= AT_LEAST, "{}", all.len());
    assert!(all.iter().filter(|c| c.debian).count() >= 2);
}

/// Cases on a real Debian, with its apt and its mirror.
#[test]
fn debian_cases() {
    let kiln = Kiln::empty();
    let tar = kiln.file("debian.tar");
    let script = top().join("../../scripts/debian.sh");
    patiently(Command::new(script).arg(&tar)).ok();
    kiln.ok([Path::new("import"), &tar, Path::new("debian:12")]);
    judge_all(&kiln, Case::all().iter().filter(|c| c.debian));
}

fn shard(number: usize) {
    let kiln = Kiln::new();
    let mut args = vec!["-q"];
    args.extend(BASES.iter().flat_map(|b| ["-t", b]));
    let base = tempfile::tempdir().unwrap();
    let context = base.path().join("base");
    run(Command::new("cp")
        .arg("-r")
        .arg(top().join("base"))
        .arg(&context))
    .ok();
    run(Command::new("chmod")
        .args(["-R", "u=rwX,go=rX"])
        .arg(&context))
    .ok();
    run(Command::new("sh")
        .args(["-c", "chmod 755 bin/*"])
        .current_dir(&context))
    .ok();
    kiln.build(&context, &args);
    let own = Case::all();
    let own = own.iter().filter(|c| !c.debian).enumerate();
    let own = own.filter(|(n, _)| n % SHARDS == number).map(|(_, c)| c);
    judge_all(&kiln, own);
}

fn judge_all<'c>(kiln: &Kiln, cases: impl Iterator<Item = &'c Case>) {
    let mut failures = Vec::new();
    let mut count = 0;
    for case in cases {
        count += 1;
        let found = judge(kiln, case);
        if !found.is_empty() {
            failures.push(format!("{}:\n  {}", case.name, found.join("\n  ")));
        }
    }
    assert!(count > 0);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is wrong with the fixes of a case.
fn judge(kiln: &Kiln, case: &Case) -> Vec<String> {
    let context = case.context();
    let dir = context.path();
    let file = dir.join("Dockerfile");
    let read = || std::fs::read_to_string(&file).unwrap();
    let original = read();
    let before = match build(kiln, dir, "before") {
        Ok(built) => built,
        Err(e) => return vec![format!("is no case: {e}")],
    };
    let found = findings(kiln, dir);
    fix(kiln, dir);
    let fixed = read();
    let mut wrong = Vec::new();
    let left = findings(kiln, dir);
    for rule in &case.fixes {
        let finds = |all: &BTreeSet<(String, bool)>| all.iter().any(|(r, _)| r == rule);
        let has_fix = found.contains(&(rule.clone(), true));
        let gone = finds(&found) && !finds(&left);
        if !has_fix && !gone {
            wrong.push(format!("{rule} fixes nothing"));
        }
    }
    if fixed == original && !case.fixes.is_empty() {
        wrong.push("nothing was fixed".to_owned());
    }
    for (rule, _) in left.iter().filter(|(_, fix)| *fix) {
        wrong.push(format!("{rule} still has a fix"));
    }
    fix(kiln, dir);
    if read() != fixed {
        wrong.push(format!("fixing twice is another file:\n{}", read()));
    }
    match build(kiln, dir, "after") {
        Ok(after) => {
            wrong.extend(differences(case, &before, &after));
            let (small, large) = (size(kiln, "after"), size(kiln, "before"));
            println!("{}: {small} bytes of {large}", case.name);
            if case.smaller > 0 && small * 100 > large * (100 - case.smaller) {
                wrong.push(format!(
                    "{small} bytes of {large}: not {} % smaller",
                    case.smaller
                ));
            }
        }
        Err(e) => wrong.push(format!("does not build any more: {e}")),
    }
    if !wrong.is_empty() {
        wrong.push(format!("the fixed file:\n{fixed}"));
    }
    wrong
}

/// Runs what waits for a mirror, for as long as the test may take.
fn patiently(command: &mut Command) -> Done {
    let out = command.output().unwrap();
    Done {
        line: format!("{command:?}"),
        code: out.status.code(),
        stdout: out.stdout,
        stderr: out.stderr,
    }
}

/// Builds a directory and reads the image.
fn build(kiln: &Kiln, dir: &Path, tag: &str) -> Result<Image, String> {
    let mut command = kiln.command(["build", "--progress", "plain", "--no-cache", "-t", tag]);
    let done = patiently(command.arg(dir));
    if done.code != Some(0) {
        return Err(done.report());
    }
    Archive::read(&kiln.save(tag)).try_image()
}

/// Rules switched on that aren't usually: their fixes count too.
fn all_rules() -> Vec<String> {
    let off = kiln_check::RULES.iter().filter(|r| !r.on && r.fixes);
    off.flat_map(|r| ["--rule".to_owned(), format!("{}=on", r.id)])
        .collect()
}

fn fix(kiln: &Kiln, dir: &Path) {
    let mut command = kiln.command(["check", "--fix", "--fail-on", "never"]);
    run(command.args(all_rules()).arg(dir)).ok();
}

/// The rules that find something, and whether they have a fix for it.
fn findings(kiln: &Kiln, dir: &Path) -> BTreeSet<(String, bool)> {
    let mut command = kiln.command(["check", "--format", "json", "--fail-on", "never"]);
    let done = run(command.args(all_rules()).arg(dir)).ok();
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    let files = report["files"].as_array().unwrap();
    let all = files.iter().flat_map(|f| f["findings"].as_array().unwrap());
    all.map(|f| {
        let rule = f["rule"].as_str().unwrap().to_owned();
        (rule, !f["fix"].is_null())
    })
    .collect()
}

/// What differs between two images beyond what the case promises.
fn differences(case: &Case, before: &Image, after: &Image) -> Vec<String> {
    let trees = compare_trees(&after.tree, &before.tree).into_iter();
    let trees = trees.filter(|line| {
        let path = line.strip_prefix("path: ").unwrap_or(line);
        !case.is_saved(path.split(": ").next().unwrap_or(path))
    });
    let configs = compare_configs(after, before).into_iter();
    let configs = configs.filter(|line| {
        let key = line.strip_prefix("config: ").unwrap_or(line);
        !case.config.contains(key.split(": ").next().unwrap_or(key))
    });
    trees.chain(configs).collect()
}

/// The bytes of an image's layers, as `kiln analyze` counts them.
fn size(kiln: &Kiln, image: &str) -> u64 {
    let done = kiln.ok(["analyze", "--format", "json", image]);
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    report["bytes"].as_u64().unwrap()
}
