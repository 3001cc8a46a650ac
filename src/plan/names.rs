//! Makes and recognizes the names that the tool gives to services, such as `Health Coach (replaced 2026-11-22 4d1a9e)`.
//! Each name ends with the first characters of an id: the id of the service itself or, in the name `… (replacing …)`,
//! the id of the service that it will replace. So a run can distinguish these names from names that users gave.

use crate::model::{LiveService, ServiceId, ServiceName, TAG_REPLACES};

/// The minimum number of characters of an id in a name that the tool gives. More are used if that is necessary to make
/// the name unique.
const SHORT: usize = 6;

/// Returns the name that the old service of a replacement gets, such as `Health Coach (replaced 2026-11-22 4d1a9e)`.
pub(super) fn replaced(
    name: &ServiceName,
    today: &str,
    id: &ServiceId,
    is_taken: &dyn Fn(&ServiceName) -> bool,
) -> ServiceName {
    unique(id, is_taken, |short| format!("{} (replaced {today} {short})", base_name(name)))
}

/// Returns the name that an abandoned service gets, such as `Health Coach (abandoned 2026-11-22 4d1a9e)`.
pub(super) fn abandoned(
    name: &ServiceName,
    today: &str,
    id: &ServiceId,
    is_taken: &dyn Fn(&ServiceName) -> bool,
) -> ServiceName {
    unique(id, is_taken, |short| format!("{} (abandoned {today} {short})", base_name(name)))
}

/// Returns the temporary name of a service that a later step renames to `name`, such as
/// `Health Coach (renaming 4d1a9e)`.
pub(super) fn renaming(
    name: &ServiceName,
    id: &ServiceId,
    is_taken: &dyn Fn(&ServiceName) -> bool,
) -> ServiceName {
    unique(id, is_taken, |short| format!("{name} (renaming {short})"))
}

/// Returns the temporary name of the new service of a replacement, such as `Health Coach (replacing 4d1a9e)`. The id is
/// that of the old service. A temporary name is needed if the API may refuse to give an inactive service a name that
/// another service has.
pub(super) fn replacing(
    name: &ServiceName,
    old: &ServiceId,
    is_taken: &dyn Fn(&ServiceName) -> bool,
) -> ServiceName {
    unique(old, is_taken, |short| format!("{name} (replacing {short})"))
}

/// Returns the final name of the new service of a replacement, if the service still has the temporary name `…
/// (replacing …)`. Otherwise returns `None`.
pub(super) fn replacing_target(service: &LiveService) -> Option<ServiceName> {
    let old = service.tags.get(TAG_REPLACES)?.as_deref()?;
    let (base, words) = split_suffix(service.name.as_str(), old)?;
    (words == ["replacing"]).then(|| ServiceName::new(base))
}

/// Returns the final name of a service that has the temporary name `… (renaming …)`, and otherwise `None`.
pub(super) fn renaming_target(service: &LiveService) -> Option<ServiceName> {
    let (base, words) = split_suffix(service.name.as_str(), service.id.as_str())?;
    (words == ["renaming"]).then(|| ServiceName::new(base))
}

/// Returns true if the service has this name, or has a temporary name and will get this name later.
pub(super) fn is_meant_for(service: &LiveService, name: &ServiceName) -> bool {
    let targets = [replacing_target(service), renaming_target(service)];
    service.name == *name || targets.contains(&Some(name.clone()))
}

/// Returns true if the service has the name `… (replaced …)`, which a replacement gives to its old service.
pub(super) fn has_replaced_name(service: &LiveService) -> bool {
    split_suffix(service.name.as_str(), service.id.as_str())
        .is_some_and(|(_, words)| words.len() == 2 && words[0] == "replaced")
}

/// Returns true if the service has the name `… (abandoned …)`, which an abandoned service gets.
pub(super) fn has_abandoned_name(service: &LiveService) -> bool {
    split_suffix(service.name.as_str(), service.id.as_str())
        .is_some_and(|(_, words)| words.len() == 2 && words[0] == "abandoned")
}

/// Returns true if a replacement or a rename has left the service in a state that no manifest declares: it has a name
/// that the tool gave, or is the inactive new service of a replacement.
pub fn is_leftover(service: &LiveService) -> bool {
    // The new service of a replacement has a name with the id of its old service, or already has its final name. So it
    // is recognized by its tag instead of its name.
    has_suffix(service) || (!service.active && service.tags.contains_key(TAG_REPLACES))
}

