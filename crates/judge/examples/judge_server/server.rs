//! A small HTTP/1.1 server on 127.0.0.1 that replies to chat completions as a script tells it, badly if need be.
//!
//! It counts what it was paid for: completions of which it wrote the last byte.

use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// A request for a chat completion.
#[derive(Debug)]
pub(crate) struct Request {
    /// How many came before it.
    pub(crate) place: usize,
    /// Its headers, one a line, as they came.
    pub(crate) head: String,
    /// Its body; null if it is no JSON.
    pub(crate) body: Value,
}

/// What a script replies.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Status 200 and a completion, which counts as paid.
    Completion(Value),
    /// Any status, further headers, and a body.
    Other { status: u16, headers: Vec<(&'static str, String)>, body: String },
    /// Half of a completion, then the end of the connection.
    Half(Value),
    /// The end of the connection at once.
    Nothing,
    /// Silence, until the other side has had enough.
    Silence,
}

impl Reply {
    /// A status, without further headers.
    pub(crate) fn status(status: u16, body: impl Into<String>) -> Self {
        Self::Other { status, headers: Vec::new(), body: body.into() }
    }

    /// Too many requests.
    pub(crate) fn too_many(retry_after: impl Into<String>) -> Self {
        let headers = vec![("retry-after", retry_after.into())];
        Self::Other { status: 429, headers, body: "{\"error\": \"slow down\"}".to_owned() }
    }
}

type Script = dyn Fn(&Request) -> Reply + Send + Sync;

/// A running server. It ends when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Box<Script>,
    n_paid: AtomicUsize,
    n_under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    arrivals: Mutex<Vec<Instant>>,
    is_ending: AtomicBool,
}

impl Server {
    /// Serves from threads of its own. Port 0 is any free one.
    pub(crate) fn start(
        port: u16,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            script: Box::new(script),
            n_paid: AtomicUsize::new(0),
            n_under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
            arrivals: Mutex::new(Vec::new()),
            is_ending: AtomicBool::new(false),
        });
        let of_listener = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if of_listener.is_ending.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&of_listener);
                // A connection that breaks is the other side's business.
                thread::spawn(move || shared.serve(stream).ok());
            }
        });
        Ok(Self { address, shared })
    }

    /// The base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Completions of which the last byte was written.
    pub(crate) fn n_paid(&self) -> usize {
        self.shared.n_paid.load(Ordering::SeqCst)
    }

    /// When requests came.
    pub(crate) fn arrivals(&self) -> Vec<Instant> {
        self.shared.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The most requests that waited for a reply at a time.
    pub(crate) fn most_under_way(&self) -> usize {
        self.shared.most_under_way.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_ending.store(true, Ordering::SeqCst);
        // Wakes the listener; if nothing listens any more there is nothing to wake.
        TcpStream::connect(self.address).ok();
    }
}

impl Shared {
    /// Replies to one request after the other on one connection.
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut writer = stream.try_clone()?;
        let mut reader = BufReader::new(stream);
        while let Some((first_line, head, body)) = read_request(&mut reader)? {
            if !first_line.starts_with("POST /v1/chat/completions ") {
                let reply = Reply::status(404, format!("no such page: {}", first_line.trim()));
                self.write(&mut writer, reply)?;
                continue;
            }
            let place = {
                let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
                arrivals.push(Instant::now());
                arrivals.len() - 1
            };
            let n_under_way = self.n_under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_under_way.fetch_max(n_under_way, Ordering::SeqCst);
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let reply = (self.script)(&Request { place, head, body });
            self.n_under_way.fetch_sub(1, Ordering::SeqCst);
            match reply {
                Reply::Nothing => return Ok(()),
                Reply::Half(value) => {
                    let bytes = response(200, &[], &value.to_string())?;
                    // The headers and a part of the body.
                    return writer.write_all(&bytes[..bytes.len() - value.to_string().len() / 2]);
                }
                Reply::Silence => return io::copy(&mut reader, &mut io::sink()).map(|_| ()),
                reply => self.write(&mut writer, reply)?,
            }
        }
        Ok(())
    }

    fn write(&self, writer: &mut TcpStream, reply: Reply) -> io::Result<()> {
        match reply {
            Reply::Completion(value) => {
                let bytes = response(200, &[], &value.to_string())?;
                let (last, others) = bytes.split_last().expect("a response has bytes");
                writer.write_all(others)?;
                // Counted before the last byte, because whoever has that may look at the count.
                self.n_paid.fetch_add(1, Ordering::SeqCst);
                writer.write_all(&[*last]).inspect_err(|_| {
                    self.n_paid.fetch_sub(1, Ordering::SeqCst);
                })
            }
            Reply::Other { status, headers, body } => {
                writer.write_all(&response(status, &headers, &body)?)
            }
            Reply::Half(_) | Reply::Nothing | Reply::Silence => Ok(()),
        }
    }
}

/// The first line, the headers and the body of the next request; `None` at the end of the connection.
fn read_request(reader: &mut impl BufRead) -> io::Result<Option<(String, String, Vec<u8>)>> {
    let mut first_line = String::new();
    if reader.read_line(&mut first_line)? == 0 {
        return Ok(None);
    }
    let mut head = String::new();
    let mut n_bytes = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= "\r\n".len() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            n_bytes = value.trim().parse().unwrap_or(0);
        }
        head.push_str(&line);
    }
    let mut body = Vec::new();
    reader.take(n_bytes).read_to_end(&mut body)?;
    Ok(Some((first_line, head, body)))
}

/// The bytes of a response. Headers that are given come before the usual ones.
fn response(status: u16, headers: &[(&str, String)], body: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write!(bytes, "HTTP/1.1 {status} Scripted\r\n")?;
    for (name, value) in headers {
        write!(bytes, "{name}: {value}\r\n")?;
    }
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        write!(bytes, "content-type: application/json\r\n")?;
    }
    write!(bytes, "content-length: {}\r\n\r\n{body}", body.len())?;
    Ok(bytes)
}
