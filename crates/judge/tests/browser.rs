//! The page on which a person judges, in a real browser: keys, focus, names and roles, layout, contrast, no JavaScript.
//!
//! Where there is no chromedriver these tests say so and pass, unless the environment variable `CI` is set.

#![cfg(feature = "person")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic, in its helpers too"
)]

mod asked;
#[path = "browser/driver.rs"]
mod driver;

use asked::{Asked, Texts, ask, numbered};
use driver::Driver;
use nlhf_judge::{PersonConfig, PersonJudge};
use serde_json::json;

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const BACKSPACE: &str = "\u{e003}";
const LEFT: &str = "\u{e012}";
const RIGHT: &str = "\u{e014}";
const DOWN: &str = "\u{e015}";

/// Waits until a page with this heading is there, has the focus on it, and has said what happened.
fn wait_for(driver: &Driver, heading: &str, status: &str) {
    driver.wait_until(&format!(
        "const heading = document.querySelector('h1');
         return document.readyState === 'complete' && heading.innerText === {heading:?} && document.activeElement === heading
             && document.querySelector('[role=status]').innerText.includes({status:?});"
    ));
}

/// Presses the tab key until the button has the focus.
fn tab_to(driver: &Driver, label: &str) {
    for _ in 0..20 {
        driver.press(TAB);
        let script = format!("return document.activeElement.innerText.startsWith({label:?})");
        if driver.run(&script) == true {
            let outline =
                driver.run("return getComputedStyle(document.activeElement).outlineStyle");
            assert_eq!(outline, "solid", "the focus is seen");
            return;
        }
    }
    panic!("no way to {label:?} by tab");
}

#[test]
fn a_whole_session_by_keyboard_alone() {
    let Some(driver) = Driver::start() else { return };
    let asked = ask(vec![numbered(7), numbered(1)]);
    driver.open(&asked.address);
    wait_for(&driver, "Question 1 of 7", "New questions");
    for (key, heading, status) in [
        ("1", "Question 2 of 7", "question 1: answer 1 is better"),
        ("2", "Question 3 of 7", "question 2: answer 2 is better"),
        ("0", "Question 4 of 7", "question 3: a tie"),
        ("s", "Question 5 of 7", "question 4: skipped"),
        ("u", "Question 4 of 7", "question 4 was undone"),
        ("T", "Question 5 of 7", "question 4: a tie"),
        (LEFT, "Question 6 of 7", "question 5: answer 1 is better"),
        (BACKSPACE, "Question 5 of 7", "question 5 was undone"),
        (RIGHT, "Question 6 of 7", "question 5: answer 2 is better"),
        (DOWN, "Question 7 of 7", "question 6: a tie"),
    ] {
        driver.press(key);
        wait_for(&driver, heading, status);
    }
    // Neither an unknown key nor Enter on the heading answers; buttons are pressed as everywhere.
    driver.press("x");
    driver.press(ENTER);
    tab_to(&driver, "Answer 1 is better");
    driver.press(ENTER);
    wait_for(&driver, "All 7 questions are answered", "question 7: answer 1 is better");
    tab_to(&driver, "Undo the last answer");
    driver.press(ENTER);
    wait_for(&driver, "Question 7 of 7", "question 7 was undone");
    tab_to(&driver, "It is a tie");
    driver.press(" ");
    wait_for(&driver, "All 7 questions are answered", "question 7: a tie");
    driver.press(ENTER);
    wait_for(&driver, "Question 1 of 1", "");
    driver.press("1");
    wait_for(&driver, "The question is answered", "question 1: answer 1 is better");
    driver.press(ENTER);
    wait_for(&driver, "Thank you, all is done", "Your answers are kept.");
    let tie = Some(0.5);
    let first_batch = [Some(1.0), Some(0.0), tie, tie, Some(0.0), tie, tie];
    let mut expected: Vec<_> =
        first_batch.into_iter().enumerate().map(|(place, label)| (0, place, label)).collect();
    expected.push((1, 0, Some(1.0)));
    assert_eq!(asked.verdicts(), expected);
    assert!(asked.endings().iter().all(Result::is_ok));
    // The server is gone, the page is whole.
    let text = driver.run("return document.querySelector('main').innerText");
    assert!(text.as_str().unwrap().contains("You gave 8 labels."), "{text}");
    assert_eq!(driver.run("return getComputedStyle(document.body).maxWidth"), "1248px");
}

