//! Reading games: `read_games/format/n`, from a file to flat vectors, one thread.
//!
//! The limit of arrays is memory (8n² bytes a game); of lines, some 20 bytes of text a number.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nlhf::core::{SeedTree, Stream};
use nlhf::data::{GameBatch, GameBlock, GameDefaults, GameFile};
use nlhf_testkit::cyclic_skew;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;

/// Log-odds with all their digits, as JSON.
fn lines(n: usize, n_games: u32) -> String {
    let mut text = String::new();
    for unit in 0..n_games {
        let game = cyclic_skew(n, &mut SeedTree::new(0).rng(Stream::Instance, unit));
        let rows: Vec<&[f64]> = game.entries().chunks_exact(n).collect();
        writeln!(text, "{{\"eta\": 10, \"scale\": \"log-odds\", \"payoff\": {rows:?}}}")
            .expect("text takes every line");
    }
    text
}

fn read(path: &Path, batch: &mut GameBatch) -> usize {
    let mut file = GameFile::open(path, GameDefaults::default()).expect("a file of games");
    let (mut block, mut n_games) = (GameBlock::default(), 0);
    while file.read(&mut block).expect("a readable file") {
        for piece in 0..block.n_pieces() {
            batch.clear();
            block.parse(piece, batch);
            n_games += black_box(&*batch).len();
        }
    }
    n_games
}

fn read_games(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read_games");
    let path = std::env::temp_dir().join(format!("nlhf-bench-{}.jsonl", std::process::id()));
    for (n, n_games) in [(2, 20_000), (8, 20_000), (64, 400)] {
        std::fs::write(&path, lines(n, n_games)).expect("a writable folder");
        let mut batch = GameBatch::default();
        assert_eq!(read(&path, &mut batch), n_games as usize);
        group.throughput(Throughput::Elements(n_games.into())).sample_size(20);
        group.bench_function(BenchmarkId::new("jsonl", n), |bencher| {
            bencher.iter(|| read(&path, &mut batch));
        });
    }
    // It is only a temporary file.
    let _ = std::fs::remove_file(&path);
    group.finish();
}

criterion_group!(benches, read_games);
criterion_main!(benches);
