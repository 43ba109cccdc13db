//! Comparisons end to end: small files of every format, plain and gzip, and what is refused.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use flate2::{Compression, write::GzEncoder};
use nlhf_core::{PromptId, ResponseId};
use nlhf_data::{DataError, Dataset, Format, ReadOptions, read_comparisons};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn read(name: &str, content: &str) -> Result<Dataset, DataError> {
    read_comparisons(&Folder::new().write(name, content), None, ReadOptions::default())
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn menu_names(data: &Dataset) -> Vec<(&str, Vec<&str>)> {
    let named = data.menus.iter().map(|menu| {
        let responses = menu.responses().iter().map(|r| data.responses.name(r.index()));
        (data.prompts.name(menu.prompt().index()), responses.collect())
    });
    named.collect()
}

fn labels(data: &Dataset) -> Vec<f64> {
    data.comparisons.iter().map(|c| c.label.get()).collect()
}

const EXPLICIT: &str = concat!(
    "\u{feff}{\"prompt_id\":\"p\",\"response_a_id\":\"y\",\"response_b_id\":\"x\",\"label\":1,",
    "\"weight\":2.5,\"annotator\":\"ann\",\"split\":\"train\",\"extra\":{\"a\":[1]}}\n",
    "\n",
    "{\"label\":0.25,\"prompt_id\":7,\"response_a_id\":\"q\\u0041\",\"response_b_id\":\"z\",",
    "\"weight\":null,\"annotator\":3,\"split\":\"test\"}\r\n",
    "{\"prompt_id\":\"p\",\"response_a_id\":\"x\",\"response_b_id\":\"w\",\"label\":0.5}\n",
    "{\"prompt_id\":\"p\",\"response_a_id\":\"x\",\"response_b_id\":\"x\",\"label\":1}",
);

#[test]
fn explicit_comparisons_plain_and_gzip() {
    let folder = Folder::new();
    let plain = folder.write("c.jsonl", EXPLICIT);
    let packed = folder.write("c.jsonl.gz", gzip(EXPLICIT.as_bytes()));
    for path in [plain, packed] {
        let data = read_comparisons(&path, None, ReadOptions::default()).unwrap();
        assert_eq!(data.format, Format::Explicit);
        assert_eq!(menu_names(&data), [("p", vec!["y", "x", "w"]), ("7", vec!["qA", "z"])]);
        assert_eq!(labels(&data), [1.0, 0.25, 0.5, 1.0]);
        assert_eq!(data.held_out, [false, true, false, false]);
        assert_eq!((data.train().count(), data.held_out().count()), (3, 1));
        assert!(data.has_split);
        assert_eq!((data.n_self_comparisons, data.n_both_bad), (1, 0));
        let first = data.comparisons[0];
        assert_eq!((first.prompt, first.first), (PromptId::new(0), ResponseId::new(0)));
        assert_eq!(first.second, ResponseId::new(1));
        let weights: Vec<f64> = data.comparisons.iter().map(|c| c.weight.get()).collect();
        assert_eq!(weights, [2.5, 1.0, 1.0, 1.0]);
        let annotator = |k: usize| {
            data.comparisons[k].annotator.map(|annotator| data.annotators.name(annotator.index()))
        };
        assert_eq!([annotator(0), annotator(1), annotator(2)], [Some("ann"), Some("3"), None]);
    }
}

#[test]
fn trl_pairs_are_known_by_their_text() {
    let content = concat!(
        "{\"prompt\":\"Hi?\",\"chosen\":\"a\\n\",\"rejected\":\"b\",\"margin\":1}\n\n",
        "{\"prompt\":\"Hi?\",\"chosen\":\"b\",\"rejected\":\"c\",\"split\":\"validation\"}\n",
        "{\"prompt\":\"Ho?\",\"chosen\":\"\\u0061\\n\",\"rejected\":\"b\",\"weight\":3}\n",
        "{\"prompt\":\"Hi?\",\"chosen\":\"a\\n\",\"rejected\":\"a\\n\"}\n",
    );
    let data = read("pairs.jsonl", content).unwrap();
    assert_eq!(data.format, Format::Trl);
    let hi = vec!["1.chosen", "1.rejected", "3.rejected"];
    assert_eq!(menu_names(&data), [("1", hi), ("4", vec!["4.chosen", "4.rejected"])]);
    let winner = |c: &nlhf_core::Comparison| {
        let id = if c.label.get() > 0.5 { c.first } else { c.second };
        data.responses.name(id.index()).to_owned()
    };
    let winners: Vec<String> = data.comparisons.iter().map(winner).collect();
    assert_eq!(winners, ["1.chosen", "1.rejected", "4.chosen", "1.chosen"]);
    // Who is named first does not tell who won.
    assert!(!data.format.tells_order());
    assert_eq!(data.held_out, [false, true, false, false]);
    assert_eq!(data.n_self_comparisons, 1);
    assert!((data.comparisons[2].weight.get() - 3.0).abs() < 1e-15);
}

#[test]
fn who_is_named_first_has_nothing_to_do_with_who_won() {
    // All of one prompt, two prompts in turn, answers always new or always the same.
    for (prompts, answers) in [(1, 4000), (2, 4000), (1000, 4), (4000, 4000)] {
        let mut content = String::new();
        for k in 0..2000 {
            let (x, a) = (k % prompts, k % answers);
            writeln!(content, r#"{{"prompt":"{x}","chosen":"c{a}","rejected":"r{a}"}}"#).unwrap();
        }
        let data = read("pairs.jsonl", &content).unwrap();
        let first = data.comparisons.iter().filter(|c| c.label.get() > 0.5).count();
        // Of 2000 fair coins 3.5 standard errors.
        assert!((922..1078).contains(&first), "{prompts} and {answers}: {first} of 2000");
    }
}

#[test]
fn conversations_are_no_strings() {
    let ask = r#"[{"role":"user","content":"Hi?"}]"#;
    let answer = |text: &str| format!(r#"[{{"role":"assistant","content":"{text}"}}]"#);
    let mut content = String::new();
    for (prompt, chosen, rejected) in [
        (ask, answer("a"), answer("b")),
        (ask, answer("b"), "\"b\"".to_owned()),
        ("\"Hi?\"", answer("a"), answer("b")),
        // Two messages whose texts run together like one are another conversation.
        (ask, answer("b"), answer("ab")),
    ] {
        writeln!(content, r#"{{"prompt":{prompt},"chosen":{chosen},"rejected":{rejected}}}"#)
            .unwrap();
    }
    let data = read("pairs.jsonl", &content).unwrap();
    let hi = vec!["1.chosen", "1.rejected", "2.rejected", "4.rejected"];
    assert_eq!(menu_names(&data), [("1", hi), ("3", vec!["3.chosen", "3.rejected"])]);
}

#[test]
fn battles_with_and_without_prompts() {
    let content = concat!(
        "\n\"tstamp\",winner, model_b ,model_a,prompt_id,judge\n",
        "1,model_a,y,x,p,\"a, \"\"b\"\"\nc\"\n",
        "2,tie,x,z,q,\n\n",
        "3,both_bad,y,z,p,\n4,b,y,x,p,\n5,tie (bothbad),y,y,p,\n6,a,z,\"y\",q,\n7,model_b,z,x,q,\n",
    );
    let data = read("battles.csv", content).unwrap();
    assert_eq!(data.format, Format::Battles);
    assert_eq!(labels(&data), [1.0, 0.5, 0.5, 0.0, 0.5, 1.0, 0.0]);
    // A model is one response of all prompts.
    assert_eq!(data.responses.iter().collect::<Vec<_>>(), ["x", "y", "z"]);
    assert_eq!(menu_names(&data), [("p", vec!["x", "y", "z"]), ("q", vec!["z", "x", "y"])]);
    assert_eq!((data.n_self_comparisons, data.n_both_bad), (1, 2));
    assert!(!data.has_split && data.annotators.is_empty());

    let one = "model_a,model_b,winner,weight,annotator,split\nx,y,a,2,ann,\ny,z,tie,,,test\n";
    let data = read("battles.csv", one).unwrap();
    assert_eq!(menu_names(&data), [("all", vec!["x", "y", "z"])]);
    assert_eq!(data.held_out, [false, true]);
    assert_eq!(data.annotators.iter().collect::<Vec<_>>(), ["ann"]);
    assert!((data.comparisons[0].weight.get() - 2.0).abs() < 1e-15);
}

fn row(prompt: &str, a: &str, b: &str) -> String {
    format!(r#"{{"prompt_id":"{prompt}","response_a_id":"{a}","response_b_id":"{b}","label":1}}"#)
}

/// Asserts the message of each content, the folder left out.
fn check(cases: &[(String, &str)]) {
    for (content, expected) in cases {
        let folder = Folder::new();
        let path = folder.write("f", content);
        let error = read_comparisons(&path, None, ReadOptions::default()).unwrap_err().to_string();
        let error = error.replace(&format!("{}/", folder.0.path().display()), "");
        assert_eq!(error, *expected, "{content}");
    }
}

#[test]
fn what_is_no_file_of_comparisons_is_named() {
    check(&[
        (String::new(), "f: expected at least one comparison, found an empty file"),
        ("\n \n".to_owned(), "f: expected at least one comparison, found an empty file"),
        (
            "model_a,model_b,winner\n".to_owned(),
            "f: expected at least one comparison, found nothing but a header",
        ),
        (
            "[{}]".to_owned(),
            "f:1: expected one JSON object a line, or CSV, found a JSON array (jq -c '.[]' FILE writes one object a line)",
        ),
        (
            "\nhello world".to_owned(),
            "f:2: expected JSON, or a CSV header with columns model_a, model_b and winner, found \"hello world\"",
        ),
        (
            "model_a,model_b\nx,y".to_owned(),
            "f:1: expected JSON, or a CSV header with columns model_a, model_b and winner, found \"model_a,model_b\"",
        ),
        (
            r#"{"text": "x", "label": 1}"#.to_owned(),
            "f:1: expected fields \"prompt_id\", \"response_a_id\", \"response_b_id\" and \"label\", or \
             \"prompt\", \"chosen\" and \"rejected\", or \"model_a\", \"model_b\" and \"winner\", found \"label\", \"text\"",
        ),
    ]);
}

#[test]
fn malformed_explicit_lines_are_named() {
    let good = row("p", "a", "b");
    let explicit = |fields: &str| format!("{good}\n\n{{{fields}}}\n");
    let ids = r#""prompt_id":"p","response_a_id":"a","response_b_id":"b""#;
    check(&[
        (explicit(&format!("{ids},\"label\":1.5")), "f:3: expected \"label\" in [0, 1], found 1.5"),
        (explicit(&format!("{ids},\"label\":-1")), "f:3: expected \"label\" in [0, 1], found -1"),
        (
            explicit(&format!("{ids},\"label\":null")),
            "f:3: expected \"label\" in [0, 1], found null",
        ),
        (
            explicit(&format!("{ids},\"label\":\"a\"")),
            "f:3: expected \"label\" in [0, 1], found \"a\"",
        ),
        (
            explicit(&format!("{ids},\"label\":true")),
            "f:3: expected \"label\" in [0, 1], found true",
        ),
        (explicit(ids), "f:3: expected \"label\" in [0, 1], found a line without it"),
        (
            explicit(&format!("{ids},\"label\":NaN")),
            "f:3: expected well-formed JSON, found at column 66: expected value",
        ),
        (
            explicit(&format!("{ids},\"label\":1,\"label\":1")),
            "f:3: expected a valid line, found at column 74: duplicate field `label`",
        ),
        (
            explicit(&format!("{ids},\"label\":1,\"weight\":-0.5")),
            "f:3: expected \"weight\" in [0, 1e12], found -0.5",
        ),
        (
            explicit(&format!("{ids},\"label\":1,\"weight\":[1]")),
            "f:3: expected \"weight\" in [0, 1e12], found an array",
        ),
        (
            explicit(&format!("{ids},\"label\":1,\"split\":0.5")),
            "f:3: expected \"split\" to be a string, found 0.5",
        ),
        (
            explicit(r#""prompt_id":"p","response_b_id":"b","label":1"#),
            "f:3: expected \"response_a_id\" to be a string, found a line without it",
        ),
        (
            explicit(r#""prompt_id":{},"response_a_id":"a","response_b_id":"b","label":1"#),
            "f:3: expected \"prompt_id\" to be a string, found an object",
        ),
        (
            format!("{good}\n{{\"prompt_id\": \"p\""),
            "f:2: expected well-formed JSON, found at column 17: EOF while parsing an object",
        ),
        (
            format!("{good}\n{good}{good}"),
            "f:2: expected well-formed JSON, found at column 68: trailing characters",
        ),
        (format!("{good}\n[1,2]"), "f:2: expected one JSON object, found \"[1,2]\""),
    ]);
}

#[test]
fn malformed_pairs_are_named() {
    let trl = |fields: &str| format!("{{\"chosen\":\"a\",{fields}}}");
    check(&[
        (
            trl("\"prompt\":\"p\""),
            "f:1: expected \"rejected\" to be a string or a list of {role, content}, found a line without it",
        ),
        (
            trl("\"prompt\":3,\"rejected\":\"b\""),
            "f:1: expected \"prompt\" to be a string or a list of {role, content}, found 3",
        ),
        (
            trl("\"prompt\":[],\"rejected\":\"b\""),
            "f:1: expected \"prompt\" to be a string or a list of {role, content}, found an empty list",
        ),
        (
            trl("\"prompt\":\"p\",\"rejected\":[{\"role\":\"user\",\"content\":[{}]}]"),
            "f:1: expected \"rejected\" to be a string or a list of {role, content}, found \"content\" an array in \
             message 1",
        ),
        (
            trl("\"prompt\":\"p\",\"rejected\":[\"text\"]"),
            "f:1: expected a valid line, found at column 45: invalid type: string \"text\", expected a message \
             {role, content}",
        ),
    ]);
}

#[test]
fn malformed_battles_are_named() {
    let battle = |row: &str| format!("model_a,model_b,winner,weight\nx,y,a,\n{row}\n");
    check(&[
        (
            battle("x,y,model_c,"),
            "f:3: expected \"winner\" to be model_a, model_b, a, b, tie, tie (bothbad) or both_bad, found \"model_c\"",
        ),
        (battle("x,y"), "f:3: expected \"winner\" in column 3, found a row of 2 columns"),
        (battle("x,,a,"), "f:3: expected \"model_b\" to be a name, found an empty cell"),
        (battle("x,y,a,nan"), "f:3: expected \"weight\" in [0, 1e12], found \"nan\""),
        (
            format!("\n\n{}", battle("\n\"x\n\",y,a,1\n\nx,y,a,-1")),
            "f:8: expected \"weight\" in [0, 1e12], found \"-1\"",
        ),
    ]);
}

#[test]
fn bytes_that_are_no_text_are_named() {
    let folder = Folder::new();
    let path = folder.write("f", b"model_a,model_b,winner\nx,y,a\nx,\xff,a\n");
    let error = read_comparisons(&path, None, ReadOptions::default()).unwrap_err().to_string();
    assert!(error.ends_with("f:3: expected UTF-8 text, found other bytes in column 2"), "{error}");
    let path = folder.write("f.gz", &gzip(EXPLICIT.as_bytes())[..40]);
    let error = read_comparisons(&path, None, ReadOptions::default()).unwrap_err();
    assert!(
        matches!(error, DataError::Io { .. }) && error.to_string().contains("f.gz: "),
        "{error}"
    );
    let error = read_comparisons(folder.0.path(), None, ReadOptions::default()).unwrap_err();
    assert!(matches!(error, DataError::Io { .. }), "{error}");
}

#[test]
fn fifty_thousand_lines() {
    let mut content = String::new();
    for k in 0..50_000_u32 {
        let (prompt, a) = (k % 1000, k / 1000 % 20);
        let b = (a + 1 + k % 19) % 20;
        writeln!(
            content,
            "{{\"prompt_id\":\"p{prompt}\",\"response_a_id\":\"p{prompt}:{a}\",\
             \"response_b_id\":\"p{prompt}:{b}\",\"label\":{}}}",
            k % 2
        )
        .unwrap();
    }
    let data = read("big.jsonl", &content).unwrap();
    assert_eq!(data.comparisons.len(), 50_000);
    assert_eq!((data.prompts.len(), data.menus.len()), (1000, 1000));
    assert_eq!(data.responses.len(), 20_000);
    assert!(data.menus.iter().all(|menu| menu.len() == 20));
    let wins: f64 = data.comparisons.iter().map(|c| c.label.get()).sum();
    assert!((wins - 25_000.0).abs() < 0.5);
    for comparison in &data.comparisons {
        let prompt = data.prompts.name(comparison.prompt.index());
        let response = data.responses.name(comparison.first.index());
        assert_eq!(response.split(':').next(), Some(prompt));
    }
}
