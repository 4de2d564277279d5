//! The history table.

use retake::train::history::{History, Row, concatenate};

fn history(epoch: u64) -> History {
    let mut history = History::new(&["loss", "accuracy"]);
    history.push(Row {
        step: epoch * 2 - 1,
        epoch,
        figures: vec![Some(0.1), None],
    });
    history.push(Row {
        step: epoch * 2,
        epoch,
        figures: vec![Some(1e-7), Some(0.5)],
    });
    history
}

#[test]
fn csv_has_a_header_and_the_shortest_numbers() {
    assert_eq!(
        history(1).to_csv(),
        "step,epoch,loss,accuracy\n1,1,0.1,\n2,1,0.0000001,0.5\n"
    );
}

#[test]
fn epochs_are_joined_under_one_header() {
    let chunks = [history(1).to_csv(), history(2).to_csv()];
    let whole = concatenate(chunks.iter().map(String::as_str));
    assert_eq!(
        whole,
        "step,epoch,loss,accuracy\n1,1,0.1,\n2,1,0.0000001,0.5\n3,2,0.1,\n4,2,0.0000001,0.5\n"
    );
}

#[test]
fn means_are_over_the_rows_that_were_measured() {
    let means = history(1).means();
    assert_eq!(means[1], ("accuracy", 0.5));
    assert!((means[0].1 - 0.050_000_05).abs() < 1e-9);
}