#[test]
fn assistive_technology_is_told_what_is_what() {
    let Some(driver) = Driver::start() else { return };
    // Whatever is put into the status line after it was parsed is read out.
    let listen = "window.read_out = [];
        addEventListener('DOMContentLoaded', () => new MutationObserver((changes) => {
            for (const change of changes) for (const node of change.addedNodes) read_out.push(node.textContent);
        }).observe(document.querySelector('[role=status]'), { childList: true }));";
    driver.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": listen }));
    let asked = ask(vec![numbered(2)]);
    driver.open(&asked.address);
    wait_for(&driver, "Question 1 of 2", "New questions");
    driver.press("1");
    let status = "Noted for question 1: answer 1 is better. Question 2 of 2.";
    wait_for(&driver, "Question 2 of 2", status);
    assert_eq!(driver.run("return read_out"), json!([status]));
    for (selector, role, name) in [
        ("header", "banner", ""),
        ("main", "main", ""),
        ("footer", "contentinfo", ""),
        ("h1", "heading", "Question 2 of 2"),
        ("progress", "progressbar", "1 of 2 answered"),
        ("[role=status]", "status", ""),
        ("section:has(> #prompt)", "region", "Prompt"),
        ("section:has(> #first)", "region", "Answer 1"),
        ("section:has(> #second)", "region", "Answer 2"),
        ("section.keys", "region", "Keys"),
        ("main > form", "form", "Your judgement"),
        ("[value=first]", "button", "Answer 1 is better"),
        ("[value=second]", "button", "Answer 2 is better"),
        ("[value=tie]", "button", "It is a tie"),
        ("[value=skip]", "button", "Skip this question"),
        ("[value=undo]", "button", "Undo the last answer"),
        ("[value=end]", "button", "End the session"),
        ("[value=keys]", "button", "Turn single keys off"),
    ] {
        let expected = (role.to_owned(), name.to_owned());
        assert_eq!(driver.role_and_name(selector), expected, "{selector}");
    }
    assert_eq!(driver.run("return document.documentElement.lang"), "en");
    assert_eq!(driver.run("return document.title"), "Question 2 of 2 · nlhf");
    let shortcuts =
        "return [...document.querySelectorAll('[aria-keyshortcuts]')].map(b => b.ariaKeyShortcuts)";
    assert_eq!(
        driver.run(shortcuts),
        json!(["1 ArrowLeft", "0 T ArrowDown", "2 ArrowRight", "S", "U Backspace"])
    );
    // Turned off, keys do nothing.
    driver.click("[value=keys]");
    wait_for(&driver, "Question 2 of 2", "Single keys are off.");
    for key in ["1", "u", "s", DOWN] {
        driver.press(key);
    }
    wait_for(&driver, "Question 2 of 2", "Single keys are off.");
    driver.click("[value=end]");
    wait_for(&driver, "Thank you, the session is ended", "Your answers are kept.");
    assert_eq!(asked.verdicts(), [(0, 0, Some(1.0))]);
    asked.endings();
}

fn set_width(driver: &Driver, width: u32) {
    let metrics = json!({ "width": width, "height": 700, "deviceScaleFactor": 1, "mobile": false });
    driver.devtools("Emulation.setDeviceMetricsOverride", &metrics);
}

