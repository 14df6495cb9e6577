//! How a RUN is laid out, and edits that keep it so: a command put behind the others, one taken
//! out, two RUNs made one.

mod list;
mod merge;
mod remove;
mod style;
#[cfg(test)]
mod tests;

pub use list::{Join, List, Part};
pub use merge::{Whole, merge, same_flags};
pub use remove::remove;
pub use style::{Style, append, comments};
