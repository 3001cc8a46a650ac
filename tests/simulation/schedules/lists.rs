//! Lists that a server may return while services change: pages with too few services, missing services, and pages
//! that overlap.

use serde_json::{Value, json};

use super::disturbance::ListDisturbance;
use amigops_emulator::Reply;

/// A request for one page of the list of all services.
pub(super) struct PageRequest {
    skip: usize,
}

impl PageRequest {
    /// Parses a request. Returns `None` if it is not for the list of all services.
    pub(super) fn parse(method: &str, target: &str) -> Option<Self> {
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

    /// Returns the path and query of the request that returns all services on one page.
    pub(super) fn target_for_all(target: &str, max: usize) -> String {
        let path = target.split('?').next().unwrap_or_default();
        format!("{path}?limit={max}")
    }
}

/// Returns the answer with the requested page. `all` is the answer with all services.
pub(super) fn page(
    all: &Reply,
    request: &PageRequest,
    size: usize,
    newest_first: bool,
    disturbance: Option<&ListDisturbance>,
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
    let (mut count, mut token) = (total, next);
    match disturbance {
        Some(ListDisturbance::Hide { which, counted: is_counted }) if !shown.is_empty() => {
            shown.remove((which % shown.len() as u64) as usize);
            count -= usize::from(!is_counted);
        }
        // With pages of one service, the list would never end.
        Some(ListDisturbance::Overlap) if size > 1 => token = next.map(|next| next - 1),
        _ => {}
    }
    document[key] = Value::Array(shown);
    document["has_more"] = json!(token.is_some());
    document["continuation_token"] = json!(token);
    if document.get("total").is_some() {
        document["total"] = json!(count);
    }
    Reply { body: document.to_string().into_bytes(), ..all.clone() }
}

/// Returns the ids of the services in an answer, which has a list of services or one service.
pub(super) fn ids(reply: &Reply) -> Vec<String> {
    let Ok(document) = serde_json::from_slice::<Value>(&reply.body) else { return Vec::new() };
    let listed = document.get("items").or_else(|| document.get("services")).and_then(Value::as_array);
    let of = |service: &Value| Some(service.get("id")?.as_str()?.to_owned());
    match listed {
        Some(services) => services.iter().filter_map(of).collect(),
        None => of(&document).into_iter().collect(),
    }
}
