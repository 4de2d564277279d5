//! "Did you mean …?"

/// The candidate nearest to `name`, when it is near enough to be meant.
///
/// ```
/// # use retake::suggest::nearest;
/// assert_eq!(nearest("scald", ["raw", "scaled"]), Some("scaled"));
/// assert_eq!(nearest("zebra", ["raw", "scaled"]), None);
/// ```
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let allowed = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `` did you mean `x`? `` or, with few candidates, what there is.
pub fn help<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(near) = nearest(name, candidates.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    match candidates.len() {
        0 => None,
        1 => Some(format!("there is only {}", list(&candidates))),
        2..=MOST => Some(format!("there are {}", list(&candidates))),
        _ => None,
    }
}

/// Longer lists of candidates help nobody.
const MOST: usize = 16;

/// `` `a`, `b` and `c` ``.
pub fn list(names: &[impl AsRef<str>]) -> String {
    let quoted: Vec<String> = names
        .iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => "nothing".to_owned(),
    }
}
