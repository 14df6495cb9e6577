//! `kiln serve`: the Docker Engine API, for clients that know docker.
//!
//! One module a resource; each checks and translates what the client wants, calls one function of
//! `kiln-engine` in a thread that may block, and gives the result docker's form. What takes time
//! streams: a bounded channel leads from the thread to the response's body, and a client that goes
//! away cancels the work.

mod auth;
mod build;
mod classic;
mod containers;
mod error;
mod events;
mod hijack;
mod images;
mod listen;
mod live;
mod networks;
mod progress;
mod pull;
mod push;
mod query;
mod routes;
mod serve;
mod state;
mod stream;
mod system;
mod transfer;
mod version;
mod volumes;

pub use listen::{Address, default_address};
pub use serve::{ServeError, Settings, serve};
