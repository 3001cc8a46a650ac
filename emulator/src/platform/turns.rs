//! The endpoints with which users talk to services. In a text turn, the agent answers a text message from the user. In
//! a voice turn, the agent answers a voice message.

use serde_json::{Value, json};

use super::models::{self, MAX_TURN_CHARS, PHONE_NUMBER};
use super::multipart::{self, Part};
use super::{Call, ogg, services};
use crate::api::agent_replies::{AgentReply, Turn};
use crate::api::exchange::{Answer, Payload};
use crate::api::problems::{At, RequestProblems};
use crate::api::refusal::Refusal;
use crate::state::World;
use crate::state::{PlatformService, Workspace};

/// The name of the version set that every turn uses.
const RELEASE: &str = "release";

/// Answers `POST /services/{id}/text-turn`: replies to a text message from a user.
pub(super) fn text(call: &Call<'_>, world: &World) -> Result<Answer, Refusal> {
    let mut problems = RequestProblems::default();
    let id = call.id(&mut problems, "service_id");
    let fields = call.body(&mut problems, &models::TEXT_TURN)?;
    problems.done()?;
    let (Some(id), Some(fields)) = (id, fields) else { return Err(problems.refusal()) };
    let home = call.home(world)?;
    let service = services::find_for_turn(home, &id)?;
    let said = fields.get("text").and_then(Value::as_str).unwrap_or_default();
    Ok(match reply(home, service, Some(said))? {
        Reply::Says(text) => Answer::json(200, &json!({ "text": text })),
        Reply::Other(answer) => answer,
    })
}

/// Answers `POST /services/{id}/voice-turn`: replies to a voice message from a user.
pub(super) fn voice(call: &Call<'_>, world: &World) -> Result<Answer, Refusal> {
    let mut problems = RequestProblems::default();
    let id = call.id(&mut problems, "service_id");
    let form = multipart::parse(call.request.header("content-type"), &call.request.body)
        .map_err(|()| Refusal::BadRequest("There was an error parsing the body".to_owned()))?;
    check_audio(&mut problems, part(&form, "audio"));
    let number_at = At::body().then("phone_number");
    match part(&form, "phone_number") {
        None => problems.add("missing", &number_at, "Field required", &Value::Null),
        Some(number) => {
            let number = String::from_utf8_lossy(number.content);
            PHONE_NUMBER.read(&mut problems, &number_at, &json!(number));
        }
    }
    problems.done()?;
    let id = id.ok_or_else(|| problems.refusal())?;
    let home = call.home(world)?;
    let service = services::find_for_turn(home, &id)?;
    // The emulator does not recognize speech, so the agent replies as if the user had said nothing.
    Ok(match reply(home, service, None)? {
        Reply::Says(text) => {
            Answer { body: Payload::Bytes("audio/ogg", ogg::spoken(&text)), ..Answer::empty(200) }
        }
        Reply::Other(answer) => answer,
    })
}

/// Returns the part of the form with this name. If several parts have the name, returns the last one.
fn part<'f, 'b>(form: &'f [Part<'b>], name: &str) -> Option<&'f Part<'b>> {
    form.iter().rev().find(|part| part.name == name)
}

fn check_audio(problems: &mut RequestProblems, audio: Option<&Part<'_>>) {
    let at = At::body().then("audio");
    let reason = match audio {
        None => return problems.add("missing", &at, "Field required", &Value::Null),
        Some(audio) if !audio.is_file => "Expected UploadFile, received: <class 'str'>",
        Some(audio) if audio.content.is_empty() => "the audio is empty",
        Some(_) => return,
    };
    let message = format!("Value error, {reason}");
    problems.add_with("value_error", &at, message, &Value::Null, &json!({ "error": {} }));
}

enum Reply {
    Says(String),
    Other(Answer),
}

fn reply(home: &Workspace, service: &PlatformService, said: Option<&str>) -> Result<Reply, Refusal> {
    let agent = home.agents().get(&service.agent_id);
    let graph = home.context_graphs().get(&service.context_graph_id);
    let release = service.version_sets.get(RELEASE);
    let latest = |item: Option<&crate::CatalogItem>| item.map_or(0, |item| item.versions);
    let turn = Turn {
        agent: agent.map_or("the agent", |agent| agent.name.as_str()),
        service: &service.name,
        version_set: if release.is_some() { RELEASE } else { "" },
        agent_version: release.and_then(|set| set.agent_version).unwrap_or_else(|| latest(agent)),
        context_graph_version: release
            .and_then(|set| set.context_graph_version)
            .unwrap_or_else(|| latest(graph)),
        said,
    };
    let replies = &home.settings().replies;
    let canned = turn.canned(replies);
    if canned.is_some_and(|canned| canned.busy) {
        return Err(Refusal::Conflict("another turn of this speaker is in progress".to_owned()));
    }
    if canned.is_some_and(|canned| canned.silent) {
        return Ok(Reply::Other(Answer::empty(204)));
    }
    Ok(match turn.reply(replies) {
        AgentReply::Message { text, .. } => Reply::Says(text.chars().take(MAX_TURN_CHARS).collect()),
        AgentReply::Error { code, description } => Reply::Other(Answer::detail(code, &description)),
    })
}
