//! What imports what: inside these folders imports go one way, so a file can be understood with those below it alone.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // allowed in tests, but clippy sees no test in a helper

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const FOLDERS: [&str; 2] = ["src/config", "src/filter"];

/// The module of the folder itself.
const PARENT: &str = "mod";

/// Each module of a folder, and what it imports from there.
type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn imports_inside_a_folder_have_no_cycle() {
    for folder in FOLDERS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let read = |file: &Path| Some((file.file_stem()?.to_str()?.to_owned(), std::fs::read_to_string(file).ok()?));
        let sources: Vec<_> =
            std::fs::read_dir(path).unwrap().filter_map(|entry| read(&entry.unwrap().path())).collect();
        assert!(sources.iter().any(|(module, _)| module == PARENT), "{folder} is not a module");
        let cycle = cyclic(imports(folder, &sources));
        assert!(cycle.is_empty(), "{folder}: imports form a cycle, somewhere among {cycle:#?}");
    }
}

#[test]
fn a_cycle_is_found() {
    for (what, sources, cyclic_modules) in [
        ("one way", vec![("mod", "use a::A;"), ("a", "use super::b::{self, B};"), ("b", "")], vec![]),
        (
            "two modules",
            vec![
                ("mod", ""),
                ("a", "use super::{\n    b,\n    c::{self, C},\n};"),
                ("b", "use super::a::A;"),
                ("c", ""),
            ],
            vec!["a", "b", "mod"],
        ),
        ("with the folder's own module", vec![("mod", "use a::A;"), ("a", "use super::Config;")], vec!["a", "mod"]),
        (
            "a path in the code",
            vec![("mod", ""), ("a", "fn f(b: super::b::B) {}"), ("b", "use crate::folder::a;")],
            vec!["a", "b", "mod"],
        ),
        (
            "comments, tests and other folders",
            vec![
                ("mod", ""),
                (
                    "a",
                    "//! super::a\npub(super) use crate::a;\nuse super::super::a;\n#[cfg(test)]\nmod tests {\n    use super::*;\n}",
                ),
            ],
            vec![],
        ),
    ] {
        let sources: Vec<_> = sources.into_iter().map(|(module, text)| (module.to_owned(), text.to_owned())).collect();
        assert_eq!(cyclic(imports("src/folder", &sources)).into_keys().collect::<Vec<_>>(), cyclic_modules, "{what}");
    }
}

/// The folder's own module imports all others; a name that is none of them is an item of the folder's own module.
fn imports(folder: &str, sources: &[(String, String)]) -> Imports {
    let modules: BTreeSet<_> = sources.iter().map(|(module, _)| module.clone()).collect();
    let from_crate = folder.replacen("src", "crate", 1).replace('/', "::") + "::";
    let of = |(module, text): &(String, String)| {
        let text = without_comments_and_tests(text);
        let imported = if module == PARENT {
            modules.iter().filter(|other| *other != PARENT).cloned().collect()
        } else {
            let names = ["super::", &from_crate].into_iter().flat_map(|prefix| names_after(prefix, &text));
            names.map(|name| modules.get(&name).cloned().unwrap_or(PARENT.to_owned())).collect()
        };
        (module.clone(), imported)
    };
    sources.iter().map(of).collect()
}

fn without_comments_and_tests(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// The names that stand after this prefix, alone or in braces.
fn names_after(prefix: &str, code: &str) -> Vec<String> {
    let own =
        |before: &str| !before.ends_with("super::") && !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let starts = code.match_indices(prefix).filter(|(start, _)| own(&code[..*start])).map(|(start, _)| start);
    let names = starts.flat_map(|start| match code[start + prefix.len()..].strip_prefix('{') {
        Some(list) => items(list),
        None => vec![identifier(&code[start + prefix.len()..])],
    });
    names.filter(|name| !name.is_empty() && name != "super").collect()
}

/// The first name of every item of a list in braces, up to its end.
fn items(list: &str) -> Vec<String> {
    let (mut depth, mut names, mut start) = (0, Vec::new(), 0);
    for (position, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                names.push(identifier(&list[start..position]));
                start = position + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names
}

fn identifier(code: &str) -> String {
    code.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// What is left when a module whose imports are all gone goes too: the modules of a cycle, and whoever imports those.
fn cyclic(mut imports: Imports) -> Imports {
    loop {
        let left: BTreeSet<_> = imports.keys().cloned().collect();
        imports.retain(|_, imported| imported.iter().any(|module| left.contains(module)));
        if imports.len() == left.len() {
            return imports;
        }
    }
}
