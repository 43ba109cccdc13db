//! One question to one model: requests until one is answered, or until further ones are in vain.
//!
//! ```text
//! tried again     connection failed or broke, timeout, 408, 409, 425, 429, 5xx, 200 with a body that is not JSON
//! given up        any other status
//! waits           d, 2d, 4d … up to a minute (no jitter: workers have turns), and for all workers what Retry-After asks
//! ```

use super::address::Address;
use super::completion;
use super::config::{Checked, HttpConfigError, HttpJudgeConfig};
use super::error::{HttpJudgeError, RequestError};
use super::pacer::{Pacer, sleep_until};
use super::retry_after;
use super::secret::ApiKey;
use super::template::Template;
use crate::{Answer, Question};
use backon::{BackoffBuilder, ExponentialBuilder};
use serde_json::Value;
use std::error::Error;
use std::io;
use std::time::{Duration, Instant, SystemTime};
use ureq::http::{HeaderMap, StatusCode, header};
use ureq::{Agent, Proxy};

/// The longest wait that doubling leads to.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// The longest wait that a server is granted.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The longest answer that is read, in bytes.
const LONGEST_BODY: u64 = 16 << 20;

/// How many characters of a refusal are repeated.
const QUOTED_CHARS: usize = 300;

#[derive(Debug)]
pub(super) struct Client {
    config: HttpJudgeConfig,
    address: Address,
    template: Template,
    key: Option<ApiKey>,
    agent: Agent,
    pacer: Pacer,
}

/// A response of which all was received.
struct Received {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Client {
    pub(super) fn new(config: HttpJudgeConfig) -> Result<Self, HttpConfigError> {
        let Checked { address, template, key } = config.check()?;
        // What never leaves this machine must not leave it through a proxy.
        let proxy = if address.is_loopback { None } else { Proxy::try_from_env() };
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(Duration::from_secs_f64(config.timeout_secs)))
            .max_idle_connections(config.concurrency)
            .max_idle_connections_per_host(config.concurrency)
            .user_agent(concat!("nlhf/", env!("CARGO_PKG_VERSION")))
            .proxy(proxy)
            .build()
            .new_agent();
        let pacer = Pacer::new(config.requests_per_minute, Instant::now());
        Ok(Self { config, address, template, key, agent, pacer })
    }

    pub(super) fn config(&self) -> &HttpJudgeConfig {
        &self.config
    }

    pub(super) fn url(&self) -> String {
        self.address.endpoint.to_string()
    }

    /// Asks until there is an answer. `None` if `is_halted` came before the next try.
    pub(super) fn ask(
        &self,
        question: &Question<'_>,
        is_halted: &dyn Fn() -> bool,
    ) -> Result<Option<Answer>, HttpJudgeError> {
        let body = completion::request(&self.config, &self.template.fill_in(question)).to_string();
        let first_delay = Duration::from_secs_f64(self.config.retry_delay_secs);
        let mut delays = ExponentialBuilder::new()
            .with_min_delay(first_delay)
            .with_max_delay(LONGEST_DELAY.max(first_delay))
            .with_max_times(self.config.retries)
            .build();
        let mut n_tries = 0;
        loop {
            if !self.pacer.wait(is_halted) {
                return Ok(None);
            }
            n_tries += 1;
            let last = match self.send(&body) {
                Ok(received) => match self.read(&received)? {
                    Ok(answer) => return Ok(Some(answer)),
                    Err(error) => error,
                },
                Err(error) => self.failure(error),
            };
            let Some(delay) = delays.next().filter(|_| is_temporary(&last)) else {
                return Err(HttpJudgeError::GaveUp { url: self.url(), n_tries, last });
            };
            if !sleep_until(Instant::now() + delay, is_halted) {
                return Ok(None);
            }
        }
    }

    fn send(&self, body: &str) -> Result<Received, ureq::Error> {
        let mut request = self
            .agent
            .post(&self.address.endpoint)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, key.authorization());
        }
        let (head, mut body) = request.send(body)?.into_parts();
        let body = body.with_config().limit(LONGEST_BODY).read_to_vec()?;
        Ok(Received { status: head.status, headers: head.headers, body })
    }

    /// An answer, a reason to try again inside, or a reason to give up outside.
    fn read(&self, received: &Received) -> Result<Result<Answer, RequestError>, HttpJudgeError> {
        let said = || {
            let text = String::from_utf8_lossy(&received.body);
            super::beginning(&self.hide(text.trim()), QUOTED_CHARS)
        };
        let (url, status) = (self.url(), received.status.as_u16());
        let model = self.config.model.clone();
        Err(match status {
            200 => {
                return Ok(serde_json::from_slice::<Value>(&received.body)
                    .map(|body| completion::answer(&self.config, &body, &|text| self.hide(text)))
                    .map_err(|_| RequestError::NotJson { said: said() }));
            }
            408 | 409 | 425 | 429 | 500..=599 => {
                self.hold(&received.headers)?;
                return Ok(Err(RequestError::Busy { status, said: said() }));
            }
            401 => match (&self.key, &self.config.key_variable) {
                (Some(_), Some(variable)) => {
                    HttpJudgeError::KeyRefused { url, variable: variable.clone(), said: said() }
                }
                _ => HttpJudgeError::KeyRequired { url, said: said() },
            },
            403 => HttpJudgeError::Forbidden { url, model, said: said() },
            404 => HttpJudgeError::NotFound { url, model, said: said() },
            300..=399 => {
                let location = text_of(&received.headers, header::LOCATION).unwrap_or_default();
                let location = super::beginning(&self.hide(location), QUOTED_CHARS);
                HttpJudgeError::Moved { url, status, location }
            }
            _ => HttpJudgeError::Refused { url, status, model, said: said() },
        })
    }

    /// Does what the server asks for with `Retry-After`.
    fn hold(&self, headers: &HeaderMap) -> Result<(), HttpJudgeError> {
        let header = text_of(headers, header::RETRY_AFTER);
        let Some(wait) = header.and_then(|text| retry_after::parse(text, SystemTime::now())) else {
            return Ok(());
        };
        if wait > LONGEST_WAIT {
            return Err(HttpJudgeError::WaitTooLong {
                url: self.url(),
                secs: wait.as_secs(),
                longest_secs: LONGEST_WAIT.as_secs(),
            });
        }
        self.pacer.hold_until(Instant::now() + wait);
        Ok(())
    }

    fn failure(&self, error: ureq::Error) -> RequestError {
        match error {
            ureq::Error::Timeout(_) => RequestError::Timeout { secs: self.config.timeout_secs },
            error => RequestError::Connection { reason: Box::new(error) },
        }
    }

    fn hide(&self, text: &str) -> String {
        self.key.as_ref().map_or_else(|| text.to_owned(), |key| key.hide_in(text))
    }
}

fn text_of(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Whether the same request may be answered later.
fn is_temporary(error: &RequestError) -> bool {
    let RequestError::Connection { reason } = error else { return true };
    let reason: &(dyn Error + 'static) = &**reason;
    match reason.downcast_ref::<ureq::Error>() {
        // Data that are not valid are most often a certificate that is not.
        Some(ureq::Error::Io(error)) => error.kind() != io::ErrorKind::InvalidData,
        Some(
            ureq::Error::Protocol(_)
            | ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::BodyStalled,
        ) => true,
        _ => false,
    }
}
