//! A proxy in front of an emulator that speaks TLS and HTTP/2, and can send GOAWAY when a service is created.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Request, Response, header};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificate::Certificate;

/// The way in which a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goaway {
    /// The proxy answers the requests that it has received so far, and accepts no more.
    Gracefully,
    /// The proxy closes the connection at once. The current create took effect, but its answer is lost.
    AfterThis,
    /// The proxy closes the connection at once. The current create did not take effect, and GOAWAY tells the client
    /// that.
    BeforeThis,
}

struct ProxyState {
    emulator: String,
    client: reqwest::Client,
    /// How to close the connection, and at which create (from 1).
    goaway: Mutex<Option<(usize, Goaway)>>,
    creates: AtomicUsize,
    connections: AtomicUsize,
}

/// A running proxy. It ends when the test's process ends.
pub(super) struct Http2Proxy {
    pub(super) url: String,
    proxy: Arc<ProxyState>,
}

impl Http2Proxy {
    /// Starts a proxy, and writes its certificate to a file.
    pub(super) fn start(emulator: &str, certificate: &Path, goaway: (usize, Goaway)) -> Self {
        // Fails if another test has already installed the provider, which is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let own = Certificate::new();
        std::fs::write(certificate, own.pem()).unwrap();
        let key = PrivateKeyDer::try_from(own.key).unwrap();
        let mut tls = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(own.der)], key)
            .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let proxy = Arc::new(ProxyState {
            emulator: emulator.to_owned(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            goaway: Mutex::new(Some(goaway)),
            creates: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        });
        let state = Arc::clone(&proxy);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        std::thread::spawn(move || {
            runtime.block_on(serve(listener, TlsAcceptor::from(Arc::new(tls)), state))
        });
        Self { url, proxy }
    }

    pub(super) fn connections(&self) -> usize {
        self.proxy.connections.load(Ordering::SeqCst)
    }
}

async fn serve(listener: std::net::TcpListener, tls: TlsAcceptor, proxy: Arc<ProxyState>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, proxy) = (tls.clone(), Arc::clone(&proxy));
        tokio::spawn(async move {
            if let Ok(stream) = tls.accept(stream).await {
                proxy.connections.fetch_add(1, Ordering::SeqCst);
                connection(stream, &proxy).await;
            }
        });
    }
}

/// Speaks HTTP/2 over a pipe, so that GOAWAY frames can be sent that the library would not send.
async fn connection(stream: TlsStream<TcpStream>, proxy: &Arc<ProxyState>) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let (close, closed) = oneshot::channel();
    tokio::spawn(copy_until_closed(stream, far, closed));
    let close = Arc::new(Mutex::new(Some(close)));
    let Ok(mut connection) = h2::server::handshake(near).await else { return };
    let mut is_closing = false;
    while let Some(Ok((request, respond))) = connection.accept().await {
        // The client learns that streams after the last one were not processed.
        if is_closing {
            continue;
        }
        let goaway = proxy.goaway_for(&request);
        if goaway == Some(Goaway::Gracefully) {
            connection.graceful_shutdown();
        }
        is_closing = matches!(goaway, Some(Goaway::AfterThis | Goaway::BeforeThis));
        let (proxy, close) = (Arc::clone(proxy), Arc::clone(&close));
        tokio::spawn(async move {
            let id = u32::from(request.body().stream_id());
            let last = match goaway {
                Some(Goaway::AfterThis) => id,
                Some(Goaway::BeforeThis) => id - 2,
                Some(Goaway::Gracefully) | None => return proxy.answer(request, respond).await,
            };
            if last == id {
                proxy.forward(request).await;
            }
            let close = close.lock().unwrap().take().expect("a connection is closed once");
            close.send(last).unwrap();
        });
    }
}

/// Copies bytes until the id of the last stream arrives in `closed`. Then sends GOAWAY with this id and closes the
/// connection.
async fn copy_until_closed(
    mut tls: TlsStream<TcpStream>,
    mut far: DuplexStream,
    mut closed: oneshot::Receiver<u32>,
) {
    let last = tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut tls, &mut far) => return,
        Ok(last) = &mut closed => last,
    };
    // A GOAWAY frame has eight bytes on stream 0: the id of the last processed stream, and the error code 0.
    let mut frame = vec![0, 0, 8, 7, 0, 0, 0, 0, 0];
    frame.extend(last.to_be_bytes());
    frame.extend([0; 4]);
    let _ = tls.write_all(&frame).await;
    let _ = tls.shutdown().await;
}

impl ProxyState {
    /// Returns the way in which to close the connection at this request, or `None` if it stays open.
    fn goaway_for(&self, request: &Request<RecvStream>) -> Option<Goaway> {
        let path = request.uri().path();
        if request.method() != "POST" || !(path.ends_with("/service/") || path.ends_with("/services")) {
            return None;
        }
        let number = self.creates.fetch_add(1, Ordering::SeqCst) + 1;
        self.goaway.lock().unwrap().take_if(|(at, _)| *at == number).map(|(_, goaway)| goaway)
    }

    async fn answer(&self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let Some((head, body)) = self.forward(request).await else { return };
        let Ok(mut stream) = respond.send_response(head, false) else { return };
        let _ = stream.send_data(body, true);
    }

    /// Forwards a request to the emulator and returns the answer. Returns `None` if the request ends early.
    async fn forward(&self, request: Request<RecvStream>) -> Option<(Response<()>, Bytes)> {
        let (parts, mut stream) = request.into_parts();
        let mut body = Vec::new();
        while let Some(piece) = stream.data().await {
            body.extend_from_slice(&piece.ok()?);
        }
        let url = format!("{}{}", self.emulator, parts.uri.path_and_query().unwrap());
        let request = self.client.request(parts.method, url).headers(parts.headers).body(body);
        let answer = request.send().await.unwrap();
        let mut head = Response::builder().status(answer.status());
        for (name, value) in answer.headers().iter().filter(|(name, _)| *name != header::TRANSFER_ENCODING) {
            head = head.header(name, value);
        }
        Some((head.body(()).unwrap(), answer.bytes().await.unwrap()))
    }
}
