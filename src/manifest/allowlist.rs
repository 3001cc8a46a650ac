//! The allowlist: the hosts that are allowed to receive credentials, and the environment variables that are allowed to
//! contain credentials.
//!
//! A pull request can change `amigops.yaml`, so that file must not decide where a job's secrets go. The allowlist
//! comes from the environment of the process, which a pull request can't change.

use std::collections::BTreeSet;

use super::credentials::CredentialVariables;
use super::diagnostic::{Code, Diagnostic, Location, Problems, Severity};
use super::environment::{Environment, EnvironmentTarget};
use super::load::Loaded;
use super::url::{self, Host};
use crate::model::Api;

/// The vendor's hosts: the hosts in its API descriptions, and the hosts of its regions.
const VENDOR_HOSTS: &[&str] = &[
    "api.amigo.ai",
    "internal-api.amigo.ai",
    "api-eu-central-1.amigo.ai",
    "api-ap-southeast-2.amigo.ai",
    "api-ca-central-1.amigo.ai",
    "api.platform.amigo.ai",
];
/// Prefixes of names of environment variables. A variable with one of these prefixes is always allowed to contain a
/// credential.
const VENDOR_PREFIXES: &[&str] = &["AMIGO_", "PLATFORM_"];

/// The name of the environment variable that lists the allowed hosts.
pub const HOSTS_VARIABLE: &str = "AMIGOPS_ALLOWED_HOSTS";
/// The name of the environment variable that lists further variables. These are also allowed to contain credentials.
pub const CREDENTIALS_VARIABLE: &str = "AMIGOPS_ALLOWED_CREDENTIALS";

/// The values of the environment variables that define the allowlist. `None` means that a variable is not set.
#[derive(Clone, Debug, Default)]
pub struct AllowlistVariables {
    /// The value of `AMIGOPS_ALLOWED_HOSTS`: a comma-separated list of hosts.
    pub hosts: Option<String>,
    /// The value of `AMIGOPS_ALLOWED_CREDENTIALS`: a comma-separated list of names of environment variables.
    pub credentials: Option<String>,
    /// The value of `AMIGO_BASE_URL`: the address for environments that have no `base_url` in `amigops.yaml`.
    pub amigo_base_url: Option<String>,
    /// The value of `PLATFORM_API_URL`. On the Platform API, this address is used instead of `AMIGO_BASE_URL`.
    pub platform_api_url: Option<String>,
}

/// An invalid entry in the list of allowed hosts or in the list of allowed credential variables.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: `{entry}` is not {expected}")]
pub struct AllowlistError {
    /// The name of the variable that contains the list.
    pub variable: &'static str,
    /// The invalid entry.
    pub entry: String,
    /// A description of a valid entry.
    pub expected: &'static str,
}

/// An allowed host and its allowed port. `None` allows every port.
type Entry = (Host, Option<u16>);

/// The allowlist: the hosts that are allowed to receive credentials, and the environment variables that are allowed to
/// contain credentials.
#[derive(Clone, Debug, Default)]
pub struct Allowlist {
    /// The hosts in `AMIGOPS_ALLOWED_HOSTS`. If this is `None`, the vendor's hosts and loopback addresses are allowed.
    hosts: Option<Vec<Entry>>,
    /// The hosts and ports of the addresses in `AMIGO_BASE_URL` and `PLATFORM_API_URL`. They are always allowed.
    from_variables: Vec<Entry>,
    variables: BTreeSet<String>,
    amigo_base_url: Option<String>,
    platform_api_url: Option<String>,
}

impl Allowlist {
    /// Creates the allowlist from the values of the environment variables.
    ///
    /// # Errors
    ///
    /// Errors with the first entry that is not a valid host or not a valid name of a variable.
    pub fn new(variables: AllowlistVariables) -> Result<Self, AllowlistError> {
        let AllowlistVariables { hosts, credentials, amigo_base_url, platform_api_url } = variables;
        let hosts = hosts.map(|list| entries(&list).map(host).collect::<Result<_, _>>()).transpose()?;
        let credentials = credentials.unwrap_or_default();
        let variables = entries(&credentials).map(variable).collect::<Result<_, _>>()?;
        let addresses = amigo_base_url.iter().chain(&platform_api_url);
        let servers = addresses.filter_map(|address| url::server(address).ok());
        let from_variables = servers.map(|server| (server.host, Some(server.port))).collect();
        Ok(Self { hosts, from_variables, variables, amigo_base_url, platform_api_url })
    }

