//! The endpoints that start, list and finish conversations.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::tags;
use super::validate;
use super::{Call, filters, no_service, wire};
use crate::api::agent_replies::{AgentReply, Turn};
use crate::api::exchange::{Answer, Payload};
use crate::api::problems::{At, RequestProblems, optional, required};
use crate::api::query::PageBounds;
use crate::api::refusal::Refusal;
use crate::state::{Conversation, Organization, Permission, Service, VersionSet, World};

const PAGE: PageBounds = PageBounds { default: 150, least: 1, most: 150 };

/// Answers `GET /conversation/`: lists conversations.
pub(super) fn list(call: &Call<'_>, world: &World) -> Result<Answer, Refusal> {
    let mut problems = RequestProblems::default();
    let ids = filters::ids(&call.query, &mut problems, "id");
    let services = filters::ids(&call.query, &mut problems, "service_id");
    let finished = call.query.boolean(&mut problems, "is_finished");
    let tags = filters::tags(&call.query, &mut problems, "tag");
    let sorts = call.query.sort(&mut problems, &["created_at"]);
    let page = call.query.page(&mut problems, PAGE);
    problems.done()?;
    let users: Vec<&str> = call.query.all("user_id").collect();
    let permitted = call.key.may(Permission::GetConversation);
    let seen = call.home(world)?.conversations().iter().filter(|conversation| {
        permitted
            && finished.is_none_or(|finished| conversation.is_finished == finished)
            && (ids.is_empty() || ids.contains(&conversation.id))
            && (services.is_empty() || services.contains(&conversation.service_id))
            && (users.is_empty() || users.contains(&conversation.user_id.as_str()))
            && tags.iter().all(|filter| filter.fits(&conversation.tags))
    });
    // Conversations are stored in the order of their creation.
    let slice = match sorts.first() {
        Some(sort) if sort.descending => page.cut(seen.rev()),
        _ => page.cut(seen),
    };
    Ok(Answer::json(200, &slice.document("conversations", wire::conversation)))
}

/// The values of a request that starts a conversation.
struct Start {
    service_id: String,
    version_set: String,
    message: Option<String>,
    is_user_message: bool,
    tags: BTreeMap<String, Option<String>>,
    actions: Regex,
    voice: bool,
}

impl Start {
    fn read(call: &Call<'_>) -> Result<Self, Refusal> {
        let fields = call.fields()?;
        let mut problems = RequestProblems::default();
        let (p, at) = (&mut problems, At::body());
        let service_id = required(p, &at, &fields, "service_id", validate::id);
        let version_set = fields.get("service_version_set_name");
        let version_set =
            version_set.map(|name| validate::plain(p, &at.then("service_version_set_name"), name));
        let message = optional(p, &at, &fields, "initial_message", validate::text);
        let kind = optional(p, &at, &fields, "initial_message_type", message_type);
        let tags = optional(p, &at, &fields, "tags", tags::conversation_tags);
        let is_null = |name: &str| fields.get(name).is_none_or(Value::is_null);
        if is_null("initial_message") && !is_null("initial_message_type") {
            let reason = "Value error, initial_message_type needs an initial_message";
            p.add("value_error", &at, reason, &Value::Object(fields.clone()));
        }
        let voice = response_format(p, call);
        let actions = action_filter(p, call);
        problems.done()?;
        let (Some(service_id), Some(actions)) = (service_id, actions) else { return Err(problems.refusal()) };
        Ok(Self {
            service_id,
            version_set: version_set.flatten().unwrap_or_else(|| "release".to_owned()),
            message,
            is_user_message: kind.unwrap_or(true),
            tags: tags.unwrap_or_default(),
            actions,
            voice,
        })
    }
}

/// Reads the type of a conversation's first message. Returns true for a message from the user, and false for an
/// external event. For any other type, adds an error and returns `None`.
fn message_type(problems: &mut RequestProblems, at: &At, value: &Value) -> Option<bool> {
    match value.as_str() {
        Some("user-message") => Some(true),
        Some("external-event") => Some(false),
        _ => {
            let message = "Input should be 'user-message' or 'external-event'";
            problems.add("literal_error", at, message, value);
            None
        }
    }
}

