//! What a judge behind HTTP is told, and what of it is refused.

use super::address::Address;
use super::secret::ApiKey;
use super::template::{Template, TemplateError};
use serde::{Deserialize, Serialize};

/// What is read off an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelsFrom {
    /// The verdict: 1, ½ or 0.
    #[default]
    Verdict,
    /// The probability P(A)/(P(A) + P(B)) of the token that carries the verdict; the verdict where the server sends none.
    Logprobs,
}

/// The settings of a judge behind an OpenAI-compatible interface.
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `url` | none, must be given | base URL; `/chat/completions` is appended | http or https; no user, `?` or `#` |
/// | `model` | none, must be given | the name of the model | not empty |
/// | `template` | [`Self::DEFAULT_TEMPLATE`] | what is sent; must ask for A, B or TIE | `{prompt}`, `{first}` and `{second}`, no others |
/// | `system` | none | a system message sent before it | |
/// | `temperature` | 0 | of the sampling; at 0 the answer to a repetition is no draw of its own | [0, 2] |
/// | `labels` | verdict | what is read off an answer | verdict, logprobs |
/// | `top_logprobs` | 20 | tokens asked for with their probabilities; some servers allow 5 at most | 2 to 20 |
/// | `max_tokens` | 256 | most tokens written for an answer; `None` leaves it to the server | ≥ 1 |
/// | `concurrency` | 4 | requests under way at a time | 1 to 256 |
/// | `requests_per_minute` | none | most requests a minute, evenly spaced, repetitions included | ≥ 1 |
/// | `timeout_secs` | 120 | longest wait for one request, seconds | (0, 86400] |
/// | `retries` | 5 | further tries of a request that failed for a time | 0 to 100 |
/// | `retry_delay_secs` | 1 | wait before the first of them, seconds; doubled for each next, up to 60 | [0, 3600] |
/// | `key_variable` | `OPENAI_API_KEY` | the environment variable that holds the key; `None` sends none | a name |
///
/// A key that is not set is fine for a server on this machine, and an error for any other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct HttpJudgeConfig {
    /// The base URL, such as `https://host/v1`.
    pub url: String,
    /// The name of the model.
    pub model: String,
    /// What is sent, with places for the prompt and both responses.
    pub template: String,
    /// A system message sent before it.
    pub system: Option<String>,
    /// The temperature of the sampling.
    pub temperature: f64,
    /// What is read off an answer.
    pub labels: LabelsFrom,
    /// Tokens asked for with their probabilities.
    pub top_logprobs: u8,
    /// The most tokens written for an answer.
    pub max_tokens: Option<u32>,
    /// Requests under way at a time.
    pub concurrency: usize,
    /// The most requests a minute.
    pub requests_per_minute: Option<u32>,
    /// The longest wait for one request, in seconds.
    pub timeout_secs: f64,
    /// Further tries of a request that failed for a time.
    pub retries: usize,
    /// The wait before the first of them, in seconds.
    pub retry_delay_secs: f64,
    /// The name of the environment variable that holds the key. Never the key.
    pub key_variable: Option<String>,
}

impl Default for HttpJudgeConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            model: String::new(),
            template: Self::DEFAULT_TEMPLATE.to_owned(),
            system: None,
            temperature: 0.0,
            labels: LabelsFrom::default(),
            top_logprobs: 20,
            max_tokens: Some(256),
            concurrency: 4,
            requests_per_minute: None,
            timeout_secs: 120.0,
            retries: 5,
            retry_delay_secs: 1.0,
            key_variable: Some("OPENAI_API_KEY".to_owned()),
        }
    }
}

impl HttpJudgeConfig {
    /// Asks for exactly one of A, B or TIE.
    pub const DEFAULT_TEMPLATE: &str = "\
Below are a prompt and two responses to it. Decide which response is better: more helpful, more correct and more \
honest, whatever its length and whichever comes first.

[Prompt]
{prompt}
[End of prompt]

[Response A]
{first}
[End of response A]

[Response B]
{second}
[End of response B]

Answer with exactly one of A, B or TIE, and with nothing else.";

