//! The page, rendered from the session: one heading, one status line, forms of buttons.
//!
//! The heading takes the focus whenever the page is new, so that keyboard and screen reader begin where the question does. Single
//! keys are named once, in `aria-keyshortcuts`: the script presses whichever button names the key.

use super::session::{Batch, Choice, Ending, Note, Session, Stage, Texts};
use maud::{DOCTYPE, Markup, html};

/// Served beside the page, so that no style stands within it.
pub(super) const STYLE: &str = include_str!("page.css");

/// Served beside the page, so that nothing within it can run.
pub(super) const SCRIPT: &str = include_str!("page.js");

/// A button that sends a form.
struct Button {
    action: &'static str,
    label: &'static str,
    /// Values of `KeyboardEvent.key`, the first the one to show.
    keys: &'static [&'static str],
    class: &'static str,
}

const FIRST: Button = Button {
    action: "first",
    label: "Answer 1 is better",
    keys: &["1", "ArrowLeft"],
    class: "main",
};
const TIE: Button =
    Button { action: "tie", label: "It is a tie", keys: &["0", "T", "ArrowDown"], class: "main" };
const SECOND: Button = Button {
    action: "second",
    label: "Answer 2 is better",
    keys: &["2", "ArrowRight"],
    class: "main",
};
const SKIP: Button =
    Button { action: "skip", label: "Skip this question", keys: &["S"], class: "side" };
const UNDO: Button = Button {
    action: "undo",
    label: "Undo the last answer",
    keys: &["U", "Backspace"],
    class: "side",
};
const FINISH: Button =
    Button { action: "finish", label: "Finish this batch", keys: &["Enter"], class: "main" };
const END: Button = Button { action: "end", label: "End the session", keys: &[], class: "side" };

/// The page as the session stands.
pub(super) fn render(session: &Session, rater: Option<&str>) -> Markup {
    let is_over = matches!(session.stage(), Stage::Over(_));
    let title = title(session);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · nlhf" }
                link rel="stylesheet" href="page.css";
                // Without an icon of its own a browser would ask for one outside the secret path.
                link rel="icon" href="data:,";
                script src="page.js" defer {}
                @if let Stage::Waiting = session.stage() { noscript { meta http-equiv="refresh" content="2"; } }
            }
            body data-turn=[(!is_over).then(|| session.turn())] {
                header {
                    p { "Which answer is better?" @if let Some(rater) = rater { " You judge as " strong { (rater) } "." } }
                }
                main {
                    h1 tabindex="-1" autofocus { (title) }
                    @if let Stage::Asking(batch) = session.stage() { (progress(batch)) }
                    p role="status" aria-live="polite" { (status(session)) }
                    @match session.stage() {
                        Stage::Asking(batch) => (asking(session, batch)),
                        Stage::Waiting => (waiting(session)),
                        Stage::Over(_) => p { (count(session)) " You can close this page." },
                    }
                }
                @if !is_over { footer { (end(session)) } }
            }
        }
    }
}

fn title(session: &Session) -> String {
    match session.stage() {
        Stage::Waiting => "Waiting for the next questions".to_owned(),
        Stage::Asking(batch) => {
            let n_questions = batch.n_questions();
            match batch.current() {
                Some(_) => format!("Question {} of {n_questions}", batch.n_answered() + 1),
                None if n_questions == 1 => "The question is answered".to_owned(),
                None => format!("All {n_questions} questions are answered"),
            }
        }
        Stage::Over(Ending::Finished) => "Thank you, all is done".to_owned(),
        Stage::Over(Ending::Ended) => "Thank you, the session is ended".to_owned(),
        Stage::Over(Ending::Stopped) => "Thank you, the program was stopped".to_owned(),
        Stage::Over(Ending::NotKept) => "Your last answers could not be kept".to_owned(),
    }
}

/// What happened, and where that leads: read out without the focus having to go there.
fn status(session: &Session) -> String {
    let done = match session.note() {
        Note::Nothing => String::new(),
        Note::Opened => "New questions have come.".to_owned(),
        Note::Answered(number, choice) => {
            format!("Noted for question {number}: {}.", saying(choice))
        }
        Note::Undone(number) => format!("The answer to question {number} was undone."),
        Note::Sent(1) => "Your answer is kept.".to_owned(),
        Note::Sent(n_answers) => format!("All {n_answers} answers are kept."),
        Note::OutOfDate => {
            "That came from a page that no longer holds: nothing was changed.".to_owned()
        }
        Note::Keys(true) => "Single keys are on.".to_owned(),
        Note::Keys(false) => "Single keys are off.".to_owned(),
    };
    let now = match session.stage() {
        Stage::Over(Ending::NotKept) => " The program says why.".to_owned(),
        Stage::Over(_) => " Your answers are kept.".to_owned(),
        Stage::Waiting => String::new(),
        Stage::Asking(_) => format!(" {}.", title(session)),
    };
    format!("{done}{now}").trim_start().to_owned()
}

