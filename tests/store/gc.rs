//! What comes between the plan of a gc and its deletions.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use retake::stage::{Format, Memo, NewPart, Product};
use retake::store::{GcClass, GcPlan, GcRequest, Lookup};

use super::{Project, key, record};

/// Whatever no lock file names, however young.
fn everything() -> GcRequest {
    GcRequest {
        older_than: Some(0),
        states: true,
        ..GcRequest::default()
    }
}

fn count(plan: &GcPlan, class: GcClass) -> usize {
    let counts = plan.counts();
    let found = counts.iter().find(|count| count.class == class);
    found.map_or(0, |count| count.count)
}

#[test]
fn an_object_that_a_new_record_has_come_to_name_stays() {
    let project = Project::new();
    let stray = project.take(b"bytes");
    let plan = project.store.plan_gc(&everything()).unwrap();
    assert_eq!(count(&plan, GcClass::Objects), 1);
    // Another process makes the same bytes, and finds them there.
    project.reopened().commit(record("new", b"bytes")).unwrap();
    assert!(project.store.carry_out(&plan).unwrap().is_empty());
    assert!(project.object(&stray.digest).exists());
    assert!(project.reopened().record(&key("new")).is_some());
}

#[test]
fn an_object_that_an_old_record_has_come_to_name_stays() {
    let project = Project::new();
    project.store.commit(record("old", b"before")).unwrap();
    let stray = project.take(b"after");
    let plan = project.store.plan_gc(&GcRequest::default()).unwrap();
    project.reopened().commit(record("old", b"after")).unwrap();
    assert!(project.store.carry_out(&plan).unwrap().is_empty());
    assert!(project.object(&stray.digest).exists());
    assert!(project.reopened().record(&key("old")).is_some());
}

#[test]
fn what_a_run_has_found_since_the_plan_stays_until_it_ends() {
    let project = Project::new();
    project.store.commit(record("found", b"bytes")).unwrap();
    let plan = project.store.plan_gc(&everything()).unwrap();
    assert_eq!(count(&plan, GcClass::Records), 1);

    let run = project.reopened();
    let relying = run.rely();
    run.rely_on(&key("found"));
    assert!(matches!(run.lookup(&key("found")), Lookup::Hit(_)));
    run.settle_in();
    assert!(project.store.carry_out(&plan).unwrap().is_empty());
    let found = run.record(&key("found")).unwrap();
    run.path(&found.outputs["data"]).unwrap();

    drop(relying);
    let plan = project.store.plan_gc(&everything()).unwrap();
    project.store.carry_out(&plan).unwrap();
    assert!(run.record(&key("found")).is_none());
    assert!(!project.object(&found.outputs["data"].digest).exists());
}

#[test]
fn what_a_run_finds_while_it_works_stays_too() {
    let project = Project::new();
    let part = NewPart {
        objects: [(
            "model".to_owned(),
            (Product::Bytes(b"m".to_vec()), Format::File),
        )]
        .into(),
        ..NewPart::default()
    };
    project.store.put(&key("part"), part).unwrap();
    let plan = project.store.plan_gc(&everything()).unwrap();
    assert_eq!(count(&plan, GcClass::Parts), 1);
    let run = project.reopened();
    let _relying = run.rely();
    run.settle_in();
    let found = run.get(&key("part"), &[]).unwrap();
    assert!(project.store.carry_out(&plan).unwrap().is_empty());
    Memo::path(&run, &found.objects["model"]).unwrap();
}

#[test]
fn nothing_goes_while_a_run_only_looks_around() {
    let project = Project::new();
    project.store.commit(record("found", b"bytes")).unwrap();
    let run = project.reopened();
    let relying = run.rely();
    let found = run.record(&key("found")).unwrap();
    let ended = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let plan = project.store.plan_gc(&everything()).unwrap();
            project.store.carry_out(&plan).unwrap();
            assert!(ended.load(Ordering::SeqCst), "it waits for the run");
        });
        std::thread::sleep(Duration::from_millis(50));
        run.path(&found.outputs["data"]).unwrap();
        ended.store(true, Ordering::SeqCst);
        drop(relying);
    });
    assert!(project.reopened().record(&key("found")).is_none());
}

#[test]
fn what_a_process_that_died_relied_on_goes() {
    let project = Project::new();
    project.store.commit(record("found", b"bytes")).unwrap();
    let uses = project.store.root().join("uses");
    fs::create_dir_all(&uses).unwrap();
    fs::write(uses.join("dead"), format!("{}\n", key("found"))).unwrap();
    let plan = project.store.plan_gc(&everything()).unwrap();
    project.store.carry_out(&plan).unwrap();
    assert!(project.reopened().record(&key("found")).is_none());
    assert_eq!(fs::read_dir(&uses).unwrap().count(), 0);
}

#[test]
fn the_last_keys_of_nodes_say_nothing_of_what_belongs_to_none() {
    let project = Project::new();
    project.store.commit(record("nobody's", b"bytes")).unwrap();
    project.store.put(&key("part"), NewPart::default()).unwrap();
    let request = GcRequest {
        keep_last: Some(0),
        ..GcRequest::default()
    };
    let plan = project.store.plan_gc(&request).unwrap();
    assert!(plan.counts().is_empty(), "{:?}", plan.counts());
}

#[test]
fn a_session_that_lives_is_no_leftover() {
    let project = Project::new();
    let attempt = project.store.attempt().unwrap();
    fs::write(attempt.path().join("half"), "half").unwrap();
    let plan = project.reopened().plan_gc(&everything()).unwrap();
    assert_eq!(count(&plan, GcClass::Leftovers), 0);
    project.reopened().carry_out(&plan).unwrap();
    assert!(attempt.path().join("half").exists());
}
