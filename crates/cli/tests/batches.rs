//! Many games at once: bad ones among them, several sizes, arrays in and out.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Room, assert_refused, json_lines, nlhf, read_json_lines, stderr, stdout};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Log-odds of a game that is not transitive, of any size.
fn log_odds(n: usize, k: usize) -> Vec<Vec<f64>> {
    let above = |i: usize, j: usize| ((i * 7 + j * 3 + k) as f64).sin();
    let entry = |i: usize, j: usize| match i.cmp(&j) {
        std::cmp::Ordering::Less => above(i, j),
        std::cmp::Ordering::Equal => 0.0,
        std::cmp::Ordering::Greater => -above(j, i),
    };
    (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect()
}

fn game(n: usize, k: usize) -> String {
    let payoff = log_odds(n, k);
    format!("{{\"id\": \"g{k}\", \"eta\": 3, \"scale\": \"log-odds\", \"payoff\": {payoff:?}}}\n")
}

#[test]
fn a_bad_game_is_marked_with_its_line_and_the_others_are_solved() {
    let room = Room::new();
    let mut content = String::new();
    for k in 1..=40 {
        match k {
            7 => content.push_str("nonsense\n"),
            8 => content.push('\n'),
            20 => content.push_str(
                "{\"id\": \"named\", \"eta\": 1, \"scale\": \"payoff\", \"payoff\": [[1, null]]}\n",
            ),
            33 => content.push_str(
                "{\"id\": 5, \"eta\": -1, \"scale\": \"payoff\", \"payoff\": [[1, 2]]}\n",
            ),
            35 | 40 => content.push_str("{}\n"),
            _ => content.push_str(&game(2 + k % 5, k)),
        }
    }
    let file = room.file("games.jsonl", &content);
    let output = nlhf(&["solve", &file]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let lines = json_lines(&stdout(&output));
    assert_eq!(lines.len(), 39);
    let marked: Vec<&Value> = lines.iter().filter(|line| line["status"] == "invalid").collect();
    let named: Vec<(&str, u64)> = marked
        .iter()
        .map(|line| (line["id"].as_str().unwrap(), line["line"].as_u64().unwrap()))
        .collect();
    assert_eq!(named, [("7", 7), ("named", 20), ("5", 33), ("35", 35), ("40", 40)]);
    assert_eq!(marked[0]["reason"], "expected one JSON object, found \"nonsense\"");
    assert_eq!(
        marked[1]["reason"],
        "expected \"payoff\" to be a list of rows of numbers, found null in row 1, column 2"
    );
    assert!(marked.iter().all(|line| line.get("policy").is_none()));
    // Everything else is there, in order, and as if it stood alone.
    assert_eq!((lines[6]["line"].as_u64(), lines[7]["id"].as_str()), (Some(7), Some("g9")));
    let alone = room.file("alone.jsonl", &game(2 + 9 % 5, 9));
    assert_eq!(json_lines(&stdout(&nlhf(&["solve", &alone])))[0], lines[7]);
    let said = stderr(&output);
    for expected in [
        "games.jsonl:7: expected one JSON object",
        "games.jsonl:20: ",
        "games.jsonl:33: expected \"eta\" positive and finite, found -1",
        "2 more that are no game",
        "5 games could not be read and are marked as invalid",
        "34 games, 34 with a duality gap of at most 1e-10",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    assert!(!said.contains("games.jsonl:35"), "only the first ones: {said}");
    assert_refused(&nlhf(&["solve", &file, "--strict"]), "games.jsonl:7: expected one JSON object");
}

#[test]
fn blocks_and_threads_change_nothing() {
    let room = Room::new();
    // More than one block of 8 MiB, with a bad game now and then.
    let mut content = String::new();
    for k in 0..9_000 {
        if k % 1_801 == 77 {
            content.push_str("[1]\n");
        }
        write!(content, "{{\"eta\":1,\"scale\":\"payoff\",\"payoff\":[[{},0],[0,{k}]], ", k % 10)
            .unwrap();
        writeln!(content, "\"prior\": [0.5, 0.5]{}}}", " ".repeat(900)).unwrap();
    }
    assert!(content.len() > 1 << 23, "{}", content.len());
    let file = room.file("games.jsonl", &content);
    let solved = |threads: &str, name: &str| {
        let path = room.path(name);
        let output = nlhf(&["solve", &file, "--threads", threads, "-o", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains(" games a second; "), "{}", stderr(&output));
        std::fs::read_to_string(path).unwrap()
    };
    let one = solved("1", "one.jsonl");
    assert!(one == solved("3", "three.jsonl"));
    let lines = json_lines(&one);
    assert_eq!(lines.len(), 9_005);
    for (at, line) in lines.iter().enumerate() {
        assert_eq!(line["id"], (at + 1).to_string());
        assert_eq!(line["status"] == "invalid", at % 1_802 == 77, "{at}");
    }
}

#[test]
fn arrays_give_what_lines_give() {
    let room = Room::new();
    let (n, n_games) = (5, 30);
    let lines: String = (0..n_games).map(|k| game(n, k)).collect();
    let lines = room.file("games.jsonl", &lines);
    let entries: Vec<f64> = (0..n_games).flat_map(|k| log_odds(n, k).concat()).collect();
    let arrays = room.path("games.npz");
    write_npz(&arrays, &[("payoffs", &[n_games, n, n], &entries), ("etas", &[], &[3.0])]);
    let arrays = arrays.to_str().unwrap();
    let output = nlhf(&["solve", arrays, "--scale", "log-odds"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let from_arrays = json_lines(&stdout(&output));
    let from_lines = json_lines(&stdout(&nlhf(&["solve", &lines])));
    assert_eq!(from_arrays.len(), n_games);
    for (k, (array, line)) in from_arrays.iter().zip(&from_lines).enumerate() {
        assert_eq!(array["id"], k.to_string());
        for field in ["status", "policy", "log_policy", "value", "duality_gap", "iterations"] {
            assert_eq!(array[field], line[field], "{field} of game {k}");
        }
    }

    // The same as arrays again: policies bit for bit, one after the other.
    let solved = room.path("solved.npz");
    let output = nlhf(&["solve", &lines, "--output", solved.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let logs: Vec<u8> = from_lines
        .iter()
        .flat_map(|line| line["log_policy"].as_array().unwrap().clone())
        .flat_map(|log| log.as_f64().unwrap().to_le_bytes())
        .collect();
    let bytes = std::fs::read(&solved).unwrap();
    assert!(bytes.windows(logs.len()).any(|window| window == logs));
    for name in ["log_policies", "values", "duality_gaps", "iterations", "statuses", "status_names"]
    {
        let name = format!("{name}.npy");
        assert!(bytes.windows(name.len()).any(|window| window == name.as_bytes()), "{name}");
    }
    let shape = format!("'shape': ({n_games}, {n})");
    assert!(bytes.windows(shape.len()).any(|window| window == shape.as_bytes()));
}

#[test]
fn bad_games_of_an_archive_are_marked_by_their_index() {
    let room = Room::new();
    let mut entries = [0.5, 0.75, 0.25, 0.5].repeat(4);
    entries[9] = f64::NAN;
    let arrays = room.path("games.npz");
    write_npz(&arrays, &[("payoffs", &[4, 2, 2], &entries)]);
    let arrays = arrays.to_str().unwrap();
    let solve = ["solve", arrays, "--scale", "probability", "--eta", "2"];
    let output = nlhf(&solve);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let lines = json_lines(&stdout(&output));
    let statuses: Vec<&str> = lines.iter().map(|line| line["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["converged", "converged", "invalid", "converged"]);
    assert_eq!((lines[2]["id"].as_str(), lines[2]["index"].as_u64()), (Some("2"), Some(2)));
    let reason = "expected a finite \"payoff\" in row 1, column 2, found NaN";
    assert_eq!(lines[2]["reason"], reason);
    let named = format!("games.npz, game 2: {reason}");
    assert!(stderr(&output).contains(&named), "{}", stderr(&output));
    let target = room.path("solved.npz");
    let strict = ["--strict", "--output", target.to_str().unwrap()];
    assert_refused(&nlhf(&[&solve[..], &strict].concat()), &named);
    assert_eq!(room.names(), ["games.npz"], "nothing half-written");
    assert_refused(&nlhf(&solve[..4]), "an array \"etas\", or one eta given for all games");
    // Marked in arrays, too.
    let output = nlhf(&[&solve[..], &strict[1..]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let bytes = std::fs::read(&target).unwrap();
    assert!(bytes.windows(reason.len()).any(|window| window == reason.as_bytes()));
}

#[test]
fn arrays_hold_games_of_one_size_only() {
    let room = Room::new();
    let file = room.file("games.jsonl", &format!("{}{}", game(3, 1), game(4, 2)));
    let target = room.path("solved.npz");
    let refused = nlhf(&["solve", &file, "--output", target.to_str().unwrap()]);
    assert_refused(
        &refused,
        "solved.npz: expected games of one size for an .npz archive, 3 x 3 like the first, found 4 x 4 \
         of game g2",
    );
    assert_eq!(room.names(), ["games.jsonl"], "nothing half-written");
    // Lines take any mixture.
    let target = room.path("solved.jsonl");
    let output = nlhf(&["solve", &file, "--output", target.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    let sizes: Vec<usize> = read_json_lines(&target)
        .iter()
        .map(|line| line["policy"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [3, 4]);
}

/// An archive of stored arrays of f64, of the parts that `numpy.savez` writes.
fn write_npz(path: &Path, arrays: &[(&str, &[usize], &[f64])]) {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, shape, entries) in arrays {
        let shape = format!("{shape:?}").replace('[', "(").replace(']', ")");
        let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut content = b"\x93NUMPY\x01\x00".to_vec();
        content.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        content.extend(header.as_bytes());
        content.extend(entries.iter().flat_map(|entry| entry.to_le_bytes()));
        let name = format!("{name}.npy");
        let start = u32::try_from(bytes.len()).unwrap();
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 33, 0];
        common.extend(crc32(&content).to_le_bytes());
        common.extend(u32::try_from(content.len()).unwrap().to_le_bytes().repeat(2));
        common.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        common.extend([0, 0]);
        bytes.extend([b"PK\x03\x04", &common[..], name.as_bytes(), &content].concat());
        directory.extend([b"PK\x01\x02", &[20, 0][..], &common, &[0; 10]].concat());
        directory.extend(start.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = u32::try_from(bytes.len()).unwrap();
    let count = u8::try_from(arrays.len()).unwrap();
    bytes.extend(&directory);
    bytes.extend([b"PK\x05\x06", &[0, 0, 0, 0, count, 0, count, 0][..]].concat());
    bytes.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    std::fs::write(path, bytes).unwrap();
}

/// The checksum of zip, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
