//! The keys that the loader accepts in each kind of mapping. Tests compare these keys with those of the JSON Schemas.

use super::decode::Shape;
use super::{credentials, environment, lifecycle, project, service, version_set};

/// A kind of mapping in a file, and the keys that the loader accepts in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownMapping {
    /// The mapping's name, such as `service` or `lifecycle`.
    pub name: &'static str,
    /// The accepted keys. They don't include the settings of the Platform API, which are in `model::settings`.
    pub keys: &'static [&'static str],
}

/// Returns every kind of mapping that the loader knows, with the keys that the loader accepts in it.
pub fn known_mappings() -> Vec<KnownMapping> {
    let mapping = |name, shape: &Shape<'static>| KnownMapping { name, keys: shape.keys };
    vec![
        mapping("project", &project::SHAPE),
        mapping("ownership", &project::OWNERSHIP),
        mapping("guardrails", &project::GUARDRAILS),
        mapping("classic", &environment::CLASSIC),
        mapping("classic credentials", &credentials::CLASSIC_CREDENTIALS),
        mapping("platform", &environment::PLATFORM),
        mapping("platform credentials", &credentials::PLATFORM_CREDENTIALS),
        mapping("embedded", &environment::EMBEDDED),
        mapping("service", &service::SHAPE),
        mapping("reference", &service::REFERENCE),
        mapping("version set", &version_set::SHAPE),
        mapping("preference", &version_set::PLATFORM_PREFERENCE),
        mapping("lifecycle", &lifecycle::SHAPE),
        mapping("smoke", &lifecycle::SMOKE),
    ]
}
