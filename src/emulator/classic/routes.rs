//! Paths, methods and published limits of the Classic API. Imports nothing of ours but decoding.

use super::query::percent_decode;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Endpoint {
    SignIn,
    ListServices,
    CreateService,
    UpdateService,
    GetVersionSet,
    UpsertVersionSet,
    DeleteVersionSet,
    ListAgents,
    ListAgentVersions,
    ListContextGraphs,
    ListContextGraphVersions,
    ListBehaviorSets,
    UpdateBehaviorSet,
    ListConversations,
    StartConversation,
    FinishConversation,
}

impl Endpoint {
    /// Requests a minute, as published.
    pub(super) fn limit(self) -> u32 {
        match self {
            Self::SignIn | Self::StartConversation | Self::FinishConversation => 5,
            Self::ListConversations => 15,
            Self::CreateService | Self::UpdateService => 20,
            Self::ListAgents | Self::ListAgentVersions => 20,
            Self::ListContextGraphs | Self::ListContextGraphVersions => 20,
            Self::UpsertVersionSet | Self::DeleteVersionSet => 30,
            Self::ListServices => 50,
            Self::GetVersionSet => 100,
            Self::ListBehaviorSets | Self::UpdateBehaviorSet => 500,
        }
    }
}

type Methods = &'static [(&'static str, Endpoint)];

/// Every path with what its methods do; `{}` is a parameter. Slashes at the end count.
const ROUTES: &[(&str, Methods)] = &[
    ("/v1/{}/user/signin_with_api_key", &[("POST", Endpoint::SignIn)]),
    ("/v1/{}/service/", &[("GET", Endpoint::ListServices), ("POST", Endpoint::CreateService)]),
    ("/v1/{}/service/{}/", &[("POST", Endpoint::UpdateService)]),
    (
        "/v1/{}/service/{}/version_sets/{}/",
        &[
            ("GET", Endpoint::GetVersionSet),
            ("PUT", Endpoint::UpsertVersionSet),
            ("DELETE", Endpoint::DeleteVersionSet),
        ],
    ),
    ("/v1/{}/organization/agent", &[("GET", Endpoint::ListAgents)]),
    ("/v1/{}/organization/agent/{}/version", &[("GET", Endpoint::ListAgentVersions)]),
    ("/v1/{}/organization/service_hierarchical_state_machine", &[("GET", Endpoint::ListContextGraphs)]),
    (
        "/v1/{}/organization/service_hierarchical_state_machine/{}/version",
        &[("GET", Endpoint::ListContextGraphVersions)],
    ),
    ("/v1/{}/dynamic_behavior_set/", &[("GET", Endpoint::ListBehaviorSets)]),
    ("/v1/{}/dynamic_behavior_set/{}/", &[("POST", Endpoint::UpdateBehaviorSet)]),
    ("/v1/{}/conversation/", &[("GET", Endpoint::ListConversations), ("POST", Endpoint::StartConversation)]),
    ("/v1/{}/conversation/{}/finish/", &[("POST", Endpoint::FinishConversation)]),
];

/// What a path and method lead to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Routed {
    Found {
        endpoint: Endpoint,
        /// The organization first.
        parameters: Vec<String>,
    },
    /// With its last slash put or taken away, the path exists.
    Redirect(String),
    WrongMethod(String),
    Unknown,
}

/// Looks a request up.
pub(super) fn route(method: &str, raw_path: &str) -> Routed {
    let path = percent_decode(raw_path);
    for (pattern, methods) in ROUTES {
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
    if ROUTES.iter().any(|(pattern, _)| parameters(pattern, &decoded).is_some()) {
        return Routed::Redirect(other);
    }
    Routed::Unknown
}

/// The organization that a path names, whether or not the path exists.
pub(in crate::emulator) fn organization_of(raw_path: &str) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_at_the_end_count() {
        let found = |method, path| matches!(route(method, path), Routed::Found { .. });
        assert!(found("GET", "/v1/acme/service/"));
        assert!(found("POST", "/v1/acme/service/abc/"));
        assert!(found("PUT", "/v1/acme/service/abc/version_sets/release/"));
        assert!(found("GET", "/v1/acme/organization/agent"));
        assert_eq!(route("GET", "/v1/acme/service"), Routed::Redirect("/v1/acme/service/".into()));
        assert_eq!(
            route("GET", "/v1/a%20b/organization/agent/"),
            Routed::Redirect("/v1/a%20b/organization/agent".into())
        );
        assert_eq!(route("GET", "/v1/acme/nothing"), Routed::Unknown);
        assert_eq!(route("GET", "/v1//service/"), Routed::Unknown);
    }

    #[test]
    fn a_known_path_with_another_method_names_the_right_ones() {
        assert_eq!(route("DELETE", "/v1/acme/service/"), Routed::WrongMethod("GET, POST".into()));
    }

    #[test]
    fn hostile_paths_are_only_unknown() {
        for path in ["", "/", "*", "/v1/%ff%fe/service", "/%00", "/v1/%", "//", "/v1/a/service/%2F/"] {
            let _ = route("GET", path);
        }
        let Routed::Found { parameters, .. } = route("GET", "/v1/%ff/service/") else { panic!("not found") };
        assert_eq!(parameters, ["\u{fffd}"]);
    }
}
