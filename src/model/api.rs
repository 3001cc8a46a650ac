//! Which of the two APIs a plan is for, and what differs between them as far as planning is concerned.
//! Imports nothing of ours.

/// The vendor's two APIs. Every difference that planning must know is a method here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// `https://api.amigo.ai`: organizations, 24-digit ids, no delete.
    Classic,
}

impl Api {
    /// The API's name as environments spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
        }
    }

    /// The most tags a service may carry, the tool's own included.
    pub fn max_tags(self) -> usize {
        match self {
            Self::Classic => 20,
        }
    }

    /// What the API calls a context graph in messages.
    pub fn context_graph_noun(self) -> &'static str {
        match self {
            Self::Classic => "context graph (state machine)",
        }
    }
}
