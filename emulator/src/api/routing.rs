//! Maps paths to endpoints. Handles parameters, wrong methods and wrong trailing slashes.

use crate::api::exchange::{Answer, Request};
use crate::api::query::percent_decode;

/// A path's methods, each with its endpoint.
pub(crate) type Methods<Endpoint> = &'static [(&'static str, Endpoint)];

/// All paths with their methods. `{}` is a parameter. A trailing slash is significant.
pub(crate) type Routes<Endpoint> = &'static [(&'static str, Methods<Endpoint>)];

/// The result of looking up a path and method.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Routed<Endpoint> {
    Found {
        endpoint: Endpoint,
        /// The parameters, beginning with the organization or workspace.
        parameters: Vec<String>,
    },
    /// The path exists with its trailing slash added or removed.
    Redirect(String),
    WrongMethod(String),
    Unknown,
}

/// Looks up a request's endpoint.
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

/// Returns the organization or workspace in a path, even if the path does not exist.
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

/// Builds the answer that redirects a client to the right path.
pub(crate) fn redirect(request: &Request, path: &str) -> Answer {
    let query = request.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    let host = request.header("host").map(|host| format!("http://{host}")).unwrap_or_default();
    Answer::empty(307).with("location", format!("{host}{path}{query}"))
}

/// Returns the segment after the organization or workspace, which tells the two APIs apart.
pub(crate) fn second_segment(raw_path: &str) -> Option<String> {
    let path = percent_decode(raw_path);
    let (home, rest) = path.strip_prefix("/v1/")?.split_once('/')?;
    let segment = rest.split('/').next()?;
    (!home.is_empty()).then(|| segment.to_owned())
}
