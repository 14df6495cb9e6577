//! What is in the scripts of RUN: the practices that ShellCheck's codes stand for, as far as they can be
//! judged from the script and the Dockerfile around it.

pub mod assignments;
pub mod bash_commands;
pub mod bash_syntax;
pub mod commands;
pub mod files;
mod look;
mod names;
pub mod quoting;
mod shells;
pub mod splitting;
pub mod style;
pub mod syntax;
#[cfg(test)]
mod tests;
pub mod variables;
