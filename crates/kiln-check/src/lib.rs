//! Best practices: rules over a Dockerfile, its context and its base images, that find, explain and
//! fix. Pure: no file is read, no image fetched; what is known of them is handed in.
//!
//! [`check`] gives the [`Finding`]s of all [`RULES`] that are on; [`fix`] applies their fixes until
//! none is left. A rule is data ([`Rule`]) with a function; its page is `docs/rules/<id>.md`, whose
//! examples are its tests.

mod check;
pub mod finding;
mod fix;
pub mod rule;
pub mod rules;
pub mod shell;
pub mod subject;

#[cfg(test)]
mod pages;

pub use check::check;
pub use finding::{Cost, Edit, Finding, Findings, Fix, Place};
pub use fix::{Fixed, apply, fix};
pub use rule::{Rule, Severity};
pub use rules::{RULES, rule};
pub use subject::{ContextFacts, ContextFile, ImageFacts, Images, NoImages, Subject, Surroundings};
