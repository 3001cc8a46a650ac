//! Checks that a base URL is safe to send credentials to, and parses its host and port.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The reason why a base URL is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    NotAUrl,
    PlainHttp,
    Credentials,
    QueryOrFragment,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAUrl => "expected `https://host`, with an optional port and path",
            Self::PlainHttp => "use `https://`; `http://` is only allowed for localhost, 127.0.0.1 and [::1]",
            Self::Credentials => "credentials don't belong in a file: remove the part before the `@`",
            Self::QueryOrFragment => "a base URL can't contain `?` or `#`",
        })
    }
}

/// The host and port of a base URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) host: Host,
    pub(super) port: u16,
}

/// A host as it is written in a URL. A name is converted to lower case, but not resolved to an address. An IPv4 address
/// is a `Name`, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Name(String),
    Ipv6(Ipv6Addr),
}

impl Host {
    /// Parses a host: `name`, `1.2.3.4` or `[::1]`.
    fn parse(text: &str) -> Option<Self> {
        if let Some(address) = text.strip_prefix('[') {
            return address.strip_suffix(']')?.parse().ok().map(Self::Ipv6);
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        (!text.is_empty() && text.chars().all(fits)).then(|| Self::Name(text.to_ascii_lowercase()))
    }

    /// Returns true if the host is this machine: `localhost` or a loopback address.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => {
                name == "localhost" || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            }
            Self::Ipv6(address) => address.is_loopback(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ipv6(address) => write!(f, "[{address}]"),
        }
    }
}

/// Checks a base URL. Accepts `https` URLs with any host, and `http` URLs with a loopback address. Refuses every URL
/// that the HTTP client could parse differently than this check.
pub(super) fn check(text: &str) -> Result<(), Reason> {
    server(text).map(|_| ())
}

/// Returns the host and port of a base URL. Errors if the URL is not safe.
pub(super) fn server(text: &str) -> Result<Server, Reason> {
    let (scheme, rest) = text.split_once("://").ok_or(Reason::NotAUrl)?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(Reason::Credentials);
    }
    if path.contains(['?', '#']) {
        return Err(Reason::QueryOrFragment);
    }
    let safe = |c: char| c.is_ascii_alphanumeric() || "-._~/%".contains(c);
    if !path.chars().all(safe) || path.split('/').any(|part| part == "..") {
        return Err(Reason::NotAUrl);
    }
    let (host, port) = host_and_port(authority).ok_or(Reason::NotAUrl)?;
    let default = match scheme.to_ascii_lowercase().as_str() {
        "https" => 443,
        "http" if host.is_loopback() => 80,
        "http" => return Err(Reason::PlainHttp),
        _ => return Err(Reason::NotAUrl),
    };
    Ok(Server { host, port: port.unwrap_or(default) })
}

/// Parses a host and an optional port: `host`, `host:port`, `[v6]` or `[v6]:port`. Returns `None` for any other text.
pub(super) fn host_and_port(authority: &str) -> Option<(Host, Option<u16>)> {
    let end = if authority.starts_with('[') { authority.find(']')? + 1 } else { 0 };
    let (host, port) = match authority.get(end..)?.find(':') {
        Some(colon) => (&authority[..end + colon], Some(&authority[end + colon + 1..])),
        None => (authority, None),
    };
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match port {
        Some(port) if digits(port) => Some(port.parse::<u16>().ok().filter(|port| *port > 0)?),
        Some(_) => return None,
        None => None,
    };
    Some((Host::parse(host)?, port))
}

#[cfg(test)]
mod tests {
    use super::{Reason, check};

    #[test]
    fn only_safe_urls_are_accepted() {
        for good in [
            "https://api.amigo.ai",
            "https://proxy.example:8443/amigo/",
            "http://localhost:8080",
            "http://127.0.0.1",
            "http://127.9.9.9:1/x",
            "http://[::1]:9000",
            "HTTP://LOCALHOST",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, reason) in [
            ("api.amigo.ai", Reason::NotAUrl),
            ("ftp://host", Reason::NotAUrl),
            ("https://", Reason::NotAUrl),
            ("https://host:0", Reason::NotAUrl),
            ("https://host:+1", Reason::NotAUrl),
            ("https://host:", Reason::NotAUrl),
            ("https://[::1]x", Reason::NotAUrl),
            ("https://host:99999", Reason::NotAUrl),
            ("https://ho st", Reason::NotAUrl),
            ("https://host/../x", Reason::NotAUrl),
            ("http://example.com", Reason::PlainHttp),
            ("http://localhost.example.com", Reason::PlainHttp),
            ("http://127.0.0.1.example.com", Reason::PlainHttp),
            ("http://10.0.0.1", Reason::PlainHttp),
            ("http://localhost\\@example.com", Reason::NotAUrl),
            ("http://localhost@example.com", Reason::Credentials),
            ("https://me:secret@host", Reason::Credentials),
            ("https://host/?key=1", Reason::QueryOrFragment),
            ("https://host#x", Reason::QueryOrFragment),
            ("http://[::1", Reason::NotAUrl),
            ("http://[fe80::1]", Reason::PlainHttp),
        ] {
            assert_eq!(check(bad), Err(reason), "{bad}");
        }
    }
}
