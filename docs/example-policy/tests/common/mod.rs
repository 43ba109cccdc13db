//! Prompts with answers of many lengths, some of which take up the words of the prompt.

use acme_policy::Texts;
use nlhf_core::{Menus, PromptId, ResponseId};

const PROMPTS: [&str; 7] = [
    "Why is the sky blue?",
    "Name three rivers of Europe",
    "How do I boil an egg?",
    "What is a prime number?",
    "Translate good morning into French",
    "Explain photosynthesis to a child",
    // Never among the menus.
    "Who wrote the first novel?",
];

/// Every prompt has five answers: of 6, 30, 150 and 750 characters or so, and one of 30 that quotes it.
pub fn texts() -> Texts {
    let mut texts = Texts::default();
    for (at, prompt) in PROMPTS.iter().enumerate() {
        texts.prompts.push((*prompt).to_owned());
        for n_words in [1, 5, 25, 125] {
            texts.answers.push("words ".repeat(n_words + at % 3));
        }
        texts.answers.push(format!("{prompt} So it is."));
    }
    texts
}

/// The answers of a prompt.
pub fn answers(prompt: usize) -> Vec<ResponseId> {
    (5 * prompt..5 * prompt + 5).map(ResponseId::from_index).collect()
}

/// The menus of all prompts but the last.
pub fn menus() -> Menus {
    let mut menus = Menus::new();
    for prompt in 0..PROMPTS.len() - 1 {
        menus.push(PromptId::from_index(prompt), &answers(prompt)).expect("answers of its own");
    }
    menus
}
