//! The bodies of a chat completion: what is asked, and what is read out of the answer.
//!
//! ```text
//! {"model", "messages": [{"role", "content"} …], "temperature", "max_tokens", "logprobs", "top_logprobs"}
//! {"model", "choices": [{"message": {"content"}, "logprobs": {"content": […]}, "finish_reason"}],
//!  "usage": {"prompt_tokens", "completion_tokens"}}
//! ```
//! Of an answer nothing is required: whatever a server sent with status 200 was paid for, and is an [`Answer`].

use super::config::{HttpJudgeConfig, LabelsFrom};
use super::{logprobs, verdict};
use crate::{Answer, Verdict};
use serde_json::{Value, json};

/// How many characters of an answer that cannot be read are kept.
const KEPT_CHARS: usize = 200;

/// The body of a request. `message` is the filled in template.
pub(super) fn request(config: &HttpJudgeConfig, message: &str) -> Value {
    let system = config.system.iter().map(|text| json!({"role": "system", "content": text}));
    let messages: Vec<Value> =
        system.chain([json!({"role": "user", "content": message})]).collect();
    let mut body = json!({
        "model": config.model,
        "messages": messages,
        "temperature": config.temperature,
    });
    if let Some(max_tokens) = config.max_tokens {
        body["max_tokens"] = max_tokens.into();
    }
    if config.labels == LabelsFrom::Logprobs {
        body["logprobs"] = true.into();
        body["top_logprobs"] = config.top_logprobs.into();
    }
    body
}

/// Reads an answer. `hide` clears a text of the key.
pub(super) fn answer(
    config: &HttpJudgeConfig,
    body: &Value,
    hide: &dyn Fn(&str) -> String,
) -> Answer {
    let choice = &body["choices"][0];
    let text = choice["message"]["content"].as_str().unwrap_or_default();
    let verdict = if let Some(found) = verdict::read(text) {
        let soft = match config.labels {
            LabelsFrom::Verdict => None,
            LabelsFrom::Logprobs => logprobs::soft_label(choice, text, found),
        };
        Verdict::Preferred(soft.unwrap_or(found.spoken.label()))
    } else {
        let said = match (text.trim(), choice) {
            ("", Value::Null) => body.to_string(),
            // Why nothing was said stands around it.
            ("", choice) => choice.to_string(),
            (said, _) => said.to_owned(),
        };
        Verdict::Unreadable(super::beginning(&hide(&said), KEPT_CHARS))
    };
    let model = body["model"].as_str().map_or_else(|| config.model.clone(), hide);
    Answer {
        verdict,
        annotator: Some(model),
        input_tokens: body["usage"]["prompt_tokens"].as_u64(),
        output_tokens: body["usage"]["completion_tokens"].as_u64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::Label;

    fn config() -> HttpJudgeConfig {
        HttpJudgeConfig::new("http://127.0.0.1:1/v1", "asked-for")
    }

    fn read(body: &Value) -> Answer {
        answer(&config(), body, &|text: &str| text.replace("sk-secret", "***"))
    }

    #[test]
    fn a_request_says_what_was_set_and_nothing_else() {
        let mut config = config();
        config.max_tokens = None;
        assert_eq!(
            request(&config, "which?"),
            json!({
                "model": "asked-for",
                "messages": [{"role": "user", "content": "which?"}],
                "temperature": 0.0,
            })
        );
        config.system = Some("be fair".to_owned());
        config.temperature = 0.5;
        config.max_tokens = Some(7);
        config.labels = LabelsFrom::Logprobs;
        config.top_logprobs = 5;
        assert_eq!(
            request(&config, "which?"),
            json!({
                "model": "asked-for",
                "messages": [
                    {"role": "system", "content": "be fair"},
                    {"role": "user", "content": "which?"},
                ],
                "temperature": 0.5,
                "max_tokens": 7,
                "logprobs": true,
                "top_logprobs": 5,
            })
        );
    }

    #[test]
    fn verdict_tokens_and_model_are_read() {
        let answer = read(&json!({
            "model": "answered",
            "choices": [{"message": {"content": "B"}}],
            "usage": {"prompt_tokens": 30, "completion_tokens": 1},
        }));
        let expected = Answer {
            verdict: Verdict::Preferred(Label::LOSS),
            annotator: Some("answered".to_owned()),
            input_tokens: Some(30),
            output_tokens: Some(1),
        };
        assert_eq!(answer, expected);
        let answer = read(
            &json!({"choices": [{"message": {"content": "TIE"}}], "usage": {"prompt_tokens": -3}}),
        );
        assert_eq!(answer.annotator.as_deref(), Some("asked-for"));
        assert_eq!((answer.input_tokens, answer.output_tokens), (None, None));
    }

    #[test]
    fn probabilities_count_only_where_they_are_asked_for() {
        let body = json!({"choices": [{
            "message": {"content": "A"},
            "logprobs": {"content": [{"token": "A", "logprob": -0.5, "top_logprobs": [
                {"token": "A", "logprob": 0.75_f64.ln()}, {"token": "B", "logprob": 0.25_f64.ln()},
            ]}]},
        }]});
        let label =
            |labels| match answer(&HttpJudgeConfig { labels, ..config() }, &body, &str::to_owned)
                .verdict
            {
                Verdict::Preferred(label) => label.get(),
                other => panic!("{other:?}"),
            };
        assert!((label(LabelsFrom::Logprobs) - 0.75).abs() < 1e-12);
        assert!((label(LabelsFrom::Verdict) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn whatever_was_said_instead_is_kept_shortened_and_without_the_key() {
        let said = |body: Value| match read(&body).verdict {
            Verdict::Unreadable(said) => said,
            other => panic!("{other:?}"),
        };
        let text = format!("  é{}", "x".repeat(300));
        let long = said(json!({"choices": [{"message": {"content": text}}]}));
        assert_eq!(long, format!("é{}", "x".repeat(199)));
        assert_eq!(
            said(json!({"choices": [{"message": {"content": "my key is sk-secret"}}]})),
            "my key is ***"
        );
        // Cleared before it is cut, or the beginning of a key would be left.
        let text = format!("{}sk-secret", "x".repeat(197));
        let cut = said(json!({"choices": [{"message": {"content": text}}]}));
        assert_eq!(cut, format!("{}***", "x".repeat(197)));
        let silent =
            said(json!({"choices": [{"message": {"content": null}, "finish_reason": "length"}]}));
        assert_eq!(silent, r#"{"finish_reason":"length","message":{"content":null}}"#);
        assert_eq!(said(json!({"choices": []})), r#"{"choices":[]}"#);
        assert_eq!(said(json!({"error": "sk-secret"})), r#"{"error":"***"}"#);
        assert_eq!(said(json!(["A"])), r#"["A"]"#);
        assert_eq!(said(json!("A")), r#""A""#);
    }
}
