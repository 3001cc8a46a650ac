//! Reads the query parameters with which clients list rows: the page, the search text and the sort order.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::models::SEARCH;
use super::schema::ValueKind;
use super::{Call, scalars};
use crate::api::problems::{At, RequestProblems};
use crate::api::query::{Page, Sort};

/// The rows that a list request asks for: the search text that selects them, their order, and the page.
pub(super) struct ListQuery {
    search: Option<String>,
    sort: Option<Sort>,
    page: Page,
}

impl ListQuery {
    /// Reads the query parameters that all lists have in common. `most` is the maximum page size, and `fields` has the
    /// names of the fields to sort by. Adds an error for each invalid value.
    pub(super) fn read(
        call: &Call<'_>,
        problems: &mut RequestProblems,
        most: u32,
        fields: &[&'static str],
    ) -> Self {
        let search = call.query.one("search");
        let search = search.and_then(|text| SEARCH.read(problems, &At::query("search"), &json!(text)));
        let search = search.and_then(|text| text.as_str().map(str::to_lowercase));
        let sort = call.query.one("sort_by").and_then(|text| sort(problems, text, fields));
        let page = Page { limit: limit(call, problems, most), skip: call.query.token(problems) };
        Self { search, sort, page }
    }

    /// Returns true if the name contains the search text, or if there is no search text.
    pub(super) fn matches(&self, name: &str) -> bool {
        self.search.as_ref().is_none_or(|part| name.to_lowercase().contains(part))
    }

    /// Returns the JSON of the answer. `rows` must be in the order of creation. Rows that compare as equal stay in this
    /// order. `compare` compares two rows by a field, and `show` converts a row to JSON.
    pub(super) fn document<T>(
        &self,
        mut rows: Vec<T>,
        compare: impl Fn(&'static str, &T, &T) -> Ordering,
        show: impl FnMut(T) -> Value,
    ) -> Value {
        if let Some(sort) = self.sort {
            rows.sort_by(|a, b| sort.apply(compare(sort.field, a, b)));
        }
        let total = rows.len();
        let mut document = self.page.cut(rows.into_iter()).document("items", show);
        document["total"] = json!(total);
        document
    }
}

/// Reads the page size from the parameter `limit`. Returns 10 if the parameter is missing. Adds an error if its value
/// is invalid.
fn limit(call: &Call<'_>, problems: &mut RequestProblems, most: u32) -> usize {
    let Some(text) = call.query.one("limit") else { return 10 };
    let (at, sent) = (At::query("limit"), json!(text));
    // The vendor's published lower bound is exclusive, so 0 is refused with "greater than 0".
    let read = ValueKind::Integer { least: None, most: Some(i64::from(most)) }.read(problems, &at, &sent);
    let read = read.map(|number| number.as_i64().unwrap_or(i64::MAX));
    if read.is_some_and(|number| number < 1) {
        let message = "Input should be greater than 0";
        problems.add_with("greater_than", &at, message, &sent, &json!({"gt": 0}));
    }
    read.and_then(|number| usize::try_from(number).ok()).unwrap_or(10)
}

fn sort(problems: &mut RequestProblems, text: &str, fields: &[&'static str]) -> Option<Sort> {
    let sign = text.chars().next().filter(|sign| matches!(sign, '+' | '-'));
    let field = fields.iter().find(|field| text.get(1..) == Some(**field));
    if let (Some(sign), Some(&field)) = (sign, field) {
        return Some(Sort { field, descending: sign == '-' });
    }
    let reason = format!("write + or - and then the field to sort by, one of: {}", fields.join(", "));
    let message = format!("Value error, {reason}");
    problems.add_with(
        "value_error",
        &At::query("sort_by"),
        message,
        &json!(text),
        &json!({ "error": reason }),
    );
    None
}

/// Reads a boolean query parameter. Returns `None` if the parameter is missing. If its value is invalid, adds an error
/// and returns `None`.
pub(super) fn truth(call: &Call<'_>, problems: &mut RequestProblems, name: &str) -> Option<bool> {
    let text = call.query.one(name)?;
    scalars::boolean(problems, &At::query(name), &json!(text))
}
