//! A headless Chromium behind chromedriver: the few commands that the tests need, as JSON over HTTP.
//!
//! <https://www.w3.org/TR/webdriver2/>, and `goog/cdp/execute` for what the standard has no command for.

use serde_json::{Value, json};
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;
use ureq::Agent;

/// The name of a reference to an element, given by the standard.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

const ARGUMENTS: [&str; 5] = [
    "--headless=new",
    // Tests often run as root, where the sandbox cannot be had. Nothing but our own page is opened.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--window-size=1280,1400",
];

/// One browser; it ends when dropped.
pub(crate) struct Driver {
    process: Child,
    agent: Agent,
    /// The address of the session.
    session: String,
}

impl Driver {
    /// `None` where there is no chromedriver, which is said on standard error.
    ///
    /// # Panics
    /// If there is none although the environment variable `CI` is set, or it does not start.
    pub(crate) fn start() -> Option<Self> {
        let mut command = Command::new("chromedriver");
        let spawned = command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process = match spawned {
            Ok(process) => process,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let missing = "the page of the person is not tested in a browser: there is no chromedriver on the path \
                               (Debian: chromium and chromium-driver)";
                assert!(env::var_os("CI").is_none(), "{missing}, and CI is set");
                // Straight to the stream: what a test prints is shown only if it fails.
                io::stderr().write_all(format!("{missing}\n").as_bytes()).unwrap();
                return None;
            }
            Err(error) => panic!("chromedriver does not start: {error}"),
        };
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let port = output.lines().find_map(|line| {
            let line = line.unwrap();
            let (_, port) = line.split_once("started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let port = port.expect("chromedriver names its port");
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .into();
        let mut driver =
            Self { process, agent, session: format!("http://127.0.0.1:{port}/session") };
        let chrome = json!({ "args": ARGUMENTS });
        let wanted = json!({ "browserName": "chrome", "goog:chromeOptions": chrome });
        let started =
            driver.post("", &json!({ "capabilities": { "alwaysMatch": wanted } })).unwrap();
        driver.session += "/";
        driver.session += started["sessionId"].as_str().expect("the id of a session");
        Some(driver)
    }

    pub(crate) fn open(&self, address: &str) {
        self.post("/url", &json!({ "url": address })).unwrap();
    }

    /// The value of a function body.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.try_run(script).unwrap()
    }

    /// Waits until a function body returns true.
    pub(crate) fn wait_until(&self, script: &str) {
        let mut last = Ok(Value::Null);
        for _ in 0..1500 {
            // In between two pages there is nothing to run it in.
            last = self.try_run(script);
            if last.as_ref().is_ok_and(|value| value == true) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let page = self.run("return document.body.innerText.slice(0, 1000)");
        panic!("never true: {script}\nlast: {last:?}\n{page}");
    }

    /// Presses and releases a key, given as the standard encodes it.
    pub(crate) fn press(&self, key: &str) {
        let actions =
            json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.post("/actions", &json!({ "actions": [keyboard] })).unwrap();
    }

    pub(crate) fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.post(&format!("/element/{element}/click"), &json!({})).unwrap();
    }

    /// Role and name of an element as the browser computes them for assistive technology.
    pub(crate) fn role_and_name(&self, selector: &str) -> (String, String) {
        let element = self.find(selector);
        let computed = |what: &str| {
            let value = self.get(&format!("/element/{element}/computed{what}")).unwrap();
            value.as_str().expect("a text").trim().to_owned()
        };
        (computed("role"), computed("label"))
    }

    /// A command of the protocol that the developer tools of Chrome speak.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) {
        let body = json!({ "cmd": command, "params": parameters });
        self.post("/goog/cdp/execute", &body).unwrap();
    }

    fn find(&self, selector: &str) -> String {
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector }));
        found.unwrap()[ELEMENT].as_str().expect("an element").to_owned()
    }

    fn try_run(&self, script: &str) -> Result<Value, String> {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        value(self.agent.get(format!("{}{path}", self.session)).call())
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        value(self.agent.post(format!("{}{path}", self.session)).send_json(body))
    }
}

/// What chromedriver returns, or what it says went wrong.
fn value(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, String> {
    let mut response = response.map_err(|error| error.to_string())?;
    let mut body: Value = response.body_mut().read_json().map_err(|error| error.to_string())?;
    let value = body["value"].take();
    if response.status().is_success() { Ok(value) } else { Err(value["message"].to_string()) }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Ends the browser. A test that failed should say why it did, not that the browser was gone as well.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
