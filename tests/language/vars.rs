//! Vars, profiles, `--set`, interpolation and includes.

use retake::spec::template::{escape, interpolate};
use serde_json::{Value, json};

use super::{Project, faults, names_of, node, plan, run};

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

#[test]
fn a_profile_chooses_the_values_of_an_axis_and_of_include() {
    let text = r#"
vars: {seeds: [0, 1, 2], long: 500}
profiles: {smoke: {seeds: [0], long: 2}}
stages:
  a:
    kind: command
    matrix: {row: [x], seed: "${seeds}", include: [{row: x, epochs: "${long}", list: ["${long}"]}]}
    with: {run: "${row} ${epochs}", outputs: {out: o}}
"#;
    let project = Project::new(&[("pipelines/p.yaml", text)]);
    let plan = project.open(None, &[]).unwrap();
    assert_eq!(names_of(&plan, "a").len(), 3);
    assert_eq!(run(&plan, "a[row=x,seed=2]"), "x 500");
    let plan = project.open(Some("smoke"), &[]).unwrap();
    assert_eq!(names_of(&plan, "a"), ["a[row=x,seed=0]"]);
    assert_eq!(run(&plan, "a[row=x,seed=0]"), "x 2");
    let said = project.open(None, &[("seeds", "3")]).unwrap_err();
    assert!(said.contains("expected a list"), "{said}");
    let text = text.replace("\"${seeds}\"", "\"${seed_list}\"");
    let said = faults(&text);
    assert!(said.contains("`${seed_list}` is not defined"), "{said}");
}

#[test]
fn an_input_whose_var_has_no_value_is_left_out() {
    let text = r#"
vars: {files: "file:images", extra: null, name: folder, images: null}
profiles: {drawn: {files: null, name: shapes, images: 8}}
stages:
  raw: {kind: dataset, inputs: {files: "${files}"}, with: {name: "${name}", images: "${images}"}}
"#;
    let project = Project::new(&[("pipelines/p.yaml", text)]);
    let plan = project.open(None, &[]).unwrap();
    assert_eq!(
        node(&plan, "raw").missing.len(),
        1,
        "the folder is not there"
    );
    let plan = project.open(Some("drawn"), &[]).unwrap();
    assert!(node(&plan, "raw").inputs.is_empty() && node(&plan, "raw").missing.is_empty());
    let said = project.open(None, &[("files", "null")]).unwrap_err();
    assert!(said.contains("lacks the input `files`"), "{said}");
}
