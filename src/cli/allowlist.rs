//! The allowed hosts and variables, read from the process's environment. May import everything.

use super::Context;
use crate::error::Failure;
use crate::manifest::{Allowlist, AllowlistVariables, CREDENTIALS_VARIABLE, HOSTS_VARIABLE, Loaded};

/// Reads the lists of what may get and hold credentials.
///
/// # Errors
///
/// A list that holds something else than names.
pub(super) fn read(context: &Context<'_>) -> Result<Allowlist, Failure> {
    let variable = |name| context.env.variable(name);
    let variables = AllowlistVariables {
        hosts: variable(HOSTS_VARIABLE),
        credentials: variable(CREDENTIALS_VARIABLE),
        amigo_base_url: variable("AMIGO_BASE_URL"),
        platform_api_url: variable("PLATFORM_API_URL"),
    };
    Allowlist::new(variables).map_err(|error| {
        Failure::other(format!("{error}; nothing was sent"))
            .hint("separate the names with commas; a pull request can't change this variable, so it may not match more than it names")
    })
}

/// Checks that credentials may be sent to the environment that was loaded, and may come from the variables that it
/// names. Nothing of them is read.
///
/// # Errors
///
/// A refusal that names the host or the variable with its place in `amigops.yaml`.
pub(super) fn check(context: &Context<'_>, loaded: &Loaded) -> Result<Allowlist, Failure> {
    let allowlist = read(context)?;
    allowlist.check(loaded).map_err(|problems| Failure::NotAllowed(Box::new(problems)))?;
    Ok(allowlist)
}
