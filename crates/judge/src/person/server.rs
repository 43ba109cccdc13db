//! The page's server: this machine only, one secret path, one thread.
//!
//! ```text
//! GET  /TOKEN/           the page as the session stands
//! POST /TOKEN/act        turn=…&action=…, then 303 to the page
//! GET  /TOKEN/turn       the turn, so that a page knows when it no longer holds
//! GET  /TOKEN/page.css   GET /TOKEN/page.js
//! ```
//! Another name of the host than 127.0.0.1 or localhost is refused (403): that is how a page from elsewhere, whose name was made to
//! point here (DNS rebinding), is told from ours. Any other path is not found (404). Nothing is loaded from elsewhere, and no
//! script or style runs but the two files.

use super::desk::Desk;
use super::page;
use super::session::{Action, Choice};
use axum::extract::{DefaultBodyLimit, Form, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, serve};
use serde::Deserialize;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::runtime;
use tokio::sync::oneshot;

/// How long answers under way may take to leave when the server ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// No form of the page comes near it.
const MAX_FORM_BYTES: usize = 1024;

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// For the two files, which do not change while the token lives.
const CACHED: &str = "private, max-age=86400";

/// A running server; it ends when dropped.
#[derive(Debug)]
pub(super) struct Server {
    port: u16,
    thread: Option<JoinHandle<()>>,
    ending: Option<oneshot::Sender<()>>,
}

/// What every request is handled with.
#[derive(Debug)]
struct Site {
    desk: Arc<Desk>,
    rater: Option<String>,
    hosts: [String; 2],
}

impl Server {
    /// Binds to a port of this machine, any free one for 0, and serves from a thread of its own.
    pub(super) fn start(
        port: u16,
        token: &str,
        rater: Option<String>,
        desk: Arc<Desk>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
        let router = router(token, Arc::new(Site { desk, rater, hosts }));
        let (ending, ended) = oneshot::channel();
        let serving = move || runtime.block_on(serve_until(listener, router, ended));
        let thread = thread::Builder::new().name("judge-page".to_owned()).spawn(serving)?;
        Ok(Self { port, thread: Some(thread), ending: Some(ending) })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The receiver is told by the sender being gone.
        drop(self.ending.take());
        if let Some(thread) = self.thread.take() {
            // A panic in the server has shown itself; there is nothing to add while dropping.
            let _ = thread.join();
        }
    }
}

async fn serve_until(
    listener: tokio::net::TcpListener,
    router: Router,
    ended: oneshot::Receiver<()>,
) {
    let (closing, closed) = oneshot::channel::<()>();
    let server = serve(listener, router).with_graceful_shutdown(async move {
        let _ = closed.await;
    });
    let server = tokio::spawn(server.into_future());
    let _ = ended.await;
    drop(closing);
    // Browsers hold connections open on which they never ask.
    let _ = tokio::time::timeout(LAST_WORDS, server).await;
}

fn router(token: &str, site: Arc<Site>) -> Router {
    let file = |media_type: &'static str, content: &'static str| {
        // The last page is shown when the server is about to end: what it is made of must be in the browser by then.
        let headers = [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, CACHED)];
        get(move || async move { (headers, content) })
    };
    Router::new()
        .route(&format!("/{token}/"), get(show))
        .route(&format!("/{token}/act"), post(act))
        .route(&format!("/{token}/turn"), get(turn))
        .route(&format!("/{token}/page.css"), file("text/css", page::STYLE))
        .route(&format!("/{token}/page.js"), file("text/javascript", page::SCRIPT))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(middleware::from_fn_with_state(Arc::clone(&site), guard))
        .with_state(site)
}

/// Refuses whoever came by another name, and says to browsers what the page may do: nothing but show itself.
async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    let mut response = if host.is_some_and(|host| site.hosts.iter().any(|own| own == host)) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "this page is served to this machine only").into_response()
    };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

async fn show(State(site): State<Arc<Site>>) -> Html<String> {
    let rater = site.rater.as_deref();
    Html(site.desk.show(|session| page::render(session, rater)).await.into_string())
}

async fn turn(State(site): State<Arc<Site>>) -> String {
    site.desk.turn().to_string()
}

/// The fields of every form.
#[derive(Debug, Deserialize)]
struct Fields {
    turn: u64,
    action: Pressed,
}

/// The values of the buttons.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Pressed {
    First,
    Second,
    Tie,
    Skip,
    Undo,
    Finish,
    End,
    Keys,
}

async fn act(State(site): State<Arc<Site>>, Form(fields): Form<Fields>) -> Redirect {
    let action = match fields.action {
        Pressed::First => Action::Answer(Choice::First),
        Pressed::Second => Action::Answer(Choice::Second),
        Pressed::Tie => Action::Answer(Choice::Tie),
        Pressed::Skip => Action::Answer(Choice::Skip),
        Pressed::Undo => Action::Undo,
        Pressed::Finish => Action::Finish,
        Pressed::End => Action::End,
        Pressed::Keys => Action::ToggleKeys,
    };
    site.desk.act(fields.turn, action);
    // 303: the browser asks for the page anew, and reloading it sends no form again.
    Redirect::to("./")
}
