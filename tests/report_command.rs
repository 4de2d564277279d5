//! `retake report`: checks of a written report, prose that quotes, templates of the user's.

use std::fs;

use crate::support::{Project, files};
use crate::training::TINY;

/// Two rates and two seeds, and prose that quotes what they gave.
fn matrix() -> Project {
    let text = TINY
        .replace(
            "    kind: train\n    inputs: {data: flipped}",
            "    kind: train\n    matrix: {rate: [0.0002, 0.002], seed: [0, 1]}\n    inputs: {data: flipped}",
        )
        .replace("lr: \"${lr}\"", "lr: \"${rate}\"")
        .replace("lr: 0.0002, ", "")
        .replace(
            "inputs: {scores: scores, runs: gan, samples: grid}",
            "inputs: {scores: \"scores[*]\", runs: \"gan[*]\", samples: \"grid[*]\"}",
        );
    Project::new(&text)
}

fn with_sections(sections: &str) -> Project {
    let project = matrix();
    project.edit(
        "title: Tiny,",
        &format!("title: Tiny, sections: [{sections}],"),
    );
    project
}

#[test]
fn a_report_is_what_its_records_give_until_a_digit_is_altered() {
    let project = Project::new(TINY);
    project.run(&[]);
    let check = || project.retake(&["report", "pipeline.yaml", "--check"]);
    let said = check();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.out.contains("figures are what the records give"),
        "{said:?}"
    );

    let text = project.read("report/report.md");
    let line = text
        .lines()
        .position(|line| line.starts_with("| scores |"))
        .unwrap();
    let row = text.lines().nth(line).unwrap();
    let number = row
        .split_whitespace()
        .rfind(|word| word.contains('.'))
        .unwrap();
    let last = number.chars().next_back().unwrap().to_digit(10).unwrap();
    let altered = format!("{}{}", &number[..number.len() - 1], (last + 1) % 10);
    let (head, tail) = row.rsplit_once(number).unwrap();
    let row_altered = format!("{head}{altered}{tail}");
    project.write("report/report.md", &text.replace(row, &row_altered));
    let said = check();
    assert_eq!(said.code, Some(5), "{said:?}");
    let expected = format!(
        "report: report.md, line {}: `{altered}` where the records give `{number}`\n",
        line + 1
    );
    assert_eq!(said.out, expected);
}