    /// The defaults for a model at a base URL.
    #[must_use]
    pub fn new(url: impl Into<String>, model: impl Into<String>) -> Self {
        Self { url: url.into(), model: model.into(), ..Self::default() }
    }

    /// Checks all settings and reads the key.
    pub(super) fn check(&self) -> Result<Checked, HttpConfigError> {
        let address = Address::parse(&self.url)?;
        if self.model.trim().is_empty() {
            return Err(HttpConfigError::Model);
        }
        let template = Template::parse(&self.template)?;
        // Whole numbers here are far below 2^53.
        for (name, range, given, is_valid) in [
            ("temperature", "in [0, 2]", self.temperature, (0.0..=2.0).contains(&self.temperature)),
            (
                "top_logprobs",
                "2 to 20",
                f64::from(self.top_logprobs),
                (2..=20).contains(&self.top_logprobs),
            ),
            ("max_tokens", "at least 1", 0.0, self.max_tokens != Some(0)),
            (
                "concurrency",
                "1 to 256",
                self.concurrency as f64,
                (1..=256).contains(&self.concurrency),
            ),
            ("requests_per_minute", "at least 1", 0.0, self.requests_per_minute != Some(0)),
            (
                "timeout_secs",
                "above 0 and at most 86400",
                self.timeout_secs,
                self.timeout_secs > 0.0 && self.timeout_secs <= 86_400.0,
            ),
            ("retries", "at most 100", self.retries as f64, self.retries <= 100),
            (
                "retry_delay_secs",
                "in [0, 3600]",
                self.retry_delay_secs,
                (0.0..=3600.0).contains(&self.retry_delay_secs),
            ),
        ] {
            if !is_valid {
                return Err(HttpConfigError::OutOfRange { name, range, given });
            }
        }
        let key = self.key(&address)?;
        Ok(Checked { address, template, key })
    }

    fn key(&self, address: &Address) -> Result<Option<ApiKey>, HttpConfigError> {
        let Some(variable) = &self.key_variable else { return Ok(None) };
        let (variable, host) = (variable.clone(), address.host.clone());
        match ApiKey::from_variable(&variable)? {
            Some(_) if !address.is_private => Err(HttpConfigError::KeyInTheOpen { variable, host }),
            None if !address.is_loopback => Err(HttpConfigError::KeyMissing { variable, host }),
            key => Ok(key),
        }
    }
}

/// What checked settings come to.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) address: Address,
    pub(super) template: Template,
    pub(super) key: Option<ApiKey>,
}

