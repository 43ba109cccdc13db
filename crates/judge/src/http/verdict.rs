//! What a model said, read as a verdict: A, B or TIE, in the usual wordings, and nothing that would have to be guessed.
//!
//! ```text
//! marked      [[A]]                                  anywhere
//! announced   Answer: B   The winner is **A**.       a line of its own
//! bare        a.   **B**   Response A   TIE          the first or the last line
//! ```
//! The first of these kinds that occurs decides, and all that occurs of it must agree. What a model thought aloud between
//! `<think>` and `</think>` does not count.

use nlhf_core::Label;

/// A verdict in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    First,
    Second,
    Tie,
}

impl Spoken {
    fn from_word(word: &str) -> Option<Self> {
        [Self::First, Self::Second, Self::Tie]
            .into_iter()
            .find(|spoken| spoken.word().eq_ignore_ascii_case(word))
    }

    /// In capitals.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::First => "A",
            Self::Second => "B",
            Self::Tie => "TIE",
        }
    }

    pub(super) fn label(self) -> Label {
        match self {
            Self::First => Label::WIN,
            Self::Second => Label::LOSS,
            Self::Tie => Label::TIE,
        }
    }
}

/// A verdict and the byte at which its word begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) spoken: Spoken,
    pub(super) offset: usize,
}

/// Words that announce a verdict.
const ANNOUNCING: &[&str] = &[
    "answer",
    "best",
    "better",
    "boxed",
    "choice",
    "choose",
    "chosen",
    "conclusion",
    "decision",
    "judgement",
    "judgment",
    "pick",
    "prefer",
    "preference",
    "preferred",
    "select",
    "verdict",
    "winner",
    "wins",
];

/// Words that may stand beside a verdict and change nothing.
const NEUTRAL: &[&str] = &[
    "assistant",
    "candidate",
    "correct",
    "final",
    "hence",
    "i",
    "is",
    "it",
    "my",
    "option",
    "output",
    "overall",
    "response",
    "s",
    "so",
    "the",
    "therefore",
    "thus",
];

/// Characters that may stand around words. Others, such as "?", "/" or "≠", can change what is said.
const DECORATION: &str = "*_`\"'“”‘’()[]{}<>#|:;,.-–—\\$";

/// Reads a verdict, if there is one.
pub(super) fn read(text: &str) -> Option<Found> {
    let start = match text.rfind("</think>") {
        Some(at) => at + "</think>".len(),
        // The thoughts were cut off before the verdict.
        None if text.contains("<think>") => return None,
        None => 0,
    };
    let marked = marked(text, start);
    if !marked.is_empty() {
        return agreed(&marked);
    }
    let mut lines = Vec::new();
    let mut offset = start;
    for line in text[start..].split_inclusive('\n') {
        if !line.trim().is_empty() {
            lines.push(read_line(line, offset));
        }
        offset += line.len();
    }
    let of_kind = |is_announced| -> Vec<Found> {
        let found = lines.iter().flatten().filter(|(_, announced)| *announced == is_announced);
        found.map(|&(found, _)| found).collect()
    };
    let announced = of_kind(true);
    if !announced.is_empty() {
        return agreed(&announced);
    }
    let is_at_an_end = lines.first()?.is_some() || lines.last()?.is_some();
    agreed(&of_kind(false)).filter(|_| is_at_an_end)
}

/// The last of verdicts that all say the same.
fn agreed(found: &[Found]) -> Option<Found> {
    let last = *found.last()?;
    found.iter().all(|other| other.spoken == last.spoken).then_some(last)
}

/// Verdicts in double brackets from `start` on.
fn marked(text: &str, start: usize) -> Vec<Found> {
    let brackets = text[start..].match_indices("[[").filter_map(|(at, _)| {
        let inside = &text[start + at + 2..];
        let inside = &inside[..inside.find("]]")?];
        let spoken = Spoken::from_word(inside.trim())?;
        let n_spaces = inside.len() - inside.trim_start().len();
        Some(Found { spoken, offset: start + at + 2 + n_spaces })
    });
    brackets.collect()
}

