//! Whom to ask: a record, a command, a model behind HTTP, a person, or the embedded crowd.

use super::candidates::{AskedAbout, CandidateArgs};
use crate::{Global, outputs};
use anyhow::{Context, bail, ensure};
use clap::Args;
use nlhf::core::SeedTree;
use nlhf::judge::{
    CommandJudge, HttpJudge, HttpJudgeConfig, Judge, LabelsFrom, PersonConfig, PersonJudge,
    RecordedJudge,
};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Who is asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum OracleKind {
    /// Comparisons that exist.
    Recorded(PathBuf),
    /// A program, as a line of the shell.
    Command(String),
    /// A model behind an OpenAI-compatible interface.
    Http(String),
    /// Whoever opens the page.
    Person,
}

impl FromStr for OracleKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "person" {
            return Ok(Self::Person);
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Self::Http(text.to_owned()));
        }
        match text.split_once(':') {
            Some(("recorded", file)) if !file.is_empty() => Ok(Self::Recorded(file.into())),
            Some(("command", line)) if !line.trim().is_empty() => {
                Ok(Self::Command(line.to_owned()))
            }
            _ => Err(
                "expected person, recorded:FILE, command:LINE or the URL of a model, http(s)://..."
                    .to_owned(),
            ),
        }
    }
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Oracle")]
pub(super) struct JudgeArgs {
    /// Whom to ask: person, recorded:FILE (comparisons), command:LINE (a program that reads a JSON line a question and
    /// writes one an answer), or the base URL of an OpenAI-compatible server
    #[arg(long, value_name = "ORACLE")]
    oracle: Option<OracleKind>,
    /// Keep every answer here, and ask only what is not there yet
    #[arg(long, value_name = "LABELS.jsonl", requires = "oracle")]
    labels: Option<PathBuf>,
    /// Ask each pair in both orders and take the mean: judges may favour what they see first
    #[arg(long, requires = "oracle")]
    pub(super) both_orders: bool,
    /// Answer with the mean of what is recorded on a pair, in place of one judgement drawn from it
    #[arg(long, requires = "oracle")]
    shares: bool,
    /// The name of the model
    #[arg(long, value_name = "NAME", requires = "oracle")]
    judge_model: Option<String>,
    /// What the model is asked: a text with {prompt}, {first} and {second} that asks for A, B or TIE
    #[arg(long, value_name = "FILE", requires = "judge_model")]
    judge_prompt: Option<PathBuf>,
    /// The temperature of the model; above 0 its answers to one question may differ [default: 0]
    #[arg(long, value_name = "X", requires = "judge_model", allow_hyphen_values = true)]
    judge_temperature: Option<f64>,
    /// Take soft labels from the probabilities of the model's first words
    #[arg(long, requires = "judge_model")]
    logprobs: bool,
    /// Requests under way at a time [default: 4]
    #[arg(long, value_name = "N", requires = "judge_model")]
    concurrency: Option<usize>,
    /// Requests a minute at most
    #[arg(long, value_name = "N", requires = "judge_model")]
    requests_per_minute: Option<u32>,
    /// How often a request that failed for a time is tried again [default: 5]
    #[arg(long, value_name = "N", requires = "judge_model")]
    retries: Option<usize>,
    /// How long to wait for one answer of a model or command [default: 120]
    #[arg(long, value_name = "SECONDS", requires = "oracle", allow_hyphen_values = true)]
    judge_timeout: Option<f64>,
    /// The environment variable that holds the key of the server [default: OPENAI_API_KEY]
    #[arg(long, value_name = "NAME", requires = "judge_model")]
    api_key_variable: Option<String>,
    /// What a million tokens cost that the model reads, to tell the cost
    #[arg(long, value_name = "X", requires = "judge_model", allow_hyphen_values = true)]
    pub(super) price_in: Option<f64>,
    /// What a million tokens cost that it writes
    #[arg(long, value_name = "X", requires = "judge_model", allow_hyphen_values = true)]
    pub(super) price_out: Option<f64>,
    /// Who judges, kept with each answer of a person
    #[arg(long, value_name = "NAME", requires = "oracle")]
    rater: Option<String>,
    /// The port of the page for a person [default: any free one]
    #[arg(long, value_name = "N", requires = "oracle")]
    port: Option<u16>,
}

