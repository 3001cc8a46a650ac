//! How a request gets to the server: over the network, or, in simulations, by a call. Imports nothing of ours
//! but the causes of failure.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response};
use tokio::time::Instant;

use super::failure::{ApiError, Cause};

/// What carries requests.
#[derive(Clone, Debug)]
pub(super) enum Transport {
    /// Connections of our own; clones share them.
    Network(Client),
    /// A function in this process.
    #[cfg(test)]
    Simulated(simulated::Wire),
}

/// Why no answer came.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) how: How,
    /// The causes, outermost first.
    pub(crate) details: String,
}

/// How a request broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// No connection came about.
    NoConnection,
    /// It could not even be built.
    Unbuilt,
    /// No answer came in time.
    TimedOut,
    /// The connection died.
    BrokeOff,
}

impl Broken {
    pub(super) fn cause(&self) -> Cause {
        match self.how {
            How::NoConnection | How::Unbuilt => Cause::NotSent,
            How::TimedOut | How::BrokeOff => Cause::Lost,
        }
    }

    pub(super) fn message(&self, base_url: &str, timeout: Duration) -> String {
        let what = match self.how {
            How::NoConnection => format!("no connection to {base_url}"),
            How::TimedOut => format!("no answer within {} s", timeout.as_secs().max(1)),
            How::Unbuilt | How::BrokeOff => "the connection broke before the answer came".to_owned(),
        };
        format!("{what} ({})", self.details)
    }
}

impl From<reqwest::Error> for Broken {
    fn from(error: reqwest::Error) -> Self {
        let how = if error.is_connect() {
            How::NoConnection
        } else if error.is_timeout() {
            How::TimedOut
        } else if error.is_builder() {
            How::Unbuilt
        } else {
            How::BrokeOff
        };
        Self { how, details: chain(&error) }
    }
}

impl Transport {
    /// The network. A proxy is used only for other machines.
    pub(super) fn network(is_loopback: bool) -> Result<Self, ApiError> {
        // Installed by whoever is first; a second time is no error.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = client(is_loopback)
            .map_err(|error| ApiError::setup(format!("TLS can't be set up: {}", chain(&error))))?;
        Ok(Self::Network(client))
    }

    /// Begins a request.
    pub(super) fn request(&self, method: Method, url: String) -> RequestBuilder {
        match self {
            Self::Network(client) => client.request(method, url),
            #[cfg(test)]
            Self::Simulated(wire) => wire.client.request(method, url),
        }
    }

    /// Sends a request once; the head of its answer must be there by the deadline.
    pub(super) async fn send(&self, request: RequestBuilder, deadline: Instant) -> Result<Response, Broken> {
        let answer = async {
            match self {
                Self::Network(_) => request.send().await.map_err(Broken::from),
                #[cfg(test)]
                Self::Simulated(wire) => wire.send(request.build()?).await,
            }
        };
        let late = |_| Broken { how: How::TimedOut, details: "the time is over".to_owned() };
        tokio::time::timeout_at(deadline, answer).await.map_err(late)?
    }
}

/// A client that follows no redirects; without the system's certificates, with the bundled ones.
fn client(is_loopback: bool) -> Result<Client, reqwest::Error> {
    let builder = || {
        let builder = Client::builder()
            .user_agent(concat!("amigops/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback { builder.no_proxy() } else { builder }
    };
    builder().build().or_else(|_| {
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
        let roots = roots.iter().filter_map(|der| reqwest::Certificate::from_der(der).ok());
        builder().tls_certs_only(roots).build()
    })
}

/// An error and its causes, without the address, which may carry what must not be shown.
pub(super) fn chain(error: &reqwest::Error) -> String {
    let mut parts = Vec::new();
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(cause) = source {
        let text = cause.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
        source = cause.source();
    }
    if parts.is_empty() { "no details".to_owned() } else { parts.join(": ") }
}

/// A transport that is a call: time is the runtime's, and nothing leaves the process.
#[cfg(test)]
pub(crate) mod simulated {
    use std::fmt;
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::{Arc, OnceLock};

    use reqwest::{Client, Request, Response};

    use super::{Broken, Transport};

    /// What answers.
    pub(crate) trait Line: Send + Sync {
        /// Takes a request to the server and brings its answer.
        fn carry(
            &self,
            request: Request,
        ) -> Pin<Box<dyn Future<Output = Result<Response, Broken>> + Send + '_>>;
    }

    /// One end of a line.
    #[derive(Clone)]
    pub(in crate::remote) struct Wire {
        /// Builds requests; to build a client of its own for each wire would take milliseconds.
        pub(in crate::remote) client: Client,
        line: Arc<dyn Line>,
    }

    impl fmt::Debug for Wire {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Wire")
        }
    }

    impl Wire {
        pub(super) async fn send(&self, request: Request) -> Result<Response, Broken> {
            self.line.carry(request).await
        }
    }

    /// A transport over this line.
    pub(in crate::remote) fn over(line: Arc<dyn Line>) -> Transport {
        static CLIENT: OnceLock<Transport> = OnceLock::new();
        match CLIENT.get_or_init(|| Transport::network(true).expect("a client")) {
            Transport::Network(client) | Transport::Simulated(Wire { client, .. }) => {
                Transport::Simulated(Wire { client: client.clone(), line })
            }
        }
    }
}
