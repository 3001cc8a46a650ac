//! One request at a time: headers, limits, bounded answers. May import `model` only.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::REQUEST_TIMEOUT;
use super::access::Access;
use super::body::{Answer, nothing_else};
use super::failure::{ApiError, Cause};
use super::limits::{Fate, Limiter, Reservation, Told};
use super::mask::holds_mask;
use super::retry;
use super::token::Held;
use super::transport::Transport;
use super::tries::{Failed, Tries};
use crate::model::{Api, Endpoint};

/// By how much the server's clock may differ before it is believed instead of ours: its `Date` has whole
/// seconds only.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(3);
/// How long a read may take where it has a deadline.
const SHORT_TIMEOUT: Duration = Duration::from_secs(20);

/// A request, as the APIs know them.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) endpoint: Endpoint,
    pub(super) method: Method,
    /// Below the base address, exact to the last slash.
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
    /// Whether sending it twice does the same as sending it once.
    pub(super) repeatable: bool,
    /// Whether it is looked up what became of it, where it isn't repeatable and its answer is lost.
    pub(super) is_looked_up: bool,
}

impl Call {
    pub(super) fn get(endpoint: Endpoint, path: String, query: Vec<(&'static str, String)>) -> Self {
        Self { endpoint, method: Method::GET, path, query, body: None, repeatable: true, is_looked_up: false }
    }

    pub(super) fn send(endpoint: Endpoint, method: Method, path: String, body: Option<Value>) -> Self {
        Self { endpoint, method, path, query: Vec::new(), body, repeatable: true, is_looked_up: false }
    }

    /// The same, of a request whose sender looks what became of it before it is sent again.
    pub(super) fn looked_up(self) -> Self {
        Self { repeatable: false, is_looked_up: true, ..self }
    }
}

/// The connection to one organization or workspace; clones share the token and the limits.
#[derive(Clone, Debug)]
pub(super) struct Http {
    transport: Transport,
    pub(super) api: Api,
    pub(super) access: Access,
    pub(super) limiter: Limiter,
    pub(super) token: Arc<Mutex<Held>>,
    /// The last tokens that signing in gave.
    pub(super) issued: Arc<std::sync::Mutex<VecDeque<SecretString>>>,
    /// Whether the server has answered anything.
    pub(super) reached: Arc<AtomicBool>,
    /// Whether what is asked belongs to something that must come to its end, whoever wishes to stop.
    pub(super) finishing: bool,
    /// When everything that is asked must be answered: nothing is sent, waited for or tried again after that.
    pub(super) until: Option<Instant>,
    /// Requests to one endpoint that need not wait for its limit.
    pub(super) reserved: Option<Arc<Reservation>>,
    /// Whether a request that fails is not sent again: the caller looks first what is there.
    pub(super) once: bool,
}

impl Http {
    /// Prepares a connection; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// An address to which credentials must not be sent, credentials of the other API, or a machine on which
    /// TLS can't be set up.
    pub(super) fn new(access: Access, api: Api) -> Result<Self, ApiError> {
        access.check(api)?;
        let transport = Transport::network(access.is_loopback())?;
        Ok(Self::over(transport, access, api))
    }

    /// The same over another transport.
    pub(super) fn over(transport: Transport, access: Access, api: Api) -> Self {
        let limiter = access.limits();
        let (token, issued, reached) = (Arc::default(), Arc::default(), Arc::default());
        let (finishing, until, reserved, once) = (false, None, None, false);
        Self { transport, api, access, limiter, token, issued, reached, finishing, until, reserved, once }
    }

    /// The same connection for what must come to its end: a wish to stop does not keep it from being sent.
    pub(super) fn to_the_end(&self) -> Self {
        Self { finishing: true, ..self.clone() }
    }

    /// The same connection for what must come to its end before a deadline.
    pub(super) fn until(&self, deadline: Instant) -> Self {
        Self { finishing: true, until: Some(deadline), ..self.clone() }
    }

    /// The same connection, whose requests use up a reservation first.
    pub(super) fn using(&self, reserved: &Arc<Reservation>) -> Self {
        Self { reserved: Some(Arc::clone(reserved)), ..self.clone() }
    }

