//! Vars, profiles, `--set`, interpolation and includes.

use retake::spec::template::{escape, interpolate};
use serde_json::{Value, json};

use super::{Project, faults, node, plan, run};

const LAYERED: &str = r#"
vars: {epochs: 1, rate: 0.1, name: base}
profiles: {smoke: {epochs: 2, rate: 0.2}}
stages:
  a: {kind: command, with: {run: "${epochs} ${rate} ${name}", outputs: {out: o}}}
"#;

#[test]
fn set_beats_profile_and_profile_beats_vars() {
    let project = Project::new(&[("pipelines/p.yaml", LAYERED)]);
    let run = |profile, sets: &[_]| run(&project.open(profile, sets).unwrap(), "a");
    assert_eq!(run(None, &[]), "1 0.1 base");
    assert_eq!(run(Some("smoke"), &[]), "2 0.2 base");
    assert_eq!(run(Some("smoke"), &[("epochs", "3")]), "3 0.2 base");
    assert_eq!(run(None, &[("epochs", "3"), ("epochs", "4")]), "4 0.1 base");
}

#[test]
fn unknown_vars_and_profiles_on_the_command_line_are_faults_with_a_suggestion() {
    let project = Project::new(&[("pipelines/p.yaml", LAYERED)]);
    let said = project
        .open(Some("smok"), &[("epoch", "3"), ("rate", "[1")])
        .unwrap_err();
    for part in [
        "unknown profile `smok`",
        "`smoke`",
        "unknown var `epoch`",
        "`epochs`",
        "not YAML",
    ] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
}

#[test]
fn set_takes_yaml_scalars() {
    let text = r#"
vars: {images: 10, size: 8}
stages: {raw: {kind: dataset, with: {name: shapes, images: "${images}", size: "${size}"}}}
"#;
    let project = Project::new(&[("pipelines/p.yaml", text)]);
    let plan = project.open(None, &[("images", "20")]).unwrap();
    assert_eq!(node(&plan, "raw").settings["images"], json!(20));
    let said = project.open(None, &[("images", "'20'")]).unwrap_err();
    assert!(said.contains("found the text `20`"), "{said}");
}

#[test]
fn a_string_that_is_exactly_one_name_keeps_its_type() {
    let list = json!([1, {"a": true}]);
    let lookup = |name: &str| (name == "list").then_some(&list);
    assert_eq!(interpolate("${list}", &lookup).unwrap(), list);
    assert_eq!(interpolate("${ list }", &lookup).unwrap(), list);
    assert!(interpolate("x${list}", &lookup).is_err());
    let half = json!(0.5);
    let lookup = |_: &str| Some(&half);
    assert_eq!(interpolate("${p}", &lookup).unwrap(), half);
    assert_eq!(interpolate("p=${p}", &lookup).unwrap(), "p=0.5");
}

#[test]
fn a_doubled_dollar_is_a_literal_one() {
    let none = |_: &str| -> Option<&Value> { None };
    assert_eq!(interpolate("$${x}", &none).unwrap(), "${x}");
    assert_eq!(interpolate("$x $ $$ {x}", &none).unwrap(), "$x $ $$ {x}");
    assert_eq!(
        interpolate(&escape("${x} $${y}"), &none).unwrap(),
        "${x} $${y}"
    );
}

#[test]
fn names_are_filled_in_inputs_with_seed_and_publish() {
    let plan = plan(
        r#"
vars: {source: "right:b", base: 40}
stages:
  left: {kind: command, with: {run: l, outputs: {a: a}}}
  right: {kind: command, with: {run: r, outputs: {a: a, b: b}}}
  user:
    kind: command
    matrix: {n: [1, 2]}
    inputs: {x: "${source}"}
    with: {run: "n ${n}", outputs: {o: "o-${n}.txt"}}
    seed: "${base}"
    publish: {o: "out/${n}.txt"}
"#,
    );
    let user = node(&plan, "user[n=2]");
    assert_eq!(super::behind(&plan, "user[n=2]", "x"), ["right"]);
    assert_eq!((user.seed, user.publish["o"].as_str()), (40, "out/2.txt"));
    assert_eq!(user.settings["outputs"], json!({"o": "o-2.txt"}));
}

#[test]
fn includes_merge_vars_and_stages_relative_to_the_including_file() {
    let project = Project::new(&[
        (
            "pipelines/p.yaml",
            "include: [common/judge.yaml]\nstages:\n  a: {kind: command, inputs: {x: judge}, with: {run: \"n ${n}\", outputs: {o: o}}}",
        ),
        (
            "pipelines/common/judge.yaml",
            "include: deep/vars.yaml\nstages:\n  judge: {kind: command, with: {run: j, outputs: {o: o}}}",
        ),
        ("pipelines/common/deep/vars.yaml", "vars: {n: 3}"),
    ]);
    let plan = project.open(None, &[("n", "4")]).unwrap();
    assert_eq!(run(&plan, "a"), "n 4");
    assert_eq!(super::names(&plan), ["judge", "a"]);
}

#[test]
fn one_file_included_twice_is_read_once() {
    let project = Project::new(&[
        ("pipelines/p.yaml", "include: [a.yaml, b.yaml]\nstages: {}"),
        ("pipelines/a.yaml", "include: [c.yaml]"),
        ("pipelines/b.yaml", "include: [c.yaml]"),
        (
            "pipelines/c.yaml",
            "stages: {c: {kind: command, with: {run: c, outputs: {o: o}}}}",
        ),
    ]);
    assert_eq!(super::names(&project.open(None, &[]).unwrap()), ["c"]);
}

#[test]
fn faults_in_files_and_between_stages_come_together() {
    let said = faults(
        "sed: 1\nstages:\n  a: {kind: command, inputs: {x: b}, with: {run: c, outputs: {o: o}}}",
    );
    assert!(
        said.contains("unknown key `sed`") && said.contains("unknown stage `b`"),
        "{said}"
    );
    assert!(said.contains("2 faults"), "{said}");
}
