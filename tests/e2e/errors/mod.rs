//! Bad input: an error that names the place and what to do, one line of it, and nothing left.

mod arguments;
mod dockerfiles;
mod inputs;
mod table;

use crate::harness::{Done, Kiln, Project, assert_nothing_left};

/// What every failure has in common; gives what is wrong with this one.
fn faults(done: &Done, code: i32, places: &[&str], says: &[&str]) -> Vec<String> {
    let err = done.err();
    let mut wrong = Vec::new();
    if done.code != Some(code) {
        wrong.push(format!("exit code {:?}, not {code}", done.code));
    }
    let errors = err.lines().filter(|l| l.starts_with("ERROR")).count();
    if errors != 1 {
        wrong.push(format!("{errors} lines begin with ERROR"));
    }
    for text in places.iter().chain(says) {
        if !err.contains(text) {
            wrong.push(format!("does not say {text:?}"));
        }
    }
    if err.contains("panicked") {
        wrong.push("panics".to_owned());
    }
    wrong
}

/// A good build after the bad ones.
#[track_caller]
fn works(kiln: &Kiln) {
    let good = Project::new("FROM busybox\nRUN echo fine > /fine\n");
    kiln.build(good.dir(), &["-t", "good"]);
    assert_eq!(kiln.cat("good", "/fine"), "fine\n");
    assert_nothing_left(kiln);
}

#[track_caller]
fn assert_fails(done: Done, code: i32, says: &[&str]) -> Done {
    let wrong = faults(&done, code, &[], says);
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("; "), done.report());
    done
}
