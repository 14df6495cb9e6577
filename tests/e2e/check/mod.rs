//! `kiln check` and what `kiln build` has of it.

mod calls;
mod fmt;
mod formats;
mod project;

use crate::harness::{Kiln, Project};

/// Two findings of style, one of them on the second of two lines.
const BAD: &str = "from busybox\n# é\nrun true \\\n  && true\n";

/// The arguments that look for those two findings only.
const ONLY: [&str; 2] = ["--only", "ConsistentInstructionCasing"];

fn check<'a>(more: &[&'a str], path: &'a str) -> Vec<&'a str> {
    let mut args = vec!["check"];
    args.extend(ONLY);
    args.extend(more);
    args.push(path);
    args
}

/// A project with the two findings, and a command that needs no store.
fn bad() -> (Kiln, Project, String) {
    let project = Project::new(BAD);
    let path = project.path("Dockerfile").display().to_string();
    (Kiln::empty(), project, path)
}
