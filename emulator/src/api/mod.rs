//! The code that both APIs share: requests and answers, routing, query parameters, validation errors and rate limits.

pub(crate) mod agent_replies;
pub(crate) mod exchange;
pub(crate) mod limits;
pub(crate) mod problems;
pub(crate) mod query;
pub(crate) mod refusal;
pub(crate) mod routing;
