//! Parses UUIDs by the rules and with the error messages of pydantic, a Python validation library.

/// The number of hexadecimal digits in each of the five groups of a UUID.
const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

/// Parses a UUID in any spelling, and returns it in lower case with hyphens. If the string is not a UUID, returns an
/// error message.
pub(crate) fn parse(text: &str) -> Result<String, String> {
    let braced = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let (inner, offset) = match (braced, text.strip_prefix("urn:uuid:")) {
        (Some(inner), _) => (inner, 1),
        (None, Some(inner)) => (inner, 9),
        (None, None) => (text, 0),
    };
    let odd = inner.char_indices().find(|(_, c)| *c != '-' && !c.is_ascii_hexdigit());
    if let Some((at, character)) = odd {
        return Err(format!("invalid character: found `{character}` at {}", at + offset + 1));
    }
    let groups: Vec<&str> = inner.split('-').collect();
    let lower = inner.to_ascii_lowercase();
    if groups.len() == 1 && offset == 0 {
        return hyphenate(&lower).ok_or_else(|| {
            format!("invalid length: expected length 32 for simple format, found {}", text.len())
        });
    }
    if groups.len() != GROUPS.len() {
        return Err(format!("invalid group count: expected 5, found {}", groups.len()));
    }
    for (n, (group, expected)) in groups.iter().zip(GROUPS).enumerate() {
        if group.len() != expected {
            let found = group.len();
            return Err(format!("invalid group length in group {n}: expected {expected}, found {found}"));
        }
    }
    Ok(lower)
}

fn hyphenate(digits: &str) -> Option<String> {
    let mut rest = digits;
    let mut groups = Vec::new();
    for length in GROUPS {
        let (group, others) = rest.split_at_checked(length)?;
        groups.push(group);
        rest = others;
    }
    rest.is_empty().then(|| groups.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_gives_the_same_uuid() {
        let id = "5a4db0c5-0000-4000-8000-00000000000f";
        for text in [
            id,
            "5A4DB0C5-0000-4000-8000-00000000000F",
            "5a4db0c500004000800000000000000f",
            "{5a4db0c5-0000-4000-8000-00000000000f}",
            "urn:uuid:5a4db0c5-0000-4000-8000-00000000000f",
        ] {
            assert_eq!(parse(text).as_deref(), Ok(id));
        }
    }

    #[test]
    fn errors_name_the_reason() {
        let cases = [
            ("", "invalid length: expected length 32 for simple format, found 0"),
            ("x", "invalid character: found `x` at 1"),
            ("ä", "invalid character: found `ä` at 1"),
            ("5a4db0c5-0000-4000-8000", "invalid group count: expected 5, found 4"),
            ("5a4db0c-00000-4000-8000-000000000000", "invalid group length in group 0: expected 8, found 7"),
            ("5a4db0c5-0000-4000-8000-00000000000", "invalid group length in group 4: expected 12, found 11"),
            ("5a4db0c5-0000-4000-8000-000000000000\n", "invalid character: found `\n` at 37"),
        ];
        for (text, reason) in cases {
            assert_eq!(parse(text), Err(reason.to_owned()));
        }
    }
}
