//! Reads query strings: their parameters, sort orders and pages.

use serde_json::{Value, json};

use crate::api::problems::{At, RequestProblems};

/// The decoded parameters of a query string, in the order in which the client sent them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes a query string in the format of HTML forms, where `+` stands for a space.
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let decoded = |text: &str| percent_decode(&text.replace('+', " "));
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        };
        Self(pairs.map(pair).collect())
    }

    /// Returns all values of the parameter with this name.
    pub(crate) fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the value of the parameter with this name. If the parameter was sent several times, returns the last
    /// value.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Reads a boolean parameter. Returns `None` if the parameter is missing. If its value is not a boolean, adds an
    /// error and returns `None`.
    pub(crate) fn boolean(&self, problems: &mut RequestProblems, name: &str) -> Option<bool> {
        let value = self.one(name)?;
        match value.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" | "t" | "y" => Some(true),
            "false" | "0" | "no" | "off" | "f" | "n" => Some(false),
            _ => {
                let message = "Input should be a valid boolean, unable to interpret input";
                problems.add("bool_parsing", &At::query(name), message, &json!(value));
                None
            }
        }
    }

    fn integer(&self, problems: &mut RequestProblems, name: &str, default: i64) -> i64 {
        let Some(value) = self.one(name) else { return default };
        whole(value.trim()).unwrap_or_else(|| {
            let message = "Input should be a valid integer, unable to parse string as an integer";
            problems.add("int_parsing", &At::query(name), message, &json!(value));
            default
        })
    }

    /// Reads the parameters `limit` and `continuation_token`, which select one page of a list. Adds an error for each
    /// invalid value.
    pub(crate) fn page(&self, problems: &mut RequestProblems, bounds: PageBounds) -> Page {
        let PageBounds { default, least, most } = bounds;
        let limit = self.integer(problems, "limit", default);
        let skip = self.token(problems);
        let at = At::query("limit");
        if limit > most {
            let message = format!("Input should be less than or equal to {most}");
            problems.add("less_than_equal", &at, message, &json!(limit.to_string()));
        } else if limit < least {
            // The vendor's schemas say `> 0` for some lists, and `>= 0` for others.
            let (kind, bound) =
                if least > 0 { ("greater_than", "") } else { ("greater_than_equal", "or equal to ") };
            let message = format!("Input should be greater than {bound}0");
            problems.add(kind, &at, message, &json!(limit.to_string()));
        }
        Page { limit: usize::try_from(limit).unwrap_or(0), skip }
    }

    /// Reads the parameter `continuation_token`, which is the number of items to skip. The vendor's schema has no
    /// bounds for it, so any number is accepted. A number that is too high selects an empty page.
    pub(crate) fn token(&self, problems: &mut RequestProblems) -> usize {
        usize::try_from(self.integer(problems, "continuation_token", 0).max(0)).unwrap_or(usize::MAX)
    }

    /// Reads the parameter `sort_by`, which can occur several times. Each value is a sign (`+` or `-`) followed by one
    /// of the names in `fields`. Adds an error for any other value.
    pub(crate) fn sort(&self, problems: &mut RequestProblems, fields: &[&'static str]) -> Vec<Sort> {
        let mut sorts = Vec::new();
        for (n, text) in self.all("sort_by").enumerate() {
            let sign = text.chars().next().filter(|sign| matches!(sign, '+' | '-'));
            let field = fields.iter().find(|field| text.get(1..) == Some(**field));
            match (sign, field) {
                (Some(sign), Some(&field)) => sorts.push(Sort { field, descending: sign == '-' }),
                _ => {
                    let message = format!(
                        "Value error, write + or - and then the field to sort by, one of: {}",
                        fields.join(", ")
                    );
                    problems.add("value_error", &At::query("sort_by").then(n), message, &json!(text));
                }
            }
        }
        sorts
    }
}

/// Parses an integer. A number that is out of range becomes the largest or smallest `i64`, because the vendor's schemas
/// accept any integer.
fn whole(text: &str) -> Option<i64> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    text.parse().map_or_else(
        |error: std::num::ParseIntError| match error.kind() {
            PosOverflow => Some(i64::MAX),
            NegOverflow => Some(i64::MIN),
            _ => None,
        },
        Some,
    )
}

/// The bounds of the parameter `limit`: its default, its minimum and its maximum.
#[derive(Clone, Copy)]
pub(crate) struct PageBounds {
    pub(crate) default: i64,
    pub(crate) least: i64,
    pub(crate) most: i64,
}

/// The page of a list that a request asks for: the maximum number of items, and the number of items to skip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) limit: usize,
    pub(crate) skip: usize,
}

impl Page {
    /// Returns true if this is the first page of the list.
    pub(crate) fn is_first(self) -> bool {
        self.skip == 0
    }

