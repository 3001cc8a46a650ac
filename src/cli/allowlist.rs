//! Reads the allowlist from environment variables. It lists the hosts that may receive credentials, and the variables
//! that may contain credentials.

use super::context::Context;
use super::credentials;
use crate::error::Failure;
use crate::manifest::{Allowlist, AllowlistVariables, CREDENTIALS_VARIABLE, HOSTS_VARIABLE, Loaded};

/// Reads the list of hosts that may receive credentials, and the list of variables that may contain credentials.
///
/// # Errors
///
/// Fails if a list contains anything other than names, or if a variable is not UTF-8.
pub(super) fn read(context: &Context<'_>) -> Result<Allowlist, Failure> {
    let variable = |name| credentials::variable(context.env, name);
    let variables = AllowlistVariables {
        hosts: variable(HOSTS_VARIABLE)?,
        credentials: variable(CREDENTIALS_VARIABLE)?,
        amigo_base_url: variable("AMIGO_BASE_URL")?,
        platform_api_url: variable("PLATFORM_API_URL")?,
    };
    Allowlist::new(variables).map_err(|error| {
        Failure::other(format!("{error}; nothing was sent"))
            .hint("separate the names with commas; patterns are not allowed, so that each host and variable is named")
    })
}

/// Checks that the hosts of the loaded environment may receive credentials, and that the variables that the environment
/// names may contain credentials. Reads no credential.
///
/// # Errors
///
/// Returns a refusal that names the host or variable, and its place in `amigops.yaml`.
pub(super) fn check(context: &Context<'_>, loaded: &Loaded) -> Result<Allowlist, Failure> {
    let allowlist = read(context)?;
    allowlist.check(loaded).map_err(|problems| Failure::NotAllowed(Box::new(problems)))?;
    Ok(allowlist)
}
