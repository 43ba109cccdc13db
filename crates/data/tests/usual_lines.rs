//! The pass over the bytes of a usual line and the parser of all of JSON read the same, bit for bit.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use nlhf_core::{Eta, ZeroSumGame};
use nlhf_data::{
    GameBatch, GameBlock, GameDefaults, GameFile, GameRecord, GameScale, LineReader, parse_game,
};
use proptest::prelude::*;
use std::path::Path;

fn batch(path: &Path, defaults: GameDefaults) -> GameBatch {
    let mut file = GameFile::open(path, defaults).unwrap();
    let (mut block, mut batch) = (GameBlock::default(), GameBatch::default());
    while file.read(&mut block).unwrap() {
        (0..block.n_pieces()).for_each(|piece| block.parse(piece, &mut batch));
    }
    batch
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Reads the lines both ways, compares all of it, and says how many of them are games.
fn compare(lines: &[String]) -> usize {
    let defaults =
        GameDefaults { eta: Some(Eta::new(3.0).unwrap()), scale: Some(GameScale::LogOdds) };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g.jsonl");
    std::fs::write(&path, lines.join("\n")).unwrap();
    let batch = batch(&path, defaults);
    let (mut good, mut bad) = (0, 0);
    let mut reader = LineReader::open(&path).unwrap();
    while let Some(line) = reader.next_line().unwrap() {
        match parse_game(line.text, &path, line.number, &defaults) {
            Ok(record) => {
                same_game(&batch, good, &record, line.number);
                good += 1;
            }
            Err(error) => {
                let found = &batch.bad()[bad];
                assert_eq!((found.place.number(), found.games_before), (line.number, good));
                assert!(error.to_string().ends_with(&found.reason), "{error} / {}", found.reason);
                bad += 1;
            }
        }
    }
    assert_eq!((batch.len(), batch.bad().len()), (good, bad));
    good
}

fn same_game(batch: &GameBatch, at: usize, record: &GameRecord, line: u64) {
    let game = batch.game(at);
    assert_eq!((game.id().as_ref(), game.place.number()), (record.id.as_str(), line));
    assert_eq!((game.scale, game.eta.get().to_bits()), (record.scale, record.eta.get().to_bits()));
    assert_eq!((game.nrows, game.ncols), (record.payoff.nrows(), record.payoff.ncols()));
    assert_eq!(bits(game.payoffs), bits(record.payoff.entries()));
    assert_eq!(game.skew, record.payoff.is_skew());
    let (row, column) = (&record.reference.row, &record.reference.column);
    assert_eq!(bits(game.row_reference), bits(row.log_probabilities()));
    match game.column_reference {
        Some(own) => assert_eq!(bits(own), bits(column.log_probabilities())),
        // With one action one logarithm may be 0 and the other -0.
        None => assert_eq!(row, column),
    }
    assert_eq!(game.column_reference.is_none(), row == column);
    let notes = batch.notes().iter().filter(|(game, _)| *game == at).map(|(_, note)| *note);
    assert_eq!(notes.collect::<Vec<_>>(), record.notes);
}

/// A number as one of many programs writes it.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (0.0..1.0_f64).prop_map(|x| format!("{x}")),
        2 => (-30.0..30.0_f64).prop_map(|x| format!("{x:e}")),
        1 => (-30.0..30.0_f64, 0_usize..25).prop_map(|(x, digits)| format!("{x:.digits$}")),
        1 => any::<i32>().prop_map(|x| x.to_string()),
        1 => prop::sample::select(vec![
            "0", "-0", "-0.0", "1E+2", "1e-400", "0.1e1", "123456789012345678901234567890", "5e-324",
            "0.30000000000000000000000004",
        ])
        .prop_map(str::to_owned),
    ]
}

fn space() -> impl Strategy<Value = String> {
    prop_oneof![6 => Just(""), 3 => Just(" "), 1 => Just(" \t "), 1 => Just("\r")]
        .prop_map(str::to_owned)
}

fn list(items: &[String], space: &str) -> String {
    format!("[{space}{}{space}]", items.join(&format!(",{space}")))
}

