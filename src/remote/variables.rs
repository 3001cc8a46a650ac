//! The environment variables that affect a connection, and the messages about these variables. The caller reads the
//! environment, and passes the values to this module.

use reqwest::Url;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::failure::ApiError;
use crate::model::Api;

/// The environment variables that affect a connection.
#[derive(Clone, Debug, Default)]
pub struct ConnectionVariables {
    /// The names of the environment variables from which the credentials were read.
    pub credentials: Vec<String>,
    /// The proxy for requests to other machines.
    pub proxy: Option<ProxyVariable>,
    /// The names of the environment variables that set the trusted certificates, such as `SSL_CERT_FILE`. `None` if the
    /// certificates of the system are trusted.
    pub certificates: Option<String>,
}

/// A proxy whose address comes from an environment variable.
#[derive(Clone)]
pub struct ProxyVariable {
    /// The name of the environment variable, such as `HTTPS_PROXY`.
    pub name: String,
    /// The value of the environment variable: the address of the proxy. It may contain a password.
    pub address: String,
    /// The value of `NO_PROXY`: the hosts to which requests are sent without the proxy.
    pub exceptions: Option<String>,
}

impl std::fmt::Debug for ProxyVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProxyVariable").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ProxyVariable {
    /// Returns the proxy for an HTTP client.
    ///
    /// # Errors
    ///
    /// Fails if the value is not the address of a proxy. The error does not contain the value, because it may contain a
    /// password.
    pub(super) fn proxy(&self) -> Result<reqwest::Proxy, ApiError> {
        let refuse = |reason: &str| {
            ApiError::setup(format!("{} is not the address of a proxy: {reason}", self.name))
                .hint("write it as `http://HOST:PORT`, or unset it")
        };
        let url = self.url().map_err(|error| refuse(&error))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("only proxies with `http://` and `https://` are supported"));
        }
        let proxy = reqwest::Proxy::all(url).map_err(|_| refuse("it is not a URL"))?;
        Ok(proxy.no_proxy(self.exceptions.as_deref().and_then(reqwest::NoProxy::from_string)))
    }

    /// Parses the address of the proxy. If its scheme is missing, `http://` is assumed.
    fn url(&self) -> Result<Url, String> {
        let address = self.address.trim();
        let scheme = if address.contains("://") { "" } else { "http://" };
        Url::parse(&format!("{scheme}{address}")).map_err(|error| error.to_string())
    }

    /// Returns the address of the proxy without user, password and path, so that messages can show it.
    fn shown_address(&self) -> String {
        self.url().map_or_else(|_| String::new(), |url| url.origin().ascii_serialization())
    }
}

impl ConnectionVariables {
    /// Returns the hints for a request that got no answer. `is_loopback` is true if the server is on this machine, and
    /// `details` contains the causes of the error.
    pub(super) fn connection_hints(&self, is_loopback: bool, details: &str) -> Vec<String> {
        let proxy = self.proxy.as_ref().filter(|_| !is_loopback).map(|proxy| {
            format!(
                "requests go through the proxy {}, which {} names (NO_PROXY lists exceptions): check it",
                proxy.shown_address(),
                proxy.name
            )
        });
        let certificates = details.contains("certificate").then(|| match &self.certificates {
            Some(names) => format!(
                "only the certificates that {names} names are trusted: add the certificate authority that signs for \
                 the server"
            ),
            None => "if a proxy of your network signs for the server, add its certificate authority to those that \
                     the system trusts, or set SSL_CERT_FILE to a file with it"
                .to_owned(),
        });
        proxy.into_iter().chain(certificates).collect()
    }

    /// Returns the hint for credentials that the server refused.
    pub(super) fn refused_credentials_hint(&self, api: Api) -> String {
        let names = match self.credentials.as_slice() {
            [] => "the credentials".to_owned(),
            [name] => name.clone(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        };
        match api {
            Api::Classic => format!("the API key, its id or the user was not accepted: check {names}"),
            Api::Platform => format!(
                "the API key is wrong or belongs to another workspace: check {names}, and `workspace:` of the environment"
            ),
        }
    }
}

/// Returns true if a PEM file contains a certificate that can be trusted.
pub fn contains_certificate(pem: &[u8]) -> bool {
    let certificates = CertificateDer::pem_slice_iter(pem).flatten();
    let (added, _) = RootCertStore::empty().add_parsable_certificates(certificates);
    added > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(address: &str) -> ProxyVariable {
        ProxyVariable { name: "HTTPS_PROXY".to_owned(), address: address.to_owned(), exceptions: None }
    }

    #[test]
    fn an_unusable_proxy_is_refused_without_showing_its_value() {
        for (address, reason) in [
            ("http://", "empty host"),
            ("bob:hunter2@proxy.example:abc", "invalid port number"),
            (
                "socks5://bob:hunter2@proxy.example",
                "only proxies with `http://` and `https://` are supported",
            ),
            ("http://bad host:3128", "invalid international domain name"),
        ] {
            let error = proxy(address).proxy().expect_err(address).to_string();
            assert_eq!(error, format!("HTTPS_PROXY is not the address of a proxy: {reason}"));
        }
        for address in ["http://proxy.example:3128", "proxy.example:3128", " https://bob:x@[::1]/ "] {
            assert!(proxy(address).proxy().is_ok(), "{address}");
        }
    }

    #[test]
    fn hints_name_the_variables() {
        let variables = ConnectionVariables {
            credentials: vec!["A".to_owned(), "B".to_owned(), "C_FILE".to_owned()],
            proxy: Some(proxy("http://bob:hunter2@proxy.example:3128/x")),
            certificates: Some("SSL_CERT_FILE".to_owned()),
        };
        assert_eq!(
            variables.connection_hints(false, "connection refused"),
            [
                "requests go through the proxy http://proxy.example:3128, which HTTPS_PROXY names (NO_PROXY lists \
              exceptions): check it"
            ]
        );
        let hints = variables.connection_hints(true, "invalid peer certificate: UnknownIssuer");
        assert!(hints.len() == 1 && hints[0].contains("SSL_CERT_FILE"), "{hints:?}");
        assert!(variables.refused_credentials_hint(Api::Classic).ends_with("check A, B and C_FILE"));
        let none = ConnectionVariables::default();
        assert!(none.connection_hints(false, "connection refused").is_empty());
        assert!(
            none.refused_credentials_hint(Api::Platform).contains("check the credentials, and `workspace:`")
        );
    }

    #[test]
    fn only_certificates_that_can_be_parsed_count() {
        let table = ["", "text", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"];
        assert!(table.iter().all(|pem| !contains_certificate(pem.as_bytes())));
    }
}
