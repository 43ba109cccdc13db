//! The judge behind HTTP against a scripted server on this machine.
//!
//! One law is checked in nearly every test: the completions that the server was paid for are those that were delivered,
//! whatever else went wrong.
#![cfg(feature = "http")]

#[path = "http/answers.rs"]
mod answers;
#[path = "http/failures.rs"]
mod failures;
#[path = "../examples/judge_server/mock.rs"]
mod mock;
#[path = "http/paid.rs"]
mod paid;
#[path = "http/secret.rs"]
mod secret;
#[path = "../examples/judge_server/server.rs"]
mod server;

use nlhf_judge::{Answer, HttpJudge, HttpJudgeConfig, Judge, JudgeError, NotKept, Question, Shown};
use server::{Reply, Request, Server};
use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Prompts and responses, the latter of many lengths.
struct Texts(Vec<[String; 3]>);

impl Texts {
    fn new(n_questions: usize) -> Self {
        let text = |kind: &str, i: usize| format!("{kind} {i}{}", " word".repeat(i * 7 % 23));
        let texts = |i| [format!("prompt {i}"), text("first", i), text("second", i * 5 + 1)];
        Self((0..n_questions).map(texts).collect())
    }

    fn questions(&self) -> Vec<Question<'_>> {
        let shown = |text: &'_ str| Shown { id: "some id", text: text.to_owned().into() };
        let question = |[prompt, first, second]: &[String; 3]| Question {
            prompt: shown(prompt),
            first: shown(first),
            second: shown(second),
            repetition: 0,
        };
        self.0.iter().map(question).collect()
    }
}

/// Settings for a server, without a key and without waits.
fn config(url: &str) -> HttpJudgeConfig {
    let mut config = HttpJudgeConfig::new(url, "mock");
    config.key_variable = None;
    config.retry_delay_secs = 0.0;
    config
}

fn judge(config: HttpJudgeConfig) -> HttpJudge {
    HttpJudge::new(config, Arc::new(AtomicBool::new(false))).expect("the settings are valid")
}

fn serve(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(0, script).expect("there is a free port")
}

/// Takes answers, each place once.
#[derive(Default)]
struct Keeper(HashMap<usize, Answer>);

impl Keeper {
    fn keep(&mut self, answers: Vec<(usize, Answer)>) {
        for (place, answer) in answers {
            assert!(self.0.insert(place, answer).is_none(), "place {place} was answered twice");
        }
    }
}

/// Asks all questions and keeps all answers.
fn ask(judge: &mut HttpJudge, texts: &Texts) -> (Result<(), JudgeError>, HashMap<usize, Answer>) {
    let mut keeper = Keeper::default();
    let result = judge.judge(&texts.questions(), &mut |answers| -> Result<(), NotKept> {
        keeper.keep(answers);
        Ok(())
    });
    (result, keeper.0)
}

/// The whole message of an error: its own and those of its sources.
fn message(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// The message of a run that must fail.
fn failure(config: HttpJudgeConfig) -> String {
    let (result, kept) = ask(&mut judge(config), &Texts::new(3));
    assert!(kept.is_empty(), "{kept:?}");
    message(&result.expect_err("nothing can be answered"))
}
