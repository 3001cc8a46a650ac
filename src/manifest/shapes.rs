//! The keys that the loader accepts in each mapping. Tests compare the schemas with them.

use super::decode::Shape;
use super::{credentials, environment, lifecycle, project, service, version_set};

/// A mapping in a file and the keys that the loader accepts in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownMapping {
    /// The mapping's name, such as `service` or `lifecycle`.
    pub name: &'static str,
    /// The accepted keys. Keys that only the Platform API has are in `model::settings`.
    pub keys: &'static [&'static str],
}

/// Returns every kind of mapping that the loader knows, with the keys that it accepts.
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
