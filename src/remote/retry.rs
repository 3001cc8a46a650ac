//! Whether and when a failed request is sent again: a pure decision, apart from the waiting. Imports nothing
//! of ours but the causes of failure.

use std::time::{Duration, SystemTime};

use super::failure::Cause;

/// What is known of a request when it has failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt<'a> {
    /// Whether sending it twice does the same as sending it once.
    pub(super) repeatable: bool,
    /// Why it failed.
    pub(super) cause: &'a Cause,
    /// How often it was sent, from 1.
    pub(super) number: u32,
    /// The server's `Retry-After`.
    pub(super) retry_after: Option<Duration>,
    /// How long the request has been under way, waits included.
    pub(super) spent: Duration,
    /// From 0 to 1.
    pub(super) random: f64,
    /// Whether the server has answered anything in this run: before that, a wrong address is likelier than
    /// an outage.
    pub(super) reached: bool,
    /// How long it may be tried.
    pub(super) patience: Patience,
}

/// How long a request may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// So long altogether, waits for limits apart.
    Spent(Duration),
    /// As long as the whole run has time: so much is left.
    Left(Duration),
}

/// The most attempts for one request, where the run has no deadline.
const MAX_ATTEMPTS: u32 = 6;
/// The most attempts to reach a server at all: a wrong address should be told soon.
const MAX_CONNECTS: u32 = 3;
/// The most attempts to get an answer that can be read: what answers in the API's place goes on to do so.
const MAX_GARBLED: u32 = 3;
/// The longest time that one request may take, waits included, where the run has no deadline.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);
/// So much time must be left for another try.
const WORTH_A_TRY: Duration = Duration::from_secs(1);
/// The longest wait without a `Retry-After`.
const MAX_BACKOFF: Duration = Duration::from_secs(20);

/// How long to wait before the request is sent again; none: give up.
///
/// 429 and 503 mean that nothing was done, so that anything may be repeated. After a lost answer or another
/// 5xx only what is repeatable may be.
pub(super) fn again(attempt: Attempt<'_>) -> Option<Duration> {
    let allowed = match attempt.cause {
        Cause::NotSent | Cause::Status(429 | 503) => true,
        Cause::Status(501 | 505) => false,
        Cause::Lost | Cause::Garbled | Cause::Status(408 | 500..=599) => attempt.repeatable,
        Cause::Status(_)
        | Cause::Unreadable
        | Cause::Kept
        | Cause::Moved
        | Cause::Interrupted
        | Cause::Setup => false,
    };
    let unreached = *attempt.cause == Cause::NotSent && !attempt.reached;
    let most = match attempt.patience {
        _ if unreached => MAX_CONNECTS,
        _ if *attempt.cause == Cause::Garbled => MAX_GARBLED,
        Patience::Spent(_) => MAX_ATTEMPTS,
        Patience::Left(_) => u32::MAX,
    };
    if !allowed || attempt.number >= most {
        return None;
    }
    let doubled = Duration::from_millis(250).saturating_mul(1 << attempt.number.min(10)).min(MAX_BACKOFF);
    // Half fixed, half random: retries of several requests spread out, and none comes at once.
    let backoff = doubled.mul_f64(0.5 + attempt.random.clamp(0.0, 1.0) / 2.0);
    // Who says "at once" of a refusal is not taken at the word.
    let wait = attempt.retry_after.filter(|after| !after.is_zero()).unwrap_or(match attempt.patience {
        // The last tries are made before the time is over, not given up for want of it.
        Patience::Left(left) if left >= WORTH_A_TRY => backoff.min(left.mul_f64(0.8)),
        _ => backoff,
    });
    let in_time = match attempt.patience {
        Patience::Spent(most) => attempt.spent + wait <= most,
        Patience::Left(left) => wait <= left,
    };
    in_time.then_some(wait)
}

/// Reads a `Retry-After`: seconds, or an HTTP date.
pub(super) fn retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        return (seconds.is_finite() && seconds >= 0.0)
            .then(|| Duration::from_secs_f64(seconds.min(86_400.0)));
    }
    let at = httpdate::parse_http_date(header).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated() {
        let first = |cause: &Cause, repeatable| {
            let attempt = Attempt {
                repeatable,
                cause,
                number: 1,
                retry_after: None,
                spent: Duration::ZERO,
                random: 0.5,
                reached: true,
                patience: Patience::Spent(PATIENCE),
            };
            again(attempt).is_some()
        };
        let table = [
            (Cause::Status(429), true, true),
            (Cause::Status(503), true, true),
            (Cause::NotSent, true, true),
            (Cause::Lost, true, false),
            (Cause::Status(500), true, false),
            (Cause::Status(504), true, false),
            (Cause::Status(400), false, false),
            (Cause::Status(409), false, false),
            (Cause::Garbled, true, false),
            (Cause::Unreadable, false, false),
        ];
        for (cause, repeatable, create) in table {
            assert_eq!(first(&cause, true), repeatable, "{cause:?} of what is repeatable");
            assert_eq!(first(&cause, false), create, "{cause:?} of a create");
        }
    }

    #[test]
    fn waits_grow_and_end() {
        let cause = Cause::Status(503);
        let at = |number, retry_after, spent| {
            again(Attempt {
                repeatable: true,
                cause: &cause,
                number,
                retry_after,
                spent,
                random: 1.0,
                reached: true,
                patience: Patience::Spent(PATIENCE),
            })
        };
        assert_eq!(at(1, None, Duration::ZERO), Some(Duration::from_millis(500)));
        assert_eq!(at(3, None, Duration::ZERO), Some(Duration::from_secs(2)));
        assert_eq!(at(6, None, Duration::ZERO), None);
        assert_eq!(at(1, Some(Duration::from_secs(7)), Duration::ZERO), Some(Duration::from_secs(7)));
        assert_eq!(at(1, Some(Duration::from_secs(400)), Duration::ZERO), None);
        assert_eq!(at(1, None, PATIENCE), None);
        assert_eq!(at(2, Some(Duration::ZERO), Duration::ZERO), Some(Duration::from_secs(1)), "no hammering");
    }

    #[test]
    fn a_run_with_a_deadline_is_patient_until_then() {
        let at = |number, retry_after, left, cause: &Cause| {
            again(Attempt {
                repeatable: true,
                cause,
                number,
                retry_after: Some(Duration::from_secs(retry_after)).filter(|after| !after.is_zero()),
                spent: Duration::from_secs(7_200),
                random: 1.0,
                reached: false,
                patience: Patience::Left(Duration::from_secs(left)),
            })
            .map(|wait| wait.as_secs())
        };
        let maintenance = Cause::Status(503);
        assert_eq!(at(1, 3_600, 3_600, &maintenance), Some(3_600));
        assert_eq!(at(1, 3_600, 3_599, &maintenance), None);
        assert_eq!(at(100, 0, 60, &maintenance), Some(20));
        assert_eq!(at(100, 0, 10, &maintenance), Some(8), "once more before the end");
        assert_eq!(at(100, 0, 0, &maintenance), None);
        assert_eq!(at(100, 0, 60, &Cause::Status(400)), None, "what does not pass is not waited for");
        assert_eq!(at(3, 0, 60, &Cause::NotSent), None, "a wrong address is told soon");
    }

    #[test]
    fn retry_after_takes_seconds_and_dates() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        let table = [
            ("7", Some(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ];
        for (header, expected) in table {
            assert_eq!(retry_after(header, now), expected.map(Duration::from_secs), "{header}");
        }
    }
}
