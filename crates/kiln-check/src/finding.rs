//! What a rule finds: where, why, what it costs, how to mend it.

use std::ops::Range;

use kiln_dockerfile::{Pos, Span};

use crate::rule::{Rule, Severity};

/// The file a finding is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The Dockerfile.
    Dockerfile,
    /// The context's ignore file, or the one that is missing.
    Ignore,
}

/// What not keeping a practice costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cost {
    /// Bytes in the image or the context, measured.
    Bytes(u64),
    /// Seconds of each build, measured.
    Seconds(f64),
    /// Steps that lose their cache with it.
    Misses(u32),
}

/// A change of the Dockerfile's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The bytes that go; empty where text is put in.
    pub range: Range<usize>,
    /// What comes in their place.
    pub text: String,
}

/// What mends a finding: the same image afterwards, the promised savings aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as an order: "write FROM in capitals".
    pub title: String,
    /// Changes of the Dockerfile that belong together; they don't overlap.
    pub edits: Vec<Edit>,
    /// Text of an ignore file to make where there is none.
    pub ignore_file: Option<String>,
}

impl Fix {
    /// One replacement.
    pub fn replace(title: impl Into<String>, range: Range<usize>, text: impl Into<String>) -> Fix {
        Fix::edits(
            title,
            vec![Edit {
                range,
                text: text.into(),
            }],
        )
    }

    /// Several replacements.
    pub fn edits(title: impl Into<String>, edits: Vec<Edit>) -> Fix {
        Fix {
            title: title.into(),
            edits,
            ignore_file: None,
        }
    }
}

/// A place where a practice isn't kept.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The practice.
    pub rule: &'static Rule,
    /// How bad it is, as configured.
    pub severity: Severity,
    /// Which file.
    pub place: Place,
    /// Where.
    pub span: Span,
    /// One sentence: what is wrong and why it matters.
    pub message: String,
    /// What it costs, where that could be measured.
    pub cost: Option<Cost>,
    /// How to mend it.
    pub fix: Option<Fix>,
}

impl Finding {
    /// Adds what it costs.
    pub fn cost(&mut self, cost: Cost) -> &mut Self {
        self.cost = Some(cost);
        self
    }

    /// Adds how to mend it.
    pub fn fix(&mut self, fix: Fix) -> &mut Self {
        self.fix = Some(fix);
        self
    }

    /// Says that it is in the ignore file.
    pub fn in_ignore_file(&mut self) -> &mut Self {
        self.place = Place::Ignore;
        self
    }
}

/// Takes what one rule finds.
#[derive(Debug)]
pub struct Findings {
    rule: &'static Rule,
    pub(crate) found: Vec<Finding>,
}

impl Findings {
    pub(crate) fn new(rule: &'static Rule) -> Findings {
        Findings {
            rule,
            found: Vec::new(),
        }
    }

    /// Adds a finding; what comes back takes its cost and its fix.
    pub fn add(&mut self, span: Span, message: impl Into<String>) -> &mut Finding {
        let at = self.found.len();
        self.found.push(Finding {
            rule: self.rule,
            severity: self.rule.severity,
            place: Place::Dockerfile,
            span,
            message: message.into(),
            cost: None,
            fix: None,
        });
        &mut self.found[at]
    }

    /// Adds a finding of the whole file: at its first character.
    pub fn add_to_file(&mut self, message: impl Into<String>) -> &mut Finding {
        self.add(Span::at(Pos::START), message)
    }
}