    /// The same connection, whose requests are sent once each.
    pub(super) fn once(&self) -> Self {
        Self { once: true, ..self.clone() }
    }

    /// Whether a reservation covers requests to an endpoint.
    pub(super) fn has_reserved(&self, endpoint: Endpoint) -> bool {
        self.reserved.as_ref().is_some_and(|reserved| reserved.endpoint() == endpoint)
    }

    /// How long one request may take.
    fn timeout(&self, call: &Call) -> Duration {
        let Some(until) = self.until else { return REQUEST_TIMEOUT };
        // A read that hangs must leave time for another one.
        let most = if call.method == Method::GET { SHORT_TIMEOUT } else { REQUEST_TIMEOUT };
        until.saturating_duration_since(Instant::now()).min(most)
    }

    /// Sends a request whose good answer need not say anything. What says something else than an API does, an
    /// HTML page for one, is nobody's word that it was done.
    pub(super) async fn done(&self, call: &Call) -> Result<(), ApiError> {
        self.call(call, nothing_else).await
    }

    /// Sends a request and gives the answer as JSON.
    pub(super) async fn json<T: serde::de::DeserializeOwned>(&self, call: &Call) -> Result<T, ApiError> {
        self.call(call, |body| serde_json::from_slice(body)).await
    }

    pub(super) fn request(&self, call: &Call) -> RequestBuilder {
        let url = format!("{}{}", self.access.base_url, call.path);
        let mut request = self.transport.request(call.method.clone(), url);
        for (name, value) in &self.access.headers {
            request = request.header(name, value);
        }
        if !call.query.is_empty() {
            request = request.query(&call.query);
        }
        match &call.body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    /// One attempt, within the limits: the answer if it is good, else the error and its `Retry-After`. No message
    /// shows the token, whoever wrote it.
    pub(super) async fn send_once(
        &self,
        call: &Call,
        request: RequestBuilder,
        tries: &mut Tries,
    ) -> Result<Answer, Failed> {
        if call.body.as_ref().is_some_and(holds_mask) {
            return Err(Failed::for_good(masked_write(call)));
        }
        let reserved = self.reserved.as_ref().filter(|_| self.has_reserved(call.endpoint));
        if !reserved.is_some_and(|reserved| reserved.take()) {
            self.acquire(call.endpoint, 1, call).await.map_err(Failed::for_good)?.take();
        }
        let timeout = self.timeout(call);
        if timeout.is_zero() {
            self.limiter.give_back(call.endpoint, 1);
            return Err(Failed::for_good(self.not_sent(&call.method, &call.path)));
        }
        tries.number += 1;
        self.access.watch.sending();
        let sent = Instant::now();
        tries.sent = Some(sent);
        let result = self.transport.send(request, sent + timeout).await;
        tries.spent += sent.elapsed();
        let response = match result {
            Ok(response) => response,
            Err(broken) => {
                let cause = broken.cause();
                match cause {
                    Cause::NotSent => self.limiter.give_back(call.endpoint, 1),
                    _ => self.limiter.answered(call.endpoint, Fate::Lost, None, sent),
                }
                let unsent = cause == Cause::NotSent;
                let message = broken.message(&self.access.base_url, timeout);
                let error = ApiError::new(&call.method, &call.path, cause, message);
                let error = if unsent { error.hint(unreached(self.api)) } else { error };
                return Err(Failed::new(error, None));
            }
        };
        self.reached.store(true, Ordering::Relaxed);
        let now = server_time(response.headers(), (self.access.now)());
        let status = response.status();
        let after = header(response.headers(), "retry-after").and_then(|text| retry::retry_after(text, now));
        let fate = match status.as_u16() {
            429 => Fate::Refused(after),
            500..=599 => Fate::Lost,
            _ => Fate::Accepted,
        };
        self.limiter.answered(call.endpoint, fate, told(response.headers(), now), sent);
        self.access.watch.answered(call.method.as_str(), &call.path, status.as_u16(), sent.elapsed());
        let answer = Answer::new(response, (sent, timeout), self.secrets(call));
        if status.is_success() {
            return Ok(answer);
        }
        Err(Failed::new(answer.into_error(self.api, call).await, after))
    }

    /// What no answer to a request may show: the key, and this run's tokens.
    fn secrets(&self, call: &Call) -> Vec<SecretString> {
        let key = self.access.credentials.secret().clone();
        // Signing in may give the same token again.
        if call.endpoint == Endpoint::SignIn {
            return vec![key];
        }
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.iter().cloned().chain([key]).collect()
    }
}

/// An error of a request that would write what was masked when it was read.
fn masked_write(call: &Call) -> ApiError {
    let message = "not sent: what is live holds this run's API key or token, and writing it back would replace it by a mask";
    ApiError { unsure: false, ..ApiError::new(&call.method, &call.path, Cause::Setup, message) }
        .hint("take the credential out of the service, and renew it: whoever may read the service knows it")
}

/// What to look at where no connection comes about.
fn unreached(api: Api) -> String {
    let variables = match api {
        Api::Classic => "AMIGO_BASE_URL",
        Api::Platform => "PLATFORM_API_URL or AMIGO_BASE_URL",
    };
    format!("check `base_url` in amigops.yaml, {variables}, and the network")
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The time by the server's clock where ours is off: what it says of limits is meant by its own.
fn server_time(headers: &HeaderMap, ours: SystemTime) -> SystemTime {
    let Some(date) = header(headers, "date").and_then(|text| httpdate::parse_http_date(text).ok()) else {
        return ours;
    };
    let off = ours.duration_since(date).unwrap_or_else(|error| error.duration());
    if off > CLOCK_TOLERANCE { date } else { ours }
}

/// The budget that an answer's headers tell; none where they don't.
fn told(headers: &HeaderMap, now: SystemTime) -> Option<Told> {
    let number =
        |name: &str| header(headers, name)?.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let reset = Duration::try_from_secs_f64(number("x-ratelimit-reset")?).ok()?;
    let at = SystemTime::UNIX_EPOCH.checked_add(reset)?;
    let limit = number("x-ratelimit-limit").filter(|limit| *limit >= 1.0)?;
    Some(Told {
        limit: limit as u32,
        remaining: number("x-ratelimit-remaining")?.max(0.0) as u32,
        // A clock that is off must neither stop us for long nor let us run into the limit at once.
        resets_in: at.duration_since(now).unwrap_or_default().min(Duration::from_secs(120)),
        reset,
    })
}

/// A name as a path segment.
pub(super) fn segment(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: [(&'static str, &str); 3]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect()
    }

    #[test]
    fn what_headers_tell_is_believed_as_far_as_it_makes_sense() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let of = |limit, remaining, reset| {
            told(
                &headers([
                    ("x-ratelimit-limit", limit),
                    ("x-ratelimit-remaining", remaining),
                    ("x-ratelimit-reset", reset),
                ]),
                now,
            )
        };
        let some = |limit, remaining, reset, seconds| {
            let (resets_in, reset) = (Duration::from_secs(seconds), Duration::from_secs(reset));
            Some(Told { limit, remaining, resets_in, reset })
        };
        assert_eq!(of("20", "7", "1030"), some(20, 7, 1_030, 30));
        assert_eq!(of("20", "-3", "900"), some(20, 0, 900, 0));
        assert_eq!(of("20", "7", "99999999"), some(20, 7, 99_999_999, 120));
        for nonsense in
            [("0", "0", "1030"), ("-1", "0", "1030"), ("20", "7", "1e19"), ("20", "7", "-1"), ("x", "7", "1")]
        {
            assert_eq!(of(nonsense.0, nonsense.1, nonsense.2), None, "{nonsense:?}");
        }
    }

    #[test]
    fn a_clock_that_is_off_gives_way_to_the_servers() {
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let headers = headers([("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("x-a", "1"), ("x-b", "2")]);
        let near = date + Duration::from_millis(900);
        assert_eq!(server_time(&headers, near), near);
        assert_eq!(server_time(&headers, date + Duration::from_secs(600)), date);
        assert_eq!(server_time(&headers, date - Duration::from_secs(600)), date);
    }
}
