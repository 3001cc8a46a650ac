//! Reads the headers of an answer that contain rate limits and times.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;

use super::limits::RateLimitHeaders;

/// The maximum difference between our clock and the server's clock that is ignored. Small differences are normal,
/// because the header `Date` has only whole seconds.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(3);
/// The maximum time until the rate limit is reset. Longer times are shortened to this time, so that a wrong clock does
/// not delay the run for long.
const MAX_RESET: Duration = Duration::from_secs(120);
/// The maximum value of `Retry-After`, in seconds. Longer times are shortened to this value.
const MAX_RETRY_AFTER_SECONDS: f64 = 86_400.0;

/// Returns the value of a header, or `None` if the header is missing or its value is not visible ASCII.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Returns the time of the server's clock (the header `Date`) if it differs noticeably from our time, and our time
/// otherwise.
///
/// This is necessary because the times in the rate-limit headers refer to the server's clock.
pub(super) fn server_time(headers: &HeaderMap, ours: SystemTime) -> SystemTime {
    let Some(date) = header(headers, "date").and_then(|text| httpdate::parse_http_date(text).ok()) else {
        return ours;
    };
    let difference = ours.duration_since(date).unwrap_or_else(|error| error.duration());
    if difference > CLOCK_TOLERANCE { date } else { ours }
}

/// Returns the rate limit in the headers of an answer, or `None` if the headers are missing or invalid. `now` is the
/// time of the server's clock.
pub(super) fn parse_rate_limit(headers: &HeaderMap, now: SystemTime) -> Option<RateLimitHeaders> {
    let number =
        |name: &str| header(headers, name)?.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let reset = Duration::try_from_secs_f64(number("x-ratelimit-reset")?).ok()?;
    let at = SystemTime::UNIX_EPOCH.checked_add(reset)?;
    let limit = number("x-ratelimit-limit").filter(|limit| *limit >= 1.0)?;
    Some(RateLimitHeaders {
        limit: limit as u32,
        remaining: number("x-ratelimit-remaining")?.max(0.0) as u32,
        resets_in: at.duration_since(now).unwrap_or_default().min(MAX_RESET),
        reset,
    })
}

/// Returns how long the `Retry-After` header asks to wait, or `None` if the header is missing or invalid. `now` is the
/// time of the server's clock.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    parse_retry_after(header(headers, "retry-after")?, now)
}

/// Parses the value of `Retry-After`, which is a number of seconds or an HTTP date.
fn parse_retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<f64>() {
        return (seconds.is_finite() && seconds >= 0.0)
            .then(|| Duration::from_secs_f64(seconds.min(MAX_RETRY_AFTER_SECONDS)));
    }
    let at = httpdate::parse_http_date(header).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
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
    fn nonsensical_rate_limits_are_ignored() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let parse = |limit, remaining, reset| {
            parse_rate_limit(
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
            Some(RateLimitHeaders { limit, remaining, resets_in, reset })
        };
        assert_eq!(parse("20", "7", "1030"), some(20, 7, 1_030, 30));
        assert_eq!(parse("20", "-3", "900"), some(20, 0, 900, 0));
        assert_eq!(parse("20", "7", "99999999"), some(20, 7, 99_999_999, 120));
        for nonsense in
            [("0", "0", "1030"), ("-1", "0", "1030"), ("20", "7", "1e19"), ("20", "7", "-1"), ("x", "7", "1")]
        {
            assert_eq!(parse(nonsense.0, nonsense.1, nonsense.2), None, "{nonsense:?}");
        }
    }

    #[test]
    fn the_servers_clock_is_used_if_ours_differs() {
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let headers = headers([("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("x-a", "1"), ("x-b", "2")]);
        let near = date + Duration::from_millis(900);
        assert_eq!(server_time(&headers, near), near);
        assert_eq!(server_time(&headers, date + Duration::from_secs(600)), date);
        assert_eq!(server_time(&headers, date - Duration::from_secs(600)), date);
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
            assert_eq!(parse_retry_after(header, now), expected.map(Duration::from_secs), "{header}");
        }
    }
}
