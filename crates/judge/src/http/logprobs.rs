//! A soft label from the probabilities of the token that carries the verdict.
//!
//! ```text
//! y = P(A) / (P(A) + P(B)),     P(A) = Σ exp(logprob) over the most probable tokens that say A: "A", " a", "**A" …
//! ```
//! The token is the one at the place where the verdict was read in the text, so that the article of "A good answer …" is
//! never taken for a verdict. What a server lists beyond that is ignored.

use super::verdict::{Found, Spoken};
use nlhf_core::Label;
use serde_json::Value;

/// The soft label at the place of a verdict. `text` is what was said, `choice` the answer that holds it. `None` if the
/// server sent no probabilities that belong to this text.
pub(super) fn soft_label(choice: &Value, text: &str, found: Found) -> Option<Label> {
    let mut end = 0;
    let tokens = choice["logprobs"]["content"].as_array()?;
    let (token, place) = tokens.iter().find_map(|place| {
        let token = place["token"].as_str()?;
        let start = end;
        end += token.len();
        (found.offset < end).then_some((token, (start, place)))
    })?;
    let (start, place) = place;
    // The tokens are those of another text, such as thoughts that were cut away.
    if !text.get(start..)?.starts_with(token) || !begins(token, found.spoken) {
        return None;
    }
    let alternatives = place["top_logprobs"].as_array()?;
    let is_listed = alternatives.iter().any(|alternative| alternative["token"] == token);
    let probability = |spoken| -> f64 {
        alternatives
            .iter()
            .chain((!is_listed).then_some(place))
            .filter(|alternative| {
                alternative["token"].as_str().is_some_and(|token| says(token, spoken))
            })
            .filter_map(|alternative| alternative["logprob"].as_f64())
            .map(f64::exp)
            .sum()
    };
    let (first, second) = (probability(Spoken::First), probability(Spoken::Second));
    Label::new(first / (first + second)).ok()
}

/// A token in the form in which it is compared.
fn bare(token: &str) -> &str {
    token.trim_matches(|c: char| !c.is_alphanumeric())
}

fn says(token: &str, spoken: Spoken) -> bool {
    bare(token).eq_ignore_ascii_case(spoken.word())
}

/// Whether a token says a verdict or begins it, as "T" begins "TIE".
fn begins(token: &str, spoken: Spoken) -> bool {
    let token = bare(token);
    let beginning = spoken.word().get(..token.len());
    !token.is_empty() && beginning.is_some_and(|word| word.eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::super::verdict;
    use super::*;
    use serde_json::json;

    /// Tokens with alternatives and their probabilities.
    fn choice(tokens: &[(&str, &[(&str, f64)])]) -> (Value, String) {
        let logprob =
            |&(token, p): &(&str, f64)| json!({"token": token, "logprob": p.ln(), "bytes": null});
        let content: Vec<Value> = tokens
            .iter()
            .map(|(token, alternatives)| {
                json!({
                    "token": token,
                    "logprob": -0.1,
                    "top_logprobs": alternatives.iter().map(logprob).collect::<Vec<_>>(),
                })
            })
            .collect();
        let text = tokens.iter().map(|(token, _)| *token).collect();
        (json!({"logprobs": {"content": content}}), text)
    }

    fn label(tokens: &[(&str, &[(&str, f64)])]) -> Option<f64> {
        let (choice, text) = choice(tokens);
        soft_label(&choice, &text, verdict::read(&text).unwrap()).map(Label::get)
    }

    fn assert_close(found: Option<f64>, expected: f64) {
        assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?} {expected}");
    }

    #[test]
    fn forms_of_a_letter_are_summed_and_others_left_out() {
        let top = [("A", 0.3), (" a", 0.2), ("B", 0.1), ("**b", 0.1), ("TIE", 0.2), ("Also", 0.1)];
        assert_close(label(&[("A", &top)]), 0.5 / 0.7);
        assert_close(label(&[("TIE", &top)]), 0.5 / 0.7);
        assert_close(label(&[("T", &top), ("IE", &[])]), 0.5 / 0.7);
    }

    #[test]
    fn the_token_of_the_verdict_is_found_behind_others() {
        let certain: &[(&str, f64)] = &[("A", 1.0)];
        let top: &[(&str, f64)] = &[(" B", 0.6), (" A", 0.2)];
        assert_close(label(&[("\n", certain), (" B", top)]), 0.25);
        assert_close(
            label(&[("The answer", certain), (" is", certain), (" B", top), (".", certain)]),
            0.25,
        );
        assert_close(
            label(&[(" B", top), ("\n", certain), ("A", certain), (" bad one", certain)]),
            0.25,
        );
    }

    #[test]
    fn a_token_that_is_not_listed_counts_too() {
        let found = label(&[("A", &[("B", (-0.1_f64).exp())])]);
        assert_close(found, 0.5);
    }

    #[test]
    fn without_probabilities_of_the_verdict_there_is_no_label() {
        assert_eq!(label(&[("TIE", &[("TIE", 1.0)])]), None);
        let found = verdict::read("Answer: A").unwrap();
        for choice in [
            json!({}),
            json!({"logprobs": null}),
            json!({"logprobs": {"content": []}}),
            json!({"logprobs": {"content": [{"token": 3}]}}),
            json!({"logprobs": {"content": [{"token": "Answer: A"}]}}),
            // Of another text.
            json!({"logprobs": {"content": [
                {"token": "Another: A", "logprob": 0.0, "top_logprobs": [{"token": "A", "logprob": 0.0}]}
            ]}}),
            json!({"logprobs": {"content": [{"token": "Answer: ", "logprob": 0.0, "top_logprobs": []}]}}),
            // No logarithm of a probability.
            json!({"logprobs": {"content": [
                {"token": "Answer:"},
                {"token": " A", "logprob": 1e9, "top_logprobs": []}
            ]}}),
        ] {
            assert_eq!(soft_label(&choice, "Answer: A", found), None, "{choice}");
        }
    }

    #[test]
    fn odd_tokens_do_not_panic() {
        let found = verdict::read("é A").map(|found| found.offset);
        assert_eq!(found, None);
        let found = Found { spoken: Spoken::First, offset: 3 };
        let choice = json!({"logprobs": {"content": [{"token": "x"}, {"token": "yz€"}]}});
        assert_eq!(soft_label(&choice, "é A", found), None);
    }
}