fn response_format(problems: &mut RequestProblems, call: &Call<'_>) -> bool {
    let at = At::query("response_format");
    match call.query.one("response_format") {
        Some("text") => false,
        Some("voice") => true,
        Some(other) => {
            problems.add("literal_error", &at, "Input should be 'text' or 'voice'", &json!(other));
            false
        }
        None => {
            problems.add("missing", &at, "Field required", &Value::Null);
            false
        }
    }
}

fn action_filter(problems: &mut RequestProblems, call: &Call<'_>) -> Option<Regex> {
    let pattern = call.query.one("current_agent_action_type").unwrap_or("^.*$");
    // The size limit protects the server from patterns that would use up its memory.
    let regex = regex::RegexBuilder::new(pattern).size_limit(1 << 20).build();
    if regex.is_err() {
        let at = At::query("current_agent_action_type");
        problems.add("value_error", &at, "Value error, not a regular expression", &json!(pattern));
    }
    regex.ok()
}

/// Answers `POST /conversation/`: starts a conversation.
pub(super) fn start(call: &Call<'_>, world: &mut World) -> Result<Answer, Refusal> {
    let start = Start::read(call)?;
    call.require(Permission::CreateConversation)?;
    let home = call.home(world)?;
    let service = home.services().get(&start.service_id).ok_or_else(|| no_service(&start.service_id))?;
    let no_set = || Refusal::NotFound(format!("version set {:?} does not exist", start.version_set));
    let set = service.version_sets.get(&start.version_set).ok_or_else(no_set)?;
    if start.voice {
        return Err(Refusal::BadRequest("the agent has no voice config".to_owned()));
    }
    let open = |other: &Conversation| {
        !other.is_finished && other.user_id == call.key.user && other.service_id == service.id
    };
    if home.conversations().iter().any(open) {
        let reason = "the user has another unfinished conversation with this service";
        return Err(Refusal::BadRequest(reason.to_owned()));
    }
    let mut conversation = draft(call, home, service, set, &start);
    let agent_name = home.agents().get(&service.agent_id).map_or("the agent", |agent| agent.name.as_str());
    let said = start.message.as_deref().filter(|_| start.is_user_message);
    let turn = Turn {
        agent: agent_name,
        service: &service.name,
        version_set: &conversation.version_set,
        agent_version: conversation.agent.1,
        context_graph_version: conversation.context_graph.1,
        said,
    };
    let spoken = turn.reply(&home.settings().replies);
    if let AgentReply::Message { text, finishes } = &spoken {
        conversation.messages.push(text.clone());
        conversation.is_finished = *finishes;
    }
    let (sequence, id) = world.next_id();
    let (_, message_id) = world.next_id();
    let (_, interaction_id) = world.next_id();
    let ids = Ids { conversation: &id, message: &message_id, interaction: &interaction_id };
    let insights = call.key.may(Permission::GetInteractionInsights);
    let stream = events(&ids, &spoken, insights.then_some(&start.actions));
    let conversation = Conversation { id: id.clone(), sequence, ..conversation };
    call.home_mut(world)?.conversations.push(conversation);
    Ok(Answer { status: 201, headers: Vec::new(), body: Payload::Stream(stream) })
}

fn draft(
    call: &Call<'_>,
    home: &Organization,
    service: &Service,
    set: &VersionSet,
    start: &Start,
) -> Conversation {
    let latest =
        |table: &crate::Table<crate::CatalogItem>, id: &str| table.get(id).map_or(0, |item| item.versions);
    let agent = set.agent_version.unwrap_or_else(|| latest(home.agents(), &service.agent_id));
    let graph = set.context_graph_version;
    let graph = graph.unwrap_or_else(|| latest(home.context_graphs(), &service.context_graph_id));
    Conversation {
        id: String::new(),
        sequence: 0,
        user_id: call.key.user.clone(),
        service_id: service.id.clone(),
        version_set: start.version_set.clone(),
        agent: (service.agent_id.clone(), agent),
        context_graph: (service.context_graph_id.clone(), graph),
        llm_model_preferences: set.llm_model_preferences.clone(),
        tags: start.tags.clone(),
        messages: start.message.iter().cloned().collect(),
        is_finished: false,
        created_at: call.millis(),
    }
}

