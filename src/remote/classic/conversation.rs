//! One conversation of the Classic API: started, heard to its end, and finished. May import `model` only.

use reqwest::Method;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;

use super::super::WriteApi;
use super::super::access::Credentials;
use super::super::body::Answer;
use super::super::bounds::{MAX_CONVERSATION, MAX_EVENTS, MAX_LINE, exceeded, in_words};
use super::super::failure::{ApiError, Cause};
use super::super::http::{Call, segment};
use super::Classic;
use crate::model::{Endpoint, ServiceId, SmokeTest};

/// The events that matter here; others are passed over.
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

/// What a stream has told so far.
#[derive(Default)]
struct Heard {
    conversation: Option<String>,
    message: String,
    complete: bool,
    error: Option<(u16, String)>,
}

impl Heard {
    fn line(&mut self, line: &[u8]) {
        match serde_json::from_slice(line) {
            Ok(Event::ConversationCreated { conversation_id }) => self.conversation = Some(conversation_id),
            Ok(Event::NewMessage { message }) => self.message.push_str(&message),
            Ok(Event::InteractionComplete { full_message }) => {
                self.complete = true;
                if let Some(message) = full_message {
                    self.message = message;
                }
            }
            // After the interaction is complete, an error is about what comes after it: the answer stands.
            Ok(Event::Error { http_error_code, error_description }) if !self.complete => {
                self.error = Some((http_error_code.unwrap_or(500), error_description));
            }
            Ok(Event::Error { .. } | Event::Other) | Err(_) => {}
        }
    }
}

/// Holds a conversation and gives what the agent said. The conversation is finished in any case.
pub(super) async fn hold(api: &Classic, id: &ServiceId, test: &SmokeTest) -> Result<String, ApiError> {
    let mut body = json!({ "service_id": id, "service_version_set_name": test.version_set });
    if let (Some(say), Some(body)) = (&test.say, body.as_object_mut()) {
        body.insert("initial_message".to_owned(), json!(say));
        body.insert("initial_message_type".to_owned(), json!("user-message"));
    }
    let mut call =
        Call::send(Endpoint::StartConversation, Method::POST, api.path("conversation/"), Some(body));
    call.query = vec![("response_format", "text".to_owned()), ("current_agent_action_type", "^$".to_owned())];
    call.repeatable = false;
    let answer = match api.http.respond(&call).await {
        // A run that died in the middle of a conversation has left it open, and a user can hold one only.
        Err(error) if error.status() == Some(400) && finish_open(api, id).await? => {
            api.http.respond(&call).await?
        }
        result => result?,
    };
    let mut heard = Heard::default();
    let failed = |cause, message: String| ApiError::new(&call.method, &call.path, cause, message);
    let stream = listen(answer, &call, &mut heard).await;
    let finished = match &heard.conversation {
        Some(conversation) => finish(api, conversation).await,
        None => Ok(()),
    };
    stream?;
    if let Some((status, message)) = heard.error {
        return Err(failed(Cause::Status(status), message));
    }
    if !heard.complete {
        return Err(failed(
            Cause::Unreadable,
            "the conversation ended before the agent's answer was complete".to_owned(),
        ));
    }
    finished?;
    Ok(heard.message)
}

/// Hears a conversation to its end.
async fn listen(mut answer: Answer, call: &Call, heard: &mut Heard) -> Result<(), ApiError> {
    let mut lines = Lines::default();
    while let Some(chunk) = answer.chunk(&call.method, &call.path).await? {
        lines
            .add(&chunk, |line| heard.line(&answer.without_secrets(line.to_vec())))
            .map_err(|what| exceeded(&call.method, &call.path, what))?;
    }
    heard.line(&answer.without_secrets(lines.pending));
    Ok(())
}

/// Lines that come in pieces, within bounds.
#[derive(Default)]
struct Lines {
    /// The line that has not ended yet.
    pending: Vec<u8>,
    bytes: usize,
    count: usize,
}

impl Lines {
    /// Adds a piece, and gives the lines that it ends.
    ///
    /// # Errors
    ///
    /// Which bound is exceeded.
    fn add(&mut self, piece: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), String> {
        self.bytes += piece.len();
        if self.bytes > MAX_CONVERSATION {
            return Err(format!("the conversation is longer than {}", in_words(MAX_CONVERSATION)));
        }
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(part);
            if self.pending.len() > MAX_LINE {
                return Err(format!("a line of the conversation is longer than {}", in_words(MAX_LINE)));
            }
            if part.ends_with(b"\n") {
                self.count += 1;
                if self.count > MAX_EVENTS {
                    return Err(format!("the conversation has more than {MAX_EVENTS} events"));
                }
                each(&self.pending);
                self.pending.clear();
            }
        }
        Ok(())
    }
}

/// Ends the conversations that this user has left open with a service; false where there are none.
async fn finish_open(api: &Classic, id: &ServiceId) -> Result<bool, ApiError> {
    let Credentials::SignIn { user_id, .. } = &api.http.access.credentials else { return Ok(false) };
    let user = user_id.expose_secret().to_owned();
    let filter =
        [("service_id", id.as_str().to_owned()), ("is_finished", "false".to_owned()), ("user_id", user)];
    let open = api
        .pages::<super::Conversations>(Endpoint::ListConversations, &api.path("conversation/"), &filter)
        .await?;
    for conversation in &open {
        finish(api, &conversation.id).await?;
    }
    Ok(!open.is_empty())
}

/// Ends a conversation; one that has ended by itself is no error.
async fn finish(api: &Classic, conversation: &str) -> Result<(), ApiError> {
    let api = api.to_the_end();
    let path = api.path(&format!("conversation/{}/finish/", segment(conversation)));
    match api.http.call(&Call::send(Endpoint::FinishConversation, Method::POST, path, None), |_| Ok(())).await
    {
        Err(error) if error.status() == Some(409) => Ok(()),
        result => result.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_and_bounded() {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for piece in ["a", "b\nc\n", "\nd"] {
            lines
                .add(piece.as_bytes(), |line| found.push(String::from_utf8_lossy(line).into_owned()))
                .expect("short");
        }
        assert_eq!((found.join("|"), lines.pending.as_slice()), ("ab\n|c\n|\n".to_owned(), &b"d"[..]));
        let endless = |piece: &[u8]| {
            let mut lines = Lines::default();
            (0..1_000_000).find_map(|_| lines.add(piece, |_| {}).err()).expect("a bound")
        };
        assert_eq!(endless(&[b'x'; 1_000]), "a line of the conversation is longer than 1 MB");
        assert_eq!(endless(b"\n"), "the conversation has more than 100000 events");
        let long = [vec![b'x'; 100_000], b"\n".to_vec()].concat();
        assert_eq!(endless(&long), "the conversation is longer than 16 MB");
    }
}
