//! Untrusted input: hosts and variables for credentials, links, files of a checkout, and secrets in output.

mod allowed_hosts;
mod links;
mod masking;
mod untrusted_checkout;
