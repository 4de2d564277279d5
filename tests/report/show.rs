//! `retake show` on results that are there already.

use retake::metric::Metric;
use retake::metric::document::Metrics;
use retake::plan::Node;
use retake::stage::Status;
use serde_json::Value;

use crate::support::synthetic::{Result, axis, fill, row};
use crate::support::{Project, Said};

const PIPELINE: &str = r#"
name: synthetic
stages:
  raw: {kind: dataset, with: {name: shapes, images: 64, size: 32}}
  judge: {kind: train, inputs: {data: raw}, with: {task: classifier, model: resnet-8, epochs: 1}}
  gan:
    kind: train
    matrix: {loss: [bce, wgan-gp], seed: [0, 1, 2]}
    inputs: {data: raw}
    with: {task: gan, model: cdcgan-32, loss: "${loss}", epochs: 20, checkpoint_every: 10, batch_size: 16}
  scores:
    kind: evaluate
    inputs: {model: gan, reference: raw, judge: judge}
    with: {metrics: [fid, diversity], checkpoints: all, samples: 1000}
  report:
    kind: report
    inputs: {scores: "scores[*]", runs: "gan[*]"}
    with:
      reported:
        axis: loss
        source: a report
        here: drawn images
        rows:
          bce: in words
          wgan-gp: {figures: {fid-judge: {value: 40.5, epoch: 300}, loss_d: {value: 0.25, pick: last}}}
        history: [{column: loss_d, pick: last}]
"#;

/// A project with results: one run of bce diverges, one of wgan-gp collapses.
fn project() -> Project {
    let project = Project::new(PIPELINE);
    fill(&project.path(""), |node: &Node| {
        let bce = node.name.axes.get("loss").is_some_and(|loss| loss == "bce");
        let seed = axis(node, "seed");
        let diverges = bce && seed == 2.0;
        let collapses = !bce && seed == 1.0;
        let base = if bce { 60.0 } else { 40.0 } + seed;
        let mut rows = Vec::new();
        for (metric, early, late) in [
            (Metric::Fid, base * 2.0, base + seed * seed),
            (Metric::Diversity, 10.2, if collapses { 3.1 } else { 11.0 }),
        ] {
            rows.push(row(metric, 10, early));
            rows.extend((!diverges).then(|| row(metric, 20, late)));
        }
        Result {
            metrics: Metrics { rows },
            status: if diverges && node.name.stage == "gan" {
                Status::Diverged {
                    epoch: 13,
                    step: 50,
                    term: "loss_d".to_owned(),
                    last_good: Some(10),
                }
            } else {
                Status::Ok
            },
            history: format!("step,epoch,loss_d\n1,1,0.9\n2,20,{}\n", 0.25 + seed / 8.0),
        }
    });
    project
}

fn show(project: &Project, args: &[&str]) -> Said {
    let mut all = vec!["show", "pipeline.yaml"];
    all.extend(args);
    project.retake(&all)
}

