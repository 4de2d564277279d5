//! One HTTP request, read on a thread of its own so that whoever waits can give up.

use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use ureq::http::StatusCode;
use ureq::{Agent, Error};

/// How long a server may say nothing before it counts as gone.
const SILENCE: Duration = Duration::from_secs(30);
/// Bytes that are read at once.
const BLOCK: usize = 1 << 18;
/// Blocks that may wait to be written.
const WAITING: usize = 8;

/// What part of the file is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Ask {
    /// leave out so many bytes
    pub from: u64,
    /// … if the file is still the one of this `ETag` or `Last-Modified`
    pub unchanged: Option<String>,
}

/// What came.
pub(super) enum Piece {
    /// the answer, first of all
    Head(Head),
    /// bytes of the file
    Bytes(Vec<u8>),
    /// all is said
    End,
    /// the connection broke, and why
    Cut(String),
    /// no use in trying again, and why
    Refused(String),
}

/// An answer without its body.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub status: u16,
    /// status with its usual words
    pub said: String,
    /// `ETag` if it is a strong one, else `Last-Modified`
    pub version: Option<String>,
    /// bytes of the body
    pub length: Option<u64>,
    /// `Content-Range`: first byte that is sent, bytes of the whole file
    pub range: (Option<u64>, Option<u64>),
}

/// A running request.
pub(super) struct Request {
    pieces: Receiver<Piece>,
}

impl Request {
    /// Sends the request.
    pub fn start(agent: &Agent, url: &str, ask: Ask) -> Self {
        let (send, pieces) = sync_channel(WAITING);
        let (agent, url) = (agent.clone(), url.to_owned());
        std::thread::spawn(move || {
            let last = match converse(&agent, &url, &ask, &|piece| send.send(piece).is_ok()) {
                Ok(()) => Piece::End,
                Err(error) if is_final(&error) => Piece::Refused(error.to_string()),
                Err(error) => Piece::Cut(error.to_string()),
            };
            // Nobody listens any more once the download was given up.
            let _ = send.send(last);
        });
        Self { pieces }
    }

    /// The next piece; `None` when none comes within `wait`.
    pub fn next(&self, wait: Duration) -> Option<Piece> {
        match self.pieces.recv_timeout(wait) {
            Ok(piece) => Some(piece),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                Some(Piece::Cut("the connection was given up".to_owned()))
            }
        }
    }
}

/// A client that follows redirections and gives every status as an answer.
pub(super) fn agent() -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(concat!("retake/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .timeout_connect(Some(SILENCE))
        .timeout_per_read(Some(SILENCE));
    #[cfg(feature = "https")]
    let config = {
        use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        config.tls_config(
            TlsConfig::builder()
                .provider(TlsProvider::Rustls)
                .root_certs(RootCerts::PlatformVerifier)
                .unversioned_rustls_crypto_provider(provider)
                .build(),
        )
    };
    config.build().into()
}

/// Asks and passes pieces on until all is said or nobody takes them.
fn converse(
    agent: &Agent,
    url: &str,
    ask: &Ask,
    pass: &dyn Fn(Piece) -> bool,
) -> Result<(), Error> {
    let mut request = agent.get(url);
    if ask.from > 0 {
        request = request.header("Range", format!("bytes={}-", ask.from));
        if let Some(version) = &ask.unchanged {
            request = request.header("If-Range", version);
        }
    }
    let response = request.call()?;
    let (parts, body) = response.into_parts();
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let strong = header("etag").filter(|tag| !tag.starts_with("W/"));
    let head = Head {
        status: parts.status.as_u16(),
        said: words(parts.status),
        version: strong
            .or_else(|| header("last-modified"))
            .map(str::to_owned),
        length: header("content-length").and_then(|length| length.parse().ok()),
        range: header("content-range").map_or((None, None), range),
    };
    if !pass(Piece::Head(head)) {
        return Ok(());
    }
    let mut body = body.into_reader();
    loop {
        let mut block = vec![0; BLOCK];
        let read = body.read(&mut block).map_err(Error::Io)?;
        if read == 0 {
            return Ok(());
        }
        block.truncate(read);
        if !pass(Piece::Bytes(block)) {
            return Ok(());
        }
    }
}

fn words(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// Reads `bytes 5-9/10` and `bytes */10`.
fn range(text: &str) -> (Option<u64>, Option<u64>) {
    let Some((part, whole)) = text
        .trim()
        .strip_prefix("bytes ")
        .and_then(|t| t.split_once('/'))
    else {
        return (None, None);
    };
    let first = part
        .split_once('-')
        .and_then(|(first, _)| first.parse().ok());
    (first, whole.parse().ok())
}

/// Whether another try would end the same.
fn is_final(error: &Error) -> bool {
    matches!(
        error,
        Error::BadUri(_)
            | Error::Http(_)
            | Error::Tls(_)
            | Error::TooManyRedirects
            | Error::RedirectFailed
            | Error::InvalidProxyUrl
    )
}
