//! All tries of one request: the first, and those after failures that pass. May import `model` only.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::Method;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::body::{Answer, unreadable};
use super::bounds::MAX_ANSWER;
use super::failure::{ApiError, Cause};
use super::http::{Call, Http};
use super::limits::{REFUSING_FOR, Reservation};
use super::retry::{self, Attempt, Patience};
use super::token::Token;
use crate::model::{Api, Endpoint};

/// How long a request may be tried for which something waits that can't wait long.
const URGENT: Duration = Duration::from_secs(5);
/// How long a request is tried that must come to its end, in a run that is to stop.
const GRACE: Duration = Duration::from_secs(60);
/// How long refusals of one request are not counted, while others to the same endpoint get through.
const REFUSED_FOR: Duration = Duration::from_secs(30 * 60);

/// How often a request was sent, and how long that took, waits for limits apart.
#[derive(Debug, Default)]
pub(super) struct Tries {
    pub(super) number: u32,
    pub(super) spent: Duration,
    /// When it was sent last.
    pub(super) sent: Option<Instant>,
    /// When it was refused as one too many: the first time, and the last.
    refused: Option<(Instant, Instant)>,
    /// Whether the token was renewed for it.
    renewed: bool,
    /// Whether a try may have been carried out, whatever later ones are answered.
    unsure: bool,
}

impl Tries {
    /// An error that ends all tries: with the word that one of them may have been carried out.
    fn mark(&self, error: ApiError) -> ApiError {
        ApiError { unsure: self.unsure || error.unsure, ..error }
    }
}

/// A try that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: ApiError,
    /// The server's `Retry-After`.
    pub(super) retry_after: Option<Duration>,
    /// Whether all that helps has been tried.
    for_good: bool,
}

impl Failed {
    pub(super) fn new(error: ApiError, retry_after: Option<Duration>) -> Self {
        Self { error, retry_after, for_good: false }
    }

    pub(super) fn for_good(error: ApiError) -> Self {
        Self { error, retry_after: None, for_good: true }
    }
}

impl Http {
    /// Sends a request until it succeeds or must be given up; the body is not read yet.
    pub(super) async fn respond(&self, call: &Call) -> Result<Answer, ApiError> {
        let mut tries = Tries::default();
        loop {
            match self.try_to_respond(call, &mut tries).await {
                Ok(response) => return Ok(response),
                Err(failed) => self.wait_to_retry(call, failed, &mut tries).await?,
            }
        }
    }

    /// Sends a request until its answer can be read or it must be given up.
    pub(super) async fn call<T>(
        &self,
        call: &Call,
        read: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, ApiError> {
        let mut tries = Tries::default();
        loop {
            match self.try_to_call(call, &read, &mut tries).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => self.wait_to_retry(call, failed, &mut tries).await?,
            }
        }
    }