/// Settings that no judge can be made of. No message holds a key.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpConfigError {
    /// The base URL is none.
    #[error(
        "the base URL must be like https://host/v1 or http://127.0.0.1:8080/v1, but is {given:?}"
    )]
    Url {
        /// What was given.
        given: String,
    },
    /// The base URL holds a user.
    #[error(
        "the base URL must hold no user or password before an @; a key is read from an environment variable"
    )]
    UrlWithUser,
    /// The base URL holds a query or a fragment.
    #[error(
        "the base URL must end with its path, because /chat/completions is appended, but holds a ? or #"
    )]
    UrlWithQuery,
    /// No model is named.
    #[error("the name of the model must be given, but is empty")]
    Model,
    /// The template cannot be filled in.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A number lies outside its range.
    #[error("{name} must be {range}, but is {given}")]
    OutOfRange {
        /// The setting.
        name: &'static str,
        /// What it may be.
        range: &'static str,
        /// What was given.
        given: f64,
    },
    /// This is not the name of an environment variable. It is not repeated, because it may be the key itself.
    #[error(
        "key_variable must be the name of an environment variable, of letters, digits and _, and never the key itself"
    )]
    KeyVariable,
    /// The key could be read on its way.
    #[error(
        "the key in {variable} is not sent over plain http to {host}: use https, or no key_variable if the server \
         asks for no key"
    )]
    KeyInTheOpen {
        /// The environment variable.
        variable: String,
        /// Where it would have been sent.
        host: String,
    },
    /// There is no key for a server that is not on this machine.
    #[error(
        "{host} is asked with a key, but the environment variable {variable} is not set; use no key_variable if it asks for none"
    )]
    KeyMissing {
        /// The environment variable.
        variable: String,
        /// The server.
        host: String,
    },
    /// The key holds something that no header can carry.
    #[error("the key in {variable} must be of visible ASCII characters without spaces, but is not")]
    KeyUnusable {
        /// The environment variable.
        variable: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> HttpJudgeConfig {
        let mut config = HttpJudgeConfig::new("http://127.0.0.1:1/v1", "m");
        config.key_variable = None;
        config
    }

    #[test]
    fn the_built_in_template_is_one() {
        assert!(local().check().is_ok());
    }

    #[test]
    fn settings_go_through_json_and_unknown_ones_are_refused() {
        let mut config = local();
        config.labels = LabelsFrom::Logprobs;
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<HttpJudgeConfig>(&text).unwrap(), config);
        assert!(text.contains("\"labels\":\"logprobs\""), "{text}");
        let defaults: HttpJudgeConfig = serde_json::from_str("{}").unwrap();
        assert_eq!(defaults, HttpJudgeConfig::default());
        assert!(serde_json::from_str::<HttpJudgeConfig>("{\"key\": \"sk\"}").is_err());
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        type Change = fn(&mut HttpJudgeConfig);
        let changes: [(&str, Change); 13] = [
            ("temperature must", |c| c.temperature = -0.1),
            ("temperature must be in [0, 2], but is NaN", |c| c.temperature = f64::NAN),
            ("top_logprobs must be 2 to 20, but is 21", |c| c.top_logprobs = 21),
            ("max_tokens must", |c| c.max_tokens = Some(0)),
            ("concurrency must be 1 to 256, but is 0", |c| c.concurrency = 0),
            ("requests_per_minute must", |c| c.requests_per_minute = Some(0)),
            ("timeout_secs must", |c| c.timeout_secs = 0.0),
            ("timeout_secs must", |c| c.timeout_secs = f64::INFINITY),
            ("retries must", |c| c.retries = 101),
            ("retry_delay_secs must", |c| c.retry_delay_secs = f64::NAN),
            ("the name of the model", |c| c.model = " ".to_owned()),
            ("the base URL must", |c| c.url = String::new()),
            ("the template must", |c| c.template = "{prompt}{first}".to_owned()),
        ];
        for (expected, change) in changes {
            let mut config = local();
            change(&mut config);
            let error = config.check().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_key_is_never_sent_in_the_open() {
        let mut config = HttpJudgeConfig::new("http://judge.example.org/v1", "m");
        // The test process of cargo always has this one, and its value can stand in a header.
        config.key_variable = Some("CARGO_PKG_NAME".to_owned());
        let error = config.check().unwrap_err();
        let (variable, host) = ("CARGO_PKG_NAME".to_owned(), "judge.example.org".to_owned());
        assert_eq!(error, HttpConfigError::KeyInTheOpen { variable, host });
        for url in ["https://judge.example.org/v1", "http://localhost:1/v1"] {
            config.url = url.to_owned();
            assert!(config.check().unwrap().key.is_some());
        }
    }

    #[test]
    fn only_this_machine_is_asked_without_a_key_that_was_named() {
        let mut config = HttpJudgeConfig::new("https://judge.example.org/v1", "m");
        let variable = "NLHF_NO_SUCH_VARIABLE".to_owned();
        config.key_variable = Some(variable.clone());
        let host = "judge.example.org".to_owned();
        assert_eq!(config.check().unwrap_err(), HttpConfigError::KeyMissing { variable, host });
        config.url = "http://127.0.0.1:1/v1".to_owned();
        assert!(config.check().unwrap().key.is_none());
    }
}
