//! Runs that are killed, run out of disk, run beside one another, and find bits flipped: nothing is lost, nothing is
//! done twice, and what comes out is what an undisturbed run gives.
//!
//! Each suite has a quick form, run by default, and a thorough one that is `#[ignore]`d:
//! `cargo test --release -- --ignored crash::`.

mod damage;
mod faults;
mod kills;
mod together;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Project, files};

/// Training, commands (one of which gives a folder), a report, and published files; a run takes a fraction of a
/// second.
const PIPELINE: &str = "\
name: crash
seed: 3
stages:
  raw: {kind: dataset, with: {name: shapes, images: 16, size: 8}}
  gan:
    kind: train
    matrix: {seed: [0, 1]}
    inputs: {data: raw}
    with:
      task: gan
      loss: bce
      epochs: 2
      checkpoint_every: 1
      batch_size: 8
      latent: 4
      model:
        networks:
          generator:
            inputs: {z: [latent]}
            start: z
            layers:
              - linear: {out: 192}
              - reshape: [3, 8, 8]
              - tanh
          discriminator:
            inputs: {image: [channels, height, width]}
            layers:
              - flatten
              - linear: {out: 1}
  words:
    kind: command
    with:
      run: mkdir out/words; for i in 1 2 3; do echo word $i > out/words/$i; done; sleep 0.02
      outputs: {words: words}
  count:
    kind: command
    inputs: {words: words}
    publish: {count: published/count.txt}
    with:
      run: cat in/words/* | wc -w > out/count.txt; sleep 0.02
      outputs: {count: count.txt}
  grid: {kind: sample, inputs: {model: \"gan[seed=0]\"}, with: {images: 4, columns: 2}}
  report:
    kind: report
    inputs: {runs: \"gan[*]\", samples: grid}
    with: {title: Crash, out: report}
";

/// No run takes so long unless it hangs.
const TOO_LONG: Duration = Duration::from_mins(2);

/// What a run leaves for people: digests of all artifacts, published files, the lock file.
#[derive(Debug, Clone, PartialEq)]
struct Left {
    artifacts: BTreeMap<String, Value>,
    published: BTreeMap<PathBuf, Vec<u8>>,
    lock: String,
}

impl Left {
    fn by(project: &Project) -> Self {
        let mut published = BTreeMap::new();
        for folder in ["report", "published"] {
            for file in files(&project.path(folder)) {
                // Holds times.
                if !file.ends_with("run.json") {
                    let name = file.strip_prefix(project.path("")).unwrap().to_path_buf();
                    published.insert(name, fs::read(file).unwrap());
                }
            }
        }
        Self {
            artifacts: project.digests(&[]),
            published,
            lock: project.read("pipeline.lock"),
        }
    }
}

impl Left {
    /// Fails with what differs from an undisturbed run; `told` says what came before.
    fn is_undisturbed(&self, told: &str) {
        let (whole, _) = undisturbed();
        if self == whole {
            return;
        }
        let names = |left: &Self| left.published.keys().cloned().collect::<BTreeSet<_>>();
        let both = names(self);
        let both = both
            .intersection(&names(whole))
            .cloned()
            .collect::<Vec<_>>();
        let other: Vec<_> = both
            .iter()
            .filter(|name| self.published[*name] != whole.published[*name])
            .collect();
        panic!(
            "not as undisturbed: {told}\nmore files: {:?}\nless files: {:?}\nother bytes: {other:?}\nartifacts: {}\nlock files: {}",
            names(self).difference(&names(whole)),
            names(whole).difference(&names(self)),
            if self.artifacts == whole.artifacts {
                String::new()
            } else {
                format!("{:#?}", self.artifacts)
            },
            if self.lock == whole.lock {
                ""
            } else {
                &self.lock
            },
        );
    }
}

/// What an undisturbed run leaves, and how long it takes.
fn undisturbed() -> &'static (Left, Duration) {
    static UNDISTURBED: OnceLock<(Left, Duration)> = OnceLock::new();
    UNDISTURBED.get_or_init(|| {
        let project = Project::new(PIPELINE);
        let begun = Instant::now();
        project.run(&["-j", "2"]);
        let took = begun.elapsed();
        let left = Left::by(&project);
        assert_eq!(left.artifacts.len(), 7);
        assert!(left.published.len() > 3, "{:?}", left.published.keys());
        (left, took)
    })
}

/// A run whose events go to a file.
struct Run {
    child: Child,
    events: PathBuf,
    errors: PathBuf,
}

impl Run {
    /// Starts `retake run` on a pipeline, in a process group of its own.
    fn start(project: &Project, pipeline: &str, number: usize) -> Self {
        Self::start_with(project, pipeline, number, &[])
    }

    /// The same with more in its environment.
    fn start_with(
        project: &Project,
        pipeline: &str,
        number: usize,
        environment: &[(&str, &str)],
    ) -> Self {
        let events = project.path(&format!("events-{number}"));
        let errors = project.path(&format!("errors-{number}"));
        let child = project
            .command(&["run", pipeline, "--json", "-j", "2"])
            .process_group(0)
            .envs(environment.iter().copied())
            .stdout(File::create(&events).unwrap())
            .stderr(File::create(&errors).unwrap())
            .spawn()
            .unwrap();
        Self {
            child,
            events,
            errors,
        }
    }

    /// Waits for its end.
    fn end(&mut self) -> ExitStatus {
        ended(&mut self.child).unwrap_or_else(|| panic!("it hangs: {}", self.said()))
    }

    fn said(&self) -> String {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        format!("{}\n{}", read(&self.events), read(&self.errors))
    }

    /// The nodes of the events called `event`, one for each.
    fn nodes(&self, event: &str) -> Vec<String> {
        let text = fs::read_to_string(&self.events).unwrap();
        // The last line of a process that was killed may not be whole.
        let events = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let wanted = events.filter(|said| said["event"] == event);
        wanted
            .map(|said| format!("{}{}", said["stage"].as_str().unwrap(), said["axes"]))
            .collect()
    }

    /// The nodes that it has told to be done.
    fn done(&self) -> BTreeSet<String> {
        let mut done: BTreeSet<String> = self.nodes("finished").into_iter().collect();
        done.extend(self.nodes("cached"));
        done
    }

    /// Nothing that was done before may have begun again.
    fn repeats_none_of(&self, done: &BTreeSet<String>) {
        for node in self.nodes("started") {
            assert!(!done.contains(&node), "{node} ran again: {}", self.said());
        }
    }
}

/// How a child ends; none when it hangs, and it is ended then.
fn ended(child: &mut Child) -> Option<ExitStatus> {
    let begun = Instant::now();
    while begun.elapsed() < TOO_LONG {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// `SplitMix64`: chance that a seed repeats.
#[derive(Debug, Clone)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn within(&mut self, time: Duration) -> Duration {
        Duration::from_micros(self.below(time.as_micros() as u64))
    }
}

/// Does `work` for every item, on two threads.
fn in_pairs<T: Send>(items: Vec<T>, work: impl Fn(T) + Sync) {
    let items = std::sync::Mutex::new(items.into_iter());
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                loop {
                    let next = items
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .next();
                    let Some(item) = next else { break };
                    work(item);
                }
            });
        }
    });
}
