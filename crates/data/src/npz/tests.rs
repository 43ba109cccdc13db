//! Archives that are fine, and everything that may be wrong with one.

use super::*;
use crate::testing::written;
use crate::zip_writer::ZipWriter;
use crate::{GameBlock, GameFile};
use flate2::{Compression, Crc, write::DeflateEncoder};
use std::io::Write;

/// An array as numpy stores it.
fn array(descr: &str, shape: &str, entries: impl AsRef<[u8]>) -> Vec<u8> {
    [npy::header(descr, shape), entries.as_ref().to_vec()].concat()
}

fn f64s(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn archive(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut zip = ZipWriter::new(&mut bytes);
    for (name, content) in arrays {
        let mut crc = Crc::new();
        crc.update(content);
        let out = zip.start(&format!("{name}.npy"), content.len() as u64, crc.sum()).unwrap();
        out.write_all(content).unwrap();
    }
    zip.finish().unwrap();
    bytes
}

fn defaults() -> GameDefaults {
    GameDefaults { eta: Some(Eta::new(2.0).unwrap()), scale: Some(GameScale::Probability) }
}

fn read(bytes: &[u8], defaults: GameDefaults) -> Result<GameBatch, String> {
    let file = written("g.npz", bytes);
    let folder = format!("{}/", file.path.parent().unwrap().display());
    let shown = |error: DataError| error.to_string().replace(&folder, "");
    let mut games = GameFile::open(&file.path, defaults).map_err(shown)?;
    let (mut block, mut batch) = (GameBlock::default(), GameBatch::default());
    while games.read(&mut block).map_err(shown)? {
        (0..block.n_pieces()).for_each(|piece| block.parse(piece, &mut batch));
    }
    Ok(batch)
}

const SKEW: [f64; 4] = [0.5, 0.25, 0.75, 0.5];

fn payoffs(n_games: usize) -> (&'static str, Vec<u8>) {
    ("payoffs", array("<f8", &format!("({n_games}, 2, 2)"), f64s(&SKEW.repeat(n_games))))
}

#[test]
fn archives_of_numpy_are_read() {
    let compressed = include_bytes!("../../tests/golden/games_f32.npz");
    let batch = read(compressed, GameDefaults::default()).unwrap();
    assert_eq!(batch.payoffs(), [0., 1.5, -1.5, 0., 0., -0.25, 0.25, 0., 0., 3., -3., 0.]);
    assert_eq!(batch.etas(), [1.0, 2.0, 0.5]);
    assert_eq!(batch.symmetric_size(), Some(2));
    let reference = batch.game(2).row_reference;
    assert!(reference.iter().zip([0.25_f64, 0.75]).all(|(log, p)| (log - p.ln()).abs() < 1e-15));
    assert_eq!((batch.game(2).id(), batch.game(2).scale), ("2".into(), GameScale::LogOdds));

    let stored = include_bytes!("../../tests/golden/games_f64.npz");
    let batch = read(stored, GameDefaults::default()).unwrap();
    let expected: Vec<f64> = (0..12).map(|k| f64::from(k) / 8.0 - 0.5).collect();
    assert_eq!((batch.payoffs(), batch.etas()), (&expected[..], &[4.0, 4.0][..]));
    let game = batch.game(1);
    assert_eq!((game.nrows, game.ncols, game.scale), (2, 3, GameScale::Payoff));
    assert_eq!(game.row_reference, [0.5_f64.ln(); 2]);
    assert!((game.column_reference.unwrap()[2] - 0.5_f64.ln()).abs() < 1e-15);
    assert_eq!(batch.notes().len(), 2, "a sum of 2 and a zero");
    assert_eq!(batch.symmetric_size(), None);
}

#[test]
fn more_games_than_a_block() {
    let n = 3 * BLOCK_BYTES / 32 + 17;
    let batch = read(&archive(&[payoffs(n)]), defaults()).unwrap();
    assert_eq!((batch.len(), batch.symmetric_size()), (n, Some(2)));
    assert_eq!(batch.game(n - 1).place, GamePlace::Index(n as u64 - 1));
    assert_eq!(batch.payoffs()[4 * n - 4..], [0.0, -0.25, 0.25, 0.0]);
    assert_eq!(batch.etas(), vec![2.0; n]);
}

#[test]
fn a_bad_game_is_marked_and_the_others_are_kept() {
    let mut entries = SKEW.repeat(5);
    entries[5] = f64::NAN;
    entries[10] = 0.76;
    let priors = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, -0.5, 0.5, 0.5];
    let games = [
        ("payoffs", array("<f8", "(5, 2, 2)", f64s(&entries))),
        ("etas", array("<f4", "(5,)", [1_f32, 1., 1., 1., 0.].map(f32::to_le_bytes).concat())),
        ("priors", array("<f8", "(5, 2)", f64s(&priors))),
    ];
    let batch = read(&archive(&games), defaults()).unwrap();
    assert_eq!(batch.len(), 1);
    let bad: Vec<(u64, &str)> =
        batch.bad().iter().map(|bad| (bad.place.number(), bad.reason.as_str())).collect();
    assert_eq!(
        bad,
        [
            (1, "expected a finite \"payoff\" in row 1, column 2, found NaN"),
            (
                2,
                "expected \"payoff\" in row 1, column 2 and in row 2, column 1 to sum to 1 within \
                 1e-6, found 1.01"
            ),
            (3, "expected \"prior\" to be non-negative and finite, found -0.5 as entry 2"),
            (4, "expected \"eta\" positive and finite, found 0"),
        ]
    );
    assert!(batch.bad().iter().all(|bad| bad.games_before == 1));
    assert_eq!(batch.payoffs(), [0.0, -0.25, 0.25, 0.0], "nothing is left of bad games");
}