    /// Returns the address of an API for environments that have no `base_url` in `amigops.yaml`.
    pub fn default_address(&self, api: Api) -> &str {
        self.address_from_variables(api).unwrap_or(api.base_url())
    }

    fn address_from_variables(&self, api: Api) -> Option<&str> {
        let address = match api {
            Api::Classic => self.amigo_base_url.as_ref(),
            Api::Platform => self.platform_api_url.as_ref().or(self.amigo_base_url.as_ref()),
        };
        address.map(String::as_str)
    }

    /// Checks that the host of a base URL is allowed to receive credentials. Otherwise, errors with the entry that
    /// would allow the host in `AMIGOPS_ALLOWED_HOSTS`: the host, and its port unless the port is 443. For an invalid
    /// URL, errors with the URL.
    pub fn check_address(&self, address: &str) -> Result<(), String> {
        let server = url::server(address).map_err(|_| address.to_owned())?;
        let is_listed =
            |(host, port): &Entry| *host == server.host && port.is_none_or(|port| port == server.port);
        let is_vendors = || VENDOR_HOSTS.iter().any(|name| server.host == Host::Name((*name).to_owned()));
        let allowed = self.from_variables.iter().any(is_listed)
            || match &self.hosts {
                Some(hosts) => hosts.iter().any(is_listed),
                None => server.host.is_loopback() || is_vendors(),
            };
        match (allowed, server.port) {
            (true, _) => Ok(()),
            (false, 443) => Err(server.host.to_string()),
            (false, port) => Err(format!("{}:{port}", server.host)),
        }
    }

    /// Returns true if a variable with this name is allowed to contain a credential.
    pub fn allows_variable(&self, name: &str) -> bool {
        VENDOR_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || self.variables.contains(name)
    }

    /// Checks that the host and the credential variables of the loaded environment are allowed. This must happen before
    /// anything is sent to the host.
    ///
    /// # Errors
    ///
    /// Errors if the host or a variable is not allowed. Each one is reported at its location in `amigops.yaml`.
    pub fn check(&self, loaded: &Loaded) -> Result<(), Problems> {
        let diagnostics = self.problems(&loaded.environment, Severity::Error);
        if diagnostics.is_empty() {
            return Ok(());
        }
        Err(Problems { diagnostics, sources: loaded.sources.clone(), files: loaded.files, omitted: 0 })
    }

    /// Returns a diagnostic for the environment's host if the host is not allowed, and one for each credential variable
    /// that is not allowed.
    pub(super) fn problems(&self, environment: &Environment, severity: Severity) -> Vec<Diagnostic> {
        let (base_url, credentials) = match &environment.target {
            EnvironmentTarget::Classic { base_url, credentials, .. }
            | EnvironmentTarget::Platform { base_url, credentials, .. } => (base_url.as_deref(), credentials),
            EnvironmentTarget::Embedded { .. } => return Vec::new(),
        };
        let address = self.address_problem(environment, base_url, severity);
        address.into_iter().chain(self.variable_problems(environment, credentials, severity)).collect()
    }

