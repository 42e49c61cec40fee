// SPDX-License-Identifier: GPL-2.0

//! What the texts tell people to type is a file below `examples/` that a test runs; what they say of counters is true.
//!
//! A page of Documentation includes such a file (`.. include:: ../examples/…` with `:literal:`). A block that is written out has a
//! comment before it which says what else it is: `.. output` (what something prints), `.. figure`, `.. sketch` (of a file of the
//! tree) or `.. example: …` (bytes, see documentation.rs). In README, `<!-- examples/… -->` says that a block is that file without the
//! comments at its head, `<!-- part of examples/… -->` a part of it, and `<!-- output -->` the same as above.

#![cfg(not(loom))]

use ct_sync_host::stats::Counter;
use std::fs;
use std::path::{Path, PathBuf};

/// What a block that is written out may be.
const KINDS: [&str; 4] = ["output", "figure", "sketch", "example: "];

/// Pages whose blocks are figures and bytes throughout.
const FIGURES: [&str; 2] = ["design.rst", "protocol.rst"];

/// Counters that are not 0 in a healthy cluster; all others have a row in troubleshooting.rst.
const HEALTHY: [&str; 40] = [
    "events_seen",
    "ends_by_lost_address",
    "events_coalesced",
    "events_skipped_local",
    "events_skipped_mark",
    "frames_sent",
    "records_sent",
    "heartbeats_sent",
    "frames_received",
    "records_received",
    "heartbeats_received",
    "frames_made_good",
    "frames_repaired",
    "records_repaired",
    "nacks_sent",
    "nacks_suppressed",
    "nacks_received",
    "frames_late",
    "frames_unwanted",
    "frames_gap",
    "frames_retired",
    "entries_inserted",
    "entries_updated",
    "entries_unchanged",
    "entries_deleted",
    "entries_delete_absent",
    "entries_replaced_local",
    "entries_own",
    "entries_swept",
    "expectations_added",
    "expectations_known",
    "resyncs_requested",
    "resync_requests_received",
    "resyncs_served",
    "resyncs_completed",
    "promotions",
    "demotions",
    "scan_runs",
    "events_destroy_deferred",
    "entries_busy",
];

/// The top of the tree.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of a file of the tree.
fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All files below a folder, by their paths from the top of the tree.
fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The name of each page of Documentation and its text.
fn pages() -> Vec<(String, String)> {
    let pages = files("Documentation").into_iter();
    let pages = pages.filter(|path| path.ends_with(".rst"));
    pages
        .map(|path| (path["Documentation/".len()..].to_string(), text(&path)))
        .collect()
}

/// The blocks of a page that nothing before them accounts for, by their introductions.
fn unexplained(page: &str) -> Vec<String> {
    let lines: Vec<&str> = page.lines().collect();
    let mut found = Vec::new();
    let mut comment = false;
    for line in &lines {
        if let Some(said) = line.trim_start().strip_prefix(".. ") {
            comment = KINDS.iter().any(|kind| said.starts_with(kind));
            let code = ["code", "parsed-literal", "literalinclude"];
            if code.iter().any(|kind| said.starts_with(kind)) {
                found.push(line.to_string());
            }
        } else if line.ends_with("::") {
            if !comment {
                found.push(line.to_string());
            }
            comment = false;
        }
    }
    found
}

/// The files that a page includes.
fn included(page: &str) -> Vec<String> {
    let lines = page
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix(".. include:: "));
    lines
        .map(|path| path.trim().replacen("../", "", 1))
        .collect()
}

#[test]
fn blocks_are_found() {
    assert_eq!(unexplained("Type::\n\n    rm -r /\n"), ["Type::"]);
    assert_eq!(
        unexplained(".. output\n\nSays::\n\n    1\n\nThen::\n\n    2\n"),
        ["Then::"]
    );
    assert_eq!(unexplained(".. code-block:: sh\n\n    rm -r /\n").len(), 1);
    assert_eq!(
        included("   .. include:: ../examples/a\n      :literal:\n"),
        ["examples/a"]
    );
}

