//! Markdown of the user's as HTML that can do no harm: what is HTML in it is shown as text, links lead to the web,
//! to mail or into the page, and images are those beside the report.

use std::borrow::Cow;

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use super::image::Images;

/// Blocks. Headings are two levels lower than written, as the page has its own above them.
pub fn blocks(text: &str, images: &Images) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    html::push_html(&mut out, events(text, images));
    out
}

/// One line: a single paragraph stands without its `<p>`.
pub fn inline(text: &str, images: &Images) -> String {
    let html = blocks(text, images);
    let html = html.trim_end();
    let inner = html
        .strip_prefix("<p>")
        .and_then(|rest| rest.strip_suffix("</p>"))
        .filter(|inner| !inner.contains("<p>"));
    inner.unwrap_or(html).to_owned()
}

fn events<'t>(text: &'t str, images: &'t Images) -> impl Iterator<Item = Event<'t>> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    // Links that were left out are still closed: their ends have to go too.
    let mut open = Vec::new();
    Parser::new_ext(text, options).filter_map(move |event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Some(Event::Text(html)),
        Event::Start(Tag::Heading {
            level,
            id,
            classes,
            attrs,
        }) => Some(Event::Start(Tag::Heading {
            level: lower(level),
            id,
            classes,
            attrs,
        })),
        Event::End(TagEnd::Heading(level)) => Some(Event::End(TagEnd::Heading(lower(level)))),
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => {
            let safe = is_safe(&dest_url);
            open.push(safe);
            safe.then_some(Event::Start(Tag::Link {
                link_type,
                dest_url,
                title,
                id,
            }))
        }
        Event::End(TagEnd::Link | TagEnd::Image) => open.pop().unwrap_or(false).then_some(event),
        Event::Start(Tag::Image {
            link_type,
            dest_url,
            title,
            id,
        }) => {
            // A page that needs no network loads nothing from it.
            let image = images.get(&dest_url);
            open.push(image.is_some());
            image.map(|image| {
                Event::Start(Tag::Image {
                    link_type,
                    dest_url: CowStr::from(image.src.as_str()),
                    title,
                    id,
                })
            })
        }
        other => Some(other),
    })
}

fn lower(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 | HeadingLevel::H2 => HeadingLevel::H3,
        HeadingLevel::H3 => HeadingLevel::H4,
        HeadingLevel::H4 => HeadingLevel::H5,
        HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    }
}

/// Whether a link leads to the web, to mail, into the page or to a file beside it.
fn is_safe(target: &str) -> bool {
    // Browsers drop control characters within a scheme.
    let plain: Cow<'_, str> = target.chars().filter(|c| !c.is_control()).collect();
    match plain.split_once(':') {
        Some((scheme, _)) if !scheme.contains(['/', '?', '#']) => {
            ["http", "https", "mailto"].contains(&scheme.trim().to_ascii_lowercase().as_str())
        }
        _ => true,
    }
}
