//! What agents say. Imports the world.

use crate::emulator::world::{CannedReply, Conversation, Replies, Service};

/// An agent's turn.
#[derive(Debug, PartialEq)]
pub(super) enum Spoken {
    Message { text: String, finishes: bool },
    Error { code: u16, description: String },
}

/// Decides an agent's turn: the first canned reply that fits, else the greeting or an echo.
pub(super) fn speak(
    replies: &Replies,
    agent: &str,
    service: &Service,
    conversation: &Conversation,
    said: Option<&str>,
) -> Spoken {
    let fill = |text: &str| text.replace("{agent}", agent).replace("{service}", &service.name);
    let canned = replies.canned.iter().find(|canned| fits(canned, service, conversation, said));
    if let Some(error) = canned.and_then(|canned| canned.error.as_ref()) {
        return Spoken::Error { code: error.code, description: error.description.clone() };
    }
    let usual = || match said {
        Some(said) => format!("{agent} here. You said: {said}"),
        None => fill(replies.greeting.as_deref().unwrap_or("Hello, this is {agent}. How can I help?")),
    };
    let text = canned.and_then(|canned| canned.answer.as_deref()).map_or_else(usual, fill);
    Spoken::Message { text, finishes: canned.is_some_and(|canned| canned.finishes) }
}

fn fits(canned: &CannedReply, service: &Service, conversation: &Conversation, said: Option<&str>) -> bool {
    canned.service.as_ref().is_none_or(|name| *name == service.name)
        && canned.version_set.as_ref().is_none_or(|name| *name == conversation.version_set)
        && canned.agent_version.is_none_or(|version| version == conversation.agent.1)
        && canned.context_graph_version.is_none_or(|version| version == conversation.context_graph.1)
        && canned.says.as_ref().is_none_or(|part| said.is_some_and(|said| said.contains(part.as_str())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::emulator::world::ReplyError;

    fn conversation(version_set: &str, agent_version: u32) -> Conversation {
        Conversation {
            id: String::new(),
            sequence: 0,
            user_id: String::new(),
            service_id: String::new(),
            version_set: version_set.to_owned(),
            agent: (String::new(), agent_version),
            context_graph: (String::new(), 1),
            llm_model_preferences: serde_json::Map::new(),
            tags: BTreeMap::new(),
            messages: Vec::new(),
            is_finished: false,
            created_at: 0,
        }
    }

    fn text(spoken: &Spoken) -> &str {
        match spoken {
            Spoken::Message { text, .. } => text,
            Spoken::Error { description, .. } => description,
        }
    }

    #[test]
    fn the_first_reply_that_fits_speaks() {
        let service = Service::new("Coach", "a", "g");
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
        let speak =
            |version, said| speak(&replies, "Maya", &service, &conversation("release", version), said);
        assert_eq!(text(&speak(4, Some("Hello"))), "broken");
        assert_eq!(text(&speak(3, Some("Hello you"))), "Maya of Coach");
        assert_eq!(text(&speak(3, Some("Bye"))), "Maya here. You said: Bye");
        assert_eq!(text(&speak(3, None)), "Welcome");
    }
}
