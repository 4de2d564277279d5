//! The table of what kinds gave, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use retake::hash::Digest;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Digits of a digest in the table.
const DIGITS: usize = 16;
/// Where results stand that depend on no device.
pub const ANY: &str = "any";

/// What a node gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gave {
    /// digest of the case: settings and inputs
    pub case: String,
    /// output → digest; outcome and metrics too
    pub outputs: BTreeMap<String, String>,
}

/// What a kind of one version gave on one class of device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// of what follows
    seal: String,
    pub cases: BTreeMap<String, Gave>,
}

/// kind → version → class → block
pub type Table = BTreeMap<String, BTreeMap<u32, BTreeMap<String, Block>>>;

pub fn short(digest: &Digest) -> String {
    digest.to_string()[..DIGITS].to_owned()
}

fn seal(kind: &str, version: u32, class: &str, cases: &BTreeMap<String, Gave>) -> String {
    short(&Digest::of_value(&json!([kind, version, class, cases])))
}

/// kind, version, class, case, what it gave
pub type Measured = Vec<(String, u32, String, String, Gave)>;

/// What is wrong with the table, given what the kinds give now. With `renew` what is new is added to it first.
pub fn compare(table: &mut Table, measured: &Measured, kinds: &[&str], renew: bool) -> Vec<String> {
    let mut faults = Vec::new();
    for (kind, versions) in &*table {
        for (version, classes) in versions {
            for (class, block) in classes {
                if block.seal != seal(kind, *version, class, &block.cases) {
                    faults.push(format!(
                        "the entries of `{kind}` version {version} on {class} were edited: restore them"
                    ));
                }
            }
        }
    }
    if !faults.is_empty() {
        return faults;
    }
    for kind in kinds {
        if !measured.iter().any(|(measured, ..)| measured == kind) {
            faults.push(format!(
                "`{kind}` has no case: add one to tests/fingerprints/cases.rs"
            ));
        }
    }
    for (kind, version, class, name, gave) in measured {
        let versions = table.entry(kind.clone()).or_default();
        if let Some(newest) = versions
            .keys()
            .next_back()
            .filter(|newest| *newest > version)
        {
            faults.push(format!(
                "`{kind}` is of version {version}, and has been of {newest}: versions only go up"
            ));
            continue;
        }
        let elsewhere = versions
            .get(version)
            .is_some_and(|classes| classes.keys().any(|other| other != class));
        let known = versions.get(version).and_then(|classes| classes.get(class));
        match known.and_then(|block| block.cases.get(name)) {
            Some(before) if before == gave => {}
            Some(before) if before.case != gave.case => faults.push(format!(
                "case `{name}` of `{kind}` is another one: its settings or the bytes of its inputs have changed. Give it \
                 another name and renew"
            )),
            Some(before) => {
                let names = before.outputs.keys().chain(gave.outputs.keys());
                let names: BTreeSet<&String> = names
                    .filter(|name| before.outputs.get(*name) != gave.outputs.get(*name))
                    .collect();
                faults.push(format!(
                    "`{kind}` gives other bytes but VERSION is still {version} (case `{name}`, {names:?}): bump it, then \
                     run `RETAKE_RENEW=1 cargo test --release fingerprints`"
                ));
            }
            None if renew => {
                let classes = versions.entry(*version).or_default();
                let block = classes.entry(class.clone()).or_insert(Block {
                    seal: String::new(),
                    cases: BTreeMap::new(),
                });
                block.cases.insert(name.clone(), gave.clone());
                block.seal = seal(kind, *version, class, &block.cases);
            }
            None if known.is_none() && elsewhere => {}
            None if known.is_none() => faults.push(format!(
                "`{kind}` is of version {version}, of which nothing is known: run `RETAKE_RENEW=1 cargo test --release \
                 fingerprints`"
            )),
            None => faults.push(format!(
                "case `{name}` of `{kind}` is new: run `RETAKE_RENEW=1 cargo test --release fingerprints`"
            )),
        }
    }
    faults.sort();
    faults.dedup();
    faults
}

/// A table of one kind, made by renewing an empty one.
fn small() -> (Table, Measured) {
    let gave = |bytes: &str| Gave {
        case: "c".to_owned(),
        outputs: BTreeMap::from([("data".to_owned(), bytes.to_owned())]),
    };
    let measured = vec![
        (
            "augment".to_owned(),
            3,
            ANY.to_owned(),
            "hflip".to_owned(),
            gave("1"),
        ),
        (
            "augment".to_owned(),
            3,
            ANY.to_owned(),
            "vflip".to_owned(),
            gave("2"),
        ),
    ];
    let mut table = Table::new();
    let before = compare(&mut table, &measured, &["augment"], false);
    assert!(
        before[0].contains("of which nothing is known"),
        "{before:?}"
    );
    assert_eq!(compare(&mut table, &measured, &["augment"], true), [""; 0]);
    (table, measured)
}

#[test]
fn other_bytes_ask_for_a_bump_and_renewing_does_not_hide_them() {
    let (mut table, mut measured) = small();
    measured[0]
        .4
        .outputs
        .insert("data".to_owned(), "9".to_owned());
    for renew in [false, true] {
        let faults = compare(&mut table, &measured, &["augment"], renew);
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0].contains("`augment` gives other bytes but VERSION is still 3"),
            "{faults:?}"
        );
    }
}

#[test]
fn a_bump_asks_for_renewal_and_keeps_what_was() {
    let (mut table, mut measured) = small();
    for entry in &mut measured {
        entry.1 = 4;
    }
    let faults = compare(&mut table, &measured, &["augment"], false);
    assert!(
        faults[0].contains("version 4, of which nothing is known"),
        "{faults:?}"
    );
    assert_eq!(compare(&mut table, &measured, &["augment"], true), [""; 0]);
    assert_eq!(table["augment"].len(), 2);
    for entry in &mut measured {
        entry.1 = 3;
    }
    let faults = compare(&mut table, &measured, &["augment"], true);
    assert!(faults[0].contains("versions only go up"), "{faults:?}");
}

#[test]
fn edited_entries_new_cases_and_kinds_without_a_case_are_noticed() {
    let (mut table, mut measured) = small();
    let faults = compare(&mut table, &measured, &["augment", "train"], false);
    assert!(faults[0].contains("`train` has no case"), "{faults:?}");
    measured[1].3 = "rotate".to_owned();
    let faults = compare(&mut table, &measured, &["augment"], false);
    assert!(
        faults[0].contains("case `rotate` of `augment` is new"),
        "{faults:?}"
    );
    measured[0].4.case = "other".to_owned();
    let faults = compare(&mut table, &measured, &["augment"], true);
    assert!(faults[0].contains("is another one"), "{faults:?}");
    let block = table
        .get_mut("augment")
        .unwrap()
        .get_mut(&3)
        .unwrap()
        .get_mut(ANY)
        .unwrap();
    block.cases.remove("hflip");
    let faults = compare(&mut table, &measured, &["augment"], true);
    assert_eq!(
        faults,
        ["the entries of `augment` version 3 on any were edited: restore them"]
    );
}

#[test]
fn a_class_that_nobody_has_measured_is_no_fault() {
    let (mut table, mut measured) = small();
    for entry in &mut measured {
        entry.2 = "cpu-new".to_owned();
    }
    assert_eq!(compare(&mut table, &measured, &["augment"], false), [""; 0]);
    assert_eq!(compare(&mut table, &measured, &["augment"], true), [""; 0]);
    assert_eq!(table["augment"][&3].len(), 2);
}
