//! Best practices: rules over a Dockerfile, its context and its base images, that find, explain and
//! fix. Pure: no file is read, no image fetched; what is known of them is handed in.
//!
//! [`run`] gives the [`Finding`]s that count by a [`Config`] and the file's comments, [`run_fixes`]
//! applies their fixes until none is left; [`check`] and [`fix`] do so for any choice of [`RULES`].
//! A rule is data ([`Rule`]) with a function; its page is `docs/rules/<id>.md`, whose examples are
//! its tests.

mod check;
pub mod config;
pub mod finding;
mod fix;
pub mod fmt;
pub mod layout;
pub mod outline;
mod pragma;
pub mod rule;
pub mod rules;
mod run;
pub mod shell;
pub mod subject;

#[cfg(test)]
mod fixpoint;
#[cfg(test)]
mod pages;

pub use check::check;
pub use config::{Config, FailOn};
pub use finding::{Cost, Edit, Finding, Findings, Fix, Place};
pub use fix::{Fixed, apply, fix};
pub use pragma::Pragmas;
pub use rule::{Rule, Severity};
pub use rules::{RULES, rule};
pub use run::{run, run_fixes};
pub use subject::{ContextFacts, ContextFile, ImageFacts, Images, NoImages, Subject, Surroundings};
