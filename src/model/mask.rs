//! Masks secrets in the strings that `amigops` prints or writes to files.

use std::borrow::Cow;
use std::fmt;

/// The string that is shown instead of a secret.
const MASK: &str = "***";
/// The minimum length of a secret that is masked, in bytes. Shorter keys are not real secrets (the sandbox's key is a
/// word), and masking them would remove ordinary words from a report.
const SHORTEST_SECRET: usize = 8;
/// The minimum length of a part of a secret that is masked, in bytes. If a report shortens a text in the middle of a
/// secret, the other part of the secret is left next to the `…`.
const SHORTEST_PART: usize = 6;
/// The character that reports write where they shorten a text.
const CUT: char = '…';

/// The secrets that must not appear in any output: credentials and tokens. The `Debug` output does not contain them,
/// either.
#[derive(Clone, Default)]
pub struct Secrets {
    /// The secrets, longest first, because one secret may contain another.
    texts: Vec<String>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.texts.len())
    }
}

impl<S: AsRef<str>> FromIterator<S> for Secrets {
    fn from_iter<I: IntoIterator<Item = S>>(texts: I) -> Self {
        let mut secrets = Self::default();
        texts.into_iter().for_each(|text| secrets.add(text.as_ref()));
        secrets
    }
}

impl Secrets {
    /// Adds a secret, and its forms in the encodings of reports. Ignores a secret that is too short.
    pub fn add(&mut self, secret: &str) {
        let secret = secret.trim();
        if secret.len() < SHORTEST_SECRET {
            return;
        }
        // The secret itself, and its encoded forms in JSON, in HTML, in a URL and in a GitHub workflow command.
        let json = serde_json::Value::from(secret).to_string();
        let html =
            secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        let address = percent_encoded(secret);
        let command = secret.replace('%', "%25");
        for form in [secret, &json[1..json.len() - 1], &html, &address, &command] {
            if !self.texts.iter().any(|known| known == form) {
                self.texts.push(form.to_owned());
            }
        }
        self.texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    }

    /// Returns the text with every secret masked. Also masks a part of a secret next to a `…`, where a report has
    /// shortened the text.
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut masked = Cow::Borrowed(text);
        for secret in self.texts.iter().filter(|secret| text.contains(secret.as_str())) {
            masked = Cow::Owned(masked.replace(secret.as_str(), MASK));
        }
        if !self.texts.is_empty() && masked.contains(CUT) {
            for secret in &self.texts {
                if let Some(without) = mask_parts(&masked, secret) {
                    masked = Cow::Owned(without);
                }
            }
        }
        masked
    }
}

/// Masks the parts of a secret directly before and after each `…`, where a report has shortened the text. Returns
/// `None` if there is nothing to mask.
fn mask_parts(text: &str, secret: &str) -> Option<String> {
    let pieces: Vec<&str> = text.split(CUT).collect();
    let last = pieces.len() - 1;
    let mut out = String::with_capacity(text.len());
    let mut found = false;
    for (index, piece) in pieces.iter().enumerate() {
        let mut kept = *piece;
        let (mut before, mut after) = ("", "");
        if index > 0
            && let Some(length) = head(kept, secret)
        {
            (before, kept) = (MASK, &kept[length..]);
        }
        if index < last
            && let Some(length) = tail(kept, secret)
        {
            (after, kept) = (MASK, &kept[..kept.len() - length]);
        }
        found |= !before.is_empty() || !after.is_empty();
        out.extend([before, kept, after]);
        if index < last {
            out.push(CUT);
        }
    }
    found.then_some(out)
}

/// Returns the length in bytes of the longest beginning of the text that also occurs in the secret. Returns `None` if
/// this beginning is too short to be masked.
fn head(text: &str, secret: &str) -> Option<usize> {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let length = ends.take_while(|end| secret.contains(&text[..*end])).last()?;
    (length >= SHORTEST_PART).then_some(length)
}

/// Returns the length in bytes of the longest end of the text that also occurs in the secret. Returns `None` if this
/// end is too short to be masked.
fn tail(text: &str, secret: &str) -> Option<usize> {
    let starts = text.char_indices().rev().map(|(at, _)| at);
    let start = starts.take_while(|start| secret.contains(&text[*start..])).last()?;
    let length = text.len() - start;
    (length >= SHORTEST_PART).then_some(length)
}

fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Secrets;

    #[test]
    fn secrets_are_masked_in_every_encoding() {
        let secrets: Secrets =
            ["s3cret-key-of-acme", " s3cret-key-of-acme-2\n", "sandbox", "a\"b<c>d/é%"].into_iter().collect();
        for (text, expected) in [
            ("the sandbox is full", "the sandbox is full"),
            ("key=s3cret-key-of-acme.", "key=***."),
            ("s3cret-key-of-acme-2s3cret-key-of-acme", "******"),
            ("s3cret-key-of", "s3cret-key-of"),
            (r#"{"a":"a\"b<c>d/é%"}"#, r#"{"a":"***"}"#),
            ("a&quot;b&lt;c&gt;d/é%", "***"),
            ("?q=a%22b%3Cc%3Ed%2F%C3%A9%25", "?q=***"),
            ("::error::a\"b<c>d/é%25", "::error::***"),
        ] {
            assert_eq!(secrets.mask(text), expected, "{text}");
        }
        assert!(!format!("{secrets:?}").contains("s3cret"));
    }

    #[test]
    fn parts_are_masked_next_to_a_cut() {
        let secrets: Secrets = ["s3cret-key-of-acme"].into_iter().collect();
        for (text, expected) in [
            ("`s3cret-key-o…`", "`***…`"),
            ("…key-of-acme and more", "…*** and more"),
            ("…cret-key-of…", "…***…"),
            ("…of-a and s3cre…", "…of-a and s3cre…"),
            ("s3cret-key-o", "s3cret-key-o"),
            ("…", "…"),
        ] {
            assert_eq!(secrets.mask(text), expected, "{text}");
        }
    }
}