/// A skew or any other matrix, written with odd spaces.
fn payoff() -> impl Strategy<Value = String> {
    let entries = prop::collection::vec(number(), 36);
    (1_usize..6, 1_usize..6, entries, space(), 0..4).prop_map(|(n, m, numbers, space, kind)| {
        let skew = kind > 0;
        let m = if skew { n } else { m };
        let entry = |i: usize, j: usize| match i.cmp(&j) {
            _ if !skew => numbers[6 * i + j].clone(),
            std::cmp::Ordering::Less => numbers[6 * i + j].clone(),
            std::cmp::Ordering::Equal => "0".to_owned(),
            std::cmp::Ordering::Greater => {
                let above = &numbers[6 * j + i];
                above.strip_prefix('-').map_or_else(|| format!("-{above}"), str::to_owned)
            }
        };
        let rows: Vec<String> = (0..n)
            .map(|i| list(&(0..m).map(|j| entry(i, j)).collect::<Vec<_>>(), &space))
            .collect();
        list(&rows, &space)
    })
}

/// Fields that are usual, unusual or wrong.
fn field() -> impl Strategy<Value = String> {
    let prior = || prop::collection::vec(number(), 1..6).prop_map(|items| list(&items, " "));
    prop_oneof![
        3 => prop::sample::select(vec![
            "\"id\": \"plain\"", "\"id\": \"\"", "\"id\": \"ü\"", "\"id\": \"a\\\"b\\u00fc\"", "\"id\": 17",
            "\"id\": 007", "\"id\": -3", "\"id\": null", "\"id\": 1.5", "\"id\": 99999999999999999999",
            "\"\\u0069d\": \"escaped\"", "\"id\": [1]",
        ]).prop_map(str::to_owned),
        3 => number().prop_map(|eta| format!("\"eta\" : {eta}")),
        3 => prop::sample::select(vec![
            "\"scale\": \"payoff\"", "\"scale\": \"log-odds\"", "\"scale\":\"probability\"",
            "\"scale\": \"odds\"", "\"scale\": null", "\"scale\": \"pay\\u006fff\"",
        ]).prop_map(str::to_owned),
        2 => prior().prop_map(|prior| format!("\"prior\": {prior}")),
        2 => prior().prop_map(|prior| format!("\"opponent_prior\": {prior}")),
        1 => Just("\"prior\": [0.5, 0.5]".to_owned()),
        1 => Just("\"prior\": null".to_owned()),
        1 => Just("\"unknown\": 1".to_owned()),
        1 => Just("\"payoff\": [[1, 2], [3]]".to_owned()),
        1 => Just("\"payoff\": [[1, true]]".to_owned()),
    ]
}

fn line() -> impl Strategy<Value = String> {
    let fields = prop::collection::vec(field(), 0..4);
    (payoff(), fields, any::<prop::sample::Index>(), space(), 0..20).prop_map(
        |(payoff, mut fields, at, space, damage)| {
            fields.insert(at.index(fields.len() + 1), format!("\"payoff\":{space}{payoff}"));
            let line =
                format!("{space}{{{space}{}{space}}}{space}", fields.join(&format!("{space},")));
            match damage {
                0 => line.replacen(',', "", 1),
                1 => line.replacen(']', "", 1),
                2 => format!("{line}}}"),
                _ => line,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_lines(lines in prop::collection::vec(line(), 20)) {
        compare(&lines);
    }
}

#[test]
fn usual_lines_are_games() {
    let lines = [
        r#"{"id": "g", "eta": 10.0, "scale": "probability", "payoff": [[0.5, 0.3], [0.7, 0.5]]}"#,
        r#"{"payoff":[[0,1.5],[-1.5,0]],"prior":[0.25,0.75]}"#,
        r#"{"payoff":[[0,1.5e0],[-15E-1,0]],"prior":[1,3],"opponent_prior":[0.25,0.75]}"#,
        "{\t\"scale\":\"payoff\" , \"payoff\": [ [ 1, 2 ,3 ] ], \"opponent_prior\": [1,0, 1]\t}\r",
        r#"{"id": 17, "scale": "payoff", "payoff": [[0, 1], [-1, 0]]}"#,
        r#"{"id": "\u0061", "payoff": [[0]], "prior": null}"#,
    ];
    assert_eq!(compare(&lines.map(str::to_owned)), lines.len());
}
