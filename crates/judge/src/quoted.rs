//! Text in messages: in quotes, its control characters escaped, shortened.

/// How many characters of a piece of text are quoted in an error.
const QUOTED_CHARS: usize = 80;

/// The text in quotes, shortened to what fits into a message.
pub(crate) fn quoted(text: &str) -> String {
    let start = beginning(text, QUOTED_CHARS);
    if start.len() < text.len() { format!("{start:?}...") } else { format!("{text:?}") }
}

/// At most the first `n_chars` characters.
pub(crate) fn beginning(text: &str, n_chars: usize) -> &str {
    match text.char_indices().nth(n_chars) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(quoted("a\"b\n"), r#""a\"b\n""#);
        assert_eq!(quoted(&"ü".repeat(100)).chars().count(), QUOTED_CHARS + 5);
        assert_eq!(quoted(&"ü".repeat(QUOTED_CHARS)).chars().count(), QUOTED_CHARS + 2);
    }
}