/// How long the page of a person waits for the browser at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Seconds to wait for a command where nothing else is said.
const COMMAND_SECS: f64 = 120.0;

impl JudgeArgs {
    pub(super) fn oracle(&self) -> Option<&OracleKind> {
        self.oracle.as_ref()
    }

    /// The store, if answers are kept.
    pub(super) fn labels(&self) -> Vec<&Path> {
        self.labels.as_deref().into_iter().collect()
    }

    /// The files that are read.
    pub(super) fn files(&self) -> Vec<&Path> {
        let record = match &self.oracle {
            Some(OracleKind::Recorded(file)) => Some(file.as_path()),
            _ => None,
        };
        record.into_iter().chain(self.judge_prompt.as_deref()).collect()
    }

    /// Whether an answer costs money or somebody's time.
    pub(super) fn is_paid(&self) -> bool {
        !matches!(self.oracle, None | Some(OracleKind::Recorded(_)))
    }

    /// Whether it judges by what prompts and candidates say.
    pub(super) fn reads_texts(&self) -> bool {
        matches!(self.oracle, Some(OracleKind::Http(_) | OracleKind::Person))
    }

    /// Whether another answer to the same question may be another.
    pub(super) fn may_differ(&self) -> bool {
        match &self.oracle {
            None | Some(OracleKind::Command(_)) => true,
            Some(OracleKind::Recorded(_)) => !self.shares,
            Some(OracleKind::Http(_)) => self.judge_temperature.unwrap_or(0.0) > 0.0,
            Some(OracleKind::Person) => false,
        }
    }

    /// Refuses what does not go together.
    pub(super) fn check(&self, candidates: &CandidateArgs) -> anyhow::Result<()> {
        let kind = self.oracle.as_ref();
        let is_http = matches!(kind, Some(OracleKind::Http(_)));
        let is_command = matches!(kind, Some(OracleKind::Command(_)));
        let is_person = matches!(kind, Some(OracleKind::Person));
        let is_recorded = matches!(kind, Some(OracleKind::Recorded(_)));
        for (given, option, used) in [
            (self.judge_model.is_some(), "--judge-model", is_http),
            (self.judge_timeout.is_some(), "--judge-timeout", is_http || is_command),
            (self.shares, "--shares", is_recorded),
            (self.rater.is_some(), "--rater", is_person),
            (self.port.is_some(), "--port", is_person),
        ] {
            ensure!(!given || used, "{option} does nothing for this oracle; drop it");
        }
        ensure!(
            !is_http || self.judge_model.is_some(),
            "--judge-model NAME is needed: which model the server is to ask"
        );
        ensure!(
            kind.is_some() || candidates.candidates.is_none(),
            "--oracle is needed: who judges these candidates (person, recorded:FILE, command:LINE or a URL)"
        );
        ensure!(
            kind.is_none() || is_recorded || candidates.candidates.is_some(),
            "--candidates FILE is needed: what this oracle is asked about"
        );
        ensure!(
            !self.is_paid() || self.labels.is_some(),
            "--labels FILE is needed: where answers are kept, so that none is paid for twice"
        );
        for (option, given) in [("--price-in", self.price_in), ("--price-out", self.price_out)] {
            ensure!(
                given.is_none_or(|price| price >= 0.0 && price.is_finite()),
                "{option} must be a price, 0 or more, but is {}",
                given.unwrap_or_default()
            );
        }
        Ok(())
    }