    /// The same of a request that is made anew for each try, since what it is made of may have changed. None: there
    /// was nothing to send.
    pub(super) async fn remade<T>(
        &self,
        make: impl AsyncFn() -> Result<Option<Call>, ApiError>,
        read: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<Option<T>, ApiError> {
        let mut tries = Tries::default();
        loop {
            let Some(call) = make().await.map_err(|error| tries.mark(error))? else { return Ok(None) };
            match self.try_to_call(&call, &read, &mut tries).await {
                Ok(answer) => return Ok(Some(answer)),
                Err(failed) => self.wait_to_retry(&call, failed, &mut tries).await?,
            }
        }
    }

    /// One try, its answer read to the end.
    async fn try_to_call<T>(
        &self,
        call: &Call,
        read: impl Fn(&[u8]) -> Result<T, serde_json::Error>,
        tries: &mut Tries,
    ) -> Result<T, Failed> {
        let answer = self.try_to_respond(call, tries).await?;
        let began = Instant::now();
        let body = answer.read(call, MAX_ANSWER).await;
        tries.spent += began.elapsed();
        let answer = body.and_then(|body| read(&body).map_err(|error| unreadable(call, &error)));
        answer.map_err(|error| Failed::new(error, None))
    }

    /// One try; two where the token turns out to be over.
    async fn try_to_respond(&self, call: &Call, tries: &mut Tries) -> Result<Answer, Failed> {
        loop {
            let token = self.token_in_time(call, None).await?;
            let request = self.request(call).bearer_auth(token.text.expose_secret());
            let failed = match self.send_once(call, request, tries).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            // A key that is refused is refused again: only what signing in gave can be renewed.
            if failed.error.cause != Cause::Status(401) || tries.renewed || self.api != Api::Classic {
                return Err(failed);
            }
            tries.renewed = true;
            self.token_in_time(call, Some(&token)).await?;
        }
    }

    /// A token, unless signing in (or waiting for another request that signs in) takes longer than there is time.
    async fn token_in_time(&self, call: &Call, refused: Option<&Arc<Token>>) -> Result<Arc<Token>, Failed> {
        let signed_in = match self.until {
            None => self.token(refused).await,
            Some(until) => tokio::time::timeout_at(until, self.token(refused))
                .await
                .unwrap_or_else(|_| Err(self.not_sent(&call.method, &call.path))),
        };
        signed_in.map_err(Failed::for_good)
    }

    /// Waits until a failed request may be sent again, or gives its error.
    pub(super) async fn wait_to_retry(
        &self,
        call: &Call,
        failed: Failed,
        tries: &mut Tries,
    ) -> Result<(), ApiError> {
        let Failed { error, retry_after, for_good } = failed;
        tries.unsure |= error.may_have_happened();
        let error = tries.mark(error);
        if call.is_looked_up && error.may_have_happened() {
            self.access.watch.looking(call.endpoint, &error);
        }
        let goes_on = retry_goes_on(self, call, &error, tries);
        if goes_on {
            tries.number = tries.number.saturating_sub(1);
        }
        let patience = self.patience(call, tries.spent);
        let attempt = Attempt {
            repeatable: call.repeatable,
            cause: &error.cause,
            number: tries.number,
            retry_after,
            spent: tries.spent,
            random: (self.access.random)(),
            reached: self.reached.load(Ordering::Relaxed),
            patience,
        };
        match retry::again(attempt) {
            Some(wait) if !for_good && !self.once => {
                tries.spent += if goes_on { Duration::ZERO } else { wait };
                self.pause(call, wait, &error).await
            }
            _ => Err(match retry_after.and_then(|after| too_long(after, patience, self.until.is_some())) {
                // Nothing else is to be done.
                Some(hint) => ApiError { hints: vec![hint], ..error },
                None => error,
            }),
        }
    }

    /// How long a request may be tried.
    fn patience(&self, call: &Call, spent: Duration) -> Patience {
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        if let Some(until) = self.until {
            return match self.has_reserved(call.endpoint) {
                // Something waits for it that can't wait long.
                true => Patience::Spent(URGENT.min(spent + left(until))),
                false => Patience::Left(left(until)),
            };
        }
        match self.access.deadline {
            // As often as it takes, and no longer than somebody waits who has asked to stop.
            _ if self.finishing => {
                let stops = self.access.deadline.is_some() || self.access.stop.is_wished();
                Patience::Left(if stops { GRACE } else { retry::PATIENCE }.saturating_sub(spent))
            }
            Some(deadline) => Patience::Left(left(deadline)),
            None => Patience::Spent(retry::PATIENCE),
        }
    }

    /// Waits before a retry; an interrupt ends the wait with the error that there was.
    pub(super) async fn pause(&self, call: &Call, wait: Duration, error: &ApiError) -> Result<(), ApiError> {
        self.access.watch.retrying(call.endpoint, wait, error);
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            () = self.access.stop.wished(), if !self.finishing => Err(error.clone()),
        }
    }

