//! Whether nested settings are as manifests want them, in the judge's own words. May import `model` only.

use serde_json::{Map, Value};

use crate::model::settings::{self, Field};
use crate::model::{DesiredPreference, LlmPreference, same_json};

/// A leaf of a patch that no manifest names and that isn't as the replaced service has it.
pub(super) fn undeclared(
    path: &str,
    written: &Value,
    declared: Option<&Value>,
    old: Option<&Value>,
) -> Option<String> {
    // What a manifest names whole, an entry that it takes away included, it names with all that is below.
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
            let as_old =
                old.is_some_and(|old| same_json(old, written)) || (old.is_none() && written.is_null());
            (!as_old).then(|| path.to_owned())
        }
    }
}

/// Whether live values are as a manifest wants them: what it leaves out doesn't count.
pub(super) fn hold(fields: &[Field], wanted: &Map<String, Value>, live: &Map<String, Value>) -> bool {
    let (live, bare) = (settings::normal(fields, live), settings::normal(fields, &Map::new()));
    wanted.iter().all(|(key, wanted)| holds(wanted, live.get(key), bare.get(key)))
}

/// One value; `bare` is what the server puts where nothing stands.
fn holds(wanted: &Value, live: Option<&Value>, bare: Option<&Value>) -> bool {
    match wanted {
        Value::Null => live.is_none() || live == bare,
        Value::Object(members) => members.iter().all(|(key, wanted)| {
            let member = |of: Option<&Value>| of.and_then(|of| of.get(key)).cloned();
            holds(wanted, member(live).as_ref(), member(bare).as_ref())
        }),
        _ => live.is_some_and(|live| same_json(wanted, live)),
    }
}

/// Whether a live preference has the controls that a manifest wants.
pub(super) fn controls_hold(wanted: &DesiredPreference, live: &LlmPreference) -> bool {
    match &wanted.experience_controls {
        None => true,
        Some(None) => live.experience_controls.is_empty(),
        Some(Some(controls)) => hold(settings::EXPERIENCE_CONTROLS, controls, &live.experience_controls),
    }
}

/// Whether a live preference has the parameters that a manifest wants.
pub(super) fn params_hold(wanted: &DesiredPreference, live: &LlmPreference) -> bool {
    wanted
        .params
        .as_ref()
        .is_none_or(|params| same_json(&Value::Object(params.clone()), &Value::Object(live.params.clone())))
}