#[test]
fn what_is_no_archive_of_games_is_refused() {
    let payoff = |descr, shape, n: usize| ("payoffs", array(descr, shape, vec![0; n]));
    let eta = |shape, n: usize| ("etas", array("<f8", shape, vec![0; n]));
    let fortran = |name, shape: &str| {
        let mut array = array("<f8", shape, f64s(&SKEW));
        let at = array.windows(5).position(|five| five == b"False").unwrap();
        array[at..at + 5].copy_from_slice(b"True ");
        (name, array)
    };
    for (arrays, expected) in [
        (vec![], "g.npz: expected an array \"payoffs\", found no array"),
        (vec![eta("()", 8)], "g.npz: expected an array \"payoffs\", found etas"),
        (
            vec![payoff("<f8", "(2, 2)", 32)],
            "g.npz[payoffs]: expected three dimensions: games, rows, columns, found (2, 2)",
        ),
        (
            vec![payoff("<f8", "(0, 2, 2)", 0)],
            "g.npz[payoffs]: expected at least one game, one row and one column, found (0, 2, 2)",
        ),
        (
            vec![payoff("<c16", "(1, 2, 2)", 64)],
            "g.npz[payoffs]: expected floating-point numbers or integers, found <c16",
        ),
        (
            vec![payoff("<f8", "(1, 2, 2)", 31)],
            "g.npz[payoffs]: expected the entries of an array (1, 2, 2), found 31 bytes of 8 each",
        ),
        (
            vec![payoff("<f8", "(9999999999, 9999999999, 9999999999)", 8)],
            "g.npz[payoffs]: expected the entries of an array (9999999999, 9999999999, 9999999999), \
             found 8 bytes of 8 each",
        ),
        (
            vec![fortran("payoffs", "(1, 2, 2)")],
            "g.npz[payoffs]: expected C order, as numpy.ascontiguousarray gives it, found Fortran order",
        ),
        (
            vec![payoffs(2), eta("(3,)", 24)],
            "g.npz[etas]: expected the shape [] or [2] like the payoffs, found (3,)",
        ),
        (
            vec![payoffs(2), ("priors", array("<f8", "(2, 3)", vec![0; 48]))],
            "g.npz[priors]: expected the shape [2] or [2, 2] like the payoffs, found (2, 3)",
        ),
        (
            vec![payoffs(1), ("prior", array("<f8", "(2,)", vec![0; 16]))],
            "g.npz: expected each of the arrays payoffs, etas, priors, opponent_priors, scale once at \
             most, found \"prior\"",
        ),
        (
            vec![payoffs(1), payoffs(1)],
            "g.npz: expected each of the arrays payoffs, etas, priors, opponent_priors, scale once at \
             most, found \"payoffs\"",
        ),
        (
            vec![payoffs(1), ("scale", array("|S4", "()", "odds"))],
            "g.npz[scale]: expected \"probability\", \"log-odds\" or \"payoff\", found \"odds\"",
        ),
        (
            vec![payoffs(1), ("etas", b"no array".to_vec())],
            "g.npz[etas]: expected a .npy file, found other first bytes",
        ),
    ] {
        assert_eq!(read(&archive(&arrays), defaults()).unwrap_err(), expected);
    }
    let error = read(&archive(&[payoffs(1)]), GameDefaults::default()).unwrap_err();
    let expected =
        "g.npz: expected an array \"etas\", or one eta given for all games, found payoffs";
    assert_eq!(error, expected);
    let scale = vec![payoffs(1), ("scale", array("<f8", "()", vec![0; 8]))];
    let error = read(&archive(&scale), defaults()).unwrap_err();
    assert!(
        error.starts_with("g.npz[scale]: expected one text, as numpy.array(\"text\")"),
        "{error}"
    );
}

#[test]
fn damaged_archives_are_refused() {
    let good = archive(&[payoffs(3)]);
    let no_directory = "g.npz: expected an .npz archive with its directory, found ";
    for (bytes, expected) in [
        (vec![], "a file without one, perhaps cut off"),
        (good[..good.len() / 2].to_vec(), "a file without one, perhaps cut off"),
        (good[..good.len() - 1].to_vec(), "a file without one, perhaps cut off"),
    ] {
        assert_eq!(read(&bytes, defaults()).unwrap_err(), format!("{no_directory}{expected}"));
    }
    // One flipped bit among the payoffs gives other numbers, but another checksum too.
    let at = good.windows(32).position(|window| window == f64s(&SKEW)).unwrap();
    let mut flipped = good.clone();
    flipped[at + 6] ^= 1;
    let wrong = "g.npz[payoffs]: expected an array in full, found an entry with a wrong checksum";
    assert_eq!(read(&flipped, defaults()).unwrap_err(), wrong);
}

#[test]
fn a_deflated_entry_that_ends_early_is_refused() {
    let (name, content) = payoffs(100);
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&content[..content.len() - 8]).unwrap();
    let packed = encoder.finish().unwrap();
    // Written as stored, then said to be deflated and larger, in the directory's own fields.
    let mut bytes = archive(&[(name, packed.clone())]);
    let entry = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    bytes[entry + 10] = 8;
    let size_at = entry + 46 + "payoffs.npy".len() + 4;
    bytes[size_at..size_at + 8].copy_from_slice(&(content.len() as u64).to_le_bytes());
    let error = read(&bytes, defaults()).unwrap_err();
    let expected = "g.npz[payoffs]: expected an array in full, found an entry that ends early";
    assert_eq!(error, expected);
}
