//! Whether nested settings are as manifests want them, in the judge's own words. May import `model` only.

use serde_json::{Map, Value};

use crate::model::settings::{self, Field};
use crate::model::{DesiredPreference, LlmPreference, same_json};

/// A member that was there, that no manifest names, and that is written otherwise.
pub(super) fn lost(
    path: &str,
    before: Option<&Value>,
    declared: Option<&Value>,
    written: &Value,
) -> Option<String> {
    let Some(Value::Object(before)) = before else { return None };
    let declared = declared.and_then(Value::as_object);
    before.iter().find_map(|(key, value)| {
        let path = format!("{path}.{key}");
        let there = written.get(key).unwrap_or(&Value::Null);
        match declared.and_then(|declared| declared.get(key)) {
            None => (!same_json(value, there)).then_some(path),
            Some(declared) => lost(&path, Some(value), Some(declared), there),
        }
    })
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
