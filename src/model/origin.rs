//! The `origin` tag: the name that a service was made for, and the commit whose manifest was written last.
//!
//! The tag survives a rename that another client makes, so a manifest still finds its service. The Classic API allows
//! only letters, digits, underscores and spaces in a tag. So the name is stored as a hash.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::characters::nfc;
use super::ids::ServiceName;

/// The key of the `origin` tag.
pub const TAG_ORIGIN: &str = "origin";

/// The word at the end of the tag's value if amigops has taken the service out of use.
const FORMER: &str = "former";

/// The first 4 bytes of the SHA-256 of a service's name, as 8 hexadecimal digits. White space at the ends of the name
/// and its Unicode normal form don't matter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameHash(String);

impl NameHash {
    /// Returns the hash of a name.
    pub fn of(name: &ServiceName) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, nfc(name.as_str().trim()).as_bytes());
        let mut text = String::with_capacity(8);
        for byte in &digest.as_ref()[..4] {
            // Writing to a string can't fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }
}

/// The value of an `origin` tag that amigops has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginTag {
    /// The name that the service was made for.
    pub name: NameHash,
    /// The commit whose manifest was written last. `None` if the manifests were not exactly those of a commit.
    pub commit: Option<String>,
    /// True if amigops has taken the service out of use.
    pub is_former: bool,
}

impl OriginTag {
    /// Reads the `origin` tag of a service. Returns `None` if the service has no tag `origin`, or if the tag's value
    /// does not have the format that amigops writes.
    pub fn of(tags: &BTreeMap<String, Option<String>>) -> Option<Self> {
        Self::parse(tags.get(TAG_ORIGIN)?.as_deref()?)
    }

    /// Parses the value of an `origin` tag. Returns `None` if the value does not have the format that amigops writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.trim().split(' ');
        let (name, commit) = (words.next()?, words.next()?);
        let is_former = match (words.next(), words.next()) {
            (None, _) => false,
            (Some(FORMER), None) => true,
            _ => return None,
        };
        let is_hash = |text: &str, lengths: &[usize]| {
            let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            lengths.contains(&text.len()) && text.bytes().all(is_digit)
        };
        let commit = match commit {
            "none" => None,
            commit if is_hash(commit, &[40, 64]) => Some(commit.to_owned()),
            _ => return None,
        };
        is_hash(name, &[8]).then(|| Self { name: NameHash(name.to_owned()), commit, is_former })
    }
}

impl fmt::Display for OriginTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name: NameHash(name), commit, is_former } = self;
        write!(f, "{name} {}", commit.as_deref().unwrap_or("none"))?;
        if *is_former { write!(f, " {FORMER}") } else { Ok(()) }
    }
}

/// Returns the tags that describe a service to users: all tags, except an `origin` tag that amigops has written.
pub fn without_origin(
    tags: &BTreeMap<String, Option<String>>,
) -> impl Iterator<Item = (&String, &Option<String>)> + Clone {
    let is_ours = OriginTag::of(tags).is_some();
    tags.iter().filter(move |(key, _)| !is_ours || *key != TAG_ORIGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "9f3a1c09e2d64b1b8c6c0f1a7d1d2e3f4a5b6c7d";

    #[test]
    fn a_tag_is_read_as_it_was_written() {
        let name = NameHash::of(&"Health Coach".into());
        for commit in [None, Some(COMMIT.to_owned()), Some(COMMIT.repeat(2)[..64].to_owned())] {
            for is_former in [false, true] {
                let tag = OriginTag { name: name.clone(), commit: commit.clone(), is_former };
                let text = tag.to_string();
                assert!(text.chars().all(|c| c.is_alphanumeric() || c == ' '), "Classic allows {text:?}");
                assert_eq!(OriginTag::parse(&text), Some(tag));
            }
        }
    }

    #[test]
    fn a_value_of_another_form_is_not_read() {
        let hash = "0123abcd";
        for other in [
            "",
            "main",
            "0123abcd",
            "0123ABCD none",
            "0123abc none",
            "0123abcd  none",
            "0123abcd None",
            "0123abcd 9f3a1c",
        ] {
            assert_eq!(OriginTag::parse(other), None, "{other:?}");
        }
        for end in [" gone", " former former", " former x", "\nformer"] {
            assert_eq!(OriginTag::parse(&format!("{hash} none{end}")), None, "{end:?}");
        }
    }

    #[test]
    fn names_that_look_the_same_have_the_same_hash() {
        let hash = |name: &str| NameHash::of(&ServiceName::new(name));
        assert_eq!(hash("Caf\u{e9}"), hash(" Cafe\u{301} "));
        assert_ne!(hash("Coach"), hash("coach"));
        assert_eq!(hash("Health Coach"), NameHash("25622142".to_owned()));
    }
}
