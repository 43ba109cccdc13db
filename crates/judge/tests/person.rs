//! The page on which a person judges, over HTTP as a browser without JavaScript speaks it.

#![cfg(feature = "person")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic, in its helpers too"
)]

mod asked;

use asked::{Asked, TOKEN, ask, ask_and_keep, numbered};
use nlhf_judge::{Judge, JudgeError, PersonConfig, PersonError, PersonJudge};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;
use ureq::Agent;

/// What a browser knows: the address and the page it shows.
struct Browser {
    agent: Agent,
    address: String,
    page: String,
}

impl Browser {
    fn open(asked: &Asked) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0).build();
        let mut browser =
            Self { agent: config.into(), address: asked.address.clone(), page: String::new() };
        // The first questions may not have come yet.
        browser.wait_for("Question 1 of");
        browser
    }

    fn look(&mut self) -> &str {
        let mut response = self.agent.get(&self.address).call().unwrap();
        assert_eq!(response.status(), 200);
        self.page = response.body_mut().read_to_string().unwrap();
        &self.page
    }

    /// Looks until the page says this. The last page is not looked at again: its server may be gone.
    fn wait_for(&mut self, said: &str) {
        for _ in 0..1000 {
            if self.page.contains(said) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
            self.look();
        }
        panic!("the page never said {said:?}, but\n{}", self.page);
    }

    /// The turn that the forms of the page carry.
    fn turn(&self) -> String {
        let (_, rest) = self.page.split_once(r#"name="turn" value=""#).expect("a form");
        rest.split_once('"').unwrap().0.to_owned()
    }

    fn status(&self) -> &str {
        let (_, rest) = self.page.split_once(r#"role="status" aria-live="polite">"#).unwrap();
        rest.split_once('<').unwrap().0
    }

    fn send(&self, fields: &[(&str, &str)]) -> u16 {
        let response = self.agent.post(format!("{}act", self.address)).send_form(fields.to_vec());
        let response = response.unwrap();
        if response.status() == 303 {
            assert_eq!(response.headers()["location"], "./");
        }
        response.status().as_u16()
    }

    /// Presses a button of the page, and looks at what comes.
    fn press(&mut self, action: &str) -> &str {
        assert!(self.page.contains(&format!(r#"value="{action}""#)), "{action}:\n{}", self.page);
        assert_eq!(self.send(&[("turn", &self.turn()), ("action", action)]), 303);
        self.look();
        self.status()
    }
}

#[test]
fn answers_are_kept_one_after_the_other_and_counted() {
    let asked = ask(vec![numbered(4)]);
    let mut browser = Browser::open(&asked);
    for said in ["Question 1 of 4", "prompt 1", "left 1", "right 1", "0 of 4 answered"] {
        assert!(browser.page.contains(said), "{said}:\n{}", browser.page);
    }
    assert!(!browser.page.contains("name of"), "names are not shown");
    assert_eq!(
        browser.press("first"),
        "Noted for question 1: answer 1 is better. Question 2 of 4."
    );
    assert_eq!(asked.verdicts(), [], "it can still be undone");
    assert!(browser.page.contains("if the program stops before, this one answer is lost"));
    browser.press("tie");
    // The page came only after the answer before was kept.
    assert_eq!(asked.verdicts(), [(0, 0, Some(1.0))]);
    browser.press("skip");
    assert_eq!(
        browser.press("second"),
        "Noted for question 4: answer 2 is better. All 4 questions are answered."
    );
    assert_eq!(asked.verdicts(), [(0, 0, Some(1.0)), (0, 1, Some(0.5)), (0, 2, None)]);
    browser.press("finish");
    assert_eq!(asked.verdicts()[3..], [(0, 3, Some(0.0))]);
    browser.wait_for("Thank you, all is done");
    assert!(browser.page.contains("You gave 3 labels and skipped 1 question."));
    assert!(!browser.page.contains("<form"), "nothing is left to press:\n{}", browser.page);
    let annotator = asked.kept.lock().unwrap()[0].2.annotator.clone();
    assert_eq!(annotator.as_deref(), Some("Ada <A&B>"));
    assert!(asked.endings().iter().all(Result::is_ok));
}

#[test]
fn the_last_answer_can_be_undone_and_no_other() {
    let asked = ask(vec![numbered(2)]);
    let mut browser = Browser::open(&asked);
    assert!(browser.page.contains(r#"value="undo" aria-keyshortcuts="U Backspace" disabled"#));
    browser.press("first");
    assert_eq!(browser.press("undo"), "The answer to question 1 was undone. Question 1 of 2.");
    browser.press("second");
    browser.press("skip");
    assert!(!browser.page.contains(r#"aria-keyshortcuts="U Backspace" disabled"#));
    browser.press("undo");
    assert!(browser.page.contains("prompt 2") && browser.page.contains("1 of 2 answered"));
    assert_eq!(browser.send(&[("turn", &browser.turn()), ("action", "undo")]), 303);
    browser.look();
    assert!(browser.status().starts_with("That came from a page that no longer holds"));
    browser.press("tie");
    browser.press("finish");
    browser.wait_for("Thank you, all is done");
    assert!(browser.page.contains("You gave 2 labels."));
    assert_eq!(asked.verdicts(), [(0, 0, Some(0.0)), (0, 1, Some(0.5))]);
    assert!(asked.endings()[0].is_ok());
}

#[test]
fn a_form_sent_twice_or_from_an_old_page_answers_nothing() {
    let asked = ask(vec![numbered(3)]);
    let mut browser = Browser::open(&asked);
    let old = browser.turn();
    for _ in 0..3 {
        assert_eq!(browser.send(&[("turn", &old), ("action", "first")]), 303);
    }
    browser.look();
    assert!(browser.status().starts_with("That came from a page"), "{}", browser.status());
    assert!(browser.page.contains("Question 2 of 3"));
    // Back at the first question, the first page is old all the same.
    browser.press("undo");
    browser.send(&[("turn", &old), ("action", "first")]);
    browser.look();
    assert!(browser.page.contains("Question 1 of 3"));
    browser.press("end");
    assert_eq!(asked.verdicts(), []);
    assert!(matches!(asked.endings()[0], Err(JudgeError::Stopped { n_left: 3, .. })));
}

#[test]
fn what_is_no_form_of_the_page_is_refused() {
    let asked = ask(vec![numbered(1)]);
    let mut browser = Browser::open(&asked);
    let turn = browser.turn();
    let long = "x".repeat(5000);
    for (fields, status) in [
        (vec![], 422),
        (vec![("turn", turn.as_str())], 422),
        (vec![("turn", turn.as_str()), ("action", "burn")], 422),
        (vec![("turn", "-1"), ("action", "first")], 422),
        (vec![("turn", turn.as_str()), ("action", long.as_str())], 413),
    ] {
        assert_eq!(browser.send(&fields), status, "{fields:?}");
    }
    let got = browser.agent.get(format!("{}act", browser.address)).call().unwrap();
    assert_eq!(got.status(), 405);
    assert!(browser.look().contains("Question 1 of 1"));
    browser.press("end");
    asked.endings();
}

/// The status of a request that is written by hand.
fn status_of(asked: &Asked, path: &str, headers: &str) -> String {
    let (host, _) = asked.address["http://".len()..].split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let headers = headers.replace("PORT", host.rsplit(':').next().unwrap());
    write!(stream, "GET {path} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(!response.contains("prompt 1") || response.starts_with("HTTP/1.1 200"), "{response}");
    response[9..12].to_owned()
}

#[test]
fn strangers_get_nothing() {
    let asked = ask(vec![numbered(1)]);
    let mut browser = Browser::open(&asked);
    let home = format!("/{TOKEN}/");
    for (host, status) in [
        ("Host: 127.0.0.1:PORT\r\n", "200"),
        ("Host: localhost:PORT\r\n", "200"),
        ("Host: evil.example:PORT\r\n", "403"),
        ("Host: evil.example\r\n", "403"),
        ("Host: 127.0.0.1:1\r\n", "403"),
        ("Host: 127.0.0.1\r\n", "403"),
        ("Host: 127.0.0.1:PORT.evil.example\r\n", "403"),
        ("", "403"),
    ] {
        assert_eq!(status_of(&asked, &home, host), status, "{host}");
    }
    let shorter = format!("/{}/", &TOKEN[1..]);
    for path in
        ["/", "/favicon.ico", "/act", "/turn", "/page.js", "//", &shorter, &home.to_lowercase()]
    {
        assert_eq!(status_of(&asked, path, "Host: localhost:PORT\r\n"), "404", "{path}");
        assert_eq!(status_of(&asked, path, "Host: evil.example\r\n"), "403", "{path}");
    }
    browser.press("end");
    asked.endings();
}

#[test]
fn browsers_are_told_to_run_nothing_else() {
    let asked = ask(vec![numbered(1)]);
    let mut browser = Browser::open(&asked);
    for (file, media_type) in [
        ("", "text/html; charset=utf-8"),
        ("page.css", "text/css"),
        ("page.js", "text/javascript"),
        ("turn", "text/plain; charset=utf-8"),
        ("none", ""),
    ] {
        let response = browser.agent.get(format!("{}{file}", browser.address)).call().unwrap();
        let headers = response.headers();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let caching = if file.starts_with("page") { "private, max-age=86400" } else { "no-store" };
        assert_eq!(headers["cache-control"], caching);
        assert_eq!(headers["x-content-type-options"], "nosniff");
        if media_type.is_empty() {
            assert_eq!(response.status(), 404);
        } else {
            assert_eq!(headers["content-type"], media_type);
        }
    }
    assert!(!browser.page.contains("http://") && !browser.page.contains("https://"));
    browser.press("end");
    asked.endings();
}

#[test]
fn texts_are_shown_and_never_interpreted() {
    let attack = "<script>alert(1)</script>\n  <b>\"&amp;' </textarea></div>";
    let foreign = "Füße 東京 🦀 e\u{301}\n\nשלום\tمرحبا";
    let long = format!("{}end of it", "long text ".repeat(100_000));
    let texts = [foreign.to_owned(), attack.to_owned(), long];
    let asked = ask(vec![vec![texts]]);
    let mut browser = Browser::open(&asked);
    assert!(browser.page.contains(
        "&lt;script&gt;alert(1)&lt;/script&gt;\n  &lt;b&gt;&quot;&amp;amp;' &lt;/textarea&gt;&lt;/div&gt;</div>"
    ));
    assert!(!browser.page.contains("<script>") && !browser.page.contains("<b>"));
    assert!(browser.page.contains(&format!(">{foreign}</div>")));
    assert!(browser.page.contains("long text end of it</div>"));
    assert!(browser.page.contains("<strong>Ada &lt;A&amp;B&gt;</strong>"));
    browser.press("first");
    browser.press("finish");
    browser.wait_for("Thank you");
    assert!(asked.endings()[0].is_ok());
}

#[test]
fn between_batches_the_page_waits_and_old_forms_stay_old() {
    let asked = ask(vec![numbered(1), vec![], numbered(2)]);
    let mut browser = Browser::open(&asked);
    let first = browser.turn();
    browser.press("tie");
    browser.press("finish");
    browser.wait_for("Question 1 of 2");
    assert_eq!(browser.status(), "New questions have come. Question 1 of 2.");
    browser.send(&[("turn", &first), ("action", "first")]);
    assert!(browser.look().contains("Question 1 of 2"));
    browser.press("first");
    browser.press("first");
    browser.press("finish");
    browser.wait_for("Thank you, all is done");
    assert!(browser.page.contains("You gave 3 labels."));
    assert_eq!(asked.verdicts(), [(0, 0, Some(0.5)), (2, 0, Some(1.0)), (2, 1, Some(1.0))]);
    assert!(asked.endings().iter().all(Result::is_ok));
}

#[test]
fn the_page_waits_before_the_first_questions_and_can_be_ended() {
    let mut judge = PersonJudge::start(PersonConfig::new(TOKEN)).unwrap();
    assert_eq!((judge.name(), judge.identity().as_str()), ("the person", "person"));
    let mut page = ureq::get(judge.address()).call().unwrap();
    let page = page.body_mut().read_to_string().unwrap();
    for said in ["Waiting for the next questions", "http-equiv=\"refresh\"", "You gave 0 labels."] {
        assert!(page.contains(said), "{said}:\n{page}");
    }
    let turn = ureq::get(format!("{}turn", judge.address())).call().unwrap();
    assert_eq!(turn.into_body().read_to_string().unwrap(), "0");
    assert!(judge.judge(&[], &mut |_| panic!("nothing was asked")).is_ok());
    let end = ureq::post(format!("{}act", judge.address()));
    let mut last = end.send_form([("turn", "77"), ("action", "end")]).unwrap();
    let last = last.body_mut().read_to_string().unwrap();
    assert!(last.contains("Thank you, the session is ended"), "{last}");
    // It has shown that it is over: there is nothing to wait for.
    judge.finish(Duration::from_secs(3600));
    // Nobody ever looked at this one.
    PersonJudge::start(PersonConfig::new(TOKEN)).unwrap().finish(Duration::from_secs(3600));
}

#[test]
fn whoever_ends_the_session_keeps_what_was_answered() {
    let asked = ask(vec![numbered(3), numbered(2)]);
    let mut browser = Browser::open(&asked);
    browser.press("first");
    browser.press("second");
    browser.press("end");
    assert_eq!(asked.verdicts(), [(0, 0, Some(1.0)), (0, 1, Some(0.0))]);
    assert!(browser.page.contains("You gave 2 labels."));
    let endings = asked.endings();
    let n_left = |ending: &Result<(), JudgeError>| match ending {
        Err(JudgeError::Stopped { judge: "the person", n_left }) => *n_left,
        other => panic!("{other:?}"),
    };
    assert_eq!(endings.iter().map(n_left).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_program_that_stops_keeps_what_was_answered() {
    let asked = ask(vec![numbered(3)]);
    let mut browser = Browser::open(&asked);
    browser.press("first");
    asked.stop();
    browser.wait_for("Thank you, the program was stopped");
    assert_eq!(asked.verdicts(), [(0, 0, Some(1.0))]);
    assert!(matches!(asked.endings()[0], Err(JudgeError::Stopped { n_left: 2, .. })));
}

#[test]
fn what_cannot_be_kept_ends_the_session() {
    let asked = ask_and_keep(vec![numbered(4)], 1);
    let mut browser = Browser::open(&asked);
    browser.press("first");
    browser.press("first");
    assert!(browser.page.contains("Question 3 of 4"));
    browser.press("first");
    assert!(browser.page.contains("Your last answers could not be kept"), "{}", browser.page);
    assert_eq!(asked.verdicts(), [(0, 0, Some(1.0))]);
    assert!(matches!(asked.endings()[0], Err(JudgeError::NotKept(_))));
}

#[test]
fn single_keys_can_be_turned_off() {
    let asked = ask(vec![numbered(1)]);
    let mut browser = Browser::open(&asked);
    assert!(browser.page.contains(r#"aria-keyshortcuts="1 ArrowLeft""#));
    assert_eq!(browser.press("keys"), "Single keys are off. Question 1 of 1.");
    assert!(!browser.page.contains("aria-keyshortcuts") && !browser.page.contains("<kbd"));
    browser.press("keys");
    assert!(browser.page.contains(r#"aria-keyshortcuts="1 ArrowLeft""#));
    browser.press("end");
    asked.endings();
}

#[test]
fn a_page_that_cannot_be_is_refused() {
    let refused = |config| PersonJudge::start(config).unwrap_err();
    for token in [
        "",
        "short",
        "0123456789abcde",
        "0123456789abcdef/",
        "{0123456789abcdef}",
        "ä123456789abcdefg",
    ] {
        assert!(matches!(refused(PersonConfig::new(token)), PersonError::Token { .. }), "{token}");
    }
    let message = refused(PersonConfig::new("a/secret")).to_string();
    assert!(
        message.contains("8 characters, 1 of them others") && !message.contains("secret"),
        "{message}"
    );
    let blank = refused(PersonConfig::new(TOKEN).with_rater(" "));
    assert!(matches!(blank, PersonError::Rater { .. }), "{blank}");

    let judge = PersonJudge::start(PersonConfig::new(TOKEN).with_rater("Ada")).unwrap();
    assert_eq!(judge.identity(), "person \"Ada\"");
    let port = judge.address().split([':', '/']).nth(4).unwrap().parse().unwrap();
    let taken = refused(PersonConfig::new(TOKEN).with_port(port));
    assert!(matches!(taken, PersonError::Serve { port: asked, .. } if asked == port), "{taken}");
    drop(judge);
    let again = PersonJudge::start(PersonConfig::new(TOKEN).with_port(port)).unwrap();
    assert_eq!(again.address(), format!("http://127.0.0.1:{port}/{TOKEN}/"));
}
