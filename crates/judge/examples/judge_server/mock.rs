//! A model that is none: it prefers the longer response, with noise by hash, and never changes its mind.
//!
//! ```text
//! log odds of A = 4·(|a| − |b|) / (|a| + |b|) + noise(a, b),   noise(a, b) = −noise(b, a) in (−1, 1)
//! ```
//! It finds the responses between the marks of the built-in template, and without those takes the halves of the message.

use serde_json::{Value, json};

/// A completion for the body of a request: a verdict, its probabilities if they are asked for, and what it took.
pub(crate) fn completion(body: &Value) -> Value {
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let message = messages.last().and_then(|last| last["content"].as_str()).unwrap_or_default();
    let (first, second) = responses(message);
    let p = probability(first, second);
    let verdict = if first == second {
        "TIE"
    } else if p > 0.5 {
        "A"
    } else {
        "B"
    };
    let mut choice = json!({
        "index": 0,
        "message": {"role": "assistant", "content": verdict},
        "finish_reason": "stop",
    });
    if body["logprobs"] == true {
        let token = |text: &str, p: f64| json!({"token": text, "logprob": p.ln()});
        let mut place = token(verdict, if verdict == "B" { 1.0 - p } else { p });
        place["top_logprobs"] = json!([token("A", p), token("B", 1.0 - p)]);
        choice["logprobs"] = json!({"content": [place]});
    }
    json!({
        "object": "chat.completion",
        "model": body["model"],
        "choices": [choice],
        "usage": {"prompt_tokens": message.len().div_ceil(4), "completion_tokens": 1},
    })
}

/// The probability that the first response is preferred.
pub(crate) fn probability(first: &str, second: &str) -> f64 {
    let (n_first, n_second) = (first.len() as f64, second.len() as f64);
    let difference = (n_first - n_second) / (n_first + n_second).max(1.0);
    let noise = unit(first, second) - unit(second, first);
    1.0 / (1.0 + (-4.0 * difference - noise).exp())
}

fn responses(message: &str) -> (&str, &str) {
    let between = |name: &str| {
        let (_, after) = message.split_once(&format!("[Response {name}]\n"))?;
        Some(after.split_once(&format!("\n[End of response {name}]"))?.0)
    };
    if let (Some(first), Some(second)) = (between("A"), between("B")) {
        return (first, second);
    }
    let middle = (0..=message.len() / 2).rev().find(|&at| message.is_char_boundary(at));
    message.split_at(middle.unwrap_or(0))
}

/// A number in [0, 1) by the hash of two texts (FNV-1a, 64 bits).
fn unit(first: &str, second: &str) -> f64 {
    let bytes = first.bytes().chain([0]).chain(second.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The upper bits are mixed best.
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}
