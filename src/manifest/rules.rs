//! The project's policy and the API that a service is checked against, and problems that several checks report.

use super::collector::{Problem, Span};
use super::diagnostic::Code;
use crate::model::{Api, Policy};

/// The project's policy and the API that a service is checked against.
pub(super) struct Rules<'a> {
    pub(super) policy: &'a Policy,
    /// The API of the environment. The limits for values depend on it.
    pub(super) api: Api,
}

/// Creates a problem that reports a key that exists only on the Platform API.
pub(super) fn platform_only(span: Span, name: &str) -> Problem {
    Problem::error(Code::PlatformOnly, span, format!("`{name}` exists only on the Platform API"))
        .label("this environment is on the Classic API")
        .help("move this key to the overlay of an environment on the Platform API")
}

/// Creates a problem that reports a feature that amigops does not support yet.
pub(super) fn not_yet(span: Span, what: &str) -> Problem {
    Problem::error(Code::NotYet, span, format!("{what} is not supported yet"))
        .label("remove this key: it would have no effect")
}
