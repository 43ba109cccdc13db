//! A person who answers on the page of a running command, as a browser without JavaScript speaks it.

use super::Desk;
use crate::asking::{Running, json, wait_until};
use crate::common::read_json_lines;
use std::cell::RefCell;
use ureq::Agent;

/// What a browser knows of a run: where it is and what it shows.
struct Browser {
    agent: Agent,
    address: String,
    page: RefCell<String>,
}

impl Browser {
    /// Opens the page that the command names on standard error.
    fn open(running: &Running) -> Self {
        running.wait_until_said("in a browser on this machine to judge");
        let said = running.said();
        let address = said.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0).build();
        Self { agent: config.into(), address: address.to_owned(), page: RefCell::default() }
    }

    fn wait_until_shown(&self, text: &str) {
        wait_until(&format!("{text:?} is shown"), || {
            let page = self.agent.get(&self.address).call();
            // The program may just have ended.
            if let Some(page) = page.ok().and_then(|mut page| page.body_mut().read_to_string().ok())
            {
                *self.page.borrow_mut() = page;
            }
            self.page.borrow().contains(text)
        });
    }

    fn press(&self, action: &str) {
        self.wait_until_shown(&format!("value=\"{action}\""));
        let page = self.page.borrow();
        let (_, rest) = page.split_once("name=\"turn\" value=\"").unwrap();
        let turn = rest.split_once('"').unwrap().0;
        let fields = [("turn", turn), ("action", action)];
        let sent = self.agent.post(format!("{}act", self.address)).send_form(fields);
        assert_eq!(sent.unwrap().status(), 303);
    }
}

const SIZES: [&str; 8] = ["--budget", "6", "--rounds", "3", "--port", "0", "--rater", "Ada"];

#[test]
fn a_person_is_asked_stopped_and_asked_for_the_rest() {
    let desk = Desk::new();
    let arguments = desk.asking("person", &SIZES);
    let running = Running::start(&arguments);
    let browser = Browser::open(&running);
    for action in ["first", "tie", "finish"] {
        browser.press(action);
    }
    browser.wait_until_shown("Question 1 of 2");
    browser.press("second");
    browser.wait_until_shown("Question 2 of 2");
    running.interrupt();
    browser.wait_until_shown("Your answers are kept");
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let shown = &ended.stdout;
    assert!(
        shown.contains("because the oracle was stopped; the answers of the last round are kept")
    );
    assert!(shown.contains("After 2 labels") && shown.contains("the same command"), "{shown}");
    assert_eq!(json(&desk.report)["stopped"], "oracle");
    assert_eq!((read_json_lines(&desk.policy).len(), desk.n_kept()), (3, 3));

    // The rest: one question of the round that was stopped, then the last round.
    let running = Running::start(&arguments);
    let browser = Browser::open(&running);
    browser.wait_until_shown("Question 1 of 1");
    for action in ["skip", "finish"] {
        browser.press(action);
    }
    browser.wait_until_shown("Question 1 of 2");
    for action in ["first", "first", "finish"] {
        browser.press(action);
    }
    browser.wait_until_shown("Thank you, all is done");
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let shown = &ended.stdout;
    assert!(
        shown.contains("Asked 3 questions in this run, 3 answers were known already."),
        "{shown}"
    );
    assert!(shown.contains("1 answer skipped and 0 could not be read"), "{shown}");
    assert_eq!((json(&desk.report)["asked"]["n_queries"].clone(), desk.n_kept()), (6.into(), 6));
    let labels = std::fs::read_to_string(&desk.labels).unwrap();
    assert_eq!(labels.matches("\"annotator\":\"Ada\"").count(), 6);
    assert!(!labels.contains(browser.address.rsplit('/').nth(1).unwrap()), "the token is a secret");
}

#[test]
fn a_session_that_ends_in_the_first_round_has_no_policy_and_keeps_its_answers() {
    let desk = Desk::new();
    let arguments = desk.asking("person", &SIZES);
    let running = Running::start(&arguments);
    let browser = Browser::open(&running);
    browser.press("first");
    browser.press("end");
    browser.wait_until_shown("Your answers are kept");
    let ended = running.end();
    assert_eq!((ended.code, desk.n_kept()), (Some(2), 1));
    let expected = "nlhf: stopped before the answers of a first round were there to learn from (1 answer of this run kept in ";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    assert!(ended.stdout.is_empty() && !desk.policy.exists());

    let running = Running::start(&arguments);
    Browser::open(&running).wait_until_shown("Question 1 of 1");
    running.interrupt();
    let ended = running.end();
    assert_eq!((ended.code, desk.n_kept()), (Some(2), 1), "{}", ended.stderr);
    assert!(ended.stderr.contains("nlhf: stopped before"), "{}", ended.stderr);
}
