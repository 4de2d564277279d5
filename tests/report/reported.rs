//! Figures of others beside ours.

use retake::report::comparison::{Comparison, Reported, Trained, compare};
use retake::report::comparison_table::{frame, text};
use retake::report::history::History;
use retake::report::summary::summarise;
use serde_json::{Value, json};

use super::runs;

fn reported(value: Value) -> Reported {
    serde_json::from_value(value).unwrap()
}

fn table() -> Comparison {
    let reported = reported(json!({
        "axis": "loss",
        "source": "a report",
        "here": "drawn images",
        "rows": {
            "bce": "in words",
            "wgan-gp": {
                "text": "best of all",
                "source": "another report",
                "figures": {
                    "fid-judge": {"value": 42.5, "epoch": 300, "samples": 1000, "protocol": "Frechet"},
                    "accuracy": 0.9,
                    "kid": 0.01,
                    "loss_g": {"value": 1.5, "pick": "min"},
                },
            },
            "hinge": {"figures": {"fid-judge": {"value": 12.0, "protocol": "another"}}},
        },
        "history": [{"column": "loss_g", "pick": "min"}],
    }));
    let history = History::from_csv(b"step,loss_g\n1,2.0\n2,1.25\n").unwrap();
    let trained = [Trained {
        stage: "gan".to_owned(),
        axes: [("loss".to_owned(), json!("wgan-gp"))]
            .into_iter()
            .collect(),
        history,
    }];
    compare(&reported, Some(&summarise(&runs()).unwrap()), &trained)
}

#[test]
fn a_reported_number_stands_beside_ours_with_the_difference_and_what_seeds_say_of_it() {
    let table = table();
    let figure = |row: &str, metric: &str| {
        let found = table
            .figures
            .iter()
            .find(|f| f.row == row && f.metric == metric);
        found.unwrap_or_else(|| panic!("no {metric} of {row}"))
    };
    // Ours is 40, 41, 42 at the best checkpoint, epoch 2: [38.5, 43.5].
    let fid = figure("wgan-gp", "fid-judge");
    assert_eq!(
        (fid.reported, fid.epoch, fid.ours),
        (Some(42.5), Some(300), Some(41.0))
    );
    assert_eq!(
        (fid.difference, fid.verdict, fid.n),
        (Some(-1.5), "within", 3)
    );
    assert_eq!(
        (fid.text.as_str(), fid.range.as_str()),
        ("41.00 ± 1.00 @ 2", "[38.5, 43.5]")
    );
    let accuracy = figure("wgan-gp", "accuracy");
    assert_eq!(
        (accuracy.verdict, accuracy.protocol.as_str()),
        ("outside", "not stated")
    );
    // Of the runs' histories, of a metric that we have not measured, of an experiment without runs.
    let loss = figure("wgan-gp", "loss_g");
    assert_eq!(
        (loss.ours, loss.difference, loss.verdict),
        (Some(1.25), Some(-0.25), "")
    );
    assert_eq!(
        (
            figure("wgan-gp", "kid").ours,
            figure("wgan-gp", "kid").verdict
        ),
        (None, "")
    );
    assert_eq!(
        (figure("hinge", "fid-judge").ours, table.figures.len()),
        (None, 5)
    );
    assert_eq!(table.rows.len(), 3);
    assert_eq!(table.rows[1].reported, "fid-judge 12");
    assert_eq!(table.rows[2].source.as_deref(), Some("another report"));
}

#[test]
fn protocols_that_differ_make_a_difference_that_says_nothing() {
    let with = |stated: Value| {
        let rows = json!({"wgan-gp": {"figures": {"fid-judge": stated}}});
        let all = json!({"axis": "loss", "source": "s", "here": "h", "rows": rows});
        let summary = summarise(&runs()).unwrap();
        let table = compare(&reported(all), Some(&summary), &[]);
        (
            table.figures[0].protocol.clone(),
            table.figures[0].comparable,
        )
    };
    let ours = runs()[0].rows[0].protocol.clone();
    assert_eq!(with(json!(40.0)), ("not stated".to_owned(), true));
    assert_eq!(
        with(json!({"value": 40.0, "samples": 1000})),
        ("not stated".to_owned(), true)
    );
    assert_eq!(
        with(json!({"value": 40.0, "protocol": ours[..6].to_uppercase()})),
        ("same".to_owned(), true)
    );
    let (said, comparable) = with(json!({"value": 40.0, "samples": 50, "protocol": "TTUR"}));
    assert_eq!(
        said,
        format!("differs: reported by TTUR, here by {ours}; reported on 50 images, here on 1000")
    );
    assert!(!comparable);
}

#[test]
fn it_is_a_table_of_its_own() {
    insta::assert_snapshot!(text(&frame(&table()).unwrap()).unwrap().aligned(false), @r#"
    loss     stage                 metric       of    reported                here  n    95 % interval  here − reported  verdict               protocol
    bce      scores[loss=bce]      fid-judge ↓  last  in words        60.50 ± 0.71  2     [54.1, 66.9]                –  –                     –
    bce      scores[loss=bce]      fid-judge ↓  best  in words       81.00 ± 35.51  3    [-7.2, 169.2]                –  –                     –
    bce      scores[loss=bce]      accuracy ↑   last  in words     0.6100 ± 0.0707  2  [-0.025, 1.245]                –  –                     –
    bce      scores[loss=bce]      accuracy ↑   best  in words     0.4733 ± 0.2419  3  [-0.128, 1.074]                –  –                     –
    hinge    –                     fid-judge    best  12                         –  0                –                –  –                     –
    wgan-gp  scores[loss=wgan-gp]  fid-judge ↓  best  42.50 @ 300     41.00 ± 1.00  3     [38.5, 43.5]           -1.500  within the interval   same
    wgan-gp  scores[loss=wgan-gp]  accuracy ↑   best  0.9000       0.6400 ± 0.1000  3   [0.392, 0.888]          -0.2600  outside the interval  not stated
    wgan-gp  –                     kid          best  0.01000                    –  0                –                –  –                     –
    wgan-gp  gan[loss=wgan-gp]     loss_g       min   1.500                  1.250  1                –          -0.2500  –                     not stated
    "#);
}

#[test]
fn the_old_form_keeps_its_settings_and_faults_say_what_is_expected() {
    let old = json!({"source": "s", "here": "h", "rows": {"R0-1": "0.70 to 0.74"}});
    let kept = serde_json::to_value(reported(old.clone())).unwrap();
    assert_eq!(kept["rows"], old["rows"]);
    let new = json!({"R0-1": {"figures": {"fid": 89.276, "kid": {"value": 0.5, "epoch": 3}}}});
    let all = json!({"source": "s", "here": "h", "rows": new});
    assert_eq!(serde_json::to_value(reported(all)).unwrap()["rows"], new);
    let fault = |row: Value| {
        let all = json!({"source": "s", "here": "h", "rows": {"R0-1": row}});
        serde_json::from_value::<Reported>(all)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        fault(json!(3)),
        "invalid type: integer `3`, expected text, or a map with `figures`"
    );
    assert!(
        fault(json!({"figures": {"fid": "low"}}))
            .ends_with("expected a number, or a map with `value`")
    );
    assert!(fault(json!({"figure": {}})).starts_with("unknown field `figure`"));
    assert!(fault(json!({"figures": {"fid": {"vlue": 1}}})).starts_with("unknown field `vlue`"));
}
