//! Preference files as they are published, each format on a small file of its own, and what is refused of them.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use flate2::{Compression, write::GzEncoder};
use nlhf_data::{BothBad, Catalog, DataError, Dataset, Format, ReadOptions, read_comparisons};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::io::Write;

const KEEP: ReadOptions = ReadOptions {
    skip_unlisted: false,
    allow_single_candidates: true,
    both_bad: BothBad::Tie,
    keep_texts: true,
};

fn read_bytes(name: &str, content: &[u8], options: ReadOptions) -> Result<Dataset, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    read_comparisons(&path, None, options)
}

fn read(content: &str) -> Dataset {
    read_bytes("f", content.as_bytes(), KEEP).unwrap()
}

/// What is said of a bad file, without the folder it is in.
fn refusal(content: &[u8]) -> String {
    let error = read_bytes("f", content, KEEP).unwrap_err().to_string();
    error[error.find("/f:").unwrap() + 1..].to_owned()
}

fn texts(data: &Dataset) -> (Vec<&str>, Vec<&str>) {
    let texts = data.texts.as_ref().unwrap();
    (
        texts.prompts.iter().map(String::as_str).collect(),
        texts.responses.iter().map(String::as_str).collect(),
    )
}

fn labels(data: &Dataset) -> Vec<f64> {
    data.comparisons.iter().map(|c| c.label.get()).collect()
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    names.collect()
}

const ASKED: &str = r#"{"role": "user", "content": "Why?"}"#;

