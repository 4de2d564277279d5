//! `kind: download` through the binary, against a small server on this machine.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use retake::hash::Digest;

use crate::support::{Project, files, said};

/// What the server says to one request.
#[derive(Default)]
struct Answer {
    /// status line and headers, each ended by \r\n
    head: String,
    body: Vec<u8>,
    /// the connection stays open, silent
    stalls: bool,
}

/// A server that answers with a function of (number of the request, its text).
struct Server {
    url: String,
    /// the head of every request so far
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(answer: impl Fn(usize, &str) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/set.idx", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = request(&stream) else {
                    continue;
                };
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(request.clone());
                    seen.len() - 1
                };
                let Answer { head, body, stalls } = answer(number, &request);
                // A client that has gone away is no fault of the server's.
                let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes());
                let _ = stream.write_all(&body);
                if stalls {
                    silent.push(stream);
                }
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn request(stream: &TcpStream) -> Option<String> {
    let mut text = String::new();
    for line in BufReader::new(stream).lines() {
        let line = line.ok()?;
        if line.is_empty() {
            return Some(text.to_ascii_lowercase());
        }
        text += &line;
        text.push('\n');
    }
    None
}

/// The whole file.
fn whole(content: &[u8], tag: &str) -> Answer {
    Answer {
        head: format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: \"{tag}\"\r\n",
            content.len()
        ),
        body: content.to_vec(),
        stalls: false,
    }
}

/// The file from byte `from` on.
fn rest(content: &[u8], tag: &str, from: usize) -> Answer {
    let size = content.len();
    Answer {
        head: format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nETag: \"{tag}\"\r\n\
             Content-Range: bytes {from}-{}/{size}\r\n",
            size - from,
            size - 1
        ),
        body: content[from..].to_vec(),
        stalls: false,
    }
}

/// The address of a server that has one file.
pub fn serve(content: &'static [u8]) -> String {
    Server::new(move |_, _| whole(content, "one")).url
}

fn status(line: &str) -> Answer {
    Answer {
        head: format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n"),
        ..Answer::default()
    }
}

/// The first byte that a request asks for.
fn asked_from(request: &str) -> Option<usize> {
    let (_, range) = request.split_once("range: bytes=")?;
    range.split('-').next()?.parse().ok()
}

/// An IDX file of 40,000 images of 4 × 4 pixels: several blocks.
fn content() -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3, 0, 0, 0x9c, 0x40, 0, 0, 0, 4, 0, 0, 0, 4];
    bytes.extend((0..640_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8));
    bytes
}

/// A pipeline that downloads the file and reads it.
fn project(url: &str, digest: &str) -> Project {
    Project::new(&format!(
        "name: web\nstages:\n  raw: {{kind: download, with: {{url: \"{url}\", {digest}}}}}\n  \
         data: {{kind: dataset, inputs: {{images: raw}}, with: {{name: idx, limit: 3}}}}\n"
    ))
}

fn blake3(content: &[u8]) -> String {
    format!("blake3: {}", Digest::of_bytes(content))
}

/// Runs it; the downloaded file must be `content`.
fn assert_brings(project: &Project, content: &[u8]) {
    assert_eq!(project.run(&[]).ran(), ["data", "raw"]);
    let got = project.retake(&["get", "pipeline.yaml", "raw", "copy"]);
    assert_eq!(got.code, Some(0), "{got:?}");
    assert!(
        std::fs::read(project.path("copy")).unwrap() == content,
        "other bytes"
    );
}

#[test]
fn a_downloaded_file_is_known_by_its_digest_not_by_its_address() {
    let server = Server::new(|_, _| whole(&content(), "a"));
    let project = project(&server.url, &blake3(&content()));
    let plan = project.retake(&["plan", "pipeline.yaml"]);
    assert_eq!(plan.code, Some(0), "{plan:?}");
    assert!(server.requests().is_empty(), "planning asks nobody");
    assert_brings(&project, &content());
    assert_eq!(server.requests().len(), 1);
    project.edit(&server.url, "https://nowhere.invalid/other");
    assert_eq!(project.run(&[]).cached(), ["data", "raw"]);
}

#[test]
fn sha256_digests_are_taken_too_in_capitals_as_well() {
    // printf abc | sha256sum
    let digest = "sha256: BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
    let server = Server::new(|_, _| whole(b"abc", "a"));
    let text = format!(
        "name: web\nstages:\n  raw: {{kind: download, with: {{url: \"{}\", {digest}}}}}\n",
        server.url
    );
    let project = Project::new(&text);
    assert_eq!(project.run(&[]).ran(), ["raw"]);
}

