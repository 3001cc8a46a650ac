//! The names that the tool itself gives, each ending in the service's own id, so that a run can tell
//! them from names that people gave. May import `model` only.

use crate::model::{LiveService, ServiceId, ServiceName, TAG_REPLACES};

/// How many characters of the id a name carries when that is enough to be unique.
const SHORT: usize = 6;

/// `Health Coach (replaced 2026-11-22 4d1a9e)`: the old service of a replacement.
pub(super) fn replaced(
    name: &ServiceName,
    today: &str,
    id: &ServiceId,
    taken: &dyn Fn(&ServiceName) -> bool,
) -> ServiceName {
    unique(id, taken, |short| format!("{} (replaced {today} {short})", base(name)))
}

/// `Health Coach (abandoned 2026-11-22 4d1a9e)`: a half-made replacement that was given up.
pub(super) fn abandoned(
    name: &ServiceName,
    today: &str,
    id: &ServiceId,
    taken: &dyn Fn(&ServiceName) -> bool,
) -> ServiceName {
    unique(id, taken, |short| format!("{} (abandoned {today} {short})", base(name)))
}

/// `Health Coach (renaming 4d1a9e)`: a service on its way to that name.
pub(super) fn passing(
    name: &ServiceName,
    id: &ServiceId,
    taken: &dyn Fn(&ServiceName) -> bool,
) -> ServiceName {
    unique(id, taken, |short| format!("{name} (renaming {short})"))
}

/// `Health Coach (replacing 4d1a9e)`: the new service of a replacement on its way to that name, where an
/// inactive one can't have the same name; the id is the old service's.
pub(super) fn replacing(
    name: &ServiceName,
    old: &ServiceId,
    taken: &dyn Fn(&ServiceName) -> bool,
) -> ServiceName {
    unique(old, taken, |short| format!("{name} (replacing {short})"))
}

/// The name that the new service of a replacement is on its way to, if it was made under a passing one.
pub(super) fn replacing_for(service: &LiveService) -> Option<ServiceName> {
    let old = service.tags.get(TAG_REPLACES)?.as_deref()?;
    let (base, words) = suffix(service.name.as_str(), old)?;
    (words == ["replacing"]).then(|| ServiceName::new(base))
}

/// Returns true if the service has this name or is on its way to it.
pub(super) fn is_meant_for(service: &LiveService, name: &ServiceName) -> bool {
    service.name == *name || [replacing_for(service), passing_to(service)].contains(&Some(name.clone()))
}

/// Whether the service has the name that a replacement gave it.
pub(super) fn is_replaced(service: &LiveService) -> bool {
    suffix(service.name.as_str(), service.id.as_str())
        .is_some_and(|(_, words)| words.len() == 2 && words[0] == "replaced")
}

/// Whether the service is the leftover of a replacement that was given up.
pub(super) fn is_given_up(service: &LiveService) -> bool {
    suffix(service.name.as_str(), service.id.as_str())
        .is_some_and(|(_, words)| words.len() == 2 && words[0] == "abandoned")
}

/// The name to which a service is on its way, if it was set aside.
pub(super) fn passing_to(service: &LiveService) -> Option<ServiceName> {
    let (base, words) = suffix(service.name.as_str(), service.id.as_str())?;
    (words == ["renaming"]).then(|| ServiceName::new(base))
}

/// Whether a service is a leftover of a replacement or a rename, under way or done: no manifest speaks of
/// its present name.
pub fn is_leftover(service: &LiveService) -> bool {
    let given = suffix(service.name.as_str(), service.id.as_str())
        .is_some_and(|(_, words)| matches!(words.as_slice(), ["replaced" | "abandoned", _] | ["renaming"]));
    // The new service of a replacement is named after the old one's id, or has the final name already.
    given || (!service.active && service.tags.contains_key(TAG_REPLACES))
}

/// Splits `Base (word… id)` where the id is this one, or its beginning: the base and the words before it.
fn suffix<'a>(name: &'a str, id: &str) -> Option<(&'a str, Vec<&'a str>)> {
    let inner = name.strip_suffix(')')?;
    let (base, inside) = inner.rsplit_once(" (")?;
    let mut words: Vec<&str> = inside.split(' ').collect();
    let short = words.pop()?;
    (short.len() >= SHORT.min(id.len()) && id.starts_with(short)).then_some((base, words))
}

/// Returns a name that the tool gave without its date and id: `Coach (replaced 2026-11-22 4d1a9e)` becomes
/// `Coach (replaced)`. Other names come back as they are.
pub fn without_date_and_id(name: &ServiceName) -> ServiceName {
    let base = base(name);
    let given = name.as_str().get(base.len()..).and_then(|rest| rest.strip_prefix(" (")?.split(' ').next());
    given.map_or_else(|| name.clone(), |word| ServiceName::new(format!("{base} ({word})")))
}

/// A name without what the tool may have put behind it, so that repeated replacements don't pile up.
pub(super) fn base(name: &ServiceName) -> &str {
    let text = name.as_str();
    let Some((base, inside)) = text.strip_suffix(')').and_then(|inner| inner.rsplit_once(" (")) else {
        return text;
    };
    let ours =
        ["replaced ", "abandoned ", "renaming ", "replacing "].iter().any(|word| inside.starts_with(word));
    let id = inside.rsplit(' ').next().unwrap_or_default();
    let ends_in_id = id.len() >= SHORT && id.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if ours && ends_in_id { base } else { text }
}

fn unique(
    id: &ServiceId,
    taken: &dyn Fn(&ServiceName) -> bool,
    name: impl Fn(&str) -> String,
) -> ServiceName {
    let id = id.as_str();
    (SHORT..id.len())
        .filter_map(|length| id.get(..length))
        .map(|short| ServiceName::new(name(short)))
        .find(|candidate| !taken(candidate))
        .unwrap_or_else(|| ServiceName::new(name(id)))
}

#[cfg(test)]
mod tests {
    use super::{ServiceId, ServiceName, abandoned, passing, replaced, without_date_and_id};

    #[test]
    fn names_that_the_tool_gives_are_the_same_on_another_day() {
        let (name, id) = (ServiceName::new("Coach (night)"), ServiceId::new("4d1a9e0000000000000077e0"));
        let free = |_: &ServiceName| false;
        let given = replaced(&name, "2026-11-22", &id, &free);
        assert_eq!(without_date_and_id(&given).as_str(), "Coach (night) (replaced)");
        let given = abandoned(&name, "2026-11-23", &id, &|name| name.as_str().ends_with(" 4d1a9e)"));
        assert_eq!(without_date_and_id(&given).as_str(), "Coach (night) (abandoned)");
        assert_eq!(without_date_and_id(&passing(&name, &id, &free)).as_str(), "Coach (night) (renaming)");
        for own in ["Coach", "Coach (night)", "Coach (replaced 2026-11-22 soon)", "(replaced)"] {
            assert_eq!(without_date_and_id(&ServiceName::new(own)).as_str(), own);
        }
    }
}