fn rows(project: &Project, args: &[&str]) -> Vec<Value> {
    let said = show(project, &[args, &["--format", "json"]].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

#[test]
fn conditions_settings_groups_and_outcomes_come_from_the_store() {
    let project = project();
    let all = rows(&project, &[]);
    assert_eq!(all.len(), 22);
    assert_eq!(
        all.iter()
            .filter(|row| row["outcome"] == "collapsed @ epoch 20")
            .count(),
        4
    );
    assert_eq!(
        all.iter()
            .filter(|row| row["outcome"] == "diverged @ epoch 13")
            .count(),
        2
    );
    let chosen = rows(
        &project,
        &[
            "--where",
            r#"loss == "wgan-gp" and fid-judge < 42 and batch_size == 16"#,
            "-m",
            "fid-judge",
        ],
    );
    let values: Vec<&Value> = chosen.iter().map(|row| &row["value"]).collect();
    assert_eq!(values, [40.0]);
    let columns = rows(&project, &["--settings", "batch_size,lr,loss"]);
    assert_eq!(columns[0]["batch_size"], 16);
    assert!(columns[0]["lr"].is_f64(), "{}", columns[0]);
    insta::assert_snapshot!(show(&project, &["--grouped"]).out, @r#"
    stage   loss     metric             last: mean ± sd  n   95 % interval  epoch  outcome
    scores  bce      fid-judge ↓           61.00 ± 1.41  2    [48.3, 73.7]     20  1 of 3 diverged @ epoch 13
    scores  bce      diversity-judge ↑     11.00 ± 0.00  2  [11.00, 11.00]     20  1 of 3 diverged @ epoch 13
    scores  wgan-gp  fid-judge ↓           42.67 ± 3.06  3    [35.1, 50.3]     20  1 of 3 collapsed @ epoch 20
    scores  wgan-gp  diversity-judge ↑    8.367 ± 4.561  3  [-2.96, 19.70]     20  1 of 3 collapsed @ epoch 20
    "#);
    insta::assert_snapshot!(show(&project, &["--by", "loss", "--pick", "best", "--metric", "fid-judge", "--sort", "mean", "--format", "md"]).out, @r#"
    | loss | metric | best: mean ± sd | n | 95 % interval | epoch | outcome |
    | --- | --- | ---: | ---: | ---: | ---: | --- |
    | wgan-gp | fid-judge ↓ | **42.67 ± 3.06** | 3 | \[35.1, 50.3\] | 20 | 1 of 3 collapsed @ epoch 20 |
    | bce | fid-judge ↓ | 82.00 ± 36.39 | 3 | \[-8.4, 172.4\] | 10–20 | 1 of 3 diverged @ epoch 13 |
    "#);
    insta::assert_snapshot!(show(&project, &["--compare", "loss", "--metric", "fid-judge"]).out, @r#"
    stage   metric       loss: a  b        n  mean a  mean b  a − b   95 % interval  note
    scores  fid-judge ↓  bce      wgan-gp  2      61      41     20  [20.00, 20.00]  all pairs differ by the same: no spread to test against; 1 seed on one side only
    "#);
    insta::assert_snapshot!(show(&project, &["--reported"]).out, @r#"
    loss     stage                 metric             of    reported                here  n   95 % interval  here − reported  verdict              protocol
    bce      scores[loss=bce]      fid-judge ↓        last  in words        61.00 ± 1.41  2    [48.3, 73.7]                –  –                    –
    bce      scores[loss=bce]      fid-judge ↓        best  in words       82.00 ± 36.39  3   [-8.4, 172.4]                –  –                    –
    bce      scores[loss=bce]      diversity-judge ↑  last  in words        11.00 ± 0.00  2  [11.00, 11.00]                –  –                    –
    bce      scores[loss=bce]      diversity-judge ↑  best  in words        10.73 ± 0.46  3     [9.6, 11.9]                –  –                    –
    wgan-gp  scores[loss=wgan-gp]  fid-judge ↓        best  40.50 @ 300     42.67 ± 3.06  3    [35.1, 50.3]           +2.167  within the interval  not stated
    wgan-gp  gan[loss=wgan-gp]     loss_d             last  0.2500       0.3750 ± 0.1250  3  [0.064, 0.686]          +0.1250  within the interval  not stated
    "#);
    for format in ["csv", "parquet"] {
        for form in [
            &["--grouped"][..],
            &["--compare", "loss"],
            &["--reported"],
            &[],
        ] {
            let said = show(&project, &[form, &["--format", format]].concat());
            assert_eq!(said.code, Some(0), "{form:?} {format}: {}", said.err);
            assert!(
                said.out
                    .starts_with(if format == "csv" { "" } else { "PAR1" })
            );
        }
    }
}

#[test]
fn wrong_usage_is_said_and_exits_2() {
    let project = project();
    let fault = |args: &[&str]| {
        let said = show(&project, args);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{said:?}");
        said.err
    };
    insta::assert_snapshot!(fault(&["--where", "batchsize > 3"]), @r#"
    error: no column, axis, setting or metric is called `batchsize`

      batchsize > 3
      ^^^^^^^^^

    help: did you mean `batch_size`?
    "#);
    insta::assert_snapshot!(fault(&["--by", "los"]), @r#"
    error: axis or setting `los` is not there: did you mean `loss`?
    "#);
    insta::assert_snapshot!(fault(&["--metric", "fid"]), @r#"
    error: no metric `fid`: there are `fid-judge` and `diversity-judge`
    "#);
    insta::assert_snapshot!(fault(&["--compare", "seed=1,7"]), @r#"
    error: a run with `seed=7` is not there: there are `0`, `1` and `2`
    "#);
    insta::assert_snapshot!(fault(&["--sort", "vlaue"]), @r#"
    error: no column `vlaue`: did you mean `value`?
    "#);
    insta::assert_snapshot!(fault(&["--settings", "value"]), @r#"
    error: axis or setting `value` is not there: it is a column of the long table; axes and settings are what runs differ in
    "#);
    assert!(fault(&["--pick", "best"]).contains("required arguments"));
    assert!(fault(&["--by", "loss", "--compare", "seed"]).contains("cannot be used with"));
    let nothing = show(
        &project,
        &["--by", "loss", "--where", "epoch > 99", "--format", "json"],
    );
    assert_eq!((nothing.code, nothing.out.as_str()), (Some(0), "[]\n"));
    assert!(
        nothing.err.contains("no row meets the conditions"),
        "{}",
        nothing.err
    );
}
