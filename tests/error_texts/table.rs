//! The tables of the chapter, read from its source.

use crate::seen::Seen;

const CHAPTER: &str = include_str!("../../src/guide/errors.rs");

/// One row of what a request's error says.
#[derive(Debug)]
pub(crate) struct Row {
    /// All of them are said by one error, displayed or debugged.
    texts: Vec<&'static str>,
    fate: &'static str,
    cause: &'static str,
    pub(crate) remark: &'static str,
}

impl Row {
    /// Whether this is the row for that failure.
    pub(crate) fn tells(&self, seen: &Seen) -> bool {
        self.fate == seen.fate
            && self.cause == seen.cause
            && self.texts.iter().all(|text| seen.text.contains(text) || seen.debug.contains(text))
    }
}

/// The rows that have a fate.
pub(crate) fn of_failures() -> Vec<Row> {
    let row = |cells: &[&'static str]| match cells {
        [texts, fate, cause, remark] => {
            Some(Row { texts: quoted(texts), fate: quoted(fate)[0], cause: quoted(cause)[0], remark })
        }
        _ => None,
    };
    let rows: Vec<_> = rows().iter().filter_map(|cells| row(cells)).collect();
    assert!(rows.len() > 50, "the chapter has tables, and this reads them: {rows:#?}");
    rows
}

/// What a body's error says.
pub(crate) fn of_bodies() -> Vec<&'static str> {
    let text = |cells: &[&'static str]| match cells {
        [text, _] => Some(quoted(text)[0]),
        _ => None,
    };
    let texts: Vec<_> = rows().iter().filter_map(|cells| text(cells)).collect();
    assert!(texts.len() > 5, "{texts:#?}");
    texts
}

/// The cells of each row that begins with a text.
fn rows() -> Vec<Vec<&'static str>> {
    let rows = CHAPTER.lines().filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix(" |"));
    rows.filter(|row| row.starts_with('`')).map(|row| row.split(" | ").collect()).collect()
}

/// What stands between backquotes.
fn quoted(cell: &'static str) -> Vec<&'static str> {
    cell.split('`').skip(1).step_by(2).collect()
}
