//! Games end to end, and the policies that serve as their references.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use nlhf_core::{Eta, ZeroSumGame};
use nlhf_data::{
    DataError, GameDefaults, GameNote, GameReader, GameScale, Player, ReadOptions,
    read_comparisons, read_policies,
};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn written(name: &str, content: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

fn reader(content: &str, defaults: GameDefaults) -> (TempDir, GameReader) {
    let (folder, path) = written("g.jsonl", content);
    (folder, GameReader::open(&path, defaults).unwrap())
}

fn without_folder(error: &DataError, folder: &TempDir) -> String {
    error.to_string().replace(&format!("{}/", folder.path().display()), "")
}

const SKEW: &str = "\"payoff\":[[0.5,0.3],[0.7,0.5]]";

#[test]
fn every_scale_is_read() {
    let content = format!(
        "{{\"id\":\"rps\",\"eta\":2,\"scale\":\"probability\",{SKEW},\"prior\":[0.25,0.75]}}\n\n\
         {{\"id\":7,\"scale\":\"log-odds\",\"payoff\":[[0,1],[-1,0]],\"eta\":0.5}}\n\
         {{\"scale\":\"payoff\",\"payoff\":[[1,2,3]],\"opponent_prior\":[1,1,0]}}\n\
         {{{SKEW},\"opponent_prior\":[0.5,0.5]}}\n"
    );
    let defaults =
        GameDefaults { eta: Some(Eta::new(9.0).unwrap()), scale: Some(GameScale::Payoff) };
    let (_folder, reader) = reader(&content, defaults);
    let games: Vec<_> = reader.map(|game| game.unwrap()).collect();
    let ids: Vec<&str> = games.iter().map(|game| game.id.as_str()).collect();
    assert_eq!(ids, ["rps", "7", "4", "5"]);
    let etas: Vec<f64> = games.iter().map(|game| game.eta.get()).collect();
    assert_eq!(etas, [2.0, 0.5, 9.0, 9.0]);
    let scales: Vec<GameScale> = games.iter().map(|game| game.scale).collect();
    assert_eq!(
        scales,
        [GameScale::Probability, GameScale::LogOdds, GameScale::Payoff, GameScale::Payoff]
    );

    assert!(games[0].payoff.is_skew() && (games[0].payoff.get(0, 1) + 0.2).abs() < 1e-15);
    assert_eq!(games[0].reference.row, games[0].reference.column);
    assert!((games[0].reference.row.probabilities()[1] - 0.75).abs() < 1e-15);
    assert_eq!(games[0].notes, []);
    assert_eq!((games[2].payoff.nrows(), games[2].payoff.ncols()), (1, 3));
    assert_eq!(
        games[2].notes,
        [
            GameNote::Normalized { player: Player::Column, sum: 2.0 },
            GameNote::NeverPlayed { player: Player::Column, count: 1 }
        ]
    );
    assert_eq!(games[2].reference.column.probabilities(), [0.5, 0.5, 0.0]);
    assert!(!games[3].payoff.is_skew());
}

#[test]
fn a_bad_line_does_not_end_the_file() {
    let content = format!(
        "{{\"eta\":1,\"scale\":\"payoff\",{SKEW}}}\nnonsense\n\
         {{\"eta\":1,\"scale\":\"payoff\",{SKEW}}}\n"
    );
    let (folder, mut reader) = reader(&content, GameDefaults::default());
    assert_eq!(reader.next().unwrap().unwrap().id, "1");
    let error = reader.next().unwrap().unwrap_err();
    assert_eq!(
        without_folder(&error, &folder),
        "g.jsonl:2: expected one JSON object, found \"nonsense\""
    );
    assert_eq!(reader.next().unwrap().unwrap().id, "3");
    assert!(reader.next().is_none() && reader.next().is_none());

    let (folder, mut reader) = self::reader("\n", GameDefaults::default());
    let error = reader.next().unwrap().unwrap_err();
    assert_eq!(
        without_folder(&error, &folder),
        "g.jsonl: expected at least one game, found an empty file"
    );
    assert!(reader.next().is_none());
}

#[test]
fn malformed_games_are_named() {
    let probability = |rest: &str| format!("\"eta\":1,\"scale\":\"probability\",{rest}");
    let any = |rest: &str| format!("\"eta\":1,\"scale\":\"payoff\",{rest}");
    let scale = "\"scale\" to be \"probability\", \"log-odds\" or \"payoff\", found ";
    let cases = [
        (SKEW.to_owned(), "\"eta\" positive and finite, found a line without it".to_owned()),
        (format!("\"eta\":0,{SKEW}"), "\"eta\" positive and finite, found 0".to_owned()),
        (format!("\"eta\":\"2\",{SKEW}"), "\"eta\" positive and finite, found \"2\"".to_owned()),
        (format!("\"eta\":1,{SKEW}"), format!("{scale}a line without it")),
        (format!("\"eta\":1,\"scale\":\"odds\",{SKEW}"), format!("{scale}\"odds\"")),
        (format!("\"eta\":1,\"scale\":3,{SKEW}"), format!("{scale}3")),
        (any("\"id\":1.5"), "\"id\" to be a string, found 1.5".to_owned()),
        (any("\"id\":\"x\""), "\"payoff\" to be a list of rows of numbers, found a line without it".to_owned()),
        (any("\"payoff\":[]"), "\"payoff\" to have at least one row and one column, found 0 x 0".to_owned()),
        (any("\"payoff\":[[]]"), "\"payoff\" to have at least one row and one column, found 1 x 0".to_owned()),
        (any("\"payoff\":[[1,2],[3]]"), "\"payoff\" to be rows of 2 entries like the first, found 1 in row 2".to_owned()),
        (
            any("\"payoff\":[[1,null],[3,4]]"),
            "\"payoff\" to be a list of rows of numbers, found null in row 1, column 2".to_owned(),
        ),
        (any("\"payoff\":[[1e999]]"), "well-formed JSON, found at column 42: number out of range".to_owned()),
        (
            probability("\"payoff\":[[0.5,0.5]]"),
            "a square \"payoff\" on the probability scale, found 1 x 2".to_owned(),
        ),
        (
            probability("\"payoff\":[[0.5,1.5],[-0.5,0.5]]"),
            "a \"payoff\" in [0, 1] in row 1, column 2, found 1.5".to_owned(),
        ),
        (
            probability("\"payoff\":[[0.5,0.25],[0.7,0.5]]"),
            "\"payoff\" in row 1, column 2 and in row 2, column 1 to sum to 1 within 1e-6, found 0.95".to_owned(),
        ),
        (
            probability("\"payoff\":[[0.25,0.5],[0.5,0.5]]"),
            "\"payoff\" in row 1, column 1 and in row 1, column 1 to sum to 1 within 1e-6, found 0.5".to_owned(),
        ),
        (
            "\"eta\":1,\"scale\":\"log-odds\",\"payoff\":[[0,1],[1,0]]".to_owned(),
            "\"payoff\" in row 1, column 2 and in row 2, column 1 to sum to 0 within 1e-6, found 2".to_owned(),
        ),
        (
            probability(&format!("{SKEW},\"prior\":[1]")),
            "\"prior\" to have 2 entries, one an action, found 1".to_owned(),
        ),
        (
            probability(&format!("{SKEW},\"opponent_prior\":[0.5,-0.5]")),
            "\"opponent_prior\" to be non-negative and finite, found -0.5 as entry 2".to_owned(),
        ),
        (
            probability(&format!("{SKEW},\"prior\":{{}}")),
            "\"prior\" to be a list of numbers, found an object".to_owned(),
        ),
    ];
    for (fields, expected) in cases {
        let content = format!("\n{{{fields}}}\n");
        let (folder, mut reader) = reader(&content, GameDefaults::default());
        let error = without_folder(&reader.next().unwrap().unwrap_err(), &folder);
        assert_eq!(error, format!("g.jsonl:2: expected {expected}"));
    }
}

const COMPARISONS: &str =
    "prompt_id,model_a,model_b,winner\np,x,y,a\np,y,z,a\nq,z,y,tie\nr,x,z,b\n";

#[test]
fn policies_are_read_in_the_order_of_the_menus() {
    let (_a, battles) = written("b.csv", COMPARISONS);
    let data = read_comparisons(&battles, None, ReadOptions::default()).unwrap();
    let logs: Vec<f64> = [0.2_f64, 0.5, 0.3].iter().map(|p| p.ln()).collect();
    let mut content = String::new();
    writeln!(
        content,
        r#"{{"prompt_id":"r","response_ids":["z","x"],"log_probabilities":[null,0],"value":3}}"#
    )
    .unwrap();
    // Logarithms are preferred, and kept to the last bit.
    writeln!(
        content,
        r#"{{"prompt_id":"p","response_ids":["z","x","y"],"log_probabilities":[{:?},{:?},{:?}],"probabilities":[1,0,0]}}"#,
        logs[0], logs[1], logs[2]
    )
    .unwrap();
    let (_b, path) = written("policy.jsonl", &content);
    let policies = read_policies(&path, &data).unwrap();
    assert_eq!(policies.len(), 3);
    let p = policies[0].as_ref().unwrap().log_probabilities();
    assert_eq!(p, [logs[1], logs[2], logs[0]]);
    assert_eq!(policies[1], None);
    assert_eq!(policies[2].as_ref().unwrap().probabilities(), [1.0, 0.0]);

    let content = r#"{"prompt_id":"q","response_ids":["y","z"],"probabilities":[0.2500001,0.75]}"#;
    let (_c, path) = written("policy.jsonl", content);
    let policies = read_policies(&path, &data).unwrap();
    assert!((policies[1].as_ref().unwrap().probabilities()[1] - 0.25).abs() < 1e-6);
}

#[test]
fn malformed_policies_are_named() {
    let (_a, battles) = written("b.csv", COMPARISONS);
    let data = read_comparisons(&battles, None, ReadOptions::default()).unwrap();
    let line = |prompt: &str, ids: &str, rest: &str| {
        format!(r#"{{"prompt_id":"{prompt}","response_ids":{ids},{rest}}}"#)
    };
    let half = "\"probabilities\":[0.5,0.5]";
    let cases = [
        (line("s", "[]", half), "\"prompt_id\" to be a prompt of the data set, found \"s\""),
        (line("q", "[\"z\",\"y\"]", half), "each \"prompt_id\" once, found \"q\" again"),
        (line("r", "3", half), "\"response_ids\" to be a list, found 3"),
        (line("r", "[\"x\",3.5]", half), "\"response_ids\" to be a string, found 3.5"),
        (
            line("r", "[\"x\",\"y\"]", half),
            "\"response_ids\" to name each candidate of the prompt once, found \"y\"",
        ),
        (
            line("r", "[\"x\",\"x\"]", half),
            "\"response_ids\" to name each candidate of the prompt once, found \"x\"",
        ),
        (
            line("p", "[\"z\",\"x\"]", half),
            "\"response_ids\" to name all 3 candidates, found no \"y\"",
        ),
        (
            line("r", "[\"x\"]", half),
            "\"probabilities\" to have 1 entries like \"response_ids\", found 2",
        ),
        (
            line("r", "[\"x\",\"z\"]", "\"a\":1"),
            "\"probabilities\" to be a list, found a line without it",
        ),
        (
            line("r", "[\"x\",\"z\"]", "\"probabilities\":[1,null]"),
            "\"probabilities\" to be a list of numbers, found null as entry 2",
        ),
        (
            line("r", "[\"x\",\"z\"]", "\"probabilities\":[0.5,0.75]"),
            "\"probabilities\" of a policy, found the probabilities must sum to 1 within 1e-9, but sum to 1.25",
        ),
        (
            line("r", "[\"x\",\"z\"]", "\"log_probabilities\":[null,null]"),
            "\"log_probabilities\" of a policy, found at least one of the 2 probabilities must be positive",
        ),
    ];
    for (bad, expected) in cases {
        let content = format!("{}\n\n{bad}\n", line("q", "[\"z\",\"y\"]", half));
        let (folder, path) = written("policy.jsonl", &content);
        let error = read_policies(&path, &data).unwrap_err();
        assert_eq!(without_folder(&error, &folder), format!("policy.jsonl:3: expected {expected}"));
    }
    let error = read_policies(Path::new("/no/such"), &data).unwrap_err();
    assert!(matches!(error, DataError::Io { .. }));
}