struct Ids<'a> {
    conversation: &'a str,
    message: &'a str,
    interaction: &'a str,
}

fn line(event: &Value) -> Vec<u8> {
    format!("{event}\n").into_bytes()
}

/// Returns three actions of the agent. A streamed answer can report them before the agent's message.
fn actions() -> [Value; 3] {
    [
        json!({"type": "select-dynamic-behavior-vector-generated"}),
        json!({"type": "navigate-state-machine-action-state-action-selected", "action": "answer the user"}),
        json!({"type": "engage-user-message-fragment-generated", "fragment": "", "index": 0, "is_final": true}),
    ]
}

fn events(ids: &Ids<'_>, spoken: &AgentReply, actions_wanted: Option<&Regex>) -> Vec<Vec<u8>> {
    let mut lines = vec![line(&json!({"type": "conversation-created", "conversation_id": ids.conversation}))];
    for action in actions() {
        let kind = action["type"].as_str().unwrap_or_default();
        if actions_wanted.is_some_and(|wanted| wanted.is_match(kind)) {
            lines.push(line(&json!({"type": "current-agent-action", "action": action})));
        }
    }
    let (text, finishes) = match spoken {
        AgentReply::Message { text, finishes } => (text, *finishes),
        AgentReply::Error { code, description } => {
            let event = json!({"type": "error", "http_error_code": code, "error_description": description});
            lines.push(line(&event));
            return lines;
        }
    };
    let pieces = pieces(text);
    for (n, piece) in pieces.iter().enumerate() {
        let mut event: Map<String, Value> = Map::new();
        event.insert("type".to_owned(), json!("new-message"));
        event.insert("message".to_owned(), json!(piece));
        event.insert("message_metadata".to_owned(), json!([]));
        event.insert("transcript_alignment".to_owned(), Value::Null);
        event.insert("stop".to_owned(), json!(n + 1 == pieces.len()));
        event.insert("sequence_number".to_owned(), json!(n + 1));
        event.insert("message_id".to_owned(), json!(ids.message));
        lines.push(line(&Value::Object(event)));
    }
    lines.push(line(&json!({
        "type": "interaction-complete",
        "message_id": ids.message,
        "interaction_id": ids.interaction,
        "full_message": text,
        "conversation_completed": finishes,
    })));
    lines
}

/// Splits a message into chunks of up to four words. An empty message becomes one empty chunk.
fn pieces(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_inclusive(' ').collect();
    let pieces: Vec<String> = words.chunks(4).map(<[&str]>::concat).collect();
    if pieces.is_empty() { vec![String::new()] } else { pieces }
}

/// Answers `POST /conversation/{id}/finish/`: finishes a conversation.
pub(super) fn finish(call: &Call<'_>, world: &mut World) -> Result<Answer, Refusal> {
    let id = validate::path_id("conversation_id", call.parameter(0))?;
    call.require(Permission::FinishConversation)?;
    let missing = || Refusal::NotFound(format!("conversation {id} does not exist"));
    let conversations = &mut call.home_mut(world)?.conversations;
    let conversation = conversations.get(&id).ok_or_else(missing)?;
    if conversation.is_finished {
        return Err(Refusal::Conflict("the conversation is already finished".to_owned()));
    }
    if conversation.messages.is_empty() {
        // The vendor deletes a conversation without messages.
        conversations.remove(&id);
    } else if let Some(conversation) = conversations.get_mut(&id) {
        conversation.is_finished = true;
    }
    Ok(Answer::empty(204))
}
