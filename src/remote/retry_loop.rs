//! The state of a request over all its attempts, and the waits between them.

use std::time::Duration;

use tokio::time::Instant;

use super::call::Call;
use super::failure::{ApiError, FailureCause};
use super::retry_policy::{self, Attempt, RetryBudget};
use super::send::{FailedAttempt, SendLog, Sender};

/// The maximum time for which a request is retried if it uses a reservation (a number of requests allowed without a
/// wait). It is short, because later requests need the same reservation.
const RESERVED_RETRY_TIME: Duration = Duration::from_secs(5);
/// The maximum time for which an uninterruptible request is retried if the run was cancelled or has a deadline.
const CANCELLED_RETRY_TIME: Duration = Duration::from_secs(60);
/// The time after a request's first answer with status 429 in which later answers with status 429 need not count as
/// attempts. They do not count if the endpoint keeps accepting other requests between them.
const MAX_UNCOUNTED_TIME: Duration = Duration::from_secs(30 * 60);

/// The state of one request over all its attempts.
#[derive(Debug, Default)]
pub(super) struct RetryState {
    pub(super) log: SendLog,
    /// The times of the first and the last answer with status 429.
    refused: Option<(Instant, Instant)>,
    /// True if the token was already renewed for this request.
    pub(super) token_renewed: bool,
    /// True if the server may have carried out the request in at least one attempt. The outcome of later attempts does
    /// not change this.
    ambiguous: bool,
}

impl RetryState {
    /// Returns the error, marked as ambiguous if the server may have carried out the request in any attempt.
    pub(super) fn with_ambiguity(&self, error: ApiError) -> ApiError {
        ApiError { ambiguous: self.ambiguous || error.ambiguous, ..error }
    }

    /// Waits until a failed request can be sent again.
    ///
    /// # Errors
    ///
    /// Returns the error of the request if it must not be sent again, or if the run is cancelled.
    pub(super) async fn wait_to_retry(
        &mut self,
        sender: &Sender,
        call: &Call,
        failed: FailedAttempt,
    ) -> Result<(), ApiError> {
        let FailedAttempt { error, retry_after, permanent } = failed;
        self.ambiguous |= error.may_have_happened();
        let error = self.with_ambiguity(error);
        if call.is_checked_by_caller && error.may_have_happened() {
            sender.access.observer.on_ambiguous(call.endpoint, &error);
        }
        let is_uncounted = self.is_uncounted(sender, call, &error);
        if is_uncounted {
            self.log.attempts = self.log.attempts.saturating_sub(1);
        }
        let budget = retry_budget(sender, call, self.log.elapsed);
        let attempt = Attempt {
            repeatable: call.repeatable,
            cause: &error.cause,
            number: self.log.attempts,
            retry_after,
            elapsed: self.log.elapsed,
            random: (sender.access.random)(),
            server_reached: sender.has_reached_server(),
            budget,
        };
        match retry_policy::retry_delay(attempt) {
            Some(delay) if !permanent && !sender.without_retries => {
                self.log.elapsed += if is_uncounted { Duration::ZERO } else { delay };
                wait_before_retry(sender, call, delay, &error).await
            }
            _ => Err(match retry_after.and_then(|after| retry_after_hint(sender, after, budget)) {
                // This hint replaces all others, because the server has said when the request can be sent again.
                Some(hint) => ApiError { hints: vec![hint], ..error },
                None => error,
            }),
        }
    }

    /// Returns true if this attempt does not count: the server refused it with status 429, but has accepted other
    /// requests to the same endpoint since the previous refusal.
    fn is_uncounted(&mut self, sender: &Sender, call: &Call, error: &ApiError) -> bool {
        let is_refused =
            error.cause == FailureCause::Status(429) && !sender.has_reservation_for(call.endpoint);
        let Some(sent) = self.log.last_sent.filter(|_| is_refused) else { return false };
        let now = Instant::now();
        let (first, last) = self.refused.unwrap_or((now, sent));
        self.refused = Some((first, now));
        now < first + MAX_UNCOUNTED_TIME && sender.has_accepted_since(call.endpoint, last)
    }
}

/// Reports a retry to the observer, and waits before it.
///
/// # Errors
///
/// Returns the error of the request if the run is cancelled during the wait.
pub(super) async fn wait_before_retry(
    sender: &Sender,
    call: &Call,
    delay: Duration,
    error: &ApiError,
) -> Result<(), ApiError> {
    sender.access.observer.on_retry(call.endpoint, delay, error);
    tokio::select! {
        () = tokio::time::sleep(delay) => Ok(()),
        () = sender.access.stop.cancelled(), if !sender.uninterruptible => Err(error.clone()),
    }
}

/// Returns the time for which a request may be retried. `elapsed` is the time spent on the request so far.
fn retry_budget(sender: &Sender, call: &Call, elapsed: Duration) -> RetryBudget {
    let time_left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
    if let Some(deadline) = sender.deadline {
        let left = time_left(deadline);
        return match sender.has_reservation_for(call.endpoint) {
            true => RetryBudget::PerRequest(RESERVED_RETRY_TIME.min(elapsed + left)),
            false => RetryBudget::UntilDeadline(left),
        };
    }
    match sender.access.deadline {
        // The number of attempts is not limited, only the time. It is shorter if the run was cancelled or has a
        // deadline.
        _ if sender.uninterruptible => {
            let is_ending = sender.access.deadline.is_some() || sender.access.stop.is_cancelled();
            let most = if is_ending { CANCELLED_RETRY_TIME } else { retry_policy::MAX_RETRY_TIME };
            RetryBudget::UntilDeadline(most.saturating_sub(elapsed))
        }
        Some(deadline) => RetryBudget::UntilDeadline(time_left(deadline)),
        None => RetryBudget::PerRequest(retry_policy::MAX_RETRY_TIME),
    }
}

/// Returns the hint for the case that the server asks for a wait of `after`, but the request has less time than that.
/// Returns `None` if there is enough time.
fn retry_after_hint(sender: &Sender, after: Duration, budget: RetryBudget) -> Option<String> {
    let minutes = after.as_secs().div_ceil(60);
    let asked = match after.as_secs() {
        seconds @ ..120 => format!("the server asks clients to wait {seconds} seconds"),
        ..7_200 => format!("the server asks clients to wait {minutes} minutes"),
        _ => format!("the server asks clients to wait {} hours", minutes.div_ceil(60)),
    };
    match budget {
        _ if sender.deadline.is_some() => {
            (after > RESERVED_RETRY_TIME).then(|| format!("{asked}: run the command again after that"))
        }
        RetryBudget::PerRequest(most) if after > most => Some(format!(
            "{asked}, but a request waits at most {} minutes: run the command again after that, or with `--timeout {}m`",
            most.as_secs() / 60,
            minutes + 5
        )),
        RetryBudget::UntilDeadline(left) if after > left => {
            Some(format!("{asked}, but --timeout ends before that: run the command again later"))
        }
        RetryBudget::PerRequest(_) | RetryBudget::UntilDeadline(_) => None,
    }
}
