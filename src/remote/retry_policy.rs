//! Decides whether and when a failed request is sent again. This module only computes the delay: `retry_loop` waits.

use std::time::Duration;

use super::failure::FailureCause;

/// The facts about a failed attempt to send a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt<'a> {
    /// True if sending the request twice has the same effect as sending it once.
    pub(super) repeatable: bool,
    /// The reason why the attempt failed.
    pub(super) cause: &'a FailureCause,
    /// The number of this attempt. The first attempt has number 1.
    pub(super) number: u32,
    /// The time that the server asked to wait (`Retry-After`), if the answer contained it.
    pub(super) retry_after: Option<Duration>,
    /// The time spent on the request so far, including delays.
    pub(super) elapsed: Duration,
    /// A random number from 0 to 1, which varies the delay.
    pub(super) random: f64,
    /// True if the server has answered any request of this run. Otherwise, a wrong address is more likely than an
    /// outage, so fewer attempts are made.
    pub(super) server_reached: bool,
    /// The time for which the request may be retried.
    pub(super) budget: RetryBudget,
}

/// The time for which a request may be retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryBudget {
    /// The request may be retried for this total time, which does not include waits for rate limits.
    PerRequest(Duration),
    /// The request may be retried until a deadline, with any number of attempts. Contains the time that is left until
    /// the deadline.
    UntilDeadline(Duration),
}

/// The maximum number of attempts of one request in a run without a deadline.
const MAX_ATTEMPTS: u32 = 6;
/// The maximum number of attempts to connect to a server that was never reached, so that a wrong address is reported
/// soon.
const MAX_CONNECTS: u32 = 3;
/// The maximum number of attempts if the answers are not JSON. Such answers may come from a proxy instead of the API,
/// and then more attempts would not help.
const MAX_MALFORMED: u32 = 3;
/// The longest time that one request may take in a run without a deadline, including delays.
pub(super) const MAX_RETRY_TIME: Duration = Duration::from_secs(300);
/// The minimum time for another attempt. If at least this much time is left before the deadline, the delay is shortened
/// so that another attempt is possible.
const MIN_TIME_TO_RETRY: Duration = Duration::from_secs(1);
/// The longest delay if the answer has no `Retry-After`.
const MAX_BACKOFF: Duration = Duration::from_secs(20);