/// Reads one line as a verdict, and whether the line announces it. `offset` is where the line begins.
fn read_line(line: &str, offset: usize) -> Option<(Found, bool)> {
    let line = line.trim_end().trim_end_matches('!');
    // The end of an element, as in <answer>A</answer>.
    let line = line.rfind("</").filter(|_| line.ends_with('>')).map_or(line, |end| &line[..end]);
    // A heading is no verdict.
    if line.trim_end_matches(['*', '_', ' ']).ends_with(':') {
        return None;
    }
    let is_plain = |c: char| c.is_alphanumeric() || c.is_whitespace() || DECORATION.contains(c);
    if !line.chars().all(is_plain) {
        return None;
    }
    let mut line = line.trim_end_matches(|c: char| !c.is_alphanumeric());
    let mut is_announced = false;
    for ending in [" is better", " wins"] {
        // In ASCII, so that places in the lower case are places in the line.
        if let Some(before) = line.to_ascii_lowercase().strip_suffix(ending) {
            line = &line[..before.len()];
            is_announced = true;
        }
    }
    let lower = line.to_ascii_lowercase();
    let mut words: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let last = words.pop()?;
    let spoken = Spoken::from_word(last)?;
    if spoken == Spoken::Tie && words.last() == Some(&"a") {
        words.pop();
    }
    for word in words {
        let announces = ANNOUNCING.contains(&word);
        if !announces && !NEUTRAL.contains(&word) {
            return None;
        }
        is_announced |= announces;
    }
    let at = lower.rfind(last)?;
    Some((Found { spoken, offset: offset + at }, is_announced))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_wordings_are_read() {
        for (text, expected) in [
            ("A", "A"),
            ("b.", "B"),
            (" B\n", "B"),
            ("**A**", "A"),
            ("(B)", "B"),
            ("\"TIE\"", "TIE"),
            ("Tie!", "TIE"),
            ("It's a tie.", "TIE"),
            ("Answer: B", "B"),
            ("answer:b", "B"),
            ("**Final verdict:** A", "A"),
            ("The better response is **B**.", "B"),
            ("Response A is better.", "A"),
            ("Response B", "B"),
            ("A wins", "A"),
            ("I choose A", "A"),
            ("[[A]]", "A"),
            ("So the verdict is [[ B ]], because A is worse.", "B"),
            ("<answer>A</answer>", "A"),
            ("\\boxed{B}", "B"),
            ("$\\boxed{TIE}$", "TIE"),
            ("A\n\nIt is shorter, and a good answer is short.", "A"),
            ("The first is wrong.\nThe second is right.\n\nB", "B"),
            ("Response A:\ngood\nResponse B:\nbetter\n\nAnswer: B", "B"),
            ("**A**\ngood\n**B**\nbad\nVerdict: A\n", "A"),
            ("<think>B? Answer: B\nB</think>\n\nA", "A"),
            ("Answer:\nB", "B"),
        ] {
            let found = read(text).unwrap_or_else(|| panic!("{text:?}"));
            assert_eq!(found.spoken.word(), expected, "{text:?}");
            let word = &text[found.offset..][..expected.len()];
            assert!(word.eq_ignore_ascii_case(expected), "{text:?}: {word:?}");
        }
    }

    #[test]
    fn nothing_is_guessed() {
        for text in [
            "",
            "\n \n",
            "C",
            "AB",
            "A or B",
            "A/B",
            "A > B",
            "A, B",
            "A?",
            "not A",
            "≠ A",
            "!A",
            "Answer: not B",
            "The worse response is B",
            "A good answer would be shorter",
            "a good answer",
            "A: the first response is good",
            "A:",
            "**Response A:**\nIt is good.",
            "[[A]] or [[B]]",
            "Answer: A\nNo, wait.\nAnswer: B",
            "Ranking:\nA\nB",
            "In the middle\nA\nof nowhere",
            "<think>A\nB\nA",
            "Both are equal.",
            "Answer:",
            "比較 A",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn verdicts_are_labels_of_the_first() {
        let labels = ["A", "B", "TIE"].map(|text| read(text).unwrap().spoken.label().get());
        assert_eq!(labels.map(f64::to_bits), [1.0, 0.0, 0.5].map(f64::to_bits));
    }
}
