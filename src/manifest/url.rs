//! Whether a base URL is safe to send credentials to. Imports nothing of ours.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Why a base URL is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    NotAUrl,
    Plain,
    Credentials,
    QueryOrFragment,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAUrl => "expected `https://host`, with a port and path where needed",
            Self::Plain => "`http://` only to this machine (localhost, 127.0.0.1, [::1]); use `https://`",
            Self::Credentials => "credentials never stand in a file: remove what is before the `@`",
            Self::QueryOrFragment => "a base URL has no `?` and no `#`",
        })
    }
}

/// Accepts `https` anywhere and `http` to loopback addresses. Strict on purpose: what this function
/// and the HTTP client could read differently is refused.
pub(super) fn check(text: &str) -> Result<(), Reason> {
    let (scheme, rest) = text.split_once("://").ok_or(Reason::NotAUrl)?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(Reason::Credentials);
    }
    if path.contains(['?', '#']) {
        return Err(Reason::QueryOrFragment);
    }
    let safe = |c: char| c.is_ascii_alphanumeric() || "-._~/%".contains(c);
    let (host, bracketed) = host(authority).ok_or(Reason::NotAUrl)?;
    if !path.chars().all(safe) || path.split('/').any(|part| part == "..") {
        return Err(Reason::NotAUrl);
    }
    let loopback = if bracketed {
        host.parse::<Ipv6Addr>().map_err(|_| Reason::NotAUrl)?.is_loopback()
    } else {
        host.eq_ignore_ascii_case("localhost") || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
    };
    match scheme.to_ascii_lowercase().as_str() {
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        "http" => Err(Reason::Plain),
        _ => Err(Reason::NotAUrl),
    }
}

/// The host of `host`, `host:port`, `[v6]` or `[v6]:port`, and whether it is in brackets.
fn host(authority: &str) -> Option<(&str, bool)> {
    let (host, port, bracketed) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) }, true)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port), false),
            None => (authority, None, false),
        },
    };
    let port_ok = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let host_ok = !host.is_empty() && (bracketed || host.chars().all(name));
    (port_ok && host_ok).then_some((host, bracketed))
}

#[cfg(test)]
mod tests {
    use super::{Reason, check};

    #[test]
    fn only_safe_urls_pass() {
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
            ("https://host:99999", Reason::NotAUrl),
            ("https://ho st", Reason::NotAUrl),
            ("https://host/../x", Reason::NotAUrl),
            ("http://example.com", Reason::Plain),
            ("http://localhost.example.com", Reason::Plain),
            ("http://127.0.0.1.example.com", Reason::Plain),
            ("http://10.0.0.1", Reason::Plain),
            ("http://localhost\\@example.com", Reason::NotAUrl),
            ("http://localhost@example.com", Reason::Credentials),
            ("https://me:secret@host", Reason::Credentials),
            ("https://host/?key=1", Reason::QueryOrFragment),
            ("https://host#x", Reason::QueryOrFragment),
            ("http://[::1", Reason::NotAUrl),
            ("http://[fe80::1]", Reason::Plain),
        ] {
            assert_eq!(check(bad), Err(reason), "{bad}");
        }
    }
}