/// Returns how long to wait before the next attempt, or `None` if there is no further attempt.
///
/// After status 429 or 503, or if the request was not sent, every request is retried, because the server did nothing.
/// After an answer that was lost or can't be parsed, after status 408, and after most other 5xx statuses, only requests
/// that are safe to send twice are retried.
pub(super) fn retry_delay(attempt: Attempt<'_>) -> Option<Duration> {
    let allowed = match attempt.cause {
        FailureCause::NotSent | FailureCause::Status(429 | 503) => true,
        FailureCause::Status(501 | 505) => false,
        FailureCause::Lost | FailureCause::Malformed | FailureCause::Status(408 | 500..=599) => {
            attempt.repeatable
        }
        FailureCause::Status(_)
        | FailureCause::Unexpected
        | FailureCause::NotApplied
        | FailureCause::Moved
        | FailureCause::Interrupted
        | FailureCause::Setup => false,
    };
    let is_unreached = *attempt.cause == FailureCause::NotSent && !attempt.server_reached;
    let max_attempts = match attempt.budget {
        _ if is_unreached => MAX_CONNECTS,
        _ if *attempt.cause == FailureCause::Malformed => MAX_MALFORMED,
        RetryBudget::PerRequest(_) => MAX_ATTEMPTS,
        RetryBudget::UntilDeadline(_) => u32::MAX,
    };
    if !allowed || attempt.number >= max_attempts {
        return None;
    }
    let doubled = Duration::from_millis(250).saturating_mul(1 << attempt.number.min(10)).min(MAX_BACKOFF);
    // Half of the delay is fixed, so that no retry is immediate. The other half is random, so that the retries of
    // several requests are not sent at the same time.
    let backoff = doubled.mul_f64(0.5 + attempt.random.clamp(0.0, 1.0) / 2.0);
    // A `Retry-After` of zero is ignored, so that the server is not flooded.
    let delay = attempt.retry_after.filter(|after| !after.is_zero()).unwrap_or(match attempt.budget {
        // A shorter delay leaves time for a last attempt before the deadline.
        RetryBudget::UntilDeadline(left) if left >= MIN_TIME_TO_RETRY => backoff.min(left.mul_f64(0.8)),
        _ => backoff,
    });
    let is_in_time = match attempt.budget {
        RetryBudget::PerRequest(most) => attempt.elapsed + delay <= most,
        RetryBudget::UntilDeadline(left) => delay <= left,
    };
    is_in_time.then_some(delay)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_are_retried() {
        let first = |cause: &FailureCause, repeatable| {
            let attempt = Attempt {
                repeatable,
                cause,
                number: 1,
                retry_after: None,
                elapsed: Duration::ZERO,
                random: 0.5,
                server_reached: true,
                budget: RetryBudget::PerRequest(MAX_RETRY_TIME),
            };
            retry_delay(attempt).is_some()
        };
        let table = [
            (FailureCause::Status(429), true, true),
            (FailureCause::Status(503), true, true),
            (FailureCause::NotSent, true, true),
            (FailureCause::Lost, true, false),
            (FailureCause::Status(500), true, false),
            (FailureCause::Status(504), true, false),
            (FailureCause::Status(400), false, false),
            (FailureCause::Status(409), false, false),
            (FailureCause::Malformed, true, false),
            (FailureCause::Unexpected, false, false),
        ];
        for (cause, repeatable, create) in table {
            assert_eq!(first(&cause, true), repeatable, "{cause:?} of a repeatable request");
            assert_eq!(first(&cause, false), create, "{cause:?} of a create");
        }
    }

    #[test]
    fn delays_grow_until_the_last_attempt() {
        let cause = FailureCause::Status(503);
        let at = |number, retry_after, elapsed| {
            retry_delay(Attempt {
                repeatable: true,
                cause: &cause,
                number,
                retry_after,
                elapsed,
                random: 1.0,
                server_reached: true,
                budget: RetryBudget::PerRequest(MAX_RETRY_TIME),
            })
        };
        assert_eq!(at(1, None, Duration::ZERO), Some(Duration::from_millis(500)));
        assert_eq!(at(3, None, Duration::ZERO), Some(Duration::from_secs(2)));
        assert_eq!(at(6, None, Duration::ZERO), None);
        assert_eq!(at(1, Some(Duration::from_secs(7)), Duration::ZERO), Some(Duration::from_secs(7)));
        assert_eq!(at(1, Some(Duration::from_secs(400)), Duration::ZERO), None);
        assert_eq!(at(1, None, MAX_RETRY_TIME), None);
        assert_eq!(
            at(2, Some(Duration::ZERO), Duration::ZERO),
            Some(Duration::from_secs(1)),
            "a `Retry-After` of zero is ignored"
        );
    }

    #[test]
    fn a_run_with_a_deadline_retries_until_then() {
        let at = |number, retry_after, left, cause: &FailureCause| {
            retry_delay(Attempt {
                repeatable: true,
                cause,
                number,
                retry_after: Some(Duration::from_secs(retry_after)).filter(|after| !after.is_zero()),
                elapsed: Duration::from_secs(7_200),
                random: 1.0,
                server_reached: false,
                budget: RetryBudget::UntilDeadline(Duration::from_secs(left)),
            })
            .map(|wait| wait.as_secs())
        };
        let maintenance = FailureCause::Status(503);
        assert_eq!(at(1, 3_600, 3_600, &maintenance), Some(3_600));
        assert_eq!(at(1, 3_600, 3_599, &maintenance), None);
        assert_eq!(at(100, 0, 60, &maintenance), Some(20));
        assert_eq!(at(100, 0, 10, &maintenance), Some(8), "one more attempt before the deadline");
        assert_eq!(at(100, 0, 0, &maintenance), None);
        assert_eq!(at(100, 0, 60, &FailureCause::Status(400)), None, "permanent failures are not retried");
        assert_eq!(at(3, 0, 60, &FailureCause::NotSent), None, "a wrong address is reported soon");
    }
}
