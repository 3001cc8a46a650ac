//! The kinds of faults, and the keys of fault files. The reader of fault files and the JSON Schema of these files both
//! use these definitions.

/// The longest delay, and the longest time for sending a slow body, in milliseconds.
pub(crate) const MAX_MILLIS: u64 = 600_000;
/// The maximum value of `Retry-After`, in seconds: one year.
pub(crate) const MAX_SECONDS: u64 = 31_536_000;
/// The HTTP methods that the two APIs use.
pub(crate) const METHODS: &[&str] = &["DELETE", "GET", "PATCH", "POST", "PUT"];
/// The keys that select the requests to which a rule applies. Every kind of fault allows these keys.
pub(crate) const WHEN: &[&str] = &["method", "path", "nth", "times"];

/// A kind of fault, as a rule in a fault file names it.
pub(crate) struct FaultKind {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The keys that this kind of fault allows in addition to the keys in [`WHEN`].
    pub(crate) takes: &'static [&'static str],
    /// The key that this kind of fault requires. `None` if it requires no key.
    pub(crate) needs: Option<&'static str>,
}

const fn plain(name: &'static str, about: &'static str) -> FaultKind {
    FaultKind { name, about, takes: &[], needs: None }
}

const fn timed(name: &'static str, about: &'static str) -> FaultKind {
    FaultKind { name, about, takes: &["millis"], needs: Some("millis") }
}

/// All kinds of faults that a fault file can contain.
pub(crate) const KINDS: &[FaultKind] = &[
    plain(
        "refuse",
        "Refuses the connection. A server can't do this once it was reached, and treats it as `lose_request`.",
    ),
    plain("lose_request", "Aborts the connection without processing the request."),
    plain("lose_answer", "Processes the request, then aborts the connection without an answer."),
    plain(
        "cut_answer",
        "Processes the request, then aborts the connection in the middle of the answer's body.",
    ),
    plain(
        "garble",
        "Processes the request, then sends only the first half of the answer's body as if it were complete.",
    ),
    timed("delay", "Processes and answers the request after a delay."),
    timed("dribble", "Processes the request, then sends the answer's body slowly, in chunks."),
    plain("close", "Processes the request, then answers with `Connection: close`."),
    FaultKind {
        name: "hide",
        about: "Processes the request, then omits one service from the list in the answer and from its total.",
        takes: &["service"],
        needs: Some("service"),
    },
    FaultKind {
        name: "answer",
        about: "Sends this answer instead of the request's own.",
        takes: &["status", "processed", "headers", "retry_after", "retry_after_date", "body"],
        needs: Some("status"),
    },
];
