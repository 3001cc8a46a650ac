//! The paths and methods of the Platform API, the permissions that its endpoints require, and its rate limits.

use crate::api::routing::{Routes, second_segment};
use crate::state::WorkspacePermission;

/// An endpoint of the Platform API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Endpoint {
    ListServices,
    CreateService,
    GetService,
    UpdateService,
    DeleteService,
    UpsertVersionSet,
    TextTurn,
    VoiceTurn,
    ListAgents,
    GetAgent,
    ListAgentVersions,
    ListContextGraphs,
    GetContextGraph,
    ListContextGraphVersions,
}

impl Endpoint {
    /// Returns the rate limit of this endpoint, in requests per minute. The vendor does not publish rate limits for
    /// this API, so the emulator has its own.
    pub(super) fn limit(self) -> u32 {
        match self {
            Self::TextTurn | Self::VoiceTurn => 20,
            _ => 60,
        }
    }

    /// Returns the permission that a key needs for this endpoint.
    pub(super) fn permission(self) -> WorkspacePermission {
        match self {
            Self::ListServices | Self::GetService => WorkspacePermission::ViewService,
            Self::CreateService => WorkspacePermission::CreateService,
            Self::UpdateService | Self::UpsertVersionSet => WorkspacePermission::UpdateService,
            Self::DeleteService => WorkspacePermission::DeleteService,
            Self::TextTurn | Self::VoiceTurn => WorkspacePermission::CreateConversation,
            Self::ListAgents | Self::GetAgent | Self::ListAgentVersions => WorkspacePermission::ViewAgent,
            Self::ListContextGraphs | Self::GetContextGraph | Self::ListContextGraphVersions => {
                WorkspacePermission::ViewContextGraph
            }
        }
    }
}

/// All paths of the Platform API, each with its methods. `{}` stands for a parameter. No path has a trailing slash.
pub(super) const ROUTES: Routes<Endpoint> = &[
    ("/v1/{}/services", &[("GET", Endpoint::ListServices), ("POST", Endpoint::CreateService)]),
    (
        "/v1/{}/services/{}",
        &[
            ("GET", Endpoint::GetService),
            ("PUT", Endpoint::UpdateService),
            ("DELETE", Endpoint::DeleteService),
        ],
    ),
    ("/v1/{}/services/{}/version-sets/{}", &[("PUT", Endpoint::UpsertVersionSet)]),
    ("/v1/{}/services/{}/text-turn", &[("POST", Endpoint::TextTurn)]),
    ("/v1/{}/services/{}/voice-turn", &[("POST", Endpoint::VoiceTurn)]),
    ("/v1/{}/agents", &[("GET", Endpoint::ListAgents)]),
    ("/v1/{}/agents/{}", &[("GET", Endpoint::GetAgent)]),
    ("/v1/{}/agents/{}/versions", &[("GET", Endpoint::ListAgentVersions)]),
    ("/v1/{}/context-graphs", &[("GET", Endpoint::ListContextGraphs)]),
    ("/v1/{}/context-graphs/{}", &[("GET", Endpoint::GetContextGraph)]),
    ("/v1/{}/context-graphs/{}/versions", &[("GET", Endpoint::ListContextGraphVersions)]),
];

/// Returns true if a path has the form of the Platform API's paths, even if no endpoint has this path.
pub(crate) fn is_platform(raw_path: &str) -> bool {
    second_segment(raw_path)
        .is_some_and(|segment| matches!(segment.as_str(), "services" | "agents" | "context-graphs"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::routing::{Routed, route};

    #[test]
    fn the_shape_of_a_path_selects_the_api() {
        for path in ["/v1/x/services", "/v1/x/services/", "/v1/x/agents/1/nothing", "/v1/%ff/context-graphs"]
        {
            assert!(is_platform(path), "{path}");
        }
        for path in
            ["", "/v1/x", "/v1//services", "/v1/x/service/", "/v1/x/organization/agent", "/v2/x/agents"]
        {
            assert!(!is_platform(path), "{path}");
        }
    }

    #[test]
    fn no_path_ends_in_a_slash() {
        let found = |method, path| matches!(route(ROUTES, method, path), Routed::Found { .. });
        assert!(found("GET", "/v1/w/services") && found("PUT", "/v1/w/services/1/version-sets/release"));
        assert_eq!(route(ROUTES, "GET", "/v1/w/agents/"), Routed::Redirect("/v1/w/agents".into()));
        assert_eq!(route(ROUTES, "POST", "/v1/w/agents"), Routed::WrongMethod("GET".into()));
        assert_eq!(route(ROUTES, "GET", "/v1/w/services/1/version-sets"), Routed::Unknown);
    }
}