#[test]
fn narrow_screens_and_long_texts() {
    let Some(driver) = Driver::start() else { return };
    let long = "word ".repeat(3000);
    let unbroken = "x".repeat(200);
    let script = "<script>document.title = 'x'</script>";
    let texts: Texts = [script.to_owned(), long, format!("  two\n\n  {unbroken}")];
    let asked = ask(vec![vec![texts]]);
    set_width(&driver, 320);
    driver.open(&asked.address);
    wait_for(&driver, "Question 1 of 1", "New questions");
    assert_eq!(driver.run("return document.querySelector('.text').innerText"), script);
    assert_eq!(driver.run("return document.title"), "Question 1 of 1 · nlhf");
    let fits = "const page = document.scrollingElement; return page.clientWidth <= 320 && page.scrollWidth <= page.clientWidth";
    assert_eq!(driver.run(fits), true);
    let wrapped =
        "return [...document.querySelectorAll('.text')].every(t => t.scrollWidth <= t.clientWidth)";
    assert_eq!(driver.run(wrapped), true);
    let place = |selector: &str, side: &str| {
        let script =
            format!("return document.querySelector('{selector}').getBoundingClientRect().{side}");
        driver.run(&script).as_f64().unwrap()
    };
    assert!(place("#second", "top") > place(".answers section .text", "bottom"), "one column");
    set_width(&driver, 1000);
    assert!((place("#second", "top") - place("#first", "top")).abs() < 0.5, "side by side");
    assert!(place("#second", "left") > place("#first", "right"));
    let space = "return getComputedStyle(document.querySelector('.text')).whiteSpaceCollapse";
    assert_eq!(driver.run(space), "preserve");
    // Only the text that scrolls is a stop of the tab key, and there the arrow scrolls.
    let stops = "return [...document.querySelectorAll('.text')].map(t => [t.tabIndex, t.scrollHeight > t.clientHeight])";
    driver.wait_until(&format!(
        "return JSON.stringify((() => {{ {stops} }})()) === '[[-1,false],[0,true],[-1,false]]'"
    ));
    driver.press(TAB);
    assert_eq!(
        driver.run("return document.activeElement.getAttribute('aria-labelledby')"),
        "first"
    );
    driver.press(DOWN);
    driver.wait_until("return document.activeElement.scrollTop > 0");
    set_width(&driver, 320);
    driver.press("1");
    wait_for(&driver, "The question is answered", "answer 1 is better");
    assert_eq!(driver.run(fits), true);
    driver.press(ENTER);
    wait_for(&driver, "Thank you, all is done", "");
    assert_eq!(driver.run(fits), true);
    assert!(asked.endings()[0].is_ok());
}