fn answer(text: &str) -> String {
    format!(r#"{{"role": "assistant", "content": "{text}"}}"#)
}

#[test]
fn implicit_prompts_of_conversations_are_what_both_begin_with() {
    let (yes, no, more) = (answer("Yes."), answer("No."), answer("More."));
    let content = [
        format!(r#"{{"chosen": [{ASKED}, {yes}], "rejected": [{ASKED}, {no}]}}"#),
        format!(r#"{{"chosen": [{ASKED}, {no}], "rejected": [{ASKED}, {more}]}}"#),
        // Two turns, of which the last is judged.
        format!(
            r#"{{"chosen": [{ASKED}, {yes}, {ASKED}, {no}], "rejected": [{ASKED}, {yes}, {ASKED}, {more}]}}"#
        ),
        // Both the same: a prompt and one response.
        format!(r#"{{"chosen": [{ASKED}, {yes}], "rejected": [{ASKED}, {yes}]}}"#),
    ];
    let data = read(&content.join("\n"));
    assert_eq!(data.format, Format::TrlImplicit);
    assert_eq!(names(data.prompts.iter()), ["1", "3"]);
    let turns = "user: Why?\n\nassistant: Yes.\n\nuser: Why?";
    assert_eq!(texts(&data).0, ["Why?", turns]);
    assert_eq!(texts(&data).1, ["Yes.", "No.", "More.", "No.", "More."]);
    assert_eq!(data.n_self_comparisons, 1);
}

#[test]
fn implicit_prompts_of_strings_are_their_common_beginning() {
    let data = read(concat!(
        r#"{"chosen": "The sky is blue.", "rejected": "The sky is bright green."}"#,
        "\n",
        r#"{"chosen": "Größe: ä", "rejected": "Größe: ö"}"#
    ));
    assert_eq!(data.format, Format::TrlImplicit);
    assert_eq!(texts(&data).0, ["The sky is b", "Größe:"]);
    assert_eq!(texts(&data).1, ["lue.", "right green.", " ä", " ö"]);
}

#[test]
fn transcripts_are_cut_at_the_last_shared_turn() {
    let talk = r"\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant:";
    let row = |a: &str, b: &str| format!(r#"{{"chosen": "{talk}{a}", "rejected": "{talk}{b}"}}"#);
    let data = read(&[row(" Because.", " Be quiet."), row(" No.", " Because.")].join("\n"));
    assert_eq!(data.format, Format::Transcripts);
    assert_eq!(data.prompts.len(), 1);
    assert!(texts(&data).0[0].ends_with("Why?\n\nAssistant:"));
    assert_eq!(texts(&data).1, [" Because.", " Be quiet.", " No."]);
}

#[test]
fn scored_pairs_with_equal_scores_are_ties() {
    let row = |id: &str, scores: [f64; 2]| {
        let (yes, no) = (answer("Yes."), answer("No."));
        let [chosen, rejected] = scores;
        format!(
            r#"{{"prompt": "Why?", "prompt_id": "{id}", "chosen": [{ASKED}, {yes}], "messages": [{ASKED}],
            "rejected": [{ASKED}, {no}], "score_chosen": {chosen}, "score_rejected": {rejected}}}"#
        )
        .replace('\n', "")
    };
    let data = read(&[row("ab", [8.0, 6.5]), row("cd", [7.0, 7.0])].join("\n"));
    assert_eq!(data.format, Format::Scored);
    assert_eq!(names(data.prompts.iter()), ["ab", "cd"]);
    assert_eq!(labels(&data), [1.0, 0.5]);
    let error = refusal(row("ab", [6.0, 7.0]).as_bytes());
    assert_eq!(
        error,
        "f:1: expected \"score_chosen\" no lower than \"score_rejected\", found 6 below 7"
    );
}

#[test]
fn arena_battles_with_conversations() {
    let row = |a: &str, b: &str, winner: &str, asked: &str| {
        let talk =
            |text: &str| format!(r#"[{{"role": "user", "content": "{asked}"}}, {}]"#, answer(text));
        format!(
            r#"{{"question_id": "q", "model_a": "{a}", "model_b": "{b}", "winner": "{winner}", "judge": "j1",
            "conversation_a": {}, "conversation_b": {}, "language": "English", "tstamp": 1.5}}"#,
            talk("x"),
            talk("y")
        )
        .replace('\n', "")
    };
    let content = [
        row("gpt", "llama", "model_a", "Why?"),
        row("llama", "gpt", "tie (bothbad)", "How?"),
        row("gpt", "vicuna", "tie", "Why?"),
    ]
    .join("\n");
    let data = read(&content);
    assert_eq!(data.format, Format::Arena);
    assert_eq!(names(data.prompts.iter()), ["1", "2"]);
    assert_eq!(names(data.responses.iter()), ["gpt", "llama", "vicuna"]);
    assert_eq!(labels(&data), [1.0, 0.5, 0.5]);
    assert_eq!((data.n_both_bad, data.both_bad), (1, BothBad::Tie));
    assert_eq!(names(data.annotators.iter()), ["j1"]);
    assert_eq!(texts(&data).0, ["Why?", "How?"]);
    let dropping = ReadOptions { both_bad: BothBad::Drop, ..KEEP };
    let data = read_bytes("f", content.as_bytes(), dropping).unwrap();
    assert_eq!(labels(&data), [1.0, 0.5]);
    assert_eq!((data.n_both_bad, data.both_bad), (1, BothBad::Drop));
    // Without conversations there is one prompt.
    let data = read(r#"{"model_a": "x", "model_b": "y", "winner": "b"}"#);
    assert_eq!(names(data.prompts.iter()), ["all"]);
    assert_eq!(labels(&data), [0.0]);
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    compress_to_vec(content, CompressionLevel::Fastest)
}

#[test]
fn packed_files_are_read_whole_or_refused() {
    let row = r#"{"model_a": "x", "model_b": "y", "winner": "b"}"#;
    let content = format!("{row}\n").repeat(2000);
    for packed in [gzip(content.as_bytes()), zstd(content.as_bytes())] {
        let data = read_bytes("f", &packed, KEEP).unwrap();
        assert_eq!(data.comparisons.len(), 2000);
        // Two streams one after the other are one file.
        let twice = [packed.clone(), packed.clone()].concat();
        assert_eq!(read_bytes("f", &twice, KEEP).unwrap().comparisons.len(), 4000);
        let error = refusal(&packed[..packed.len() - 7]);
        assert!(error.starts_with("f: expected a "), "{error}");
        assert!(error.contains("stream, found"), "{error}");
        let mut damaged = packed.clone();
        for byte in &mut damaged[12..] {
            *byte ^= 0x5a;
        }
        assert!(refusal(&damaged).starts_with('f'), "{}", refusal(&damaged));
    }
    let error = refusal(&gzip(content.as_bytes())[..40]);
    assert_eq!(error, "f: expected a whole gzip stream, found one that is cut off");
}

const EXPLICIT: &str =
    r#"{"prompt_id": "p", "response_a_id": "a", "response_b_id": "b", "label": 1}"#;
const TRL: &str = r#"{"prompt": "p", "chosen": "a", "rejected": "b"}"#;
const ARENA: &str = r#"{"model_a": "x", "model_b": "y", "winner": "b"}"#;

#[test]
fn a_line_of_another_format_is_told_with_both() {
    for (first, second, told) in [
        (
            EXPLICIT,
            TRL,
            "\"label\", as in the lines before, found \"prompt\", \"chosen\" and \"rejected\"",
        ),
        (EXPLICIT, ARENA, "as in the lines before, found \"model_a\", \"model_b\" and \"winner\""),
        (TRL, EXPLICIT, "as in the lines before, found \"prompt_id\", \"response_a_id\""),
        (ARENA, TRL, "\"winner\", as in the lines before, found \"prompt\", \"chosen\""),
        (TRL, r#"{"chosen": "p a", "rejected": "p b"}"#, "found another kind of \"chosen\""),
        (TRL, "model_a,model_b,winner", "expected one JSON object"),
        ("model_a,model_b,winner\nx,y,a", TRL, "expected \"model_b\" in column 2"),
    ] {
        let error = refusal(format!("{first}\n{second}\n").as_bytes());
        let line = 2 + usize::from(first.contains('\n'));
        assert!(error.starts_with(&format!("f:{line}: expected ")), "{error}");
        // The CSV reader sees columns.
        assert!(error.contains(told) || first.starts_with("model_a"), "{error}");
    }
}

#[test]
fn bad_input_is_told_with_its_place() {
    let with_label = |label: &str| EXPLICIT.replace(": 1}", &format!(": {label}}}"));
    for (content, told) in [
        (with_label("\"yes\""), "f:1: expected \"label\" in [0, 1], found \"yes\""),
        (with_label("null"), "f:1: expected \"label\" in [0, 1], found null"),
        (with_label("1.5"), "f:1: expected \"label\" in [0, 1], found 1.5"),
        (format!("{EXPLICIT}\n[1]"), "f:2: expected one JSON object, found \"[1]\""),
        (
            r#"{"chosen": "abc", "rejected": "xyz"}"#.to_owned(),
            "f:1: expected \"chosen\" and \"rejected\" to begin with the same text, or a \"prompt\"",
        ),
        (
            format!(r#"{{"chosen": [{ASKED}], "rejected": "Why?"}}"#),
            "f:1: expected \"chosen\" and \"rejected\" both to be strings, or both lists of messages",
        ),
        (
            r#"{"prompt_id": 1, "prompt": "p", "chosen": "a", "rejected": "b"}
{"prompt_id": 1, "prompt": "q", "chosen": "a", "rejected": "b"}"#
                .to_owned(),
            "f:2: expected prompt \"1\" to say what it said in line 1, found \"q\"",
        ),
        (ARENA.replace("\"b\"", "\"neither\""), "f:1: expected \"winner\" to be model_a"),
        (ARENA.replace("\"b\"", "3"), "f:1: expected \"winner\" to be model_a"),
        (
            "PAR1\u{15}\u{4}".to_owned(),
            if cfg!(feature = "parquet") {
                "f: expected a sound Parquet file, found: "
            } else {
                "f: expected text, found a Parquet file"
            },
        ),
    ] {
        let error = refusal(content.as_bytes());
        assert!(error.starts_with(told), "{error}");
    }
    let latin = [EXPLICIT.as_bytes(), b"\n", &EXPLICIT.as_bytes()[..16], b"\xe4\"}\n"].concat();
    assert_eq!(refusal(&latin), "f:2: expected UTF-8 text, found byte 0xe4 at column 17");
}

#[test]
fn marks_and_line_ends_of_other_systems_are_no_matter() {
    for format in [EXPLICIT, TRL, ARENA, "model_a,model_b,winner\r\nx,y,b"] {
        let plain = read(&format!("{}\n", format.replace('\r', "")));
        let marked = read(&format!("\u{feff}{format}\r\n\r\n"));
        assert_eq!(labels(&plain), labels(&marked));
        assert_eq!(names(plain.responses.iter()), names(marked.responses.iter()));
    }
}

#[test]
fn both_responses_the_same_are_counted_and_strangers_are_told() {
    let same = EXPLICIT.replace("\"b\"", "\"a\"");
    let data = read(&format!("{EXPLICIT}\n{same}"));
    assert_eq!((data.n_self_comparisons, data.comparisons.len()), (1, 2));
    let folder = tempfile::tempdir().unwrap();
    let (list, rows) = (folder.path().join("r.jsonl"), folder.path().join("f"));
    std::fs::write(&list, r#"{"response_id": "a", "prompt_id": "p", "text": "x"}"#).unwrap();
    std::fs::write(&rows, EXPLICIT).unwrap();
    let catalog = || Some(Catalog::from_responses(&list).unwrap());
    let error = read_comparisons(&rows, catalog(), KEEP).unwrap_err().to_string();
    assert!(error.contains("f:1: expected a \"response_b_id\" listed in"), "{error}");
    let skipping = ReadOptions { skip_unlisted: true, ..KEEP };
    assert_eq!(read_comparisons(&rows, catalog(), skipping).unwrap().n_unlisted, 1);
    // An id that says two things.
    std::fs::write(
        &list,
        "{\"response_id\": \"a\", \"prompt_id\": \"p\", \"text\": \"x\"}\n{\"response_id\": \"a\", \"prompt_id\": \"p\", \"text\": \"y\"}",
    )
    .unwrap();
    let error = Catalog::from_responses(&list).unwrap_err().to_string();
    assert!(
        error.ends_with("r.jsonl:2: expected each \"response_id\" once, found \"a\" again"),
        "{error}"
    );
}

#[test]
fn what_is_written_is_read_again() {
    let content = concat!(
        r#"{"prompt_id": "p", "response_a_id": "a", "response_b_id": "b", "label": 0.25, "weight": 2.5}"#,
        "\n",
        r#"{"prompt_id": "q", "response_a_id": "c", "response_b_id": "b", "label": 0.5, "split": "test"}"#,
        "\n",
        r#"{"prompt_id": "p", "response_a_id": "b", "response_b_id": "a", "label": 1, "annotator": "j", "split": "train"}"#,
    );
    let data = read(content);
    let lines: Vec<String> =
        data.explicit_lines().map(|line| serde_json::to_string(&line).unwrap()).collect();
    let again = read(&lines.join("\n"));
    assert_eq!(again.comparisons, data.comparisons);
    assert_eq!((&again.held_out, again.has_split), (&data.held_out, true));
    assert_eq!(names(again.prompts.iter()), names(data.prompts.iter()));

    let pairs = concat!(
        r#"{"prompt": "Why?", "chosen": "x", "rejected": "y", "weight": 3}"#,
        "\n",
        r#"{"prompt": "Why?", "chosen": "z", "rejected": "x", "split": "validation"}"#,
    );
    let data = read(pairs);
    let texts = data.texts.as_ref().unwrap();
    let path = std::path::Path::new("pairs.jsonl");
    let lines = data.pair_lines(texts, path).unwrap();
    let lines: Vec<String> =
        lines.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
    let again = read(&lines.join("\n"));
    assert_eq!((again.comparisons, again.texts.as_ref()), (data.comparisons.clone(), Some(texts)));
    // Conversations stay conversations, and a prompt that they begin with is said once.
    let talk = format!(
        r#"{{"prompt": "Why?", "chosen": [{ASKED}, {}], "rejected": [{ASKED}, {}]}}"#,
        answer("Yes."),
        answer("No.")
    );
    let talk = read(&talk);
    let lines = talk.pair_lines(talk.texts.as_ref().unwrap(), path).unwrap();
    let expected = format!(
        r#"{{"prompt": [{ASKED}], "chosen": [{}], "rejected": [{}]}}"#,
        answer("Yes."),
        answer("No.")
    );
    assert_eq!(
        serde_json::to_string(&lines[0]).unwrap(),
        expected.replace(": ", ":").replace(", ", ",")
    );
    let error = data.pair_lines(&nlhf_data::Texts::default(), path).unwrap_err().to_string();
    assert_eq!(
        error,
        "pairs.jsonl: expected the text of every prompt and response, found none of \"1\""
    );
}
