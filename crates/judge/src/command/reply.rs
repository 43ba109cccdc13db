//! One line that a command writes: an answer, or something that cannot be understood.

use crate::quoted::beginning;
use crate::{Answer, Question, Verdict};
use nlhf_core::Label;
use serde::Deserialize;

/// How much of an unreadable line is kept.
const KEPT_CHARS: usize = 200;

/// All that is understood; other fields are passed over.
#[derive(Debug, Deserialize)]
struct Reply {
    label: Option<Label>,
    winner: Option<Winner>,
    annotator: Option<String>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    prompt_id: Option<String>,
    first_id: Option<String>,
    second_id: Option<String>,
    repetition: Option<u32>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Winner {
    First,
    Second,
    Tie,
    Skip,
}

/// What a line says in reply to a question; nothing if it names another question.
pub(super) fn answer(line: &str, question: &Question<'_>) -> Option<Answer> {
    let unreadable = || Answer::new(Verdict::Unreadable(beginning(line, KEPT_CHARS).to_owned()));
    let Ok(reply) = serde_json::from_str::<Reply>(line) else { return Some(unreadable()) };
    let names = [
        (&reply.prompt_id, question.prompt.id),
        (&reply.first_id, question.first.id),
        (&reply.second_id, question.second.id),
    ];
    let is_other = names.iter().any(|(named, id)| named.as_ref().is_some_and(|named| named != id))
        || reply.repetition.is_some_and(|repetition| repetition != question.repetition);
    if is_other {
        return None;
    }
    let verdict = match (reply.label, reply.winner) {
        (Some(label), None) => Verdict::Preferred(label),
        (None, Some(Winner::First)) => Verdict::Preferred(Label::WIN),
        (None, Some(Winner::Second)) => Verdict::Preferred(Label::LOSS),
        (None, Some(Winner::Tie)) => Verdict::Preferred(Label::TIE),
        (None, Some(Winner::Skip)) => Verdict::Skipped,
        (None, None) | (Some(_), Some(_)) => return Some(unreadable()),
    };
    let Reply { annotator, input_tokens, output_tokens, .. } = reply;
    Some(Answer { verdict, annotator, input_tokens, output_tokens })
}

/// Whether a line is meant as an answer, readable or not: a greeting is not.
pub(super) fn is_meant_as_answer(line: &str) -> bool {
    let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line);
    object.is_ok_and(|object| object.contains_key("label") || object.contains_key("winner"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shown;

    fn question() -> Question<'static> {
        let [prompt, first, second] = ["p", "a", "b"].map(|id| Shown { id, text: id.into() });
        Question { prompt, first, second, repetition: 2 }
    }

    #[test]
    fn labels_winners_and_what_is_neither() {
        for (line, verdict) in [
            (r#"{"label": 0.25}"#, Some(Verdict::Preferred(Label::new(0.25).unwrap()))),
            (r#"{"label": 1, "reason": ["long"]}"#, Some(Verdict::Preferred(Label::WIN))),
            (r#"{"winner": "first"}"#, Some(Verdict::Preferred(Label::WIN))),
            (r#"{"winner": "second"}"#, Some(Verdict::Preferred(Label::LOSS))),
            (r#"{"winner": "tie", "label": null}"#, Some(Verdict::Preferred(Label::TIE))),
            (r#"{"winner": "skip"}"#, Some(Verdict::Skipped)),
            (r#"{"label": 1.5}"#, None),
            (r#"{"label": 1, "label": 0}"#, None),
            (r#"{"label": 1, "winner": "first"}"#, None),
            (r#"{"winner": "third"}"#, None),
            ("{}", None),
            ("", None),
            ("[1]", None),
            ("1", None),
        ] {
            let verdict = verdict.unwrap_or_else(|| Verdict::Unreadable(line.to_owned()));
            assert_eq!(answer(line, &question()), Some(Answer::new(verdict)), "{line}");
        }
    }

    #[test]
    fn who_said_it_and_what_it_cost_is_kept() {
        let line = r#"{"label":0,"annotator":"ann","input_tokens":7,"output_tokens":1}"#;
        let answer = answer(line, &question()).unwrap();
        assert_eq!(answer.annotator.as_deref(), Some("ann"));
        assert_eq!((answer.input_tokens, answer.output_tokens), (Some(7), Some(1)));
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let same = r#"{"label":0,"prompt_id":"p","first_id":"a","second_id":"b","repetition":2}"#;
        assert!(answer(same, &question()).is_some());
        for (from, to) in [("\"p\"", "\"q\""), ("\"a\"", "\"b\""), ("n\":2", "n\":1")] {
            assert_eq!(answer(&same.replace(from, to), &question()), None, "{from}");
        }
    }

    #[test]
    fn only_the_beginning_of_nonsense_is_kept() {
        let answer = answer(&"ü".repeat(1000), &question()).unwrap();
        assert_eq!(answer.verdict, Verdict::Unreadable("ü".repeat(KEPT_CHARS)));
    }
}
