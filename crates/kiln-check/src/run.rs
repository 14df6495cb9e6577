//! Rules as a project's configuration and a file's comments want them.

use kiln_dockerfile::{Dockerfile, parse};

use crate::check::check;
use crate::config::Config;
use crate::finding::Finding;
use crate::fix::{Fixed, fix_with};
use crate::pragma::Pragmas;
use crate::subject::Surroundings;

/// The findings that count, with the severities that were configured.
pub fn run(file: &Dockerfile, around: &Surroundings, config: &Config) -> Vec<Finding> {
    let pragmas = Pragmas::of(file);
    let around = Surroundings {
        trusted_registries: &config.trusted_registries,
        label_schema: &config.label_schema,
        strict_labels: config.strict_labels,
        shell: pragmas.shell.or(around.shell),
        ..*around
    };
    let mut found = check(file, &around, |rule| config.wants(rule));
    found.retain(|f| pragmas.keep(f));
    for finding in &mut found {
        finding.severity = config.severity(finding.rule);
    }
    found
}

/// Applies the fixes of the findings that count, until none is left.
pub fn run_fixes(text: &str, around: &Surroundings, config: &Config) -> Fixed {
    fix_with(text, |text| {
        let file = parse(text.as_bytes()).ok()?;
        Some(run(&file, around, config))
    })
}
