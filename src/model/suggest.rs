//! Suggests a known name that is similar to an unknown name.

/// Returns the candidate that is most similar to a name, or `None` if no candidate is similar enough.
pub fn did_you_mean<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 80;
    let length = name.chars().count();
    if length > LONGEST {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['-', ' ', '_'], "");
    let wanted = plain(name);
    let limit = (length / 3).clamp(1, 4);
    candidates
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= 4 * limit)
        .filter_map(|candidate| {
            let distance = if plain(candidate) == wanted { 0 } else { strsim::osa_distance(name, candidate) };
            (distance <= limit).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn similar_names_are_suggested() {
        let table = [
            ("Helth Coach", Some("Health Coach")),
            ("health-coach", Some("Health Coach")),
            ("Health Couch", Some("Health Coach")),
            ("Desks", Some("Desk")),
            ("Sales", None),
            ("", None),
        ];
        for (name, expected) in table {
            assert_eq!(did_you_mean(name, ["Desk", "Health Coach"].into_iter()), expected, "{name}");
        }
    }
}