/// Returns true if the tool gave a service its name, so that the name shows what the service is for.
pub(super) fn has_tool_name(service: &LiveService) -> bool {
    has_suffix(service) || replacing_target(service).is_some()
}

/// Returns true if a service's name ends with its own id and the words that a replacement or a rename adds.
fn has_suffix(service: &LiveService) -> bool {
    split_suffix(service.name.as_str(), service.id.as_str())
        .is_some_and(|(_, words)| matches!(words.as_slice(), ["replaced" | "abandoned", _] | ["renaming"]))
}

/// Splits `Base (word… id)` into the base and the words before the id. Returns `None` unless the id in the name is `id`
/// or the first characters of `id`.
fn split_suffix<'a>(name: &'a str, id: &str) -> Option<(&'a str, Vec<&'a str>)> {
    let inner = name.strip_suffix(')')?;
    let (base, inside) = inner.rsplit_once(" (")?;
    let mut words: Vec<&str> = inside.split(' ').collect();
    let short = words.pop()?;
    (short.len() >= SHORT.min(id.len()) && id.starts_with(short)).then_some((base, words))
}

/// Removes the date and the id from a name that the tool gave, so that `Coach (replaced 2026-11-22 4d1a9e)` becomes
/// `Coach (replaced)`. Returns other names unchanged.
pub fn without_date_and_id(name: &ServiceName) -> ServiceName {
    let base = base_name(name);
    let suffix = name.as_str().get(base.len()..).and_then(|rest| rest.strip_prefix(" (")?.split(' ').next());
    suffix.map_or_else(|| name.clone(), |word| ServiceName::new(format!("{base} ({word})")))
}

/// Returns a name without the suffix that the tool added. The tool adds a new suffix to this base name, so that a
/// service that is replaced repeatedly gets only one suffix.
pub(super) fn base_name(name: &ServiceName) -> &str {
    let text = name.as_str();
    let Some((base, inside)) = text.strip_suffix(')').and_then(|inner| inner.rsplit_once(" (")) else {
        return text;
    };
    let has_word =
        ["replaced ", "abandoned ", "renaming ", "replacing "].iter().any(|word| inside.starts_with(word));
    let id = inside.rsplit(' ').next().unwrap_or_default();
    let ends_with_id = id.len() >= SHORT && id.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if has_word && ends_with_id { base } else { text }
}

/// Returns a name that contains the first characters of `id`: as few as are necessary to make the name unique.
/// `is_taken` returns true for a name that is already in use. `name` makes a name from the first characters of the id.
fn unique(
    id: &ServiceId,
    is_taken: &dyn Fn(&ServiceName) -> bool,
    name: impl Fn(&str) -> String,
) -> ServiceName {
    let id = id.as_str();
    (SHORT..id.len())
        .filter_map(|length| id.get(..length))
        .map(|short| ServiceName::new(name(short)))
        .find(|candidate| !is_taken(candidate))
        .unwrap_or_else(|| ServiceName::new(name(id)))
}

#[cfg(test)]
mod tests {
    use super::{ServiceId, ServiceName, abandoned, renaming, replaced, without_date_and_id};

    #[test]
    fn tool_names_without_date_and_id_are_the_same_on_another_day() {
        let (name, id) = (ServiceName::new("Coach (night)"), ServiceId::new("4d1a9e0000000000000077e0"));
        let is_taken = |_: &ServiceName| false;
        let given = replaced(&name, "2026-11-22", &id, &is_taken);
        assert_eq!(without_date_and_id(&given).as_str(), "Coach (night) (replaced)");
        let given = abandoned(&name, "2026-11-23", &id, &|name| name.as_str().ends_with(" 4d1a9e)"));
        assert_eq!(without_date_and_id(&given).as_str(), "Coach (night) (abandoned)");
        assert_eq!(
            without_date_and_id(&renaming(&name, &id, &is_taken)).as_str(),
            "Coach (night) (renaming)"
        );
        for own in ["Coach", "Coach (night)", "Coach (replaced 2026-11-22 soon)", "(replaced)"] {
            assert_eq!(without_date_and_id(&ServiceName::new(own)).as_str(), own);
        }
    }
}
