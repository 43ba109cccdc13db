//! No input panics: every format with bytes replaced, removed and cut off is read or refused.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use nlhf_core::Eta;
use nlhf_data::{
    Catalog, GameBatch, GameBlock, GameDefaults, GameFile, GameReader, GameScale, ReadOptions,
    read_comparisons, read_game_matrix, read_matrix_npy, read_named_policies, read_policies,
};
use std::path::Path;

/// Reads `content` as file `name` with every byte damaged in several ways, and as it is.
fn damage(name: &str, content: &[u8], read: impl Fn(&Path) -> bool) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let refused = |bytes: &[u8]| {
        // A new file each time: some file systems bring one that is overwritten to the disk at once.
        std::fs::write(&path, bytes).unwrap();
        let refused = !read(&path);
        std::fs::remove_file(&path).unwrap();
        refused
    };
    assert!(!refused(content), "{name} is fine");
    let mut n_refused = 0;
    for at in 0..content.len() {
        for byte in [b'0', b'"', b',', b'}', b'\n', b'9', 0xff, 0] {
            let mut bytes = content.to_vec();
            bytes[at] = byte;
            n_refused += usize::from(refused(&bytes));
        }
        let mut bytes = content.to_vec();
        bytes.remove(at);
        n_refused += usize::from(refused(&bytes)) + usize::from(refused(&content[..at]));
    }
    assert!(n_refused > content.len(), "damage is noticed: {n_refused} of {}", content.len());
}

#[test]
fn comparisons() {
    let explicit = br#"{"prompt_id":"p","response_a_id":"a","response_b_id":"b","label":0.5}"#;
    damage("c.jsonl", explicit, |path| {
        read_comparisons(path, None, ReadOptions::default()).is_ok()
    });
    let pairs = br#"{"prompt":"p","chosen":[{"role":"r","content":"c"}],"rejected":"b"}"#;
    damage("c.jsonl", pairs, |path| read_comparisons(path, None, ReadOptions::default()).is_ok());
    let battles = b"model_a,model_b,winner,weight\nx,y,a,1\ny,\"z\",tie,2\n";
    damage("c.csv", battles, |path| read_comparisons(path, None, ReadOptions::default()).is_ok());
}

#[test]
fn lists_and_policies() {
    let responses = br#"{"response_id":"r","prompt_id":"p"}"#;
    damage("r.jsonl", responses, |path| Catalog::from_responses(path).is_ok());
    let folder = tempfile::tempdir().unwrap();
    let battles = folder.path().join("b.csv");
    std::fs::write(&battles, "model_a,model_b,winner\nx,y,a\n").unwrap();
    let data = read_comparisons(&battles, None, ReadOptions::default()).unwrap();
    let policy = br#"{"prompt_id":"all","response_ids":["y","x"],"log_probabilities":[null,0]}"#;
    damage("p.jsonl", policy, |path| read_policies(path, &data).is_ok());
    damage("p.jsonl", policy, |path| read_named_policies(path).is_ok());
}

#[test]
fn games_and_matrices() {
    let game = br#"{"id":"g","eta":2,"scale":"payoff","payoff":[[1,2]],"prior":[1]}"#;
    damage("g.jsonl", game, |path| {
        GameReader::open(path, GameDefaults::default())
            .is_ok_and(|mut games| games.all(|g| g.is_ok()))
    });
    let eta = Eta::new(1.0).unwrap();
    damage("m.csv", b"name,a,b\na,0.5,0.25\nb,0.75,0.5\n", |path| {
        read_game_matrix(path, eta, GameScale::Probability).is_ok()
    });
    let mut npy = b"\x93NUMPY\x01\x00\x38\x00".to_vec();
    npy.extend(b"{'descr': '<f8', 'fortran_order': True, 'shape': (2, 1)}");
    npy.extend([1.0_f64, 2.0].iter().flat_map(|value| value.to_le_bytes()));
    damage("m.npy", &npy, |path| read_matrix_npy(path).is_ok());
}

/// Whether every game of a file is one.
fn all_games(path: &Path) -> bool {
    let (mut block, mut batch) = (GameBlock::default(), GameBatch::default());
    let Ok(mut file) = GameFile::open(path, GameDefaults::default()) else { return false };
    loop {
        match file.read(&mut block) {
            Ok(true) => (0..block.n_pieces()).for_each(|piece| block.parse(piece, &mut batch)),
            Ok(false) => return batch.bad().is_empty() && !batch.is_empty(),
            Err(_) => return false,
        }
    }
}

#[test]
fn many_games() {
    let game = br#"{"id":"g","eta":2,"scale":"payoff","payoff":[[1,2.5e1]],"prior":[1]}"#;
    damage("g.jsonl", game, all_games);
    damage("g.npz", include_bytes!("golden/games_f32.npz"), all_games);
}
