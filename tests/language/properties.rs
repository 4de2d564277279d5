//! What holds of every pipeline.

use proptest::prelude::*;
use retake::plan::Plan;
use retake::spec::template::{escape, interpolate};
use serde_json::Value;

use super::{names, plan};

/// For every stage, the stages before it that it takes.
fn dag() -> impl Strategy<Value = Vec<Vec<usize>>> {
    proptest::collection::vec(
        proptest::collection::vec(any::<proptest::sample::Index>(), 0..4),
        1..25,
    )
    .prop_map(|stages| {
        let pick = |(stage, picks): (usize, Vec<proptest::sample::Index>)| {
            let mut needs: Vec<usize> = match stage {
                0 => Vec::new(),
                _ => picks.iter().map(|pick| pick.index(stage)).collect(),
            };
            needs.sort_unstable();
            needs.dedup();
            needs
        };
        stages.into_iter().enumerate().map(pick).collect()
    })
}

/// Writes a DAG with its stages, and the keys of each, in the given order.
fn write(dag: &[Vec<usize>], order: &[usize], comments: bool) -> String {
    let mut text = String::from("seed: 3\nstages:\n");
    for stage in order {
        if comments {
            text.push_str("  # a comment\n");
        }
        let mut needs = dag[*stage].clone();
        let (with, more) = (
            "with: {run: c, outputs: {o: o, p: p}}",
            "matrix: {m: [1, 2], k: [a]}",
        );
        if comments {
            needs.reverse();
        }
        let inputs: Vec<String> = needs
            .iter()
            .map(|need| format!("i{need}: s{need}"))
            .collect();
        let inputs = format!("inputs: {{{}}}", inputs.join(", "));
        let keys = if comments {
            let more = "matrix: {k: [a], m: [1, 2]}";
            format!("{more}, {with}, {inputs}, kind: command")
        } else {
            format!("kind: command, {inputs}, {with}, {more}")
        };
        text.push_str(&format!("  s{stage}: {{{keys}}}\n"));
    }
    text
}

fn check_order(plan: &Plan) {
    for node in &plan.nodes {
        assert_eq!(plan.nodes[node.id].name, node.name);
        assert!(node.needs().all(|source| source < node.id));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_dag_expands_in_dependency_order_whatever_the_order_of_its_keys(
        dag in dag(),
        shuffle in any::<u64>(),
    ) {
        let declared: Vec<usize> = (0..dag.len()).collect();
        let first = plan(&write(&dag, &declared, false));
        check_order(&first);
        prop_assert_eq!(first.nodes.len(), 2 * dag.len());

        let mut shuffled = declared;
        shuffled.sort_by_key(|stage| (*stage as u64 + 1).wrapping_mul(shuffle | 1));
        let second = plan(&write(&dag, &shuffled, true));
        check_order(&second);
        prop_assert_eq!(names(&first), names(&second));
        prop_assert_eq!(first.digest, second.digest);
    }

    #[test]
    fn escaped_text_interpolates_to_itself(text in "[a${} \\\\\\-é]{0,24}") {
        let none = |_: &str| -> Option<&Value> { None };
        prop_assert_eq!(interpolate(&escape(&text), &none), Ok(Value::String(text)));
    }

    #[test]
    fn a_var_arrives_as_it_was_written(number in any::<i64>(), text in "[a-z ]{0,9}") {
        let (number, text) = (Value::from(number), Value::from(text));
        let lookup = |name: &str| match name { "n" => Some(&number), "t" => Some(&text), _ => None };
        prop_assert_eq!(interpolate("${n}", &lookup), Ok(number.clone()));
        let both = format!("{number}/{}", text.as_str().unwrap());
        prop_assert_eq!(interpolate("${n}/${t}", &lookup), Ok(Value::from(both)));
    }
}

#[test]
fn the_digest_changes_with_what_is_said() {
    let text = "seed: 1\nstages:\n  a: {kind: command, with: {run: c, outputs: {o: o}}}\n  b: {kind: command, inputs: {x: a}, with: {run: c, outputs: {o: o}}}";
    let digest = plan(text).digest;
    assert_eq!(plan(&format!("# new\n{text}")).digest, digest);
    for (from, to) in [
        ("seed: 1", "seed: 2"),
        ("run: c", "run: d"),
        ("b:", "d:"),
        ("{x: a}", "{y: a}"),
        ("{x: a}", "{x: \"a[*]\"}"),
        ("inputs: {x: a}, ", ""),
    ] {
        assert!(text.contains(from));
        assert_ne!(
            plan(&text.replace(from, to)).digest,
            digest,
            "{from} → {to}"
        );
    }
}
