//! Types for ids and names. Each kind of id has its own type, so that the compiler refuses an agent's id where a
//! service's id is expected.
//!
//! The format of ids depends on the API (24 hexadecimal digits on Classic, a UUID on Platform) and is not checked
//! here. The manifest loader checks ids in files.

use std::fmt;

use super::characters::nfc;

fn normalized(name: &str) -> String {
    nfc(name).into_owned()
}

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        text_newtype!($(#[$doc])* $name, str::to_owned);
    };
    ($(#[$doc:meta])* $name:ident, $normalize:expr) => {
        $(#[$doc])*
        #[derive(
            Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
            schemars::JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Creates the id or name from a string. Removes white space at both ends, as the servers do.
            pub fn new(text: impl AsRef<str>) -> Self {
                Self($normalize(text.as_ref().trim()))
            }

            /// Returns the id or name as a string.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_newtype!(
    /// A service's id, which the server assigns. Applications refer to the service by this id.
    ServiceId
);
text_newtype!(
    /// An agent's id.
    AgentId
);
text_newtype!(
    /// A context graph's id. Classic calls a context graph a service hierarchical state machine.
    ContextGraphId
);
text_newtype!(
    /// The id of a behavior set.
    BehaviorSetId
);
text_newtype!(
    /// A service's name, which identifies the service in manifests and is unique among active services. It is in
    /// Unicode's normal form C, so that names that look the same are equal.
    ServiceName,
    normalized
);
text_newtype!(
    /// A version set's name, such as `release`.
    VersionSetName
);

impl VersionSetName {
    /// The name of the version set that conversations use by default. It can't be deleted.
    pub const RELEASE: &'static str = "release";
    /// The name of the version set that the server manages. It always uses the latest versions, and can't be written or
    /// deleted.
    pub const EDGE: &'static str = "edge";

    /// Returns true if the name is `release`.
    pub fn is_release(&self) -> bool {
        self.0 == Self::RELEASE
    }

    /// Returns true if the name is `edge`.
    pub fn is_edge(&self) -> bool {
        self.0 == Self::EDGE
    }
}
