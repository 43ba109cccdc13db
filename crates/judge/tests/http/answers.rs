//! What is read off answers, and that each comes back to its question.

use super::{Texts, ask, config, judge, mock, serve, server::Reply};
use nlhf_judge::{Judge, LabelsFrom, Verdict};
use serde_json::{Value, json};
use std::collections::HashMap;

fn label(verdict: &Verdict) -> f64 {
    match verdict {
        Verdict::Preferred(label) => label.get(),
        other => panic!("{other:?}"),
    }
}

fn saying(text: &str) -> Value {
    json!({"choices": [{"message": {"content": text}}], "usage": {"prompt_tokens": 9, "completion_tokens": 2}})
}

/// The verdicts when the server says these things, one after the other.
fn verdicts(completions: Vec<Value>) -> Vec<Verdict> {
    let texts = Texts::new(completions.len());
    let server = serve(move |request| Reply::Completion(completions[request.place].clone()));
    let mut config = config(&server.url());
    config.concurrency = 1;
    let (result, mut kept) = ask(&mut judge(config), &texts);
    result.expect("the server always answers");
    assert_eq!(server.n_paid(), kept.len());
    (0..texts.0.len()).filter_map(|place| kept.remove(&place)).map(|kept| kept.verdict).collect()
}

#[test]
fn answers_come_back_to_their_questions() {
    let texts = Texts::new(300);
    let server = serve(|request| Reply::Completion(mock::completion(&request.body)));
    let mut config = config(&server.url());
    config.concurrency = 8;
    let (result, kept) = ask(&mut judge(config), &texts);
    result.unwrap();
    assert_eq!((server.n_paid(), kept.len()), (300, 300));
    assert!(server.most_under_way() <= 8, "{}", server.most_under_way());
    let mut n_first = 0;
    for (place, [_, first, second]) in texts.0.iter().enumerate() {
        let expected = if mock::probability(first, second) > 0.5 { 1.0 } else { 0.0 };
        let answer = &kept[&place];
        assert!((label(&answer.verdict) - expected).abs() < 1e-12, "{place}");
        assert_eq!((answer.annotator.as_deref(), answer.output_tokens), (Some("mock"), Some(1)));
        assert!(answer.input_tokens.unwrap() > 50);
        n_first += usize::from(expected > 0.5);
    }
    assert!((50..250).contains(&n_first), "a judge that always says the same shows nothing");
}

#[test]
fn labels_are_soft_where_probabilities_are_asked_for() {
    let texts = Texts::new(40);
    let server = serve(|request| Reply::Completion(mock::completion(&request.body)));
    let mut config = config(&server.url());
    config.labels = LabelsFrom::Logprobs;
    let (result, kept) = ask(&mut judge(config), &texts);
    result.unwrap();
    for (place, [_, first, second]) in texts.0.iter().enumerate() {
        let (found, expected) = (label(&kept[&place].verdict), mock::probability(first, second));
        assert!((found - expected).abs() < 1e-12, "{place}: {found} {expected}");
    }
}

#[test]
fn without_probabilities_the_verdict_counts() {
    let server = serve(|_| Reply::Completion(saying("B")));
    let mut config = config(&server.url());
    config.labels = LabelsFrom::Logprobs;
    let (result, kept) = ask(&mut judge(config), &Texts::new(1));
    result.unwrap();
    assert!(label(&kept[&0].verdict).abs() < 1e-12);
}

#[test]
fn reasoning_is_read_to_its_end_and_nothing_is_guessed() {
    let found = verdicts(vec![
        saying("The first is long.\nThe second is right.\n\n**B**"),
        saying("<think>A?</think>Answer: A"),
        saying("Both have their merits."),
        json!({"choices": []}),
        json!([]),
    ]);
    assert!(label(&found[0]).abs() < 1e-12);
    assert!((label(&found[1]) - 1.0).abs() < 1e-12);
    let unreadable = |text: &str| Verdict::Unreadable(text.to_owned());
    assert_eq!(
        found[2..],
        [unreadable("Both have their merits."), unreadable(r#"{"choices":[]}"#), unreadable("[]"),]
    );
}

#[test]
fn the_body_counts_and_not_what_its_type_is_said_to_be() {
    let server = serve(|_| Reply::Other {
        status: 200,
        headers: vec![("content-type", "text/html".to_owned())],
        body: saying("A").to_string(),
    });
    let (result, kept) = ask(&mut judge(config(&server.url())), &Texts::new(2));
    result.unwrap();
    assert_eq!((kept.len(), server.arrivals().len()), (2, 2));
    assert_eq!((kept[&0].input_tokens, kept[&0].output_tokens), (Some(9), Some(2)));
}

#[test]
fn what_is_asked_is_the_template_filled_in() {
    let server = serve(|request| {
        assert_eq!(request.body["model"], "mock");
        assert_eq!(request.body["max_tokens"], 5);
        assert_eq!(request.body["messages"][0], json!({"role": "system", "content": "fair"}));
        let message = &request.body["messages"][1]["content"];
        let is_right = message == "p {second} | f {prompt} | s \"\n";
        Reply::Completion(saying(if is_right { "A" } else { "B" }))
    });
    let mut config = config(&server.url());
    config.template = "{prompt} | {first} | {second}".to_owned();
    config.system = Some("fair".to_owned());
    config.max_tokens = Some(5);
    let texts = Texts(vec![["p {second}", "f {prompt}", "s \"\n"].map(str::to_owned)]);
    let (result, kept) = ask(&mut judge(config), &texts);
    result.unwrap();
    assert!((label(&kept[&0].verdict) - 1.0).abs() < 1e-12);
}

#[test]
fn the_identity_tells_what_decides_the_answers() {
    let base = config("https://judge.example.org/v1");
    let identity = |change: &dyn Fn(&mut nlhf_judge::HttpJudgeConfig)| {
        let mut config = base.clone();
        change(&mut config);
        judge(config).identity()
    };
    let plain = identity(&|_| {});
    assert_eq!(
        plain.split(", texts ").next().unwrap(),
        "model mock at https://judge.example.org/v1/chat/completions, temperature 0, labels verdict"
    );
    let mut seen = HashMap::from([(plain.clone(), 0)]);
    for (i, changed) in [
        identity(&|c| c.url = "https://judge.example.org/v2".to_owned()),
        identity(&|c| c.model = "other".to_owned()),
        identity(&|c| c.temperature = 0.7),
        identity(&|c| c.labels = LabelsFrom::Logprobs),
        identity(&|c| c.template.push(' ')),
        identity(&|c| c.system = Some(String::new())),
        identity(&|c| c.system = Some("fair".to_owned())),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(seen.insert(changed, i + 1), None, "change {i}");
    }
    assert_eq!(plain, identity(&|c| c.concurrency = 7));
}

#[test]
fn no_question_is_no_request() {
    let server = serve(|_| Reply::Nothing);
    let (result, kept) = ask(&mut judge(config(&server.url())), &Texts::new(0));
    result.unwrap();
    assert_eq!((kept.len(), server.arrivals().len()), (0, 0));
}