    /// Returns the items on this page. Reads one more item to find out if there is another page.
    pub(crate) fn cut<T>(self, items: impl Iterator<Item = T>) -> Slice<T> {
        let mut items = items.skip(self.skip);
        let taken: Vec<T> = items.by_ref().take(self.limit).collect();
        let next = items.next().map(|_| self.skip + taken.len());
        Slice { items: taken, next }
    }
}

/// The items on a page, and the position in the list at which the next page starts. The position is `None` if there is
/// no next page.
#[derive(Debug, PartialEq)]
pub(crate) struct Slice<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<usize>,
}

impl<T> Slice<T> {
    /// Returns the JSON of the answer: the items under the key `name`, and the token for the next page. `show` converts
    /// an item to JSON.
    pub(crate) fn document(self, name: &str, show: impl FnMut(T) -> Value) -> Value {
        let has_more = self.next.is_some();
        let items: Vec<Value> = self.items.into_iter().map(show).collect();
        json!({name: items, "has_more": has_more, "continuation_token": self.next})
    }
}

/// A field to sort a list by, and the direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    pub(crate) field: &'static str,
    pub(crate) descending: bool,
}

impl Sort {
    /// Returns `order`, the result of comparing two items. Returns the reverse of `order` if this sort is descending.
    pub(crate) fn apply(self, order: std::cmp::Ordering) -> std::cmp::Ordering {
        if self.descending { order.reverse() } else { order }
    }
}

/// Decodes percent-encoding: `%41` becomes `A`. A `%` that is not followed by two hexadecimal digits is kept.
/// Bytes that are not UTF-8 are replaced.
pub(crate) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = |place: usize| bytes.get(place).and_then(|digit| (*digit as char).to_digit(16));
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: PageBounds = PageBounds { default: 10, least: 1, most: 20 };

    fn page(query: &str) -> Option<Page> {
        let mut problems = RequestProblems::default();
        let page = Query::parse(Some(query)).page(&mut problems, BOUNDS);
        problems.done().is_ok().then_some(page)
    }

    #[test]
    fn forms_are_decoded() {
        let query = Query::parse(Some("a=1&a=%2B2+3&b&c=%zz%4&%64=%ff&&=x"));
        assert_eq!(query.all("a").collect::<Vec<_>>(), ["1", "+2 3"]);
        assert_eq!((query.one("a"), query.one("b"), query.one("e")), (Some("+2 3"), Some(""), None));
        assert_eq!((query.one("c"), query.one("d")), (Some("%zz%4"), Some("\u{fffd}")));
    }

    #[test]
    fn page_sizes_have_limits() {
        assert_eq!(page(""), Some(Page { limit: 10, skip: 0 }));
        assert_eq!(page("limit=20&continuation_token=40"), Some(Page { limit: 20, skip: 40 }));
        assert_eq!(page("limit=99&limit=5"), Some(Page { limit: 5, skip: 0 }), "the last one counts");
        for bad in ["limit=0", "limit=21", "limit=-1", "limit=", "limit=1.0", "limit=99999999999999999999"] {
            assert_eq!(page(bad), None, "{bad}");
        }
    }

    #[test]
    fn any_integer_is_a_token() {
        let skip = |token: &str| page(&format!("continuation_token={token}")).map(|page| page.skip);
        assert_eq!(skip("-1"), Some(0));
        assert_eq!(skip("-99999999999999999999"), Some(0));
        assert!(skip("99999999999999999999") > Some(1 << 40));
        assert_eq!(skip("1e3"), None);
    }

    #[test]
    fn a_page_knows_if_there_is_another() {
        let cut = |limit, skip| {
            let slice = Page { limit, skip }.cut(0..5);
            (slice.items, slice.next)
        };
        assert_eq!(cut(2, 0), (vec![0, 1], Some(2)));
        assert_eq!(cut(2, 3), (vec![3, 4], None));
        assert_eq!(cut(5, 0), (vec![0, 1, 2, 3, 4], None));
        assert_eq!(cut(5, 9), (vec![], None));
    }

    #[test]
    fn sort_parameters_are_parsed() {
        let sort = |query| {
            let mut problems = RequestProblems::default();
            let sorts = Query::parse(Some(query)).sort(&mut problems, &["name", "is_active"]);
            problems.done().is_ok().then_some(sorts)
        };
        let by = |field, descending| Sort { field, descending };
        assert_eq!(
            sort("sort_by=%2Bname&sort_by=-is_active"),
            Some(vec![by("name", false), by("is_active", true)])
        );
        assert_eq!(sort("sort_by=+name"), None, "a plus that was not encoded is a space");
        assert_eq!(sort("sort_by=%F0%9F%92%A5name"), None);
        assert_eq!(by("name", true).apply(std::cmp::Ordering::Less), std::cmp::Ordering::Greater);
    }
}
