//! Tests of untrusted input and connections: hosts and variables for credentials, proxies and certificates, links,
//! files of a checkout, and secrets in output.

mod allowed_hosts;
mod credentials;
mod links;
mod masking;
mod network;
mod untrusted_checkout;
