//! Holds a conversation on the Classic API: starts it, reads the agent's answer, and finishes the conversation.

use reqwest::Method;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;

use super::super::access::Credentials;
use super::super::body::Answer;
use super::super::bounds::{MAX_CONVERSATION, MAX_EVENTS, MAX_LINE, bound_exceeded, human_size};
use super::super::call::{Call, segment};
use super::super::client::Client;
use super::super::failure::{ApiError, FailureCause};
use super::super::pages::page;
use super::wire;
use crate::model::{Endpoint, ServiceId, SmokeTest};

page!(Conversations, conversations, wire::Conversation);

/// The events of a conversation that `amigops` uses. Other events are ignored.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Event {
    ConversationCreated {
        conversation_id: String,
    },
    NewMessage {
        #[serde(default)]
        message: String,
    },
    InteractionComplete {
        #[serde(default)]
        full_message: Option<String>,
    },
    Error {
        #[serde(default)]
        http_error_code: Option<u16>,
        #[serde(default)]
        error_description: String,
    },
    #[serde(other)]
    Other,
}

/// The state of a conversation according to the events that have been received so far.
#[derive(Default)]
struct StreamState {
    conversation: Option<String>,
    message: String,
    complete: bool,
    error: Option<(u16, String)>,
}

impl StreamState {
    fn handle_line(&mut self, line: &[u8]) {
        match serde_json::from_slice(line) {
            Ok(Event::ConversationCreated { conversation_id }) => self.conversation = Some(conversation_id),
            Ok(Event::NewMessage { message }) => self.message.push_str(&message),
            Ok(Event::InteractionComplete { full_message }) => {
                self.complete = true;
                if let Some(message) = full_message {
                    self.message = message;
                }
            }
            // An error that follows the complete answer does not concern the answer, so it is ignored.
            Ok(Event::Error { http_error_code, error_description }) if !self.complete => {
                self.error = Some((http_error_code.unwrap_or(500), error_description));
            }
            Ok(Event::Error { .. } | Event::Other) | Err(_) => {}
        }
    }
}

/// Starts a conversation and returns the agent's answer. Finishes the conversation even if reading the answer fails.
pub(super) async fn hold_conversation(
    client: &Client,
    id: &ServiceId,
    test: &SmokeTest,
) -> Result<String, ApiError> {
    let mut body = json!({ "service_id": id, "service_version_set_name": test.version_set });
    if let (Some(say), Some(body)) = (&test.say, body.as_object_mut()) {
        body.insert("initial_message".to_owned(), json!(say));
        body.insert("initial_message_type".to_owned(), json!("user-message"));
    }
    let mut call =
        Call::new(Endpoint::StartConversation, Method::POST, client.path("conversation/"), Some(body));
    call.query = vec![("response_format", "text".to_owned()), ("current_agent_action_type", "^$".to_owned())];
    call.repeatable = false;
    let answer = match client.call_unread(&call).await {
        // A user can have only one open conversation. An earlier run that was killed may have left one open, so finish
        // it and try again.
        Err(error) if error.status() == Some(400) && finish_open_conversations(client, id).await? => {
            client.call_unread(&call).await?
        }
        result => result?,
    };
    let mut state = StreamState::default();
    let failed = |cause, message: String| ApiError::new(&call.method, &call.path, cause, message);
    let stream = read_stream(answer, &call, &mut state).await;
    let finished = match &state.conversation {
        Some(conversation) => finish_conversation(client, conversation).await,
        None => Ok(()),
    };
    stream?;
    if let Some((status, message)) = state.error {
        return Err(failed(FailureCause::Status(status), message));
    }
    if !state.complete {
        return Err(failed(
            FailureCause::Unexpected,
            "the conversation ended before the agent's answer was complete".to_owned(),
        ));
    }
    finished?;
    Ok(state.message)
}

