//! The strip on top of the page: where every node stands.

use std::time::{Duration, SystemTime};

use super::look::{Look, Seen, State};
use crate::report::page::{Live, LiveGroup, LiveNode};

/// The strip of `look`; the page reads itself again after `refresh`.
pub fn strip(look: &Look, notes: Vec<String>, refresh: Option<Duration>) -> Live {
    let done = look.nodes.iter().filter(|node| node.state == State::Done);
    let done = done.count();
    let total = look.nodes.len();
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let of = |wanted: State| look.nodes.iter().filter(move |node| node.state == wanted);
    let groups =
        [State::Ready, State::Waiting, State::Blocked, State::Done].map(|state| LiveGroup {
            state: state.word().to_owned(),
            nodes: of(state).map(node).collect(),
        });
    let mut headline = look.headline.clone();
    if let Some(first) = headline.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Live {
        title: format!("{done} of {total}"),
        headline,
        updated: since.map_or(0, |time| time.as_secs()),
        notes,
        done,
        total,
        percent: 100.0 * done as f64 / total.max(1) as f64,
        active: (of(State::Failed).chain(of(State::Running)).map(node)).collect(),
        groups: groups
            .into_iter()
            .filter(|group| !group.nodes.is_empty())
            .collect(),
        refresh: refresh.map(|time| time.as_secs_f64().ceil().max(2.0) as u64),
        opened: of(State::Running).map(|node| node.name.clone()).collect(),
    }
}

fn node(seen: &Seen) -> LiveNode {
    LiveNode {
        name: seen.name.clone(),
        state: seen.state.word().to_owned(),
        tone: match seen.state {
            State::Failed => "bad",
            State::Running => "busy",
            State::Blocked => "warn",
            State::Done => "good",
            State::Ready | State::Waiting => "quiet",
        },
        percent: seen.percent,
        said: seen.said.clone(),
    }
}
