//! Large pipelines load in time that grows with their size, and deep ones do not overflow the stack.

use std::fmt::Write;
use std::time::Instant;

use super::{Project, faults, names, plan};

/// `count` stages written out: one dataset, then groups of four that hang together.
fn written_out(count: usize) -> String {
    let mut text = String::from(
        "vars: {n: 1}\nstages:\n  raw: {kind: dataset, with: {name: shapes, images: 10, size: 8}}\n",
    );
    for stage in 1..count {
        let source = if stage % 4 == 1 {
            "raw".to_owned()
        } else {
            format!("s{}", stage - 1)
        };
        let (key, form) = ("kind: command", format!("inputs: {{x: {source}}}"));
        writeln!(
            text,
            "  s{stage}:\n    {key}\n    {form}\n    with: {{run: \"step {stage} ${{n}}\", outputs: {{out: o.txt}}}}"
        )
        .unwrap();
    }
    text
}

#[test]
fn ten_thousand_stages_load_in_near_linear_time() {
    let time = |count: usize| {
        let project = Project::new(&[("pipelines/p.yaml", &written_out(count))]);
        let start = Instant::now();
        let plan = project.open(None, &[]).unwrap();
        assert_eq!(plan.nodes.len(), count);
        start.elapsed()
    };
    time(100);
    let (small, large) = (time(1_000), time(10_000));
    eprintln!("1,000 stages: {small:?}; 10,000 stages: {large:?}");
    assert!(
        large < 40 * small,
        "ten times the stages took {large:?} instead of {small:?}"
    );
}

#[test]
fn ten_thousand_nodes_of_one_matrix_load_in_near_linear_time() {
    let time = |seeds: usize| {
        let seeds: Vec<String> = (0..seeds).map(|seed| seed.to_string()).collect();
        let text = format!(
            r#"
stages:
  raw: {{kind: dataset, with: {{name: shapes, images: 10, size: 32}}}}
  gan: {{kind: train, matrix: {{seed: [{}], lr: [1e-4, 2e-4]}}, inputs: {{data: raw}}, with: {{task: gan, model: cdcgan-32, lr: "${{lr}}", epochs: 1}}}}
  note: {{kind: command, inputs: {{model: gan}}, with: {{run: "seed ${{seed}}", outputs: {{o: o}}}}}}
  all: {{kind: command, inputs: {{x: "note[*]"}}, with: {{run: c, outputs: {{o: o}}}}}}
"#,
            seeds.join(", ")
        );
        let project = Project::new(&[("pipelines/p.yaml", &text)]);
        let start = Instant::now();
        assert_eq!(
            project.open(None, &[]).unwrap().nodes.len(),
            4 * seeds.len() + 2
        );
        start.elapsed()
    };
    time(25);
    let (small, large) = (time(250), time(2_500));
    eprintln!("1,002 nodes: {small:?}; 10,002 nodes: {large:?}");
    assert!(
        large < 40 * small,
        "ten times the nodes took {large:?} instead of {small:?}"
    );
}

#[test]
fn a_chain_of_a_thousand_stages_is_no_deeper_than_any_other() {
    let mut text = String::from("stages:\n");
    for stage in (0..1_000).rev() {
        let inputs = match stage {
            0 => String::new(),
            _ => format!("inputs: {{x: s{:04}}}, ", stage - 1),
        };
        writeln!(
            text,
            "  s{stage:04}: {{kind: command, {inputs}with: {{run: c, outputs: {{o: o}}}}}}"
        )
        .unwrap();
    }
    let plan = plan(&text);
    assert!(names(&plan).is_sorted());
    let last = plan.find("s0999").unwrap();
    assert_eq!(plan.upstream(&last).len(), 1_000);

    let around = text.replace(
        "s0000: {kind: command, ",
        "s0000: {kind: command, inputs: {x: s0999}, ",
    );
    let said = faults(&around);
    let said = said.replace("│ ", "");
    let words: Vec<&str> = said.split_whitespace().collect();
    let said = words.join(" ");
    assert!(
        said.contains("cycle: s0999 → s0000 → s0001") && said.contains("989 more"),
        "{said}"
    );
}

#[test]
fn deep_yaml_is_refused_and_not_followed() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let text = format!("stages: {}{}", open.repeat(5_000), close.repeat(5_000));
        let said = faults(&text);
        assert!(said.contains("not YAML"), "{said}");
    }
    let fine = format!(
        "stages: {{a: {{kind: command, with: {{run: {}{}}}}}}}",
        "[".repeat(100),
        "]".repeat(100)
    );
    assert!(faults(&fine).contains("found a list"));
}
