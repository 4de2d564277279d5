//! Axes: products, inheritance, joins, selection, include, exclude, seeds.

use super::{behind, faults, names_of, node, plan, run};

/// A pipeline of command stages: `name: {…}` lines.
fn stages(lines: &str) -> String {
    format!("seed: 7\nstages:\n{lines}")
}

const GAN: &str = r#"
  gan: {kind: command, matrix: {loss: [bce, wgan], seed: [0, 1]}, with: {run: "${loss}", outputs: {model: m, log: l}}}
"#;

#[test]
fn a_matrix_is_the_product_of_its_axes() {
    let plan = plan(&stages(GAN));
    assert_eq!(
        names_of(&plan, "gan"),
        [
            "gan[loss=bce,seed=0]",
            "gan[loss=bce,seed=1]",
            "gan[loss=wgan,seed=0]",
            "gan[loss=wgan,seed=1]"
        ]
    );
    assert_eq!(run(&plan, "gan[loss=wgan,seed=0]"), "wgan");
}

#[test]
fn a_stage_inherits_the_axes_of_its_inputs() {
    let plan = plan(&stages(&format!(
        "{GAN}  scores: {{kind: command, inputs: {{model: gan}}, with: {{run: \"${{loss}} ${{seed}}\", outputs: {{o: o}}}}}}\n"
    )));
    assert_eq!(names_of(&plan, "scores").len(), 4);
    assert_eq!(
        behind(&plan, "scores[loss=wgan,seed=1]", "model"),
        ["gan[loss=wgan,seed=1]"]
    );
    assert_eq!(run(&plan, "scores[loss=wgan,seed=1]"), "wgan 1");
}

#[test]
fn axes_of_one_name_are_joined_and_others_multiplied() {
    let text = stages(
        r"
  a: {kind: command, matrix: {x: [1, 2], y: [1, 2]}, with: {run: a, outputs: {o: o}}}
  b: {kind: command, matrix: {x: [2, 1], z: [5]}, with: {run: b, outputs: {o: o}}}
  c: {kind: command, inputs: {a: a, b: b}, matrix: {w: [8, 9]}, with: {run: c, outputs: {o: o}}}
",
    );
    let plan = plan(&text);
    assert_eq!(names_of(&plan, "c").len(), 8);
    let name = "c[w=9,x=2,y=1,z=5]";
    assert_eq!(behind(&plan, name, "a"), ["a[x=2,y=1]"]);
    assert_eq!(behind(&plan, name, "b"), ["b[x=2,z=5]"]);
}

#[test]
fn selection_fixes_an_axis_and_a_star_gathers_the_rest() {
    let text = stages(&format!(
        r#"{GAN}
  one: {{kind: command, inputs: {{x: "gan[loss=bce]:log"}}, with: {{run: c, outputs: {{o: o}}}}}}
  rest: {{kind: command, inputs: {{x: "gan[seed=1][*]"}}, with: {{run: c, outputs: {{o: o}}}}}}
  all: {{kind: command, inputs: {{x: "gan[*]", y: gan}}, with: {{run: c, outputs: {{o: o}}}}}}
  list: {{kind: command, inputs: {{x: ["gan[loss=bce,seed=0]", "gan[loss=wgan][*]"]}}, with: {{run: c, outputs: {{o: o}}}}}}
"#
    ));
    let plan = plan(&text);
    assert_eq!(names_of(&plan, "one"), ["one[seed=0]", "one[seed=1]"]);
    assert_eq!(behind(&plan, "one[seed=1]", "x"), ["gan[loss=bce,seed=1]"]);
    assert_eq!(
        behind(&plan, "rest", "x"),
        ["gan[loss=bce,seed=1]", "gan[loss=wgan,seed=1]"]
    );
    assert_eq!(
        behind(&plan, "all[loss=bce,seed=0]", "x"),
        names_of(&plan, "gan")
    );
    assert_eq!(
        behind(&plan, "list", "x"),
        [
            "gan[loss=bce,seed=0]",
            "gan[loss=wgan,seed=0]",
            "gan[loss=wgan,seed=1]"
        ]
    );
}

#[test]
fn include_adds_nodes_and_further_values() {
    let text = stages(
        r#"
  gan:
    kind: command
    matrix:
      loss: [bce, wgan]
      seed: [0, 1]
      include:
        - {note: any}
        - {loss: wgan, note: critic}
        - {loss: hinge, seed: 5, note: new}
      exclude: [{loss: bce, seed: 1}]
    with: {run: "${loss} ${note}", outputs: {o: o}}
"#,
    );
    let plan = plan(&text);
    let runs: Vec<String> = names_of(&plan, "gan")
        .iter()
        .map(|name| format!("{name} {}", run(&plan, name)))
        .collect();
    assert_eq!(
        runs,
        [
            "gan[loss=bce,seed=0] bce any",
            "gan[loss=wgan,seed=0] wgan critic",
            "gan[loss=wgan,seed=1] wgan critic",
            "gan[loss=hinge,seed=5] hinge new"
        ]
    );
}

