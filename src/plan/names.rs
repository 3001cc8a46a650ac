//! The names that the tool itself gives, each ending in the service's own id, so that a run can tell
//! them from names that people gave. May import `model` only.

use crate::model::{LiveService, ServiceId, ServiceName};

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

/// Whether the service has the name that a replacement gave it.
pub(super) fn is_replaced(service: &LiveService) -> bool {
    own_suffix(service).is_some_and(|(_, words)| words.len() == 2 && words[0] == "replaced")
}

/// The name to which a service is on its way, if it was set aside.
pub(super) fn passing_to(service: &LiveService) -> Option<ServiceName> {
    let (base, words) = own_suffix(service)?;
    (words == ["renaming"]).then(|| ServiceName::new(base))
}

/// Splits `Base (word… id)` where the id is the service's own: the base and the words before the id.
fn own_suffix(service: &LiveService) -> Option<(&str, Vec<&str>)> {
    let inner = service.name.as_str().strip_suffix(')')?;
    let (base, inside) = inner.rsplit_once(" (")?;
    let mut words: Vec<&str> = inside.split(' ').collect();
    let id = words.pop()?;
    let own = id.len() >= SHORT.min(service.id.as_str().len()) && service.id.as_str().starts_with(id);
    own.then_some((base, words))
}

/// A name without what the tool may have put behind it, so that repeated replacements don't pile up.
fn base(name: &ServiceName) -> &str {
    let text = name.as_str();
    let Some((base, inside)) = text.strip_suffix(')').and_then(|inner| inner.rsplit_once(" (")) else {
        return text;
    };
    let ours = ["replaced ", "abandoned ", "renaming "].iter().any(|word| inside.starts_with(word));
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