    fn address_problem(
        &self,
        environment: &Environment,
        base_url: Option<&str>,
        severity: Severity,
    ) -> Option<Diagnostic> {
        let api = environment.target.api();
        if base_url.is_none() && self.address_from_variables(api).is_some() {
            return None;
        }
        let host = self.check_address(base_url.unwrap_or(api.base_url())).err()?;
        let places = &environment.places;
        let help = match self.hosts {
            Some(_) => {
                format!("to allow `{host}`, add this host to {HOSTS_VARIABLE} where amigops runs")
            }
            None => format!(
                "to allow `{host}`, set {HOSTS_VARIABLE}={host} where amigops runs; the list \
                                 replaces the default list, which has the vendor's hosts and this machine"
            ),
        };
        Some(Diagnostic {
            code: Code::HostNotAllowed,
            severity,
            message: format!("`{host}` is not allowed to receive credentials"),
            location: places.base_url.as_ref().unwrap_or(&places.name).clone(),
            label: match base_url {
                Some(_) => "not in the list of allowed hosts".to_owned(),
                None => format!("without `base_url`, the address is {}", api.base_url()),
            },
            help: vec![help],
            related: Vec::new(),
        })
    }

    fn variable_problems<'a>(
        &'a self,
        environment: &'a Environment,
        credentials: &'a CredentialVariables,
        severity: Severity,
    ) -> impl Iterator<Item = Diagnostic> + 'a {
        let named = credentials.names().zip(&environment.places.credentials);
        let refused = named.filter(|(name, _)| !self.allows_variable(name));
        refused.map(move |(name, place): (&str, &Location)| Diagnostic {
            code: Code::VariableNotAllowed,
            severity,
            message: format!("the variable `{name}` is not allowed to hold a credential"),
            location: place.clone(),
            label: "the name does not begin with `AMIGO_` or `PLATFORM_`".to_owned(),
            help: vec![format!(
                "if this variable holds a credential of this API, add `{name}` to {CREDENTIALS_VARIABLE} where amigops runs"
            )],
            related: Vec::new(),
        })
    }
}