/// Reads all events of a conversation, one per line of the answer, and updates `state` with each event.
async fn read_stream(mut answer: Answer, call: &Call, state: &mut StreamState) -> Result<(), ApiError> {
    let mut lines = Lines::default();
    while let Some(chunk) = answer.chunk(&call.method, &call.path).await? {
        lines
            .add(&chunk, |line| state.handle_line(&answer.without_secrets(line.to_vec())))
            .map_err(|message| bound_exceeded(&call.method, &call.path, message))?;
    }
    state.handle_line(&answer.without_secrets(lines.pending));
    Ok(())
}

/// Splits a stream into lines, whose size and number are limited.
#[derive(Default)]
struct Lines {
    /// The beginning of a line whose end was not received yet.
    pending: Vec<u8>,
    bytes: usize,
    count: usize,
}

impl Lines {
    /// Adds a part of the stream, and calls `handle` with each line that this part completes.
    ///
    /// # Errors
    ///
    /// Returns a message about the limit that the stream exceeds.
    fn add(&mut self, chunk: &[u8], mut handle: impl FnMut(&[u8])) -> Result<(), String> {
        self.bytes += chunk.len();
        if self.bytes > MAX_CONVERSATION {
            return Err(format!("the conversation is longer than {}", human_size(MAX_CONVERSATION)));
        }
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(part);
            if self.pending.len() > MAX_LINE {
                return Err(format!("a line of the conversation is longer than {}", human_size(MAX_LINE)));
            }
            if part.ends_with(b"\n") {
                self.count += 1;
                if self.count > MAX_EVENTS {
                    return Err(format!("the conversation has more than {MAX_EVENTS} events"));
                }
                handle(&self.pending);
                self.pending.clear();
            }
        }
        Ok(())
    }
}

/// Finishes all open conversations of the API key's user with a service. Returns false if there are no open
/// conversations.
async fn finish_open_conversations(client: &Client, id: &ServiceId) -> Result<bool, ApiError> {
    let Credentials::SignIn { user_id, .. } = &client.access().credentials else { return Ok(false) };
    let user = user_id.expose_secret().to_owned();
    let filter =
        [("service_id", id.as_str().to_owned()), ("is_finished", "false".to_owned()), ("user_id", user)];
    let open = client
        .pages::<Conversations>(Endpoint::ListConversations, &client.path("conversation/"), &filter)
        .await?;
    for conversation in &open {
        finish_conversation(client, &conversation.id).await?;
    }
    Ok(!open.is_empty())
}

/// Finishes a conversation. Succeeds if the conversation is already finished.
async fn finish_conversation(client: &Client, conversation: &str) -> Result<(), ApiError> {
    let client = client.uninterruptible();
    let path = client.path(&format!("conversation/{}/finish/", segment(conversation)));
    let call = Call::new(Endpoint::FinishConversation, Method::POST, path, None);
    match client.call(&call, |_| Ok(())).await {
        Err(error) if error.status() == Some(409) => Ok(()),
        result => result.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_and_bounded() {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for chunk in ["a", "b\nc\n", "\nd"] {
            lines
                .add(chunk.as_bytes(), |line| found.push(String::from_utf8_lossy(line).into_owned()))
                .expect("short");
        }
        assert_eq!((found.join("|"), lines.pending.as_slice()), ("ab\n|c\n|\n".to_owned(), &b"d"[..]));
        let endless = |chunk: &[u8]| {
            let mut lines = Lines::default();
            (0..1_000_000).find_map(|_| lines.add(chunk, |_| {}).err()).expect("a bound")
        };
        assert_eq!(endless(&[b'x'; 1_000]), "a line of the conversation is longer than 1 MB");
        assert_eq!(endless(b"\n"), "the conversation has more than 100000 events");
        let long = [vec![b'x'; 100_000], b"\n".to_vec()].concat();
        assert_eq!(endless(&long), "the conversation is longer than 16 MB");
    }
}
