//! What the tests stand on.

mod archive;
mod base;
mod diff;
mod dockerd;
mod http;
mod kiln;
mod leftovers;
mod measure;
mod project;
mod run;
mod steps;
mod tree;

pub use archive::{Archive, Image};
pub use base::base_tar;
pub use diff::{compare_configs, compare_histories, compare_trees};
pub use dockerd::Dockerd;
pub use http::Server;
pub use kiln::Kiln;
pub use leftovers::{assert_nothing_left, leftovers};
pub use measure::{MEMORY, Measured, measured, measured_on, memory, timed};
pub use project::Project;
pub use run::{Done, program, run, run_with};
pub use steps::{assert_all_cached, executed, steps};
pub use tree::Tree;
