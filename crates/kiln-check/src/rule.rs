//! What a rule is.

use crate::finding::Findings;
use crate::subject::Subject;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A matter of taste: the image is the same.
    Style,
    /// Worth knowing.
    Info,
    /// Costs bytes, time or safety.
    Warning,
    /// Does not work, or not as meant.
    Error,
}

/// One practice, and the function that finds where it isn't kept.
#[derive(Debug)]
pub struct Rule {
    /// Its name, in kebab case; its page is `docs/rules/<id>.md`.
    pub id: &'static str,
    /// What it asks for, in one line.
    pub summary: &'static str,
    /// How bad a finding is, unless configured otherwise.
    pub severity: Severity,
    /// Whether it is on, unless configured otherwise.
    pub on: bool,
    /// hadolint's names for it: `DL3009`, `SC2086`.
    pub hadolint: &'static [&'static str],
    /// BuildKit's names for it: `StageNameCasing`.
    pub buildkit: &'static [&'static str],
    /// The lesson's best practice it stands for.
    pub lesson: Option<&'static str>,
    /// Whether some of its findings have a fix.
    pub fixes: bool,
    /// Finds.
    pub check: fn(&Subject, &mut Findings),
}

impl Rule {
    /// What a new rule starts from: a warning that is on, without aliases and fixes.
    pub const NEW: Rule = Rule {
        id: "",
        summary: "",
        severity: Severity::Warning,
        on: true,
        hadolint: &[],
        buildkit: &[],
        lesson: None,
        fixes: false,
        check: |_, _| {},
    };

    /// Whether the rule goes by this name: its own, hadolint's or BuildKit's, in any case.
    pub fn is_called(&self, name: &str) -> bool {
        let mut names = [self.id]
            .into_iter()
            .chain(self.hadolint.iter().copied())
            .chain(self.buildkit.iter().copied());
        names.any(|n| n.eq_ignore_ascii_case(name))
    }
}
