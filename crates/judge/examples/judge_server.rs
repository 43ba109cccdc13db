//! A local OpenAI-compatible server to try things out with: a model that is none, which prefers the longer response.
//!
//! ```text
//! cargo run -p nlhf-judge --example judge_server -- --port 8099
//! ```
//! Its address is all it prints. Options:
//!
//! | Option | Default | What it does |
//! |---|---|---|
//! | `--port N` | 0 | listens there on 127.0.0.1; 0 is any free port |
//! | `--delay-ms N` | 0 | waits before each reply |
//! | `--per-minute N` | none | replies 429 with `Retry-After` to requests that come faster than evenly spaced |
//! | `--drop-every N` | none | ends the connection in the middle of every N-th reply |

#[path = "judge_server/mock.rs"]
mod mock;
#[path = "judge_server/server.rs"]
#[allow(dead_code, reason = "the tests of the HTTP judge ask the server for more")]
mod server;

use server::{Reply, Server};
use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Default)]
struct Options {
    port: u16,
    delay: Duration,
    interval: Option<Duration>,
    drop_every: Option<usize>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = read(env::args().skip(1))?;
    let next = Mutex::new(Instant::now());
    let server = Server::start(options.port, move |request| {
        thread::sleep(options.delay);
        if let Some(interval) = options.interval {
            let now = Instant::now();
            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
            if now < *next {
                let wait = (*next - now).as_secs_f64().ceil();
                return Reply::too_many(wait.to_string());
            }
            *next = now + interval;
        }
        let completion = mock::completion(&request.body);
        match options.drop_every {
            Some(n) if request.place % n == n - 1 => Reply::Half(completion),
            _ => Reply::Completion(completion),
        }
    })?;
    writeln!(io::stdout(), "{}", server.url())?;
    loop {
        thread::park();
    }
}

fn read(mut arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let mut options = Options::default();
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} must have a value"))?;
        let n: u32 =
            value.parse().map_err(|_| format!("{name} must be a whole number, but is {value}"))?;
        match name.as_str() {
            "--port" => options.port = n.try_into().map_err(|_| format!("there is no port {n}"))?,
            "--delay-ms" => options.delay = Duration::from_millis(n.into()),
            "--per-minute" | "--drop-every" if n == 0 => {
                return Err(format!("{name} must be at least 1, but is 0").into());
            }
            "--per-minute" => options.interval = Some(Duration::from_secs(60) / n),
            "--drop-every" => options.drop_every = Some(n.try_into()?),
            _ => return Err(format!("there is no option {name}").into()),
        }
    }
    Ok(options)
}
