//! `nlhf compare` as a user runs it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Room, assert_refused, nlhf, nlhf_with_input, read_json_lines, stderr, stdout};

const RPS: &str = concat!(
    "{\"id\": \"rps, unequal\", \"eta\": 10, \"scale\": \"probability\", ",
    "\"payoff\": [[0.5, 0.2, 0.95], [0.8, 0.5, 0.2], [0.05, 0.8, 0.5]]}\n",
);
const PAYOFF: &str =
    "{\"eta\": 2, \"scale\": \"payoff\", \"payoff\": [[0.1, 0, 0.2], [0, 0.3, -0.1]]}\n";

/// The cells of the line of a method: letter, name, target, three counts, two gaps, time, status.
fn line(table: &str, method: &str) -> Vec<String> {
    let line = table.lines().find(|line| line.split_whitespace().nth(1) == Some(method));
    let line = line.unwrap_or_else(|| panic!("{method} in {table}"));
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn every_method_has_a_line_and_the_anchored_ones_agree_with_newton() {
    let output = nlhf_with_input(&["compare", "-"], RPS);
    assert!(output.status.success(), "{}", stderr(&output));
    let table = stdout(&output);
    assert_eq!(table.lines().count(), 1 + 2 + 19, "{table}");
    for method in ["automatic", "newton", "mmd", "inpo", "egpo", "nash-mp", "regularized-omwu"] {
        let cells = line(&table, method);
        assert_eq!((cells[2].as_str(), cells[9].as_str()), ("regularized", "converged"), "{table}");
        assert!(cells[6].parse::<f64>().unwrap() <= 1e-10);
    }
    // What is proven: extragradient needs the square root of what plain steps need.
    let to_1e8 = |method| line(&table, method)[5].parse::<f64>().unwrap();
    assert!(2.0 * to_1e8("egpo") < to_1e8("mmd"));
    assert_eq!(line(&table, "egpo")[3..6], line(&table, "nash-mp")[3..6]);
    // Another target: solved in its own game, not in this one.
    let comal = line(&table, "comal");
    assert_eq!(comal[9..], ["at", "its", "target"]);
    assert!(comal[7].parse::<f64>().unwrap() <= 1e-10);
    assert!(comal[6].parse::<f64>().unwrap() > 1e-4);
    // A bias stays, and best responses cycle.
    for method in ["nash-md-constant", "ipo-md", "best-response"] {
        let cells = line(&table, method);
        assert_eq!((cells[5].as_str(), cells[9].as_str()), ("-", "iteration-limit"), "{table}");
    }
    assert!(stderr(&output).contains("1 game, up to 10,000 products"), "{}", stderr(&output));
}

#[test]
fn measurements_are_written_and_drawn() {
    let room = Room::new();
    let games = room.file("games.jsonl", &format!("{RPS}{PAYOFF}"));
    let (jsonl, csv) = (room.path("gaps.jsonl"), room.path("gaps.csv"));
    let svg = room.path("gaps.svg");
    let run = |threads: &str, output: &str| {
        let fixed = ["compare", &games, "--products", "300", "--threads", threads];
        let files = ["--output", output, "--plot", svg.to_str().unwrap(), "--quiet"];
        let done =
            nlhf(&[&fixed[..], &files, &["--methods", "egpo,online-ipo,newton,spo"]].concat());
        assert!(done.status.success(), "{}", stderr(&done));
        assert!(done.stderr.is_empty());
        stdout(&done)
    };
    let table = run("1", jsonl.to_str().unwrap());
    assert_eq!(table.lines().count(), 5, "{table}");
    let lines = read_json_lines(&jsonl);
    let names: Vec<&str> = lines.iter().map(|line| line["method"].as_str().unwrap()).collect();
    let each = ["newton", "egpo", "online-ipo", "spo"];
    assert_eq!(names, [each, each].concat());
    // Online IPO compares the responses of one policy: it has no second player.
    assert!(lines[6]["status"].is_null() && lines[6]["trace"].as_array().unwrap().is_empty());
    for line in lines.iter().filter(|line| line["status"].is_string()) {
        let last = line["trace"].as_array().unwrap().last().unwrap();
        assert_eq!(last["products"], line["products"]);
        let gap = if line["target"] == "regularized" { "duality_gap" } else { "exploitability" };
        let (found, want) = (last["gap"].as_f64().unwrap(), line[gap].as_f64().unwrap());
        assert!((found - want).abs() <= 1e-14 * want, "{line}");
        assert!(line["products"].as_u64().unwrap() <= 303);
    }
    let drawn = std::fs::read_to_string(&svg).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.trim_end().ends_with("</svg>"));
    for text in ["median of 2 games", "egpo", "online-ipo", "newton", "products with the payoffs"] {
        assert!(drawn.contains(text), "{text}");
    }

    run("2", csv.to_str().unwrap());
    let rows = std::fs::read_to_string(&csv).unwrap();
    assert!(rows.starts_with("game,eta,method,target,products,gap\n\"rps, unequal\",10,newton,"));
    let n_points: usize = lines.iter().map(|line| line["trace"].as_array().unwrap().len()).sum();
    assert_eq!(rows.lines().count(), 1 + n_points);
    let again = room.path("again.jsonl");
    run("2", again.to_str().unwrap());
    assert_eq!(std::fs::read(again).unwrap(), std::fs::read(&jsonl).unwrap());
    assert_eq!(std::fs::read_to_string(&svg).unwrap(), drawn);
}

#[test]
fn a_matrix_file_is_compared_too() {
    let room = Room::new();
    let csv = room.file("winrates.csv", "name,x,y\r\nx,0.5,0.9\r\ny,0.1,0.5\r\n");
    let fixed = ["compare", &csv, "--methods", "automatic,mmd", "--eta", "5"];
    let output = nlhf(&[&fixed[..], &["--scale", "probability"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    // Two actions have a closed form, which needs no product.
    assert_eq!(line(&stdout(&output), "automatic")[3..6], ["0", "0", "0"]);
    assert_refused(&nlhf(&fixed), "--scale");
}

#[test]
fn bad_input_is_refused_and_leaves_nothing() {
    let room = Room::new();
    let games = room.file("games.jsonl", RPS);
    let bad = room.file("bad.jsonl", &format!("{RPS}{{\"eta\": 1, \"scale\": \"odds\"}}\n"));
    let svg = room.path("gaps.svg");
    let svg = svg.to_str().unwrap();
    for (arguments, expected) in [
        (vec![bad.as_str(), "--plot", svg], "bad.jsonl:2: expected \"scale\" to be"),
        (vec![&games, "--output", "gaps.txt"], "gaps.txt: expected a name that ends in .jsonl or"),
        (vec![&games, "--plot", "gaps.png"], "gaps.png: expected a name that ends in .svg"),
        (vec![&games, "--output", &games], "output of its own"),
        (vec!["/no/such/games.jsonl"], "/no/such/games.jsonl"),
        (vec![&games, "--methods", "egpo,dpo"], "invalid value 'dpo'"),
        (vec![&games, "--products", "0"], "above zero, but are \"0\""),
        (vec![&games, "--tolerance", "-1"], "non-negative"),
    ] {
        let refused = nlhf(&[&["compare"][..], &arguments].concat());
        assert_refused(&refused, expected);
        let mut names = room.names();
        names.sort();
        assert_eq!(names, ["bad.jsonl", "games.jsonl"], "nothing half-written");
    }
    assert_refused(&nlhf_with_input(&["compare", "-"], ""), "empty");
}
