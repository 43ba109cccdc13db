//! Why a model gave no answer, said so that it can be repaired. No message holds a key.

use std::error::Error;

/// What went wrong in one request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No connection, or one that broke.
    #[error(
        "the connection failed ({reason}); check that a server runs at the base URL and can be reached from here"
    )]
    Connection {
        /// What the network says.
        reason: Box<dyn Error + Send + Sync>,
    },
    /// The answer took too long.
    #[error(
        "no complete answer came within {secs} seconds; check the load of the server, or raise timeout_secs"
    )]
    Timeout {
        /// The longest wait, in seconds.
        secs: f64,
    },
    /// A status that says to come back later.
    #[error("the server answered with status {status} and said {said:?}")]
    Busy {
        /// The status.
        status: u16,
        /// The beginning of the body.
        said: String,
    },
    /// An answer with status 200 that is no JSON.
    #[error(
        "the server answered with {said:?}, which is not JSON; check that the base URL is that of an OpenAI-compatible interface"
    )]
    NotJson {
        /// The beginning of the body.
        said: String,
    },
}

/// Why no answer came, after all that could be tried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpJudgeError {
    /// Every try failed.
    #[error("{url} was tried {n_tries} times without an answer; the last time {last}")]
    GaveUp {
        /// Where requests go.
        url: String,
        /// How often.
        n_tries: usize,
        /// What went wrong the last time.
        last: RequestError,
    },
    /// The server asks to wait for longer than is waited.
    #[error(
        "{url} asks to wait for {secs} seconds, and at most {longest_secs} are waited; check what the account may use"
    )]
    WaitTooLong {
        /// Where requests go.
        url: String,
        /// What the server asks, in seconds.
        secs: u64,
        /// The longest wait, in seconds.
        longest_secs: u64,
    },
    /// Status 401 in spite of a key.
    #[error(
        "{url} refused the key (status 401); check the key in the environment variable {variable}; it said {said:?}"
    )]
    KeyRefused {
        /// Where requests go.
        url: String,
        /// The environment variable that holds the key.
        variable: String,
        /// The beginning of the body.
        said: String,
    },
    /// Status 401, and there was no key.
    #[error(
        "{url} asks for a key (status 401), and none was sent; check key_variable and that this environment variable is set; it said {said:?}"
    )]
    KeyRequired {
        /// Where requests go.
        url: String,
        /// The beginning of the body.
        said: String,
    },
    /// Status 403.
    #[error(
        "{url} does not allow it (status 403); check what the key may use, and the model {model:?}; it said {said:?}"
    )]
    Forbidden {
        /// Where requests go.
        url: String,
        /// The model asked for.
        model: String,
        /// The beginning of the body.
        said: String,
    },
    /// Status 404.
    #[error(
        "{url} was not found (status 404); check the base URL, to which /chat/completions was appended, and the model {model:?}; it said {said:?}"
    )]
    NotFound {
        /// Where requests go.
        url: String,
        /// The model asked for.
        model: String,
        /// The beginning of the body.
        said: String,
    },
    /// A redirect, which is not followed: the key is for the server that was named.
    #[error(
        "{url} points elsewhere (status {status}), and that is not followed; check the base URL; it points to {location:?}"
    )]
    Moved {
        /// Where requests go.
        url: String,
        /// The status.
        status: u16,
        /// Where it points to, shortened.
        location: String,
    },
    /// Any other status.
    #[error(
        "{url} refused the request (status {status}); check the model {model:?} and the settings; it said {said:?}"
    )]
    Refused {
        /// Where requests go.
        url: String,
        /// The status.
        status: u16,
        /// The model asked for.
        model: String,
        /// The beginning of the body.
        said: String,
    },
}
