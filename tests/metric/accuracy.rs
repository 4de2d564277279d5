//! Accuracy: the course evaluator's rule.

use retake::metric::MetricError;
use retake::metric::accuracy::TopK;

use super::close;

#[test]
fn accuracy_is_micro_recall_at_the_number_of_labels() {
    let mut accuracy = TopK::default();
    // Two labels asked for: classes 0 and 3; the top two are 3 and 1.
    accuracy
        .extend(&[0.2, 0.9, -1.0, 4.0], &[1.0, 0.0, 0.0, 1.0], 4)
        .unwrap();
    assert_eq!((accuracy.right, accuracy.asked), (1, 2));
    // One label, found; and an image without labels, which counts for nothing.
    accuracy
        .extend(
            &[0.0, 0.0, 9.0, 0.0, 1.0, 1.0, 1.0, 1.0],
            &[0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            4,
        )
        .unwrap();
    assert_eq!(
        (accuracy.right, accuracy.asked, accuracy.samples),
        (2, 3, 3)
    );
    close(accuracy.value().unwrap(), 2.0 / 3.0, 1e-15);
}

#[test]
fn accuracy_breaks_ties_by_class_and_refuses_what_has_no_answer() {
    let mut tied = TopK::default();
    tied.extend(&[1.0, 1.0, 1.0, 1.0], &[1.0, 0.0, 0.0, 1.0], 2)
        .unwrap();
    assert_eq!((tied.right, tied.asked), (1, 2));
    assert_eq!(TopK::default().value(), Err(MetricError::NoLabels));
    assert!(
        TopK::default()
            .extend(&[f32::NAN, 0.0], &[0.0, 1.0], 2)
            .is_err()
    );
    assert!(
        TopK::default()
            .extend(&[0.0, 0.0, 0.0], &[0.0, 1.0], 2)
            .is_err()
    );
}