/// The least contrast of text, and of the edges of buttons and of the focus, against what is behind them.
const CONTRASTS: &str = "
    const parse = (color) => { const [r, g, b, a = 1] = color.match(/[\\d.]+/g).map(Number); return { rgb: [r, g, b], a }; };
    const linear = (c) => c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4;
    const luminance = (rgb) => rgb.map(linear).reduce((sum, c, k) => sum + c * [0.2126, 0.7152, 0.0722][k], 0);
    const behind = (element) => {
        for (let at = element; at !== null; at = at.parentElement) {
            const color = parse(getComputedStyle(at).backgroundColor);
            if (color.a === 1) return color.rgb;
            if (color.a !== 0) throw new Error('half transparent');
        }
        throw new Error('nothing behind');
    };
    const ratio = (one, other) => {
        const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    let text = Infinity, edge = Infinity, n_texts = 0;
    for (const element of document.body.querySelectorAll('*')) {
        const style = getComputedStyle(element);
        const has_text = [...element.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim() !== '');
        if (has_text && element.getClientRects().length > 0) {
            n_texts += 1;
            text = Math.min(text, ratio(parse(style.color).rgb, behind(element)));
        }
        if (element.matches('button')) {
            edge = Math.min(edge, ratio(parse(style.borderTopColor).rgb, behind(element.parentElement)));
        }
    }
    const outline = getComputedStyle(document.activeElement).outlineColor;
    edge = Math.min(edge, ratio(parse(outline).rgb, behind(document.activeElement.parentElement)));
    return [text, edge, n_texts, luminance(behind(document.body))];";

#[test]
fn light_and_dark_can_be_read_and_motion_reduced() {
    let Some(driver) = Driver::start() else { return };
    let asked = ask(vec![numbered(2)]);
    driver.open(&asked.address);
    wait_for(&driver, "Question 1 of 2", "New questions");
    let emulate = |scheme: &str, motion: &str| {
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": motion },
        ]);
        driver.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
    };
    let check = |n_texts: f64| {
        for scheme in ["light", "dark"] {
            // Without motion, so that no color is on its way to another.
            emulate(scheme, "reduce");
            let found: [f64; 4] = serde_json::from_value(driver.run(CONTRASTS)).unwrap();
            let [text, edge, n_found, back] = found;
            assert!(text >= 4.5 && edge >= 3.0 && n_found >= n_texts, "{scheme}: {found:?}");
            assert_eq!(back < 0.2, scheme == "dark", "{scheme}: {found:?}");
        }
    };
    check(20.0);
    tab_to(&driver, "Answer 1 is better");
    check(20.0);
    driver.press(ENTER);
    wait_for(&driver, "Question 2 of 2", "Noted");
    check(20.0);
    let motion = "return getComputedStyle(document.querySelector('button')).transitionDuration";
    assert_eq!(driver.run(motion), "0s");
    emulate("light", "no-preference");
    assert_ne!(driver.run(motion), "0s");
    driver.press("1");
    wait_for(&driver, "All 2 questions are answered", "Noted");
    check(8.0);
    asked.stop();
    wait_for(&driver, "Thank you, the program was stopped", "Your answers are kept.");
    check(3.0);
    assert!(asked.endings()[0].is_ok());
}

#[test]
fn the_page_goes_on_by_itself_with_javascript_and_without() {
    let Some(driver) = Driver::start() else { return };
    let mut asked = Asked::start(usize::MAX);
    driver.open(&asked.address);
    wait_for(&driver, "Waiting for the next questions", "");
    asked.ask(numbered(1));
    asked.ask(numbered(2));
    wait_for(&driver, "Question 1 of 1", "New questions have come.");
    // A program that is gone is no riddle.
    let judge = PersonJudge::start(PersonConfig::new(asked::TOKEN)).unwrap();
    driver.open(judge.address());
    wait_for(&driver, "Waiting for the next questions", "");
    drop(judge);
    wait_for(&driver, "Waiting for the next questions", "The program has ended.");

    driver.devtools("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    driver.open(&asked.address);
    wait_for(&driver, "Question 1 of 1", "New questions have come.");
    driver.click("[value=first]");
    wait_for(&driver, "The question is answered", "Noted");
    driver.click("[value=undo]");
    wait_for(&driver, "Question 1 of 1", "undone");
    driver.press("1");
    wait_for(&driver, "Question 1 of 1", "undone");
    driver.click("[value=second]");
    wait_for(&driver, "The question is answered", "Noted");
    driver.click("[value=finish]");
    wait_for(&driver, "Question 1 of 2", "New questions have come.");
    driver.click("[value=tie]");
    wait_for(&driver, "Question 2 of 2", "a tie");
    driver.click("[value=skip]");
    wait_for(&driver, "All 2 questions are answered", "skipped");
    driver.click("[value=finish]");
    wait_for(&driver, "Waiting for the next questions", "All 2 answers are kept.");
    asked.close();
    wait_for(&driver, "Thank you, all is done", "Your answers are kept.");
    assert_eq!(asked.verdicts(), [(0, 0, Some(0.0)), (1, 0, Some(0.5)), (1, 1, None)]);
    assert!(asked.endings().iter().all(Result::is_ok));
}