#[test]
fn a_cut_connection_is_taken_up_where_it_broke() {
    let server = Server::new(|number, request| {
        let content = content();
        match (number, asked_from(request)) {
            (0, _) => Answer {
                body: content[..300_000].to_vec(),
                ..whole(&content, "a")
            },
            (1, Some(from)) => Answer {
                body: content[from..from + 1000].to_vec(),
                ..rest(&content, "a", from)
            },
            (_, Some(from)) => rest(&content, "a", from),
            (_, None) => status("500 Unasked"),
        }
    });
    let project = project(&server.url, &blake3(&content()));
    assert_brings(&project, &content());
    let requests = server.requests();
    let from: Vec<_> = requests.iter().map(|request| asked_from(request)).collect();
    assert_eq!(from, [None, Some(300_000), Some(301_000)]);
    assert!(requests[1].contains("if-range: \"a\""), "{}", requests[1]);
}

#[test]
fn a_server_without_ranges_sends_the_file_again() {
    let server = Server::new(|number, _| match number {
        0 => Answer {
            body: content()[..300_000].to_vec(),
            ..whole(&content(), "a")
        },
        _ => whole(&content(), "a"),
    });
    assert_brings(&project(&server.url, &blake3(&content())), &content());
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn parts_of_two_versions_of_a_file_are_not_mixed() {
    // This server does not heed If-Range: only the digest shows that the pieces do not belong together.
    let server = Server::new(|number, request| {
        let old = vec![7; content().len()];
        match (number, asked_from(request)) {
            (0, _) => Answer {
                body: old[..300_000].to_vec(),
                ..whole(&old, "old")
            },
            (_, Some(from)) => rest(&content(), "new", from),
            (_, None) => whole(&content(), "new"),
        }
    });
    assert_brings(&project(&server.url, &blake3(&content())), &content());
    let from: Vec<_> = server.requests().iter().map(|r| asked_from(r)).collect();
    assert_eq!(from, [None, Some(300_000), None]);
}

#[test]
fn a_busy_server_is_asked_again() {
    let server = Server::new(|number, _| match number {
        0 => status("503 Service Unavailable"),
        1 => status("429 Too Many Requests"),
        _ => whole(&content(), "a"),
    });
    assert_brings(&project(&server.url, &blake3(&content())), &content());
}

#[test]
fn a_wrong_digest_fails_and_keeps_nothing() {
    let server = Server::new(|_, _| whole(&content(), "a"));
    let project = project(&server.url, &format!("blake3: {}", "0".repeat(64)));
    let said = project.retake(&["run", "pipeline.yaml"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let found = Digest::of_bytes(&content());
    for text in [
        &format!("BLAKE3 is {found}, not 000"),
        "nothing of it was kept",
    ] {
        assert!(said.err.contains(text), "{}", said.err);
    }
    assert_eq!(server.requests().len(), 1, "no use in trying again");
    let large = |path: &std::path::PathBuf| path.metadata().unwrap().len() > 100_000;
    let kept: Vec<_> = files(&project.path(".retake"))
        .into_iter()
        .filter(large)
        .collect();
    assert!(kept.is_empty(), "{kept:?}");
}

#[test]
fn a_missing_file_fails_at_once() {
    let server = Server::new(|_, _| status("404 Not Found"));
    let project = project(&server.url, &blake3(&content()));
    let said = project.retake(&["run", "pipeline.yaml"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let expected = format!("{}: the server answers 404 Not Found", server.url);
    assert!(said.err.contains(&expected), "{}", said.err);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn nobody_listening_is_an_error_that_says_so() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let project = project(&format!("http://{port}/x"), &blake3(&content()));
    let said = project.retake(&["run", "pipeline.yaml"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("(5 tries)"), "{}", said.err);
}

#[test]
fn an_interrupted_download_goes_on_in_the_next_run() {
    let server = Server::new(|number, request| {
        let content = content();
        match (number, asked_from(request)) {
            (0, _) => Answer {
                body: content[..300_000].to_vec(),
                stalls: true,
                ..whole(&content, "a")
            },
            (_, Some(from)) => rest(&content, "a", from),
            (_, None) => status("500 Unasked"),
        }
    });
    let project = project(&server.url, &blake3(&content()));
    let mut run = project.command(&["run", "pipeline.yaml", "--json"]);
    let child = run
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Until all that was sent is written.
    let written = |path: &std::path::PathBuf| {
        path.metadata()
            .is_ok_and(|metadata| metadata.len() == 300_000)
    };
    while !files(&project.path(".retake")).iter().any(written) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let ended = said(&child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert_brings(&project, &content());
    let from: Vec<_> = server.requests().iter().map(|r| asked_from(r)).collect();
    assert_eq!(from, [None, Some(300_000)]);
    // The part has served its purpose: the file is in the store once.
    let large = |path: &std::path::PathBuf| path.metadata().unwrap().len() >= 300_000;
    let kept = files(&project.path(".retake"))
        .into_iter()
        .filter(large)
        .count();
    assert_eq!(kept, 1);
}
