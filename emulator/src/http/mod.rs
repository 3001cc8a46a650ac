//! The HTTP server in front of both APIs.

mod connection;
mod response;
mod server;

pub use server::{Server, StartError};
