//! Transports requests to the server: over the network, or in simulations to a handler in this process.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response};
use tokio::time::Instant;

use super::access::Access;
use super::failure::{ApiError, FailureCause};
use super::variables::ProxyVariable;

/// The way in which requests reach the server.
#[derive(Clone, Debug)]
pub(super) enum Transport {
    /// Sends requests over network connections. Clones share the connections.
    Network(Client),
    /// Passes requests to a request handler in this process.
    #[cfg(any(test, feature = "test-support"))]
    Simulated(simulated::SimulatedTransport),
}

/// The error for a request that got no answer from the server.
#[cfg_attr(
    not(any(test, feature = "test-support")),
    allow(unreachable_pub, reason = "only simulations construct this type")
)]
#[derive(Clone, Debug)]
pub struct TransportError {
    /// The kind of failure.
    pub kind: TransportErrorKind,
    /// The causes of the error, from the outermost to the innermost.
    pub details: String,
}

/// The ways in which a request can fail without an answer.
#[cfg_attr(
    not(any(test, feature = "test-support")),
    allow(unreachable_pub, reason = "only simulations construct this type")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportErrorKind {
    /// No connection to the server could be opened.
    NoConnection,
    /// The request could not be built.
    InvalidRequest,
    /// No answer arrived in time.
    TimedOut,
    /// The connection closed before the answer arrived.
    ConnectionLost,
}

impl TransportError {
    /// Returns the cause of the request's failure: the request was not sent, or its answer was lost.
    pub(super) fn cause(&self) -> FailureCause {
        match self.kind {
            TransportErrorKind::NoConnection | TransportErrorKind::InvalidRequest => FailureCause::NotSent,
            TransportErrorKind::TimedOut | TransportErrorKind::ConnectionLost => FailureCause::Lost,
        }
    }

    pub(super) fn message(&self, base_url: &str, timeout: Duration) -> String {
        let problem = match self.kind {
            TransportErrorKind::NoConnection => format!("no connection to {base_url}"),
            TransportErrorKind::TimedOut => format!("no answer within {} s", timeout.as_secs().max(1)),
            TransportErrorKind::InvalidRequest | TransportErrorKind::ConnectionLost => {
                "the connection closed before the answer arrived".to_owned()
            }
        };
        format!("{problem} ({})", self.details)
    }
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        let kind = if error.is_connect() {
            TransportErrorKind::NoConnection
        } else if error.is_timeout() {
            TransportErrorKind::TimedOut
        } else if error.is_builder() {
            TransportErrorKind::InvalidRequest
        } else {
            TransportErrorKind::ConnectionLost
        };
        Self { kind, details: chain(&error) }
    }
}

impl Transport {
    /// Returns a transport that uses the network. A proxy is used only to reach other machines.
    ///
    /// # Errors
    ///
    /// Fails if the proxy or the trusted certificates can't be used.
    pub(super) fn network(access: &Access) -> Result<Self, ApiError> {
        let proxy = access.proxy().map(ProxyVariable::proxy).transpose()?;
        client(proxy.as_ref(), access.variables.certificates.as_deref()).map(Self::Network)
    }

    /// Returns a builder for a request to this URL.
    pub(super) fn request(&self, method: Method, url: String) -> RequestBuilder {
        match self {
            Self::Network(client) => client.request(method, url),
            #[cfg(any(test, feature = "test-support"))]
            Self::Simulated(simulated) => simulated.client.request(method, url),
        }
    }

    /// Sends a request once. The status and headers of the answer must arrive before the deadline.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        deadline: Instant,
    ) -> Result<Response, TransportError> {
        let answer = async {
            match self {
                Self::Network(_) => request.send().await.map_err(TransportError::from),
                #[cfg(any(test, feature = "test-support"))]
                Self::Simulated(simulated) => simulated.send(request.build()?).await,
            }
        };
        let late = |_| TransportError { kind: TransportErrorKind::TimedOut, details: "timed out".to_owned() };
        tokio::time::timeout_at(deadline, answer).await.map_err(late)?
    }
}

/// Builds an HTTP client that follows no redirects. If the system has no trusted certificates, the client uses the
/// bundled ones. `certificates` contains the names of the environment variables that set other trusted certificates, or
/// is `None` if no such variable is set.
///
/// # Errors
///
/// Fails if these variables lead to no usable certificate.
fn client(proxy: Option<&reqwest::Proxy>, certificates: Option<&str>) -> Result<Client, ApiError> {
    // This returns an error if a TLS provider is already installed, which is no problem.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        // Without `no_proxy`, the library would read the proxy variables itself, and ignore unusable values without an
        // error.
        let builder = Client::builder()
            .user_agent(concat!("amigops/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        match proxy {
            Some(proxy) => builder.proxy(proxy.clone()),
            None => builder,
        }
    };
    let error = match builder().build() {
        Ok(client) => return Ok(client),
        Err(error) => error,
    };
    if let Some(names) = certificates {
        let message =
            format!("TLS can't be set up: {names} leads to no usable certificate ({})", chain(&error));
        let hint = "set it to certificates in PEM format, or unset it to trust those of the system";
        return Err(ApiError::setup(message).hint(hint));
    }
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS;
    let roots = roots.iter().filter_map(|der| reqwest::Certificate::from_der(der).ok());
    let client = builder().tls_certs_only(roots).build();
    client.map_err(|error| ApiError::setup(format!("TLS can't be set up: {}", chain(&error))))
}

/// Returns the causes of an error, from the outermost to the innermost, separated by colons. Leaves out the URL, which
/// may contain a secret.
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

/// A transport to a request handler in this process. It uses the clock of the async runtime, which tests can pause.
#[cfg(any(test, feature = "test-support"))]
pub(super) mod simulated {
    use std::fmt;
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::{Arc, OnceLock};

    use reqwest::{Client, Request, Response};

    use super::{Transport, TransportError};

    /// A server in this process that answers requests.
    pub trait RequestHandler: Send + Sync {
        /// Answers a request.
        fn handle(
            &self,
            request: Request,
        ) -> Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + '_>>;
    }

    /// A transport to a request handler in this process.
    #[derive(Clone)]
    pub(in crate::remote) struct SimulatedTransport {
        /// The HTTP client that builds the requests. All simulations share it, because creating an HTTP client takes
        /// milliseconds.
        pub(in crate::remote) client: Client,
        handler: Arc<dyn RequestHandler>,
    }

    impl fmt::Debug for SimulatedTransport {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("SimulatedTransport")
        }
    }

    impl SimulatedTransport {
        pub(super) async fn send(&self, request: Request) -> Result<Response, TransportError> {
            self.handler.handle(request).await
        }
    }

    /// Returns a transport that sends requests to this handler.
    pub(in crate::remote) fn transport_to(handler: Arc<dyn RequestHandler>) -> Transport {
        static CLIENT: OnceLock<Transport> = OnceLock::new();
        match CLIENT.get_or_init(|| Transport::Network(super::client(None, None).expect("a client"))) {
            Transport::Network(client) | Transport::Simulated(SimulatedTransport { client, .. }) => {
                Transport::Simulated(SimulatedTransport { client: client.clone(), handler })
            }
        }
    }
}
