//! Finds the endpoint for the path and the method of a request. Handles path parameters, wrong methods, and missing or
//! extra trailing slashes.

use crate::api::exchange::{Answer, Request};
use crate::api::query::percent_decode;

/// The methods that one path accepts, each with its endpoint.
pub(crate) type Methods<Endpoint> = &'static [(&'static str, Endpoint)];

/// All paths of an API, each with its methods. `{}` stands for a parameter. A path with a trailing slash differs from
/// the same path without it.
pub(crate) type Routes<Endpoint> = &'static [(&'static str, Methods<Endpoint>)];

/// The result of looking for the endpoint of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Routed<Endpoint> {
    Found {
        endpoint: Endpoint,
        /// The parameters of the path. The first one is the organization or workspace.
        parameters: Vec<String>,
    },
    /// The path of an endpoint that differs from the requested path only in the trailing slash. No endpoint has exactly
    /// the requested path.
    Redirect(String),
    WrongMethod(String),
    Unknown,
}

/// Finds the endpoint for the method and the path of a request.
pub(crate) fn route<Endpoint: Copy>(
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

/// Returns the name of the organization or workspace in a path, even if no endpoint has this path. Returns `None` if
/// the path does not begin with `/v1/` and a name.
pub(crate) fn organization_of(raw_path: &str) -> Option<String> {
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

/// Returns an answer that redirects the client to `path`, with the query of the request.
pub(crate) fn redirect(request: &Request, path: &str) -> Answer {
    let query = request.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    let host = request.header("host").map(|host| format!("http://{host}")).unwrap_or_default();
    Answer::empty(307).with("location", format!("{host}{path}{query}"))
}

/// Returns the path segment after the organization or workspace. This segment shows which of the two APIs a request is
/// for. Returns `None` if the path has no such segment.
pub(crate) fn second_segment(raw_path: &str) -> Option<String> {
    let path = percent_decode(raw_path);
    let (home, rest) = path.strip_prefix("/v1/")?.split_once('/')?;
    let segment = rest.split('/').next()?;
    (!home.is_empty()).then(|| segment.to_owned())
}
