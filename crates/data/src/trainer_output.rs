//! The lines that trainers of language models read: pairs with margins, weighted completions, best answers.
//!
//! ```text
//! {"prompt": "...", "chosen": "...", "rejected": "...", "margin": 1.25, "prompt_id": "p1", "chosen_id": "x", "rejected_id": "y"}
//! {"prompt": "...", "completion": "...", "weight": 1.5, "probability": 0.5, "prompt_id": "p1", "response_id": "x"}
//! ```
//! The first three fields, and the first two, are TRL's types "preference" and "prompt-completion", of strings or of
//! messages; where texts are not known they are absent. Best answers are rows of CSV.

use crate::{Message, TextOrMessages};
use serde::Serialize;
use std::borrow::Cow;
use std::io::{self, Write};

/// A preference pair with its margin.
#[derive(Debug, Clone, Serialize)]
pub struct MarginLine<'a> {
    /// What was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<&'a TextOrMessages<'a>>,
    /// The answer that the policy favors more than its reference does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<&'a TextOrMessages<'a>>,
    /// The other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<&'a TextOrMessages<'a>>,
    /// The difference of their log-ratios, in nats.
    pub margin: f64,
    /// The prompt.
    pub prompt_id: &'a str,
    /// The chosen answer.
    pub chosen_id: &'a str,
    /// The rejected one.
    pub rejected_id: &'a str,
}

/// A candidate with its weight.
#[derive(Debug, Clone, Serialize)]
pub struct WeightLine<'a> {
    /// What was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<&'a TextOrMessages<'a>>,
    /// The answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion: Option<&'a TextOrMessages<'a>>,
    /// π/π₀, of mean one under π₀.
    pub weight: f64,
    /// π.
    pub probability: f64,
    /// The prompt.
    pub prompt_id: &'a str,
    /// The answer.
    pub response_id: &'a str,
}

/// The answer that a policy gives most often.
#[derive(Debug, Clone, Serialize)]
pub struct BestAnswerLine<'a> {
    /// The prompt.
    pub prompt_id: &'a str,
    /// The answer.
    pub response_id: &'a str,
    /// How often it is given.
    pub probability: f64,
    /// How much more often than by the reference: ln π/π₀.
    pub log_ratio_nats: f64,
    /// Out of how many.
    pub n_candidates: usize,
    /// The bound on what the whole policy can lose; empty if not known, `inf` if there is none.
    pub suboptimality_bound: Option<f64>,
    /// What was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<&'a str>,
    /// What is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<&'a str>,
}

/// Writes rows of CSV below the names of their fields.
///
/// # Errors
/// Those of `out`, and if `lines` are not all of the same plain fields.
pub fn write_csv<T: Serialize>(
    out: &mut dyn Write,
    lines: impl IntoIterator<Item = T>,
) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    for line in lines {
        csv.serialize(line).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => error,
            csv::ErrorKind::Serialize(message) => io::Error::other(message),
            other => io::Error::other(format!("a row of CSV that cannot be written: {other:?}")),
        })?;
    }
    csv.flush()
}

/// Makes a prompt and its answers all messages, unless they are all texts: trainers take no mixture.
///
/// A text among messages becomes a message of the "user", or of the "assistant" that answers. Where the prompt is a
/// text and every answer begins by repeating it, as in `ultrafeedback_binarized`, it is said once.
pub fn in_one_form<'a>(prompt: &mut TextOrMessages<'a>, answers: &mut [TextOrMessages<'a>]) {
    let is_text = |said: &TextOrMessages<'_>| matches!(said, TextOrMessages::Text(_));
    if is_text(prompt) && answers.iter().all(is_text) {
        return;
    }
    let message = |role: &'static str, text: &'a str| {
        vec![Message { role: Cow::Borrowed(role), content: Cow::Borrowed(text) }]
    };
    for answer in &mut *answers {
        if let TextOrMessages::Text(text) = *answer {
            *answer = TextOrMessages::Messages(message("assistant", text));
        }
    }
    if let TextOrMessages::Text(text) = *prompt {
        let repeats = |answer: &TextOrMessages<'_>| matches!(answer, TextOrMessages::Messages(said) if said.len() > 1 && said[0].content == text);
        let mut asked = message("user", text);
        if answers.iter().all(repeats) {
            for answer in answers {
                if let TextOrMessages::Messages(said) = answer {
                    asked = vec![said.remove(0)];
                }
            }
        }
        *prompt = TextOrMessages::Messages(asked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<'a>(role: &'a str, content: &'a str) -> Message<'a> {
        Message { role: role.into(), content: content.into() }
    }

    fn form<'a>(mut prompt: TextOrMessages<'a>, mut answers: Vec<TextOrMessages<'a>>) -> String {
        in_one_form(&mut prompt, &mut answers);
        serde_json::to_string(&(prompt, answers)).unwrap()
    }

    #[test]
    fn texts_and_messages_are_not_mixed() {
        use TextOrMessages::{Messages, Text};
        let talk = |asked, said| Messages(vec![message("human", asked), message("gpt", said)]);
        let said = |text| Messages(vec![message("gpt", text)]);
        assert_eq!(form(Text("a"), vec![Text("b"), Text("c")]), r#"["a",["b","c"]]"#);
        assert_eq!(
            form(Text("a"), vec![Text("b"), said("c")]),
            r#"[[{"role":"user","content":"a"}],[[{"role":"assistant","content":"b"}],[{"role":"gpt","content":"c"}]]]"#
        );
        let asked = Messages(vec![message("user", "a")]);
        assert_eq!(
            form(asked.clone(), vec![said("a")]),
            r#"[[{"role":"user","content":"a"}],[[{"role":"gpt","content":"a"}]]]"#
        );
        // The prompt is repeated by all, or it stays where it is.
        assert_eq!(
            form(Text("a"), vec![talk("a", "b"), talk("a", "c")]),
            r#"[[{"role":"human","content":"a"}],[[{"role":"gpt","content":"b"}],[{"role":"gpt","content":"c"}]]]"#
        );
        let kept = form(Text("a"), vec![talk("a", "b"), said("c")]);
        assert!(
            kept.starts_with(r#"[[{"role":"user","content":"a"}],[[{"role":"human","#),
            "{kept}"
        );
    }

    #[test]
    fn rows_of_csv_quote_what_needs_it() {
        let row = BestAnswerLine {
            prompt_id: "p,1",
            response_id: "a",
            probability: 0.25,
            log_ratio_nats: -1e-20,
            n_candidates: 3,
            suboptimality_bound: Some(f64::INFINITY),
            prompt: Some("He said \"no\".\nWhy?"),
            response: Some(""),
        };
        let mut out = Vec::new();
        let unknown =
            BestAnswerLine { suboptimality_bound: None, prompt: Some("x"), ..row.clone() };
        write_csv(&mut out, [&row, &unknown]).unwrap();
        let expected = concat!(
            "prompt_id,response_id,probability,log_ratio_nats,n_candidates,suboptimality_bound,prompt,response\n",
            "\"p,1\",a,0.25,-1e-20,3,inf,\"He said \"\"no\"\".\nWhy?\",\n",
            "\"p,1\",a,0.25,-1e-20,3,,x,\n",
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let mut out = Vec::new();
        write_csv(&mut out, [BestAnswerLine { prompt: None, response: None, ..row }]).unwrap();
        assert!(String::from_utf8(out).unwrap().starts_with(
            "prompt_id,response_id,probability,log_ratio_nats,n_candidates,suboptimality_bound\n"
        ));
    }
}
