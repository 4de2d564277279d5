//! What the README says works: its commands, its pipelines, its links.
//!
//! Commands in ```` ```sh ```` blocks run in order, in a copy of the project, by a shell that finds the built
//! `retake`. To stay short, the quickstart runs in its `smoke` profile and other pipelines are only planned.
//! A ```` ```yaml ```` block that begins with `# NAME.yaml` is that file.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

/// Programs that the README names but no test should start: they install or build.
const NOT_RUN: &[&str] = &["cargo", "sudo"];

#[test]
fn every_command_works() {
    let readme = readme();
    let project = copy_of_project();
    for pipeline in blocks(&readme, "yaml") {
        if let Some(name) = file_name(pipeline) {
            fs::write(project.path().join(name), pipeline).expect("the copy is writable");
        }
    }
    let mut ran = 0;
    for command in blocks(&readme, "sh").into_iter().flat_map(commands) {
        let Some(line) = line_to_run(&command) else {
            let program = command.split(' ').next().unwrap_or_default();
            assert!(NOT_RUN.contains(&program), "nobody tests `{command}`");
            continue;
        };
        let output = Command::new("sh")
            .args(["-c", &line])
            .current_dir(project.path())
            .env("PATH", path_with_retake())
            .env_remove("RETAKE_STORE")
            .output()
            .expect("there is a shell");
        assert!(
            output.status.success(),
            "`{line}`: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        ran += 1;
    }
    assert!(ran >= 10, "only {ran} commands were found");
}

#[test]
fn a_network_of_ones_own_trains_as_the_readme_writes_it() {
    let readme = readme();
    let own = blocks(&readme, "yaml")
        .into_iter()
        .find(|block| file_name(block) == Some("own.yaml"))
        .expect("the README has own.yaml");
    let project = TempDir::new().expect("there is room for temporary files");
    fs::write(project.path().join("own.yaml"), own).expect("the folder is writable");
    let output = Command::new(env!("CARGO_BIN_EXE_retake"))
        .args(["run", "own.yaml", "--json"])
        .current_dir(project.path())
        .env_remove("RETAKE_STORE")
        .output()
        .expect("retake starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        said.lines()
            .last()
            .is_some_and(|line| line.contains("\"ran\":2")),
        "{said}"
    );
}

#[test]
fn every_local_link_leads_somewhere() {
    let readme = readme();
    let targets = readme
        .match_indices("](")
        .map(|(at, mark)| &readme[at + mark.len()..]);
    let targets = targets.filter_map(|rest| rest.split([')', '#']).next());
    for target in targets.filter(|target| !target.is_empty() && !target.contains("://")) {
        assert!(
            Path::new(PROJECT).join(target).exists(),
            "README links to {target}"
        );
    }
}

#[test]
fn comments_and_continued_lines_are_understood() {
    let block = "# say why\nretake explain a.yaml gan  # one stage\n\nretake run a.yaml \\\n    --set 'note=a # b'\n";
    assert_eq!(
        commands(block),
        [
            "retake explain a.yaml gan",
            "retake run a.yaml --set 'note=a # b'"
        ]
    );
    assert_eq!(line_to_run("cargo test --release"), None);
    assert_eq!(
        line_to_run("cargo run --release -- run pipelines/quickstart.yaml").as_deref(),
        Some("retake run pipelines/quickstart.yaml --profile smoke")
    );
    assert_eq!(
        line_to_run("retake run first.yaml").as_deref(),
        Some("retake run --dry-run first.yaml")
    );
}

fn readme() -> String {
    fs::read_to_string(Path::new(PROJECT).join("README.md")).expect("there is a README")
}

/// The fenced blocks of a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let open = format!("```{language}\n");
    let contents = text.split(&open).skip(1);
    contents
        .filter_map(|rest| rest.split("```").next())
        .collect()
}

/// `NAME.yaml` where the block begins with `# NAME.yaml`.
fn file_name(block: &str) -> Option<&str> {
    let name = block.lines().next()?.strip_prefix("# ")?;
    (Path::new(name).extension()? == "yaml").then_some(name)
}

/// The commands of a shell block: comments left out, continued lines joined.
fn commands(block: &str) -> Vec<String> {
    let block = block.replace("\\\n", " ");
    let lines = block
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let command = line.split("  # ").next().unwrap_or(line);
            command.split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect()
}

/// What the test runs for a command of the README; `None` when it is not retake's.
fn line_to_run(command: &str) -> Option<String> {
    const QUICKSTART: &str = "pipelines/quickstart.yaml";
    let arguments = command
        .strip_prefix("retake ")
        .or_else(|| command.strip_prefix("cargo run --release -- "))?;
    Some(match arguments.strip_prefix("run ") {
        Some(rest) if !rest.contains(QUICKSTART) => format!("retake run --dry-run {rest}"),
        _ if arguments.contains("--profile") => format!("retake {arguments}"),
        _ if arguments.starts_with("metrics ") => format!("retake {arguments} --profile smoke"),
        _ => format!(
            "retake {}",
            arguments.replace(QUICKSTART, &format!("{QUICKSTART} --profile smoke"))
        ),
    })
}

fn path_with_retake() -> String {
    let folder = Path::new(env!("CARGO_BIN_EXE_retake"))
        .parent()
        .expect("a file lies in a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}", folder.display())
}

/// A folder that looks like a fresh clone to a pipeline.
fn copy_of_project() -> TempDir {
    let copy = TempDir::new().expect("there is room for temporary files");
    fs::copy(
        Path::new(PROJECT).join("Cargo.toml"),
        copy.path().join("Cargo.toml"),
    )
    .expect("the copy is writable");
    for folder in ["pipelines", "datasets"] {
        for entry in walkdir::WalkDir::new(Path::new(PROJECT).join(folder)) {
            let entry = entry.expect("the project is readable");
            let to = copy
                .path()
                .join(entry.path().strip_prefix(PROJECT).expect("found below it"));
            if entry.file_type().is_dir() {
                fs::create_dir_all(to).expect("the copy is writable");
            } else {
                fs::copy(entry.path(), to).expect("the copy is writable");
            }
        }
    }
    copy
}
