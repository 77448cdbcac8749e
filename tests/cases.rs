//! Every case of the groups that are this crate's so far is named in the test that shows it, or `docs/cases.md` says why
//! none does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const GROUPS: [(char, u32); 12] = [
    ('C', 22),
    ('B', 16),
    ('M', 5),
    ('T', 14),
    ('S', 4),
    ('G', 12),
    ('K', 16),
    ('Q', 11),
    ('W', 11),
    ('O', 4),
    ('R', 6),
    ('X', 5),
];

fn rust_files(folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(fs::read_to_string(path).unwrap());
        }
    }
}

/// The cases that a line names: `C6`, but not `HTTP2` or `C6x`.
fn cases(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| {
        let (group, number) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        GROUPS.iter().any(|(letter, last)| {
            group.starts_with(*letter) && number.parse().is_ok_and(|number: u32| (1..=*last).contains(&number))
        })
    })
}

#[test]
fn every_case_is_tested_or_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&root.join("src"), &mut files);
    rust_files(&root.join("tests"), &mut files);
    let comments = files.iter().flat_map(|file| file.lines()).filter(|line| line.trim_start().starts_with("///"));
    let tested: BTreeSet<_> = comments.flat_map(cases).collect();
    let page = fs::read_to_string(root.join("docs/cases.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")).filter_map(|row| row.split(" |").next());
    let explained: BTreeSet<_> = rows.flat_map(cases).collect();

    let all = GROUPS.iter().flat_map(|(group, last)| (1..=*last).map(move |number| format!("{group}{number}")));
    let missing: Vec<_> =
        all.filter(|case| !tested.contains(case.as_str()) && !explained.contains(case.as_str())).collect();
    assert_eq!(missing, Vec::<String>::new(), "neither tested nor explained");
    let both: Vec<_> = tested.intersection(&explained).collect();
    assert_eq!(both, Vec::<&&str>::new(), "tested, though docs/cases.md says that they are not");
}
