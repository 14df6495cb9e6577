//! All rules over one Dockerfile.

use kiln_dockerfile::Dockerfile;

use crate::finding::{Finding, Findings};
use crate::rule::Rule;
use crate::rules::RULES;
use crate::subject::{Subject, Surroundings};

/// What the wanted rules find, in the file's order. No comment of the file is heeded here.
pub fn check(
    file: &Dockerfile,
    around: &Surroundings,
    wanted: impl Fn(&Rule) -> bool,
) -> Vec<Finding> {
    let subject = Subject::new(file, around);
    let mut all = Vec::new();
    for rule in RULES.iter().filter(|r| wanted(r)) {
        let mut findings = Findings::new(rule);
        (rule.check)(&subject, &mut findings);
        all.append(&mut findings.found);
    }
    all.sort_by_key(|f| (f.place, f.span.start.offset, f.span.end.offset));
    all
}