/// Returns the entries of a comma-separated list. Empty entries are skipped.
fn entries(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn host(entry: &str) -> Result<Entry, AllowlistError> {
    url::host_and_port(entry).ok_or_else(|| AllowlistError {
        variable: HOSTS_VARIABLE,
        entry: entry.to_owned(),
        expected: "a host or host:port (no `https://`, path or wildcard)",
    })
}

fn variable(entry: &str) -> Result<String, AllowlistError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if entry.chars().all(fits) && !entry.ends_with("_FILE") {
        return Ok(entry.to_owned());
    }
    Err(AllowlistError {
        variable: CREDENTIALS_VARIABLE,
        entry: entry.to_owned(),
        expected: "the name of a variable (no wildcard, no `_FILE` at the end)",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowlist(hosts: Option<&str>, address: Option<&str>) -> Allowlist {
        let variables = AllowlistVariables {
            hosts: hosts.map(str::to_owned),
            amigo_base_url: address.map(str::to_owned),
            ..AllowlistVariables::default()
        };
        Allowlist::new(variables).expect("a good list")
    }

    #[test]
    fn hosts_are_allowed_by_name() {
        let (default, listed) = (None, Some("a.example, B.example:8443,[::1]:80,127.0.0.1"));
        for (hosts, address, allowed) in [
            (default, "https://api.amigo.ai", true),
            (default, "HTTPS://API.AMIGO.AI:443/v1/", true),
            (default, "https://internal-api.amigo.ai", true),
            (default, "https://api-eu-central-1.amigo.ai", true),
            (default, "https://api-ap-southeast-2.amigo.ai", true),
            (default, "https://api-ca-central-1.amigo.ai", true),
            (default, "https://api.platform.amigo.ai", true),
            (default, "http://127.0.0.1:8787", true),
            (default, "http://127.9.9.9", true),
            (default, "https://localhost:1", true),
            (default, "http://[::1]:9", true),
            (default, "https://amigo.ai", false),
            (default, "https://evil.amigo.ai", false),
            (default, "https://api.amigo.ai.", false),
            (default, "https://api.amigo.ai.evil.example", false),
            (default, "https://api.amigo.ai@evil.example", false),
            (default, "https://api.amigo.ai:443@evil.example", false),
            (default, "https://evil.example\\@api.amigo.ai", false),
            (default, "https://evil.example/@api.amigo.ai", false),
            (default, "https://evil.example?api.amigo.ai", false),
            (default, "https://evil.example#api.amigo.ai", false),
            (default, "https://api.amigo.ai%2eevil.example", false),
            (default, "https://xn--pi-7fa.amigo.ai", false),
            (default, "https://аpi.amigo.ai", false),
            (default, "https://api\u{3002}amigo.ai", false),
            (default, "https:api.amigo.ai", false),
            (default, "https:///api.amigo.ai", false),
            (default, "https://localhost.evil.example", false),
            (default, "https://127.0.0.1.evil.example", false),
            (default, "https://2130706433", false),
            (default, "https://0x7f000001", false),
            (default, "https://127.1", false),
            (default, "https://0.0.0.0", false),
            (default, "https://[::ffff:127.0.0.1]", false),
            (default, "https://[::]", false),
            (default, "https://10.0.0.1", false),
            (default, "ftp://api.amigo.ai", false),
            (default, "", false),
            (listed, "https://a.example", true),
            (listed, "https://A.EXAMPLE:9", true),
            (listed, "https://b.example:8443/x", true),
            (listed, "https://b.example", false),
            (listed, "http://[0:0::1]", true),
            (listed, "http://[::1]:81", false),
            (listed, "http://127.0.0.1:8787", true),
            (listed, "http://localhost:8787", false),
            (listed, "https://api.amigo.ai", false),
            (listed, "https://sub.a.example", false),
            (listed, "https://a.example.evil.example", false),
        ] {
            assert_eq!(allowlist(hosts, None).check_address(address).is_ok(), allowed, "{hosts:?} {address}");
        }
    }

    #[test]
    fn addresses_from_variables_are_allowed_with_their_port() {
        let list = allowlist(Some("a.example"), Some("https://proxy.example:8443/amigo"));
        assert_eq!(list.check_address("https://proxy.example:8443"), Ok(()));
        assert_eq!(list.check_address("https://proxy.example"), Err("proxy.example".to_owned()));
        assert_eq!(list.check_address("https://proxy.example:1"), Err("proxy.example:1".to_owned()));
        for api in [Api::Classic, Api::Platform] {
            assert_eq!(list.default_address(api), "https://proxy.example:8443/amigo");
            assert_eq!(allowlist(None, None).default_address(api), api.base_url());
            assert_eq!(allowlist(None, None).check_address(api.base_url()), Ok(()));
        }
        let bad = allowlist(None, Some("https://me:secret@proxy.example"));
        assert!(bad.check_address("https://proxy.example").is_err(), "an invalid address allows nothing");
    }

    #[test]
    fn variables_are_allowed_by_name() {
        let variables = AllowlistVariables {
            credentials: Some(" CLINIC_KEY,, B ".to_owned()),
            ..AllowlistVariables::default()
        };
        let list = Allowlist::new(variables).expect("a good list");
        for name in ["AMIGO_API_KEY", "PLATFORM_API_KEY", "AMIGO_X", "CLINIC_KEY", "B"] {
            assert!(list.allows_variable(name), "{name}");
        }
        for name in ["GITHUB_TOKEN", "AMIGOPS_X", "MY_AMIGO_KEY", "CLINIC_KEY_2", "clinic_key", "AMIGO", ""] {
            assert!(!list.allows_variable(name), "{name}");
        }
    }

    #[test]
    fn lists_hold_names_only() {
        let hosts = |list: &str| AllowlistVariables { hosts: Some(list.to_owned()), ..Default::default() };
        for list in
            ["*.amigo.ai", "*", "https://a", "a/b", "u@a", "a:0", "a:x", "a b", "a,b:99999", "[::1", "ä"]
        {
            assert!(Allowlist::new(hosts(list)).is_err(), "{list}");
        }
        let names =
            |list: &str| AllowlistVariables { credentials: Some(list.to_owned()), ..Default::default() };
        for list in ["GITHUB_*", "A B", "KEY_FILE", "A=B", "$A"] {
            assert!(Allowlist::new(names(list)).is_err(), "{list}");
        }
    }
}
