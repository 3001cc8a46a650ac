//! Derives file names from service names.

use std::collections::BTreeSet;

use crate::model::{ServiceId, ServiceName};

/// The maximum number of characters of a service's name that a file name contains. Even if each character has four
/// bytes, the file name is shorter than the limit of file systems.
const MAX_CHARACTERS: usize = 48;

/// Names that Windows reserves for devices.
const DEVICES: &[&str] = &["con", "prn", "aux", "nul"];

/// Converts a service's name into a file name without an extension. Converts the name to lower case, and replaces
/// everything except letters and digits of any script by `-`. The same name always has the same result, which is never
/// a path.
pub(super) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug: String = slug.chars().take(MAX_CHARACTERS).collect();
    let slug = slug.trim_end_matches('-');
    let port = |text: &str| text.len() == 4 && text.ends_with(|c: char| c.is_ascii_digit());
    let device =
        DEVICES.contains(&slug) || (port(slug) && (slug.starts_with("com") || slug.starts_with("lpt")));
    match slug {
        "" => "service".to_owned(),
        slug if device => format!("service-{slug}"),
        slug => slug.to_owned(),
    }
}

/// Returns the file name for a service: its slug and `.yaml`. If `taken` contains this name, the end of the service's
/// id, or else a number, follows the slug.
pub(super) fn file_name(name: &ServiceName, id: &ServiceId, taken: &BTreeSet<String>) -> String {
    let slug = slug(name.as_str());
    let id: String =
        id.as_str().chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let ends = (6..=id.len()).map(|length| format!("{slug}-{}.yaml", &id[id.len() - length..]));
    let numbers = (2..).map(|number| format!("{slug}-{number}.yaml"));
    let plain = std::iter::once(format!("{slug}.yaml"));
    plain.chain(ends).chain(numbers).find(|name| !taken.contains(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slug_is_never_a_path() {
        for (name, wanted) in [
            ("Health Coach", "health-coach"),
            ("Meet & Greet", "meet-greet"),
            ("../../etc/passwd", "etc-passwd"),
            ("C:\\x", "c-x"),
            (".hidden", "hidden"),
            ("ÉCOLE 2", "école-2"),
            ("日本語", "日本語"),
            ("🙂", "service"),
            ("NUL", "service-nul"),
            ("com1", "service-com1"),
            ("\u{202e}x\0y", "x-y"),
        ] {
            assert_eq!(slug(name), wanted);
        }
        assert!(slug(&"長".repeat(300)).len() < 200);
    }

    #[test]
    fn taken_name_gets_the_end_of_the_id() {
        let id = ServiceId::new("6618791275530b73714e9d18");
        let mut taken = BTreeSet::from(["a.yaml".to_owned()]);
        assert_eq!(file_name(&"A".into(), &id, &taken), "a-4e9d18.yaml");
        taken.insert("a-4e9d18.yaml".to_owned());
        assert_eq!(file_name(&"A".into(), &id, &taken), "a-14e9d18.yaml");
        assert_eq!(file_name(&"A".into(), &"x".into(), &taken), "a-2.yaml");
    }
}
