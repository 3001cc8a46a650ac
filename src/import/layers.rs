//! Changes values of an existing document in the right layer. There are two layers: the document itself, which adds to
//! the project's defaults or overrides them, and the overlay of one environment.
//!
//! In a project with one environment, the document changes. In a project with several, only the overlay of the imported
//! environment changes, because the other environments may differ. A value that the overlay already has is changed in
//! the overlay in both cases.

use serde_json::{Map, Value, json};

use crate::edit::Change;

/// A document that an import changes, with the project's defaults and the name of the environment whose overlay the
/// import is allowed to edit.
pub(super) struct Layers<'a> {
    defaults: &'a Map<String, Value>,
    document: Map<String, Value>,
    environment: &'a str,
    sole: bool,
}

/// The reason why a change of a document is not possible.
pub(super) type Reason = &'static str;

const NO_VALUE: Reason =
    "an overlay can't set a tag without a value, because null in an overlay removes the tag";
const DEFAULT_TAG: Reason = "a document can't remove a tag that comes from the project's `defaults`";

impl<'a> Layers<'a> {
    pub(super) fn new(
        defaults: &'a Map<String, Value>,
        document: Map<String, Value>,
        environment: &'a str,
        sole: bool,
    ) -> Self {
        Self { defaults, document, environment, sole }
    }

    /// Returns the changed document.
    pub(super) fn into_document(self) -> Map<String, Value> {
        self.document
    }

    /// Sets a value for the imported environment, in the document or in the environment's overlay. Fails if the value
    /// can't be written there.
    pub(super) fn set(&mut self, path: &[&str], value: &Value) -> Result<(), Reason> {
        if self.belongs_in_overlay(path) {
            return self.set_in_overlay(path, value);
        }
        let value = match get(self.defaults, path) {
            Some(default) => patch(default, value),
            None => Some(value.clone()),
        };
        match value {
            Some(value) => put(&mut self.document, path, value),
            None => take(&mut self.document, path),
        }
        Ok(())
    }

    fn set_in_overlay(&mut self, path: &[&str], value: &Value) -> Result<(), Reason> {
        let in_tags = path[0] == "tags";
        let lacks_value =
            value.is_null() || value.as_object().is_some_and(|tags| tags.values().any(Value::is_null));
        let overlaid = match self.without_overlay(path) {
            Some(under) => patch(&under, value),
            None => Some(value.clone()),
        };
        if in_tags && lacks_value && overlaid.is_some() {
            return Err(NO_VALUE);
        }
        let path = self.overlay_path(path);
        match overlaid {
            Some(overlaid) => put(&mut self.document, &path, overlaid),
            None => take(&mut self.document, &path),
        }
        Ok(())
    }

    /// Removes a value for the imported environment, from the document or from the environment's overlay. Fails if the
    /// value can't be removed there.
    pub(super) fn unset(&mut self, path: &[&str]) -> Result<(), Reason> {
        let overlay = self.overlay_path(path);
        if self.belongs_in_overlay(path) && !self.sole {
            match self.without_overlay(path) {
                Some(_) => put(&mut self.document, &overlay, Value::Null),
                None => take(&mut self.document, &overlay),
            }
            return Ok(());
        }
        take(&mut self.document, &overlay);
        if get(self.defaults, path).is_none() {
            take(&mut self.document, path);
            return Ok(());
        }
        if path[0] == "tags" && path.len() > 1 {
            return Err(DEFAULT_TAG);
        }
        put(&mut self.document, path, Value::Null);
        Ok(())
    }

    fn overlay_path<'p>(&self, path: &[&'p str]) -> Vec<&'p str>
    where
        'a: 'p,
    {
        [&["environments", self.environment], path].concat()
    }

    /// Returns true if a value must be written into the environment's overlay. In a project with several environments,
    /// this is always true. In a project with one environment, this is true in two cases: the overlay already has the
    /// value, or a parent of the value in the overlay is not a mapping.
    fn belongs_in_overlay(&self, path: &[&str]) -> bool {
        let overlay = self.overlay_path(path);
        !self.sole
            || get(&self.document, &overlay).is_some()
            || (3..overlay.len())
                .any(|end| get(&self.document, &overlay[..end]).is_some_and(|value| !value.is_object()))
    }

    /// Returns the value that the environment would have without its overlay, or `None` if it would have no value.
    fn without_overlay(&self, path: &[&str]) -> Option<Value> {
        let (default, own) = (get(self.defaults, path), get(&self.document, path));
        match (default, own) {
            (Some(Value::Object(default)), Some(Value::Object(own))) => {
                Some(Value::Object(crate::model::merged(default, own)))
            }
            (_, Some(Value::Null)) if path[0] != "tags" => None,
            (_, Some(own)) => Some(own.clone()),
            (Some(default), None) => {
                // A null at a parent of the path removes the default.
                let removed =
                    (1..path.len()).any(|end| get(&self.document, &path[..end]).is_some_and(Value::is_null));
                (!removed).then(|| default.clone())
            }
            (None, None) => None,
        }
    }
}

