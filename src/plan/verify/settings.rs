//! Compares nested settings with manifests. The verifier has its own code for this comparison, and does not use the
//! planner's code.

use serde_json::{Map, Value};

use crate::model::settings::{self, SettingField};
use crate::model::{DesiredPreference, LlmPreference, same_json};

/// Returns the path of the first value in `written` that the manifest does not declare and that differs from the value
/// of the replaced service. Returns `None` if there is no such value.
///
/// `path` is the path of `written` itself. `declared` and `old` are the values at this path in the manifest and in the
/// replaced service.
pub(super) fn undeclared(
    path: &str,
    written: &Value,
    declared: Option<&Value>,
    old: Option<&Value>,
) -> Option<String> {
    // If the manifest declares a value that is not an object, such as null, it declares everything at this path.
    if declared.is_some_and(|declared| !declared.is_object()) {
        return None;
    }
    match written {
        Value::Object(members) => members.iter().find_map(|(key, written)| {
            let member = |of: Option<&Value>| of.and_then(|of| of.get(key)).cloned();
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            undeclared(&path, written, member(declared).as_ref(), member(old).as_ref())
        }),
        _ => {
            let is_as_before =
                old.is_some_and(|old| same_json(old, written)) || (old.is_none() && written.is_null());
            (!is_as_before).then(|| path.to_owned())
        }
    }
}

/// Returns true if the live values equal the values that a manifest declares. Values that the manifest does not declare
/// are ignored.
pub(super) fn have_wanted_values(
    fields: &[SettingField],
    wanted: &Map<String, Value>,
    live: &Map<String, Value>,
) -> bool {
    let (live, defaults) = (settings::normal(fields, live), settings::normal(fields, &Map::new()));
    wanted.iter().all(|(key, wanted)| has_wanted_value(wanted, live.get(key), defaults.get(key)))
}

/// Returns true if a live value equals the value that a manifest declares. `default` is the value that the server uses
/// if none is set. A declared null stands for this default, or for no value.
fn has_wanted_value(wanted: &Value, live: Option<&Value>, default: Option<&Value>) -> bool {
    match wanted {
        Value::Null => live.is_none() || live == default,
        Value::Object(members) => members.iter().all(|(key, wanted)| {
            let member = |of: Option<&Value>| of.and_then(|of| of.get(key)).cloned();
            has_wanted_value(wanted, member(live).as_ref(), member(default).as_ref())
        }),
        _ => live.is_some_and(|live| same_json(wanted, live)),
    }
}

/// Returns true if a live model preference has the experience controls that a manifest declares.
pub(super) fn has_wanted_controls(wanted: &DesiredPreference, live: &LlmPreference) -> bool {
    match &wanted.experience_controls {
        None => true,
        Some(None) => live.experience_controls.is_empty(),
        Some(Some(controls)) => {
            have_wanted_values(settings::EXPERIENCE_CONTROLS, controls, &live.experience_controls)
        }
    }
}

/// Returns true if a live model preference has the parameters that a manifest declares.
pub(super) fn has_wanted_params(wanted: &DesiredPreference, live: &LlmPreference) -> bool {
    wanted
        .params
        .as_ref()
        .is_none_or(|params| same_json(&Value::Object(params.clone()), &Value::Object(live.params.clone())))
}
