//! Checks the characters of names, and compares names that look the same.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

/// Returns the string in Unicode's normal form C. An accented letter can be one character, or a letter followed by a
/// separate accent. Strings that differ only in this look the same and have the same normal form.
pub fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}

/// Returns true if two names look the same to a user. Ignores white space at both ends, and differences in Unicode's
/// normal form. A server that compares bytes does not ignore these differences.
pub fn is_same_name(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim(), other.trim());
    one == other || (!(one.is_ascii() && other.is_ascii()) && nfc(one) == nfc(other))
}

/// Returns true if a character controls a terminal, reorders text, or is invisible. Returns false for joiners, because
/// they are part of emoji and of words in some scripts.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
        )
}

/// Returns the first forbidden character of a name, or `None` if there is none. Users can't see such a character, or
/// can't distinguish it from another one. The forbidden characters are hidden characters, white space other than the
/// space, and joiners and variation selectors after ASCII characters.
pub fn forbidden_in_name(name: &str) -> Option<char> {
    let mut before = ' ';
    for (at, c) in name.char_indices() {
        let is_keycap = c == '\u{fe0f}' && name[at + c.len_utf8()..].starts_with('\u{20e3}');
        let is_modifier = matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}') && !is_keycap;
        let is_other_space = c != ' ' && c.is_whitespace();
        if is_hidden(c) || is_other_space || (is_modifier && before.is_ascii()) {
            return Some(c);
        }
        before = c;
    }
    None
}

/// Returns a character's code point, with the character's name if it is a common one: `U+00A0 (no-break space)`.
pub fn code_point(c: char) -> String {
    let name = match c {
        '\t' => "tab",
        '\n' => "line break",
        '\r' => "carriage return",
        '\u{1b}' => "escape",
        '\u{a0}' => "no-break space",
        '\u{ad}' => "soft hyphen",
        '\u{200b}' => "zero-width space",
        '\u{200c}' => "zero-width non-joiner",
        '\u{200d}' => "zero-width joiner",
        '\u{200e}' => "left-to-right mark",
        '\u{200f}' => "right-to-left mark",
        '\u{2028}' => "line separator",
        '\u{2029}' => "paragraph separator",
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => "changes the direction of text",
        '\u{202f}' => "narrow no-break space",
        '\u{2060}' => "word joiner",
        '\u{3000}' => "ideographic space",
        '\u{fe00}'..='\u{fe0f}' => "variation selector",
        '\u{feff}' => "byte-order mark",
        _ => return format!("U+{:04X}", u32::from(c)),
    };
    format!("U+{:04X} ({name})", u32::from(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_the_same_are_the_same() {
        for (one, other) in [
            ("Café", "Cafe\u{301}"),
            (" Desk ", "Desk"),
            ("Ångström", "A\u{30a}ngstro\u{308}m"),
            ("Ω", "\u{2126}"),
            ("각", "\u{1100}\u{1161}\u{11a8}"),
        ] {
            assert!(is_same_name(one, other) && is_same_name(other, one), "{one}");
        }
        for (one, other) in [("Desk", "desk"), ("Café", "Cafe"), ("A", "Α"), ("ﬁ", "fi"), ("²", "2")] {
            assert!(!is_same_name(one, other), "{one} and {other}");
        }
    }

    #[test]
    fn hidden_characters_are_forbidden_in_names() {
        for (name, c) in [
            ("Coach\u{a0}Maya", "U+00A0 (no-break space)"),
            ("Coach\tMaya", "U+0009 (tab)"),
            ("Coach\u{2003}Maya", "U+2003"),
            ("Coach\u{200b}", "U+200B (zero-width space)"),
            ("Coach\u{200d}", "U+200D (zero-width joiner)"),
            ("Coach\u{fe0f}", "U+FE0F (variation selector)"),
            ("\u{200d}Coach", "U+200D (zero-width joiner)"),
            ("Coach\u{202e}", "U+202E (changes the direction of text)"),
            ("Coach\u{e0041}", "U+E0041"),
            ("Coach\u{7f}", "U+007F"),
            ("Co\u{ad}ach", "U+00AD (soft hyphen)"),
        ] {
            assert_eq!(forbidden_in_name(name).map(code_point).as_deref(), Some(c), "{name:?}");
        }
        for name in [
            "Coach Maya",
            "Café",
            "👩\u{200d}⚕\u{fe0f} Coach",
            "نمی\u{200c}خواهم",
            "❤\u{fe0f}",
            "1\u{fe0f}\u{20e3} Desk",
        ] {
            assert_eq!(forbidden_in_name(name), None, "{name:?}");
        }
    }
}