    /// Starts whoever is asked, if it is not the embedded crowd.
    pub(super) fn start(
        &self,
        asked: &AskedAbout,
        global: &Global,
    ) -> anyhow::Result<Option<Started>> {
        let seconds = self.judge_timeout;
        Ok(Some(match &self.oracle {
            None => return Ok(None),
            Some(OracleKind::Recorded(file)) => {
                let comparisons = &asked.dataset().comparisons;
                ensure!(
                    !comparisons.is_empty(),
                    "{}: expected comparisons of the candidates, found none",
                    file.display()
                );
                let judge = if self.shares {
                    RecordedJudge::share(comparisons, asked)
                } else {
                    RecordedJudge::drawn(comparisons, asked, SeedTree::new(global.seed))
                };
                Started::Other(Box::new(judge))
            }
            Some(OracleKind::Command(line)) => {
                let seconds = seconds.unwrap_or(COMMAND_SECS);
                let timeout = Duration::try_from_secs_f64(seconds);
                let timeout = timeout.ok().filter(|timeout| !timeout.is_zero());
                let timeout = timeout.with_context(|| {
                    format!(
                        "--judge-timeout must be a positive number of seconds, but is {seconds}"
                    )
                })?;
                Started::Other(Box::new(CommandJudge::shell(line, timeout)))
            }
            Some(OracleKind::Http(url)) => {
                let stop = std::sync::Arc::default();
                Started::Other(Box::new(HttpJudge::new(self.http(url)?, stop)?))
            }
            Some(OracleKind::Person) => {
                let mut config = PersonConfig::new(token()?)
                    .with_port(self.port.unwrap_or(0))
                    .with_stop(outputs::stop_gently());
                if let Some(rater) = &self.rater {
                    config = config.with_rater(rater);
                }
                let judge = PersonJudge::start(config)?;
                // Without it nobody can answer: said whatever else is not.
                eprintln!("nlhf: open {} in a browser on this machine to judge", judge.address());
                Started::Person(Box::new(judge))
            }
        }))
    }

    fn http(&self, url: &str) -> anyhow::Result<HttpJudgeConfig> {
        let mut config = HttpJudgeConfig::new(url, self.judge_model.as_deref().unwrap_or_default());
        if let Some(file) = &self.judge_prompt {
            let read = std::fs::read_to_string(file);
            config.template =
                read.with_context(|| format!("{}: cannot be read", file.display()))?;
        }
        config.temperature = self.judge_temperature.unwrap_or(config.temperature);
        if self.logprobs {
            config.labels = LabelsFrom::Logprobs;
        }
        config.concurrency = self.concurrency.unwrap_or(config.concurrency);
        config.requests_per_minute = self.requests_per_minute;
        config.retries = self.retries.unwrap_or(config.retries);
        config.timeout_secs = self.judge_timeout.unwrap_or(config.timeout_secs);
        if let Some(variable) = &self.api_key_variable {
            config.key_variable = Some(variable.clone());
        }
        Ok(config)
    }
}

/// Whoever is asked.
pub(super) enum Started {
    Person(Box<PersonJudge>),
    Other(Box<dyn Judge>),
}

impl Started {
    pub(super) fn judge(&mut self) -> &mut dyn Judge {
        match self {
            Self::Person(judge) => &mut **judge,
            Self::Other(judge) => &mut **judge,
        }
    }

    /// Says goodbye where somebody is there to read it.
    pub(super) fn finish(&mut self) {
        if let Self::Person(judge) = self {
            judge.finish(PATIENCE);
        }
    }
}

/// A part of the page's address that nobody can guess: 128 bits of the system's randomness.
fn token() -> anyhow::Result<String> {
    let drawn = (getrandom::u64(), getrandom::u64());
    let (Ok(high), Ok(low)) = drawn else {
        bail!("the system gives no random numbers for the address of the page");
    };
    Ok(format!("{high:016x}{low:016x}"))
}