#[test]
fn blocks_of_the_documentation_are_files() {
    for (name, page) in pages() {
        if !FIGURES.contains(&name.as_str()) {
            let none: [&str; 0] = [];
            assert_eq!(unexplained(&page), none, "{name}: see texts.rs");
        }
        for path in included(&page) {
            assert!(root().join(&path).is_file(), "{name} includes {path}");
            assert!(path.starts_with("examples/"), "{name} includes {path}");
        }
    }
}

/// A file without the comments at its head, which say where it belongs.
fn body(path: &str) -> String {
    let text = text(path);
    let lines: Vec<&str> = text.lines().collect();
    let head = lines
        .iter()
        .take_while(|line| line.is_empty() || line.starts_with('#'))
        .count();
    lines[head..].join("\n").trim().to_string()
}

/// Each indented block of README with the comment before it.
fn blocks_of_readme(readme: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut comment = String::new();
    let mut within = false;
    for line in readme.lines() {
        if let Some(code) = line.strip_prefix("    ") {
            if !within {
                found.push((std::mem::take(&mut comment), String::new()));
            }
            let block = &mut found.last_mut().unwrap().1;
            block.push_str(code);
            block.push('\n');
            within = true;
        } else if line.is_empty() {
            if within {
                found.last_mut().unwrap().1.push('\n');
            }
        } else {
            within = false;
            let said = line
                .strip_prefix("<!-- ")
                .and_then(|rest| rest.strip_suffix(" -->"));
            comment = said.unwrap_or("").to_string();
        }
    }
    found
}

#[test]
fn blocks_of_the_readme_are_files() {
    let readme = text("README.md");
    assert!(
        !readme.contains("```"),
        "README has indented blocks, not fenced ones"
    );
    let blocks = blocks_of_readme(&readme);
    assert!(blocks.len() > 3);
    for (comment, block) in blocks {
        if comment == "output" {
            continue;
        }
        if let Some(path) = comment.strip_prefix("part of ") {
            assert!(body(path).contains(block.trim()), "README and {path}");
            continue;
        }
        assert!(
            comment.starts_with("examples/"),
            "no file is named for this block of README:\n{block}"
        );
        assert_eq!(block.trim(), body(&comment), "README and {comment}");
    }
}

/// Examples that no script of selftests runs: what a developer types, and what is typed on a machine of its own.
const ELSEWHERE: [&str; 3] = [
    "examples/commands/try",
    "examples/commands/machine",
    "examples/commands/install",
];

/// A file counts as run when a test names it, or the folder that it is in.
#[test]
fn examples_are_run() {
    let tests: String = files("selftests/vm")
        .iter()
        .map(|path| text(path))
        .collect();
    for path in files("examples") {
        if ELSEWHERE.contains(&path.as_str()) {
            continue;
        }
        let (folder, name) = path["examples/".len()..].rsplit_once('/').unwrap();
        let named = tests.contains(&format!("{folder}/{name}"));
        assert!(
            named || tests.contains(&format!("{folder}/*")),
            "no test runs {path}"
        );
    }
}

#[test]
fn every_counter_that_should_be_zero_has_a_row() {
    let page = text("Documentation/troubleshooting.rst");
    let names: Vec<_> = Counter::ALL.iter().map(|counter| counter.name()).collect();
    for name in HEALTHY {
        assert!(names.contains(&name), "there is no counter {name}");
    }
    for name in names {
        let explained = page.contains(&format!("``{name}``"));
        assert!(
            explained || HEALTHY.contains(&name),
            "{name} has no row in troubleshooting.rst"
        );
    }
}

#[test]
fn the_page_of_counters_is_fresh() {
    let page = text("Documentation/counters.rst");
    for counter in Counter::ALL {
        let meaning = counter.meaning().replace('`', "``");
        let entry = format!("``{}``\n    {meaning}\n", counter.name());
        assert!(page.contains(&entry), "run scripts/counters: {entry}");
    }
    let entries = page.lines().filter(|line| line.starts_with("``"));
    assert_eq!(entries.count(), Counter::ALL.len(), "run scripts/counters");
}
