//! Chooses the agents' replies in conversations.

use crate::state::{CannedReply, Replies};

/// The reply of an agent in a conversation: a message or an error.
#[derive(Debug, PartialEq)]
pub(crate) enum AgentReply {
    Message { text: String, finishes: bool },
    Error { code: u16, description: String },
}

/// One turn of a conversation, with all values on which the agent's reply depends.
pub(crate) struct Turn<'a> {
    pub(crate) agent: &'a str,
    pub(crate) service: &'a str,
    pub(crate) version_set: &'a str,
    pub(crate) agent_version: u32,
    pub(crate) context_graph_version: u32,
    /// The user's message. `None` if the agent begins the conversation.
    pub(crate) said: Option<&'a str>,
}

impl Turn<'_> {
    /// Returns the first canned reply (a reply that the seed defines) whose conditions are all true for this turn.
    /// Returns `None` if no canned reply matches.
    pub(crate) fn canned<'r>(&self, replies: &'r Replies) -> Option<&'r CannedReply> {
        replies.canned.iter().find(|canned| self.fits(canned))
    }

    fn fits(&self, canned: &CannedReply) -> bool {
        let part_said = |part: &String| self.said.is_some_and(|said| said.contains(part.as_str()));
        canned.service.as_ref().is_none_or(|name| name == self.service)
            && canned.version_set.as_ref().is_none_or(|name| name == self.version_set)
            && canned.agent_version.is_none_or(|version| version == self.agent_version)
            && canned.context_graph_version.is_none_or(|version| version == self.context_graph_version)
            && canned.says.as_ref().is_none_or(part_said)
    }

    /// Returns the agent's reply: the error or the text of the first canned reply that matches. If the matching reply
    /// has neither, or no canned reply matches, the agent repeats the user's message. If the user sent no message, the
    /// agent says the greeting instead.
    pub(crate) fn reply(&self, replies: &Replies) -> AgentReply {
        let agent = self.agent;
        let fill = |text: &str| text.replace("{agent}", agent).replace("{service}", self.service);
        let canned = self.canned(replies);
        if let Some(error) = canned.and_then(|canned| canned.error.as_ref()) {
            return AgentReply::Error { code: error.code, description: error.description.clone() };
        }
        let usual = || match self.said {
            Some(said) => format!("{agent} here. You said: {said}"),
            None => fill(replies.greeting.as_deref().unwrap_or("Hello, this is {agent}. How can I help?")),
        };
        let text = canned.and_then(|canned| canned.answer.as_deref()).map_or_else(usual, fill);
        AgentReply::Message { text, finishes: canned.is_some_and(|canned| canned.finishes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::ReplyError;

    fn text(spoken: &AgentReply) -> &str {
        match spoken {
            AgentReply::Message { text, .. } => text,
            AgentReply::Error { description, .. } => description,
        }
    }

    #[test]
    fn the_first_matching_reply_is_used() {
        let broken = CannedReply {
            agent_version: Some(4),
            error: Some(ReplyError { code: 500, description: "broken".into() }),
            ..CannedReply::default()
        };
        let greeting = CannedReply {
            says: Some("Hello".into()),
            answer: Some("{agent} of {service}".into()),
            ..CannedReply::default()
        };
        let replies = Replies { greeting: Some("Welcome".into()), canned: vec![broken, greeting] };
        let reply = |agent_version, said| {
            let (agent, service, version_set) = ("Maya", "Coach", "release");
            let turn = Turn { agent, service, version_set, agent_version, context_graph_version: 1, said };
            turn.reply(&replies)
        };
        assert_eq!(text(&reply(4, Some("Hello"))), "broken");
        assert_eq!(text(&reply(3, Some("Hello you"))), "Maya of Coach");
        assert_eq!(text(&reply(3, Some("Bye"))), "Maya here. You said: Bye");
        assert_eq!(text(&reply(3, None)), "Welcome");
    }
}