#[test]
fn include_gives_values_to_inherited_points() {
    let text = stages(&format!(
        r#"{GAN}
  s:
    kind: command
    inputs: {{x: gan}}
    matrix: {{include: [{{loss: bce, weight: 1}}, {{loss: wgan, weight: 10}}]}}
    with: {{run: "weight ${{weight}}", outputs: {{o: o}}}}
"#
    ));
    let plan = plan(&text);
    assert_eq!(names_of(&plan, "s").len(), 4);
    assert_eq!(run(&plan, "s[loss=bce,seed=1]"), "weight 1");
    assert_eq!(run(&plan, "s[loss=wgan,seed=0]"), "weight 10");
}

#[test]
fn a_matrix_of_nothing_but_include_is_a_table() {
    let text = stages(
        r#"
  a: {kind: command, matrix: {include: [{loss: bce, lr: 1}, {loss: wgan, lr: 2}]}, with: {run: "lr ${lr}", outputs: {o: o}}}
"#,
    );
    let plan = plan(&text);
    assert_eq!(
        names_of(&plan, "a"),
        ["a[loss=bce,lr=1]", "a[loss=wgan,lr=2]"]
    );
}

#[test]
fn exclude_removes_inherited_points_and_settles_a_join() {
    let text = stages(
        r"
  a: {kind: command, matrix: {x: [1, 2, 3]}, with: {run: a, outputs: {o: o}}}
  b: {kind: command, matrix: {x: [1, 2]}, with: {run: b, outputs: {o: o}}}
  c: {kind: command, inputs: {a: a, b: b}, matrix: {exclude: [{x: 3}]}, with: {run: c, outputs: {o: o}}}
",
    );
    assert_eq!(names_of(&plan(&text), "c"), ["c[x=1]", "c[x=2]"]);
    let said = faults(&text.replace("matrix: {exclude: [{x: 3}]}, ", ""));
    assert!(said.contains("`b` has no x=3, but `a` has it"), "{said}");
}

#[test]
fn an_own_axis_named_seed_sets_the_seed_and_an_inherited_one_does_not() {
    let text = stages(&format!(
        r#"{GAN}
  scores: {{kind: command, inputs: {{x: gan}}, with: {{run: c, outputs: {{o: o}}}}}}
  again: {{kind: command, inputs: {{x: gan}}, seed: "${{seed}}", with: {{run: c, outputs: {{o: o}}}}}}
  fixed: {{kind: command, inputs: {{x: gan}}, seed: 99, with: {{run: c, outputs: {{o: o}}}}}}
"#
    ));
    let plan = plan(&text);
    let seed = |name: &str| node(&plan, name).seed;
    assert_eq!(seed("gan[loss=bce,seed=1]"), 1);
    assert_eq!(seed("scores[loss=bce,seed=1]"), 7);
    assert_eq!(seed("again[loss=bce,seed=1]"), 1);
    assert_eq!(seed("fixed[loss=bce,seed=1]"), 99);
}

#[test]
fn an_own_axis_chooses_a_stage_and_an_inherited_one_what_stands_behind_its_name() {
    let text = stages(
        r#"
  plain: {kind: command, with: {run: p, outputs: {o: o}}}
  flipped: {kind: command, inputs: {x: plain}, with: {run: f, outputs: {o: o}}}
  ref: {kind: command, matrix: {kind: [a, b]}, with: {run: r, outputs: {o: o}}}
  gan: {kind: command, matrix: {data: [plain, flipped]}, inputs: {x: "${data}"}, with: {run: g, outputs: {o: o}}}
  late: {kind: command, matrix: {loss: [a, b]}, with: {run: l, outputs: {o: o}}}
  user: {kind: command, inputs: {x: late, y: "ref[kind=${loss}]"}, with: {run: u, outputs: {o: o}}}
"#,
    );
    let plan = plan(&text);
    assert_eq!(behind(&plan, "gan[data=flipped]", "x"), ["flipped"]);
    assert_eq!(names_of(&plan, "user"), ["user[loss=a]", "user[loss=b]"]);
    assert_eq!(behind(&plan, "user[loss=b]", "y"), ["ref[kind=b]"]);
    let said = faults(&text.replace("ref[kind=${loss}]", "${loss}"));
    assert!(
        said.contains("`${loss}` cannot choose a stage here"),
        "{said}"
    );
}

#[test]
fn nodes_are_found_by_the_names_people_write() {
    let plan = plan(&stages(GAN));
    let found = |selector: &str| -> Result<usize, String> {
        plan.find(selector)
            .map(|ids| ids.len())
            .map_err(|error| error.to_string())
    };
    assert_eq!(found("gan"), Ok(4));
    assert_eq!(found("gan[seed=0]"), Ok(2));
    assert_eq!(found("gan[seed=0,loss=bce]"), Ok(1));
    assert_eq!(found("gan[*]"), Ok(4));
    assert!(found("gann").unwrap_err().contains("`gan`"));
    assert!(found("gan[los=bce]").unwrap_err().contains("`loss`"));
    assert!(found("gan[loss=bcee]").unwrap_err().contains("`bce`"));
    assert!(found("gan[loss=bce").is_err());
}
