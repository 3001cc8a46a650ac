//! Reads the variables for connections to other machines: the proxy, and the certificates that are trusted.

use std::path::Path;

use super::credentials::variable;
use super::user_file;
use crate::env::Env;
use crate::error::Failure;
use crate::remote::{ConnectionVariables, ProxyVariable, contains_certificate};

/// The variables that can name a proxy. Of each pair, the first one that is set is used, even if it is empty.
const PROXY_VARIABLES: &[[&str; 2]] = &[["HTTPS_PROXY", "https_proxy"], ["ALL_PROXY", "all_proxy"]];
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];
const CERTIFICATE_FILE: &str = "SSL_CERT_FILE";
const CERTIFICATE_DIRECTORY: &str = "SSL_CERT_DIR";
/// The maximum size of a file with certificates, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// Reads the variables for a connection to an address. Plain `http://` uses neither a proxy nor certificates, because
/// it is allowed only to this machine.
///
/// # Errors
///
/// Fails if a variable is not UTF-8, or if the file with certificates can't be used.
pub(super) fn read_variables(env: &Env, base_url: &str) -> Result<ConnectionVariables, Failure> {
    let is_https = base_url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"));
    if !is_https {
        return Ok(ConnectionVariables::default());
    }
    Ok(ConnectionVariables {
        credentials: Vec::new(),
        proxy: read_proxy(env)?,
        certificates: read_certificates(env)?,
    })
}

fn read_proxy(env: &Env) -> Result<Option<ProxyVariable>, Failure> {
    let exceptions = first_set(env, EXCEPTIONS)?.map(|(_, value)| value);
    for names in PROXY_VARIABLES {
        if let Some((name, address)) = first_set(env, *names)? {
            return Ok(Some(ProxyVariable { name: name.to_owned(), address, exceptions }));
        }
    }
    Ok(None)
}

/// Returns the name and the value of the first of two variables that is set. Returns `None` if neither is set, or if
/// the value of the first one that is set is empty.
fn first_set<'n>(env: &Env, names: [&'n str; 2]) -> Result<Option<(&'n str, String)>, Failure> {
    let Some(name) = names.into_iter().find(|name| env.is_set(name)) else { return Ok(None) };
    Ok(variable(env, name)?.map(|value| (name, value)))
}

/// Checks the file with trusted certificates, and returns the names of the variables that say where such certificates
/// are, joined by " and ". Returns `None` if no such variable is set or the system ignores them.
fn read_certificates(env: &Env) -> Result<Option<String>, Failure> {
    // These systems verify certificates themselves, and ignore the variables.
    if cfg!(any(windows, target_vendor = "apple")) {
        return Ok(None);
    }
    let file = env.variable_os(CERTIFICATE_FILE);
    if let Some(file) = &file {
        check_file(Path::new(file))?;
    }
    let directory = env.variable_os(CERTIFICATE_DIRECTORY).map(|_| CERTIFICATE_DIRECTORY);
    let names: Vec<&str> = file.map(|_| CERTIFICATE_FILE).into_iter().chain(directory).collect();
    Ok(Some(names.join(" and ")).filter(|names| !names.is_empty()))
}

/// Checks that a file contains certificates. Without this check, the TLS library would ignore an unusable file.
fn check_file(file: &Path) -> Result<(), Failure> {
    let name = format!("`{}`, which {CERTIFICATE_FILE} names", file.display());
    let hint = "set it to a file with the certificates to trust in PEM format, or unset it";
    let bytes = user_file::read(file, MAX_BYTES)
        .map_err(|error| Failure::other(format!("can't read {name}: {error}")).hint(hint))?;
    if contains_certificate(&bytes) {
        return Ok(());
    }
    Err(Failure::other(format!("{name}, contains no certificate in PEM format")).hint(hint))
}
