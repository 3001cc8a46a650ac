//! Which mappings have which keys, for those who describe the files. Imports the readers' own shapes.

use super::decode::Shape;
use super::{credentials, environment, lifecycle, project, service, version_set};

/// A mapping in a file, and the keys that the reader takes in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// What it is: `service`, `lifecycle` …
    pub name: &'static str,
    /// Its keys. What only the Platform API has is in `model::settings`.
    pub keys: &'static [&'static str],
}

/// Every mapping with keys of its own that the reader knows. Schemas are held against them.
pub fn forms() -> Vec<Form> {
    let form = |name, shape: &Shape<'static>| Form { name, keys: shape.keys };
    vec![
        form("project", &project::SHAPE),
        form("ownership", &project::OWNERSHIP),
        form("guardrails", &project::GUARDRAILS),
        form("classic", &environment::CLASSIC),
        form("classic credentials", &credentials::CLASSIC_CREDENTIALS),
        form("platform", &environment::PLATFORM),
        form("platform credentials", &credentials::PLATFORM_CREDENTIALS),
        form("embedded", &environment::EMBEDDED),
        form("service", &service::SHAPE),
        form("reference", &service::REFERENCE),
        form("version set", &version_set::SHAPE),
        form("preference", &version_set::PLATFORM_PREFERENCE),
        form("lifecycle", &lifecycle::SHAPE),
        form("smoke", &lifecycle::SMOKE),
    ]
}
