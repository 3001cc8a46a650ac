//! One turn of a conversation: a text to a service, and the agent's answer. May import `model` only.

use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::super::body::unreadable;
use super::super::bounds::MAX_TURN;
use super::super::failure::{ApiError, Cause};
use super::super::http::Call;
use super::Platform;
use crate::model::{Endpoint, ServiceId, SmokeTest};

/// How often a turn is tried while another one with this number is in progress.
const TRIES: u32 = 4;
/// The wait before the second try; doubled before each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// What the server answers when the agent says nothing.
const SILENCE: u16 = 204;

/// Takes one turn and gives what the agent said.
///
/// # Errors
///
/// A test that this API can't hold; silence; a turn in progress that does not end.
pub(super) async fn take(api: &Platform, id: &ServiceId, test: &SmokeTest) -> Result<String, ApiError> {
    let Some(say) = &test.say else {
        return Err(ApiError::setup("a smoke test on the Platform API needs `say`: the user speaks first"));
    };
    if !test.version_set.is_release() {
        // The answer of another set would prove nothing, and look as if it did.
        let message =
            format!("version set `{}` can't be talked to: turns run on `release`", test.version_set);
        return Err(ApiError::setup(message));
    }
    let path = format!("{}/text-turn", api.service_path(id));
    let body = json!({ "phone_number": api.phone_number, "text": say });
    // A turn has effects, so sending it twice is not sending it once. But nobody lives behind the number: the
    // worst that comes of a repetition is that the agent hears the same text twice.
    let call = Call::send(Endpoint::TakeTurn, Method::POST, path, Some(body));
    // The server keeps one conversation a number and service: tests of one service wait for each other.
    let lock = api.lock(id);
    let _alone = lock.lock().await;
    let (mut wait, mut number) = (FIRST_WAIT, 1);
    let answer = loop {
        match api.http.respond(&call).await {
            Err(error) if error.status() == Some(409) && number < TRIES => {
                api.http.pause(&call, wait, &error).await?;
                (wait, number) = (wait * 2, number + 1);
            }
            result => break result?,
        }
    };
    if answer.status().as_u16() == SILENCE {
        let message = "the agent chose to be silent";
        return Err(ApiError::new(&call.method, &call.path, Cause::Status(SILENCE), message)
            .hint("let `say` ask for something that the agent answers"));
    }
    #[derive(Deserialize)]
    struct Turn {
        text: String,
    }
    let body = answer.read(&call, MAX_TURN).await?;
    let turn: Turn = serde_json::from_slice(&body).map_err(|error| unreadable(&call, &error))?;
    Ok(turn.text)
}
