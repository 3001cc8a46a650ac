//! The HTTP server, through which clients reach both APIs.

mod connection;
mod response;
mod server;

pub use server::{Server, StartError};