/// Returns the value at a path, or `None` if there is no value.
pub(super) fn get<'v>(members: &'v Map<String, Value>, path: &[&str]) -> Option<&'v Value> {
    let (first, rest) = path.split_first()?;
    let value = members.get(*first)?;
    if rest.is_empty() { Some(value) } else { get(value.as_object()?, rest) }
}

fn put(members: &mut Map<String, Value>, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        members.insert((*first).to_owned(), value);
        return;
    }
    let inner = members.entry((*first).to_owned()).or_insert_with(|| json!({}));
    if !inner.is_object() {
        *inner = json!({});
    }
    if let Value::Object(inner) = inner {
        put(inner, rest, value);
    }
}

fn take(members: &mut Map<String, Value>, path: &[&str]) {
    match path {
        [] => {}
        [last] => {
            members.remove(*last);
        }
        [first, rest @ ..] => {
            if let Some(Value::Object(inner)) = members.get_mut(*first) {
                take(inner, rest);
            }
        }
    }
}

/// Returns the merge patch (RFC 7396) that turns one value into another. Returns `None` if they are equal.
fn patch(from: &Value, to: &Value) -> Option<Value> {
    let (Value::Object(from), Value::Object(members)) = (from, to) else {
        return (from != to).then(|| to.clone());
    };
    let mut patched = Map::new();
    for (key, value) in members {
        let member = from.get(key).map_or_else(|| Some(value.clone()), |from| patch(from, value));
        patched.extend(member.map(|member| (key.clone(), member)));
    }
    let removed = from.keys().filter(|key| !members.contains_key(*key));
    patched.extend(removed.map(|key| (key.clone(), Value::Null)));
    (!patched.is_empty()).then_some(Value::Object(patched))
}

/// Returns a document that has the values `wanted` when it is merged with the project's defaults.
pub(super) fn over_defaults(
    defaults: &Map<String, Value>,
    wanted: &Map<String, Value>,
) -> Map<String, Value> {
    /// Members of the defaults that a document never removes, because they apply to every service.
    const KEPT: &[&str] = &["lifecycle", "smoke", "depends_on"];
    let mut document = Map::new();
    for (key, value) in wanted {
        match (defaults.get(key), value) {
            (Some(Value::Object(default)), Value::Object(tags)) if key == "tags" => {
                // Null is a possible value of a tag, so null can't remove a single default tag. It can only remove all
                // of them.
                let all = default.keys().all(|name| tags.contains_key(name));
                let more = tags.iter().filter(|(name, value)| default.get(*name) != Some(value));
                let more: Map<String, Value> =
                    more.map(|(name, value)| (name.clone(), value.clone())).collect();
                match (all, more.is_empty()) {
                    (false, _) => document.insert(key.clone(), Value::Null),
                    (true, true) => None,
                    (true, false) => document.insert(key.clone(), Value::Object(more)),
                };
            }
            (Some(default), _) => document.extend(patch(default, value).map(|value| (key.clone(), value))),
            (None, _) => {
                document.insert(key.clone(), value.clone());
            }
        }
    }
    let removed = defaults.keys().filter(|key| !wanted.contains_key(*key) && !KEPT.contains(&key.as_str()));
    document.extend(removed.map(|key| (key.clone(), Value::Null)));
    document
}

/// Returns the changes that turn one document into another. Each change sets or removes only the innermost key that
/// differs.
pub(super) fn changes(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Change> {
    let mut changes = Vec::new();
    compare(before, after, &mut Vec::new(), &mut changes);
    changes
}

fn compare(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    at: &mut Vec<String>,
    changes: &mut Vec<Change>,
) {
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        changes.push(Change::Remove { path: below(at, key) });
    }
    for (key, value) in after {
        match (before.get(key), value) {
            (Some(old), _) if old == value => {}
            (Some(Value::Object(old)), Value::Object(new)) => {
                at.push(key.clone());
                compare(old, new, at, changes);
                at.pop();
            }
            _ => changes.push(Change::Set { path: below(at, key), value: value.clone() }),
        }
    }
}

fn below(at: &[String], key: &str) -> Vec<String> {
    at.iter().cloned().chain([key.to_owned()]).collect()
}
