//! Paths to endpoints: parameters, wrong methods, wrong slashes. Imports the exchange and decoding.

use super::exchange::{Answer, Request};
use super::query::percent_decode;

/// What a path's methods lead to.
pub(super) type Methods<Endpoint> = &'static [(&'static str, Endpoint)];

/// Every path with what its methods do; `{}` is a parameter. Slashes at the end count.
pub(super) type Routes<Endpoint> = &'static [(&'static str, Methods<Endpoint>)];

/// What a path and method lead to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Routed<Endpoint> {
    Found {
        endpoint: Endpoint,
        /// The organization or workspace first.
        parameters: Vec<String>,
    },
    /// With its last slash put or taken away, the path exists.
    Redirect(String),
    WrongMethod(String),
    Unknown,
}

/// Looks a request up.
pub(super) fn route<Endpoint: Copy>(
    routes: Routes<Endpoint>,
    method: &str,
    raw_path: &str,
) -> Routed<Endpoint> {
    let path = percent_decode(raw_path);
    for (pattern, methods) in routes {
        let Some(parameters) = parameters(pattern, &path) else { continue };
        return match methods.iter().find(|(known, _)| *known == method) {
            Some((_, endpoint)) => Routed::Found { endpoint: *endpoint, parameters },
            None => {
                let known: Vec<&str> = methods.iter().map(|(known, _)| *known).collect();
                Routed::WrongMethod(known.join(", "))
            }
        };
    }
    let other = match raw_path.strip_suffix('/') {
        Some(shorter) => shorter.to_owned(),
        None => format!("{raw_path}/"),
    };
    let decoded = percent_decode(&other);
    if routes.iter().any(|(pattern, _)| parameters(pattern, &decoded).is_some()) {
        return Routed::Redirect(other);
    }
    Routed::Unknown
}

/// The organization or workspace that a path names, whether or not the path exists.
pub(super) fn organization_of(raw_path: &str) -> Option<String> {
    let path = percent_decode(raw_path);
    let name = path.strip_prefix("/v1/")?.split('/').next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

fn parameters(pattern: &str, path: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut segments = path.split('/');
    for expected in pattern.split('/') {
        let segment = segments.next()?;
        match expected {
            "{}" if !segment.is_empty() => found.push(segment.to_owned()),
            _ if segment == expected => {}
            _ => return None,
        }
    }
    segments.next().is_none().then_some(found)
}

/// The answer that sends a client to the right path.
pub(super) fn redirect(request: &Request, path: &str) -> Answer {
    let query = request.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    let host = request.header("host").map(|host| format!("http://{host}")).unwrap_or_default();
    Answer::empty(307).with("location", format!("{host}{path}{query}"))
}

/// The segment behind the organization or workspace: what tells the APIs apart.
pub(super) fn second_segment(raw_path: &str) -> Option<String> {
    let path = percent_decode(raw_path);
    let (home, rest) = path.strip_prefix("/v1/")?.split_once('/')?;
    let segment = rest.split('/').next()?;
    (!home.is_empty()).then(|| segment.to_owned())
}