fn saying(choice: Choice) -> &'static str {
    match choice {
        Choice::First => "answer 1 is better",
        Choice::Second => "answer 2 is better",
        Choice::Tie => "a tie",
        Choice::Skip => "skipped",
    }
}

fn progress(batch: &Batch) -> Markup {
    html! {
        div.progress {
            label for="progress" { (batch.n_answered()) " of " (batch.n_questions()) " answered" }
            progress #progress max=(batch.n_questions()) value=(batch.n_answered()) {}
        }
    }
}

fn asking(session: &Session, batch: &Batch) -> Markup {
    let can_undo = batch.pending().is_some();
    html! {
        @if let Some(texts) = batch.current() {
            (texts_of(texts))
            form method="post" action="act" aria-label="Your judgement" {
                (turn(session))
                div.verdicts { (button(session, &FIRST, true)) (button(session, &TIE, true)) (button(session, &SECOND, true)) }
                div.others { (button(session, &SKIP, true)) (button(session, &UNDO, can_undo)) }
                (pending(batch, "give the next answer"))
            }
            (keys(session, &[FIRST, SECOND, TIE, SKIP, UNDO]))
        } @else {
            form method="post" action="act" aria-label="This batch" {
                (turn(session))
                (pending(batch, "finish this batch"))
                div.verdicts { (button(session, &FINISH, true)) }
                div.others { (button(session, &UNDO, can_undo)) }
            }
            (keys(session, &[FINISH, UNDO]))
        }
    }
}

fn texts_of(texts: &Texts) -> Markup {
    let region = |id: &str, name: &str, text: &str| {
        html! {
            section aria-labelledby=(id) {
                h2 id=(id) { (name) }
                // It scrolls, so that the keyboard must be able to get there.
                div.text role="group" aria-labelledby=(id) dir="auto" tabindex="0" { (text) }
            }
        }
    };
    html! {
        (region("prompt", "Prompt", &texts.prompt))
        div.answers {
            (region("first", "Answer 1", &texts.first))
            (region("second", "Answer 2", &texts.second))
        }
    }
}

/// Which answer can be undone, until when, and what that costs.
fn pending(batch: &Batch, until: &str) -> Markup {
    html! {
        p.pending {
            @match batch.pending() {
                None => "An answer can be undone until you give the next one. Only then is it kept.",
                Some((number, choice)) => {
                    "Question " (number) " (" (saying(choice)) ") can be undone until you " (until) ". Only then is it kept: if the program \
                     stops before, this one answer is lost."
                }
            }
        }
    }
}

fn waiting(session: &Session) -> Markup {
    html! {
        p { (count(session)) " This page goes on by itself." }
        p { a href="./" { "Look again now" } }
    }
}

fn count(session: &Session) -> String {
    let labels = match session.n_labels() {
        1 => "1 label".to_owned(),
        n_labels => format!("{n_labels} labels"),
    };
    match session.n_skipped() {
        0 => format!("You gave {labels}."),
        1 => format!("You gave {labels} and skipped 1 question."),
        n_skipped => format!("You gave {labels} and skipped {n_skipped} questions."),
    }
}

/// The list of keys, and the switch for them.
fn keys(session: &Session, buttons: &[Button]) -> Markup {
    let (switch, heading) = if session.has_keys() {
        ("Turn single keys off", "Keys")
    } else {
        ("Turn single keys on", "Keys are off")
    };
    html! {
        section.keys aria-labelledby="keys" {
            h2 #keys { (heading) }
            @if session.has_keys() {
                ul {
                    @for button in buttons {
                        li {
                            @for (place, key) in button.keys.iter().enumerate() {
                                @if place > 0 { " or " }
                                kbd { (cap(key)) }
                            }
                            " " (button.label)
                        }
                    }
                }
                @if buttons.iter().any(|button| button.keys.contains(&"ArrowDown")) {
                    p.small { "↓ judges only where there is nothing to scroll." }
                }
            }
            form method="post" action="act" aria-label="Keys" {
                (turn(session))
                button.side name="action" value="keys" { (switch) }
            }
        }
    }
}

fn end(session: &Session) -> Markup {
    html! {
        form method="post" action="act" aria-label="Session" {
            (turn(session))
            (button(session, &END, true))
            p.small { "What you have answered stays." }
        }
    }
}

fn turn(session: &Session) -> Markup {
    html! { input type="hidden" name="turn" value=(session.turn()); }
}

fn button(session: &Session, button: &Button, is_enabled: bool) -> Markup {
    let keys = if session.has_keys() { button.keys } else { &[] };
    let shortcuts = (!keys.is_empty()).then(|| keys.join(" "));
    html! {
        button class=(button.class) name="action" value=(button.action) aria-keyshortcuts=[shortcuts] disabled[!is_enabled] {
            (button.label)
            // The attribute says it to whoever does not see it.
            @if let Some(key) = keys.first() { " " kbd aria-hidden="true" { (cap(key)) } }
        }
    }
}

/// What is printed on the key.
fn cap(key: &str) -> &str {
    match key {
        "ArrowLeft" => "←",
        "ArrowRight" => "→",
        "ArrowDown" => "↓",
        other => other,
    }
}
