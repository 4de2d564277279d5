//! Runs that are killed at random instants.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{Chance, Left, PIPELINE, Run, in_pairs, undisturbed};
use crate::support::Project;

/// How a run comes to its end.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// `kill -9`
    Kill,
    /// `kill -9` of its process group
    KillGroup,
    /// SIGTERM
    Terminate,
    /// `kill -9` of one of two that run at once; the other goes on
    OneOfTwo,
}

const WAYS: [Way; 4] = [Way::Kill, Way::KillGroup, Way::Terminate, Way::OneOfTwo];

/// One project with the kills that it goes through, and when each comes.
#[derive(Debug)]
struct Trial {
    kills: Vec<(Way, Duration)>,
}

fn trials(kills: usize, seed: u64) -> Vec<Trial> {
    let (_, took) = undisturbed();
    let mut chance = Chance(seed);
    let mut left = kills;
    let mut trials = Vec::new();
    while left > 0 {
        let count = (1 + chance.below(3) as usize).min(left);
        let kills = (0..count).map(|_| {
            let way = WAYS[chance.below(4) as usize];
            (way, chance.within(*took))
        });
        trials.push(Trial {
            kills: kills.collect(),
        });
        left -= count;
    }
    trials
}

/// Kills runs on one project, one after the other, and then lets one go on to its end.
fn go_through(trial: &Trial) {
    let project = Project::new(PIPELINE);
    let mut done = BTreeSet::new();
    let mut number = 0;
    let mut start = || {
        number += 1;
        Run::start(&project, "pipeline.yaml", number)
    };
    for (way, after) in &trial.kills {
        let mut run = start();
        let mut other = matches!(way, Way::OneOfTwo).then(&mut start);
        std::thread::sleep(*after);
        let pid = Pid::from_child(&run.child);
        let sent = match way {
            Way::Kill | Way::OneOfTwo => kill_process(pid, Signal::KILL),
            Way::KillGroup => kill_process_group(pid, Signal::KILL),
            Way::Terminate => kill_process(pid, Signal::TERM),
        };
        sent.unwrap();
        let status = run.end();
        let code = status.code();
        assert!(
            matches!(code, None | Some(0 | 130)),
            "{way:?}: {code:?} {}",
            run.said()
        );
        run.repeats_none_of(&done);
        if let Some(other) = &mut other {
            let status = other.end();
            assert!(status.success(), "{way:?}: {}", other.said());
            other.repeats_none_of(&done);
            let finished: BTreeSet<_> = run.nodes("finished").into_iter().collect();
            other.repeats_none_of(&finished);
            done.extend(other.done());
        }
        done.extend(run.done());
    }
    let mut last = start();
    let status = last.end();
    assert!(status.success(), "{}", last.said());
    last.repeats_none_of(&done);
    Left::by(&project).is_undisturbed(&format!("{trial:?} {}", last.said()));
    let checked = project.retake(&["doctor", "--check-store"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

fn kill(kills: usize, seed: u64) {
    // What a seed gives is the same each time but for what the machine does meanwhile.
    eprintln!("{kills} kills, seed {seed}");
    in_pairs(trials(kills, seed), |trial| {
        eprintln!("{trial:?}");
        go_through(&trial);
    });
}

#[test]
fn a_run_killed_at_any_instant_goes_on_to_the_same_results_and_repeats_nothing() {
    kill(30, 1);
}

#[test]
#[ignore = "minutes"]
fn two_hundred_and_fifty_kills_lose_nothing_and_repeat_nothing() {
    let seed = std::env::var("RETAKE_CRASH_SEED").ok();
    kill(250, seed.and_then(|seed| seed.parse().ok()).unwrap_or(2));
}