#[test]
fn a_check_names_figures_that_differ_and_lines_that_come_from_nowhere() {
    let project = Project::new(TINY);
    project.run(&[]);
    let figures: Vec<_> = (files(&project.path("report")).into_iter())
        .filter(|path| path.extension().is_some_and(|extension| extension == "svg"))
        .collect();
    fs::write(&figures[0], "<svg/>").unwrap();
    fs::remove_file(&figures[1]).unwrap();
    fs::write(project.path("report/fig-000000000000.png"), "old").unwrap();
    let text = project.read("report/report.md");
    project.write(
        "report/report.md",
        &text.replace("# Tiny\n", "# Tiny\n\nIt is 99.9 % better.\n"),
    );
    let said = project.retake(&["report", "pipeline.yaml", "--check"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    let name = |index: usize| figures[index].file_name().unwrap().to_str().unwrap();
    for expected in [
        format!("{}: is not what the records give", name(0)),
        format!("{}: is missing", name(1)),
        "fig-000000000000.png: no line of the report shows it".to_owned(),
        "not from the records: It is 99.9 % better.".to_owned(),
    ] {
        assert!(
            said.out.contains(&expected),
            "{expected} is not in {}",
            said.out
        );
    }
    // A run puts everything right again.
    project.run(&[]);
    fs::remove_file(project.path("report/fig-000000000000.png")).unwrap();
    assert_eq!(
        project.retake(&["report", "pipeline.yaml", "--check"]).code,
        Some(0)
    );
}

#[test]
fn a_check_compares_the_lock_file_with_the_store() {
    let project = Project::new(TINY);
    project.run(&[]);
    let lock = project.read("pipeline.lock");
    let line = lock
        .lines()
        .find(|line| line.contains("\"fid-judge\":"))
        .unwrap();
    project.write(
        "pipeline.lock",
        &lock.replace(line, "        \"fid-judge\": 0.5"),
    );
    let said = project.retake(&["report", "pipeline.yaml", "--check"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    let expected = "report: pipeline.lock: fid-judge of scores is 0.5 where the store has ";
    assert!(said.out.starts_with(expected), "{said:?}");
}

#[test]
fn without_the_store_the_lock_file_vouches_for_the_bytes_and_the_exit_code_says_so() {
    let project = Project::new(TINY);
    project.run(&[]);
    let check = || project.retake(&["report", "pipeline.yaml", "--check", "--store", "empty"]);
    let said = check();
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(
        said.out.contains("its bytes are what the lock file says"),
        "{said:?}"
    );
    let text = project.read("report/report.md");
    project.write("report/report.md", &text.replacen("Tiny", "Tidy", 1));
    let said = check();
    assert_eq!(said.code, Some(5), "{said:?}");
    fs::remove_file(project.path("pipeline.lock")).unwrap();
    let said = check();
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(
        said.err.contains("nothing to check report against"),
        "{said:?}"
    );
}

#[test]
fn deleting_the_store_and_running_again_gives_the_same_bytes_and_leaves_no_old_figures() {
    let project = matrix();
    project.run(&[]);
    let contents = || -> Vec<_> {
        let all = files(&project.path("report")).into_iter();
        let kept = all.filter(|path| !path.ends_with("run.json"));
        kept.map(|path| (path.clone(), fs::read(&path).unwrap()))
            .collect()
    };
    let (before, lock) = (contents(), project.read("pipeline.lock"));
    fs::remove_dir_all(project.path(".retake")).unwrap();
    project.run(&[]);
    assert_eq!(contents(), before);
    assert_eq!(project.read("pipeline.lock"), lock);

    // Another store knows nothing of what this one published, and still leaves no figure that nothing shows.
    project.edit(
        "batch_size: 16\n      latent",
        "batch_size: 12\n      latent",
    );
    project.run(&["--store", "other"]);
    let said = project.retake(&["report", "pipeline.yaml", "--check", "--store", "other"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn what_differs_between_runs_stands_in_a_table_and_the_rest_in_the_appendix() {
    let project = matrix();
    project.run(&[]);
    let text = project.read("report/report.md");
    let table = "| run | lr |\n| --- | --- |\n| gan\\[rate=0.0002\\] | 0.0002 |\n| gan\\[rate=0.002\\] | 0.002 |\n";
    assert!(text.contains(table), "{text}");
    let (report, appendix) = text.split_once("## Appendix").unwrap();
    assert!(!report.contains("batch\\_size"), "{text}");
    assert!(appendix.contains("| batch\\_size | 16 |"), "{text}");
    assert!(!appendix.contains("| lr |"), "{text}");
}

#[test]
fn prose_quotes_numbers_settings_and_figures_and_follows_them() {
    let project = with_sections(
        "{title: Words, text: '{{ metric(\"scores[rate=0.002].accuracy\") }} / {{ metric(\"0.0002.accuracy\").n }} / \
         {{ metric(\"gan[rate=0.002,seed=1].fid-judge\", pick=\"best\").mean | number }} / \
         {{ setting(\"gan.batch_size\") }} / {{ figure(\"fid-judge by epoch\") }}'}, {file: prose.md, place: end}",
    );
    project.write(
        "prose.md",
        "## In a file\n\n{{ summary.rows | length }} groups.\n",
    );
    project.run(&[]);
    let report = || project.read("report/report.md");
    let text = report();
    let row = text
        .lines()
        .find(|line| line.starts_with("| scores | 0.002 |"))
        .unwrap();
    let accuracy = row.split('|').nth(6).unwrap().split("<br>").next().unwrap();
    let accuracy = accuracy.trim().trim_matches('*').to_owned();
    let words = text
        .split_once("## Words\n\n")
        .unwrap()
        .1
        .lines()
        .next()
        .unwrap();
    let words: Vec<&str> = words.split(" / ").collect();
    let column = text
        .lines()
        .find(|line| line.starts_with("| stage |"))
        .unwrap();
    assert!(
        column.split('|').nth(6).unwrap().contains("accuracy"),
        "{column}"
    );
    assert_eq!(words[0], accuracy);
    assert_eq!(words[1], "2");
    assert!(words[2].parse::<f64>().unwrap() > 0.0, "{words:?}");
    assert_eq!(words[3], "16");
    assert!(
        words[4].starts_with("![fid-judge by epoch](fig-"),
        "{words:?}"
    );
    let (before, after) = text.split_once("## In a file\n\n2 groups.\n").unwrap();
    assert!(before.contains("## Runs") && after.contains("## Appendix"));

    // The text of the file is in the report's key, and in nothing else's.
    project.write("prose.md", "Another text.\n");
    assert_eq!(project.run(&[]).ran(), ["report"]);
    assert!(report().contains("Another text."));
}

#[test]
fn prose_that_names_what_is_not_there_says_where_and_what_there_is() {
    let project =
        with_sections("{title: Words, text: \"one\\n\\n{{ metric('rate.acuracy') }}\\n\"}");
    let said = project.retake(&["run", "pipeline.yaml"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let expected = "Words, line 3: `rate.acuracy` names no metric; did you mean `accuracy`?";
    assert!(said.err.contains(expected), "{said:?}");

    let project = with_sections("{title: Words, text: '{{ metric(\"scores.accuracy\") }}'}");
    let said = project.retake(&["run", "pipeline.yaml"]);
    let expected = "may be of `scores[rate=0.0002]` and `scores[rate=0.002]`: name one of them";
    assert!(said.err.contains(expected), "{said:?}");

    // What can be known before anything runs is said before.
    for (section, expected) in [
        ("{title: A}", "a section has either a `text` or a `file`"),
        (
            "{text: '{{ metrik(1) }}'}",
            "there is no `metrik` in a report; did you mean `metric`?",
        ),
        ("{text: '{% if %}'}", "the text of a section, line 1: "),
        ("{file: no.md}", "no.md"),
    ] {
        let project = with_sections(section);
        let said = project.retake(&["run", "pipeline.yaml"]);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains(expected), "{expected}: {said:?}");
    }
}

#[test]
fn prose_of_a_run_that_diverged_says_so_in_place_of_its_number() {
    let text = TINY.replace("lr: 0.0002, ", "lr: 1.0e+30, ").replace(
        "title: Tiny,",
        "title: Tiny, sections: [{text: 'It was {{ metric(\"gan.accuracy\") }}.'}],",
    );
    let project = Project::new(&text);
    project.run(&[]);
    let report = project.read("report/report.md");
    assert!(report.contains("It was diverged @ epoch 1."), "{report}");
}

#[test]
fn a_slip_of_the_fingers_is_told_although_some_run_diverged() {
    let project = with_sections("{title: Words, text: '{{ metric(\"gan.accuracy\") }}'}");
    project.edit("rate: [0.0002, 0.002]", "rate: [0.0002, 1.0e+30]");
    let said = project.retake(&["run", "pipeline.yaml"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("Words, line 1: "), "{said:?}");
    project.edit("gan.accuracy", "scores[rate=0.0002].acuracy");
    let said = project.retake(&["run", "pipeline.yaml"]);
    assert!(said.err.contains("did you mean `accuracy`?"), "{said:?}");
}

#[test]
fn prose_in_a_file_called_like_a_page_is_markdown_all_the_same() {
    let project = with_sections("{file: notes.html}");
    project.write(
        "notes.html",
        "{{ setting(\"gan.betas\") }} & {{ title }}/{{ pipeline }}\n",
    );
    project.run(&[]);
    assert!(
        project
            .read("report/report.md")
            .contains("[0.5,0.999] & Tiny/tiny")
    );
}

#[test]
fn a_table_of_the_users_that_is_renamed_is_shown_by_its_new_name() {
    let project =
        Project::new(&TINY.replace("samples: grid}", "samples: grid, notes: \"file:old.csv\"}"));
    project.write("old.csv", "a,b\n1,2\n");
    project.run(&[]);
    assert!(project.read("report/report.md").contains("### old.csv"));
    std::fs::rename(project.path("old.csv"), project.path("new.csv")).unwrap();
    project.edit("file:old.csv", "file:new.csv");
    assert_eq!(project.run(&[]).ran(), ["report"]);
    assert!(project.read("report/report.md").contains("### new.csv"));
}

#[test]
fn a_report_that_is_published_nowhere_cannot_be_checked() {
    let project = Project::new(&TINY.replace(", out: report", ""));
    project.run(&[]);
    let said = project.retake(&["report", "pipeline.yaml", "--check"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("there is nothing to check"), "{said:?}");
}

#[test]
fn the_built_in_template_is_given_out_and_gives_the_same_report() {
    let project = Project::new(TINY);
    let eject = || project.retake(&["report", "--eject-template"]);
    assert_eq!(eject().code, Some(0));
    let again = eject();
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.err.contains("is there already"), "{again:?}");
    project.run(&[]);
    let built_in = project.read("report/report.md");
    project.edit("title: Tiny,", "title: Tiny, template: report.md.j2,");
    project.run(&[]);
    assert_eq!(project.read("report/report.md"), built_in);

    let template = project.read("report.md.j2");
    project.write(
        "report.md.j2",
        &format!("{template}{{{{ provenance.nods }}}}\n"),
    );
    let said = project.retake(&["run", "pipeline.yaml"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let line = template.lines().count() + 1;
    assert!(
        said.err
            .contains(&format!("report.md.j2, line {line}: undefined value")),
        "{said:?}"
    );
}

#[test]
fn a_report_is_written_from_the_store_and_trains_nothing() {
    let project = Project::new(TINY);
    let said = project.retake(&["report", "pipeline.yaml"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains("not in the store yet: raw"), "{said:?}");
    project.run(&["scores", "grid"]);
    assert!(!project.path("report").exists());
    let said = project.retake(&["report", "pipeline.yaml"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(project.path("report/report.md").exists());
    let said = project.retake(&["report", "pipeline.yaml", "gan"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(
        said.err.contains("`gan` is no stage of kind report"),
        "{said:?}"
    );
}

#[test]
fn the_page_stands_beside_the_text_needs_no_network_and_is_the_same_every_time() {
    let project = matrix();
    project.run(&[]);
    let html = || project.retake(&["report", "pipeline.yaml", "--html"]);
    assert_eq!(html().code, Some(0));
    let page = project.read("report/report.html");
    assert_eq!(html().code, Some(0));
    assert_eq!(project.read("report/report.html"), page);
    for part in ["<h1>Tiny</h1>", "data:image/png;base64,", "scores", "0.002"] {
        assert!(page.contains(part), "`{part}` is not in the page");
    }
    // Namespaces are names, not places.
    let places = page.replace("http://www.w3.org/", "");
    assert!(!places.contains("http://") && !places.contains("https://"));
    assert_eq!(
        project.retake(&["report", "pipeline.yaml", "--check"]).code,
        Some(0)
    );
    let elsewhere = project.retake(&["report", "pipeline.yaml", "--html", "-o", "a/page.html"]);
    assert_eq!(elsewhere.code, Some(0), "{elsewhere:?}");
    assert_eq!(project.read("a/page.html"), page);
    let both = project.retake(&["report", "pipeline.yaml", "--html", "--check"]);
    assert_eq!(both.code, Some(2), "{both:?}");
}
