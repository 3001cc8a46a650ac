//! The paths and methods of the Classic API, and its published rate limits.

use crate::api::routing::Routes;

/// An endpoint of the Classic API.
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
    /// Returns the rate limit that the vendor has published for this endpoint, in requests per minute.
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

/// All paths of the Classic API, each with its methods. `{}` stands for a parameter. A path with a trailing slash
/// differs from the same path without it.
pub(super) const ROUTES: Routes<Endpoint> = &[
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::routing::{Routed, route as look_up};

    fn route(method: &str, path: &str) -> Routed<Endpoint> {
        look_up(ROUTES, method, path)
    }

    #[test]
    fn trailing_slashes_matter() {
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
    fn a_wrong_method_names_the_allowed_ones() {
        assert_eq!(route("DELETE", "/v1/acme/service/"), Routed::WrongMethod("GET, POST".into()));
    }

    #[test]
    fn hostile_paths_are_unknown() {
        for path in ["", "/", "*", "/v1/%ff%fe/service", "/%00", "/v1/%", "//", "/v1/a/service/%2F/"] {
            let _ = route("GET", path);
        }
        let Routed::Found { parameters, .. } = route("GET", "/v1/%ff/service/") else { panic!("not found") };
        assert_eq!(parameters, ["\u{fffd}"]);
    }
}
