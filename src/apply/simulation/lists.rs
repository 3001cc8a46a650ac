//! Lists as a server may show them while they change: short pages, services left out, pages that overlap.

use serde_json::{Value, json};

use super::trouble::ListTrouble;
use amigops_emulator::Reply;

/// One request for a page.
pub(super) struct PageRequest {
    skip: usize,
}

impl PageRequest {
    /// Reads the request; none where it does not ask for a list of all services.
    pub(super) fn read(method: &str, target: &str) -> Option<Self> {
        let (path, query) = target.split_once('?')?;
        let is_list = method == "GET" && (path.ends_with("/service/") || path.ends_with("/services"));
        let mut skip = 0;
        for pair in query.split('&') {
            match pair.split_once('=')? {
                ("limit", _) => {}
                ("continuation_token", token) => skip = token.parse().ok()?,
                _ => return None,
            }
        }
        is_list.then_some(Self { skip })
    }

    /// The request for everything on one page.
    pub(super) fn for_all(target: &str, most: usize) -> String {
        let path = target.split('?').next().unwrap_or_default();
        format!("{path}?limit={most}")
    }
}

/// The page that a server shows of everything.
pub(super) fn page(
    all: &Reply,
    request: &PageRequest,
    size: usize,
    newest_first: bool,
    trouble: Option<&ListTrouble>,
) -> Reply {
    let Ok(mut document) = serde_json::from_slice::<Value>(&all.body) else { return all.clone() };
    let key = if document.get("items").is_some() { "items" } else { "services" };
    let Some(Value::Array(mut items)) = document.get_mut(key).map(Value::take) else { return all.clone() };
    if newest_first {
        items.reverse();
    }
    let total = items.len();
    let end = (request.skip + size).min(total);
    let next = (end < total).then_some(end);
    let mut shown: Vec<Value> = items.get(request.skip..end).unwrap_or_default().to_vec();
    let (mut counted, mut token) = (total, next);
    match trouble {
        Some(ListTrouble::Hide { which, counted: is_counted }) if !shown.is_empty() => {
            shown.remove((which % shown.len() as u64) as usize);
            counted -= usize::from(!is_counted);
        }
        // A page of one would be shown for ever.
        Some(ListTrouble::Overlap) if size > 1 => token = next.map(|next| next - 1),
        _ => {}
    }
    document[key] = Value::Array(shown);
    document["has_more"] = json!(token.is_some());
    document["continuation_token"] = json!(token);
    if document.get("total").is_some() {
        document["total"] = json!(counted);
    }
    Reply { body: document.to_string().into_bytes(), ..all.clone() }
}

/// The ids of the services in an answer.
pub(super) fn ids(reply: &Reply) -> Vec<String> {
    let Ok(document) = serde_json::from_slice::<Value>(&reply.body) else { return Vec::new() };
    let listed = document.get("items").or_else(|| document.get("services")).and_then(Value::as_array);
    let of = |service: &Value| Some(service.get("id")?.as_str()?.to_owned());
    match listed {
        Some(services) => services.iter().filter_map(of).collect(),
        None => of(&document).into_iter().collect(),
    }
}