    /// Waits for room under an endpoint's limit.
    ///
    /// # Errors
    ///
    /// An interrupt; the deadline; an endpoint that has refused everything for minutes, in a run without a deadline.
    pub(super) async fn acquire(
        &self,
        endpoint: Endpoint,
        count: u32,
        call: &Call,
    ) -> Result<Reservation, ApiError> {
        let waiting = |wait, limit| self.access.watch.waiting(endpoint, wait, limit);
        let patience = if self.access.deadline.is_some() { None } else { Some(REFUSING_FOR) };
        tokio::select! {
            biased;
            () = self.access.stop.wished(), if !self.finishing => Err(self.not_sent(&call.method, &call.path)),
            () = self.time_is_over() => Err(self.not_sent(&call.method, &call.path)),
            permit = self.limiter.acquire(endpoint, count, patience, &waiting) => {
                permit.ok_or_else(|| refusing(call))
            }
        }
    }

    /// The same for several requests that follow each other.
    pub(super) async fn reserve(&self, endpoint: Endpoint, count: u32) -> Result<Arc<Reservation>, ApiError> {
        let call = Call::send(endpoint, Method::POST, String::new(), None);
        self.acquire(endpoint, count, &call).await.map(Arc::new)
    }

    /// Waits for the deadline, if there is one.
    async fn time_is_over(&self) {
        match self.until {
            Some(until) => tokio::time::sleep_until(until).await,
            None => std::future::pending().await,
        }
    }

    /// An error of a request that was not sent because the run is to stop, or because there was no time left.
    pub(super) fn not_sent(&self, method: &Method, path: &str) -> ApiError {
        if self.until.is_some() {
            return ApiError::new(method, path, Cause::NotSent, "not sent: the time for it was over");
        }
        let why = self.access.stop.why().unwrap_or_default();
        ApiError::new(method, path, Cause::Interrupted, format!("{why}, and not sent"))
    }
}

/// Whether a refused request is tried again without counting that: others to its endpoint have got through since it was
/// sent, or refused, the last time, so that its turn will come.
fn retry_goes_on(http: &Http, call: &Call, error: &ApiError, tries: &mut Tries) -> bool {
    let Some(sent) =
        tries.sent.filter(|_| error.cause == Cause::Status(429) && !http.has_reserved(call.endpoint))
    else {
        return false;
    };
    let now = Instant::now();
    let (first, last) = tries.refused.unwrap_or((now, sent));
    tries.refused = Some((first, now));
    now < first + REFUSED_FOR && http.limiter.has_accepted_since(call.endpoint, last)
}

/// An error of a request that was not sent because its endpoint refuses everything.
fn refusing(call: &Call) -> ApiError {
    let minutes = REFUSING_FOR.as_secs() / 60;
    let message =
        format!("not sent: for {minutes} minutes, the server has refused all such requests as too many");
    ApiError::new(&call.method, &call.path, Cause::Status(429), message)
        .hint("the limit may be used up by somebody else: run it again later, or with `--timeout`, which goes on as long as there is time")
}

/// What to do about a server that asks for a longer wait than there is time for.
fn too_long(after: Duration, patience: Patience, is_urgent: bool) -> Option<String> {
    let minutes = after.as_secs().div_ceil(60);
    let asked = match after.as_secs() {
        seconds @ ..120 => format!("the server asks to wait {seconds} seconds"),
        ..7_200 => format!("the server asks to wait {minutes} minutes"),
        _ => format!("the server asks to wait {} hours", minutes.div_ceil(60)),
    };
    match patience {
        _ if is_urgent => (after > URGENT).then(|| format!("{asked}: run it again after that")),
        Patience::Spent(most) if after > most => Some(format!(
            "{asked}, and a request waits {} minutes at most: run it again after that, or with `--timeout {}m`",
            most.as_secs() / 60,
            minutes + 5
        )),
        Patience::Left(left) if after > left => {
            Some(format!("{asked}, and --timeout ends before: run it again after that"))
        }
        Patience::Spent(_) | Patience::Left(_) => None,
    }
}
