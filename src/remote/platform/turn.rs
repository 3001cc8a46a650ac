//! One turn of a conversation on the Platform API: sends a text to a service and returns the agent's answer.

use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::body::parse_error;
use super::super::bounds::MAX_TURN;
use super::super::call::Call;
use super::super::client::Client;
use super::super::failure::{ApiError, FailureCause};
use crate::model::{Endpoint, SmokeTest};

/// The maximum number of attempts to send a turn while another turn with the same phone number is in progress.
const MAX_ATTEMPTS: u32 = 4;
/// The wait before the second attempt. It doubles before each later attempt.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The status code of the answer if the agent says nothing: 204 (No Content).
const SILENCE: u16 = 204;

/// Returns the body of the request for a smoke test's turn.
///
/// # Errors
///
/// Fails if the Platform API can't run the test.
pub(super) fn turn_body(test: &SmokeTest, phone_number: &str) -> Result<Value, ApiError> {
    let Some(say) = &test.say else {
        return Err(ApiError::setup(
            "a smoke test on the Platform API needs `say`, because the user speaks first",
        ));
    };
    if !test.version_set.is_release() {
        // The API would use `release` instead, and its answer would prove nothing about this version set.
        let message = format!(
            "version set `{}` can't be tested: the Platform API can only use the version set `release`",
            test.version_set
        );
        return Err(ApiError::setup(message));
    }
    Ok(json!({ "phone_number": phone_number, "text": say }))
}

/// Sends one turn to a service and returns the agent's answer.
///
/// # Errors
///
/// Fails if the request fails, if the agent does not answer, or if another turn is in progress and does not end.
pub(super) async fn take_turn(client: &Client, service_path: &str, body: Value) -> Result<String, ApiError> {
    let path = format!("{service_path}/text-turn");
    // The call is marked as repeatable, although sending a turn twice is not the same as sending it once. No user has
    // the phone number of the test, so in the worst case the agent gets the same text twice.
    let call = Call::new(Endpoint::TakeTurn, Method::POST, path, Some(body));
    let (mut wait, mut attempt) = (FIRST_WAIT, 1);
    let answer = loop {
        match client.call_unread(&call).await {
            Err(error) if error.status() == Some(409) && attempt < MAX_ATTEMPTS => {
                client.wait_before_retry(&call, wait, &error).await?;
                (wait, attempt) = (wait * 2, attempt + 1);
            }
            result => break result?,
        }
    };
    if answer.status().as_u16() == SILENCE {
        let message = "the agent did not answer";
        return Err(ApiError::new(&call.method, &call.path, FailureCause::Status(SILENCE), message)
            .hint("change `say` to something that the agent answers"));
    }
    #[derive(Deserialize)]
    struct Turn {
        text: String,
    }
    let body = answer.read(&call, MAX_TURN).await?;
    let turn: Turn = serde_json::from_slice(&body).map_err(|error| parse_error(&call, &error))?;
    Ok(turn.text)
}
