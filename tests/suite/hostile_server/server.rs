//! A proxy between the binary and the emulator. It answers some requests itself, in ways that no HTTP library allows.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A request that the proxy received.
pub(super) struct Request {
    pub(super) method: String,
    /// The path with its query.
    pub(super) target: String,
    /// The request line and the headers, as received.
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Returns the value of a header, or an empty string if the request does not have it.
    pub(super) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .next()
            .unwrap_or("")
    }
}

/// An answer of the proxy itself.
pub(super) enum Reply {
    /// A complete response: a status, header lines and a body.
    Whole(u16, Vec<String>, Vec<u8>),
    /// A successful response whose body begins with `first` and never ends. After each pause, `piece` is sent again,
    /// until the client disconnects.
    Endless { first: Vec<u8>, piece: Vec<u8>, pause: Duration },
    /// These bytes, sent as they are. After them, the connection is closed.
    Raw(Vec<u8>),
}

/// Returns a successful JSON response, with a rate limit that is never reached.
pub(super) fn json(body: impl Into<Vec<u8>>) -> Option<Reply> {
    let headers = [
        "content-type: application/json",
        "x-ratelimit-limit: 1000000000",
        "x-ratelimit-remaining: 999999999",
        "x-ratelimit-reset: 99999999999",
    ];
    Some(Reply::Whole(200, headers.map(str::to_owned).to_vec(), body.into()))
}

type Handler = dyn Fn(&Request) -> Option<Reply> + Send + Sync;

/// A running proxy. Its threads end when the test's process ends.
pub(super) struct Hostile {
    pub(super) url: String,
    answered: Arc<AtomicUsize>,
}

impl Hostile {
    /// Starts the proxy in front of an emulator.
    pub(super) fn start(
        emulator: &str,
        handler: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let behind = emulator.trim_start_matches("http://").to_owned();
        let (handler, answered): (Arc<Handler>, _) = (Arc::new(handler), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&answered);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (handler, behind, count) = (Arc::clone(&handler), behind.clone(), Arc::clone(&count));
                std::thread::spawn(move || serve(&stream, &behind, &*handler, &count));
            }
        });
        Self { url, answered }
    }

    /// Returns the number of requests that the proxy answered itself.
    pub(super) fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }
}

/// Answers all requests of one connection.
fn serve(stream: &TcpStream, behind: &str, handler: &Handler, count: &AtomicUsize) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let reply = handler(&request);
        count.fetch_add(usize::from(reply.is_some()), Ordering::SeqCst);
        let goes_on = match reply {
            None => pass_on(stream, behind, &request),
            Some(reply) => answer(stream, reply),
        };
        if !matches!(goes_on, Ok(true)) {
            return;
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut request = Request { method, target, head, body: Vec::new() };
    request.body = vec![0; request.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

/// Sends an answer. Returns true if the connection stays open.
fn answer(mut stream: &TcpStream, reply: Reply) -> std::io::Result<bool> {
    match reply {
        Reply::Whole(status, headers, body) => {
            let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
            let head =
                format!("HTTP/1.1 {status} Whatever\r\n{headers}content-length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes())?;
            stream.write_all(&body)?;
            Ok(true)
        }
        Reply::Endless { first, piece, pause } => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")?;
            stream.write_all(&first)?;
            loop {
                std::thread::sleep(pause);
                stream.write_all(&piece)?;
            }
        }
        Reply::Raw(bytes) => {
            stream.write_all(&bytes)?;
            Ok(false)
        }
    }
}

/// Forwards a request to the emulator, on a new connection.
fn pass_on(mut stream: &TcpStream, behind: &str, request: &Request) -> std::io::Result<bool> {
    let mut far = TcpStream::connect(behind)?;
    far.write_all(request.head.trim_end().as_bytes())?;
    far.write_all(b"\r\nconnection: close\r\n\r\n")?;
    far.write_all(&request.body)?;
    let mut all = Vec::new();
    far.read_to_end(&mut all)?;
    stream.write_all(&all)?;
    Ok(false)
}
