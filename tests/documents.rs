//! What the pages at the root and under `docs` and the guide point to is there.

use std::fs;
use std::path::{Path, PathBuf};

/// Each document, with what it says.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let within = |folder: &str| fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let at_root = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "fuzz/README.md"].map(|page| root.join(page));
    let paths = at_root.into_iter().filter(|page| page.exists()).chain(within("docs")).chain(within("src/guide"));
    let text = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md" || extension == "rs"));
    text.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// What stands between `open` and `close`, each time.
fn between<'a>(text: &'a str, open: &'a str, close: char) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split(close).next())
}

#[test]
fn files_that_pages_link_to_are_there() {
    let pages: Vec<_> = documents().into_iter().filter(|(path, _)| path.extension().unwrap() == "md").collect();
    let mut links = 0;
    for (page, text) in &pages {
        for link in between(text, "](", ')').filter(|link| !link.contains("://")) {
            let file = page.parent().unwrap().join(link.split('#').next().unwrap());
            assert!(file.exists(), "{}: {link}", page.display());
            links += 1;
        }
    }
    assert!(links > 0, "the readme links to the comparison");
}

#[test]
fn tests_and_examples_that_documents_name_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut named = 0;
    for (document, text) in documents() {
        for folder in ["tests", "examples"] {
            for name in between(&text, &format!("`{folder}/"), '`') {
                // A test is told by its folder, or by its file with or without the ending.
                let path = root.join(folder).join(name);
                assert!(path.exists() || path.with_extension("rs").exists(), "{}: {name}", document.display());
                named += 1;
            }
        }
    }
    assert!(named > 30, "{named}");
}
