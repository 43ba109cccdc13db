//! Forbidden calls: generators nobody can seed, and ways out of the process.
//!
//! One seed decides every random draw, so only the generator of the seed tree may be made. Libraries
//! do not print, open files, read clocks or use the network; those that are there to do so have a
//! [`Reach`] in the table.

use super::Finding;
use super::source::{Source, is_identifier_byte};
use super::table::Reach;

struct Forbidden {
    pattern: &'static str,
    /// What to write in its place.
    expected: &'static str,
    /// What a library needs to be allowed to use it; `None` if nothing helps.
    reach: Option<Reach>,
}

const SEEDED: &str = "a stream of the seed tree";
const SILENT: &str = "a returned value or an event to an observer";
const TIMELESS: &str = "that the caller reads the clock";

const ANYWHERE: [Forbidden; 5] = [
    never("rand::rng(", SEEDED),
    never("thread_rng", SEEDED),
    never("StdRng", SEEDED),
    never("SmallRng", SEEDED),
    never("from_os_rng", SEEDED),
];

const IN_LIBRARY: [Forbidden; 8] = [
    never("println!", SILENT),
    never("eprintln!", SILENT),
    never("print!", SILENT),
    never("eprint!", SILENT),
    Forbidden {
        pattern: "std::fs",
        expected: "files only where the table allows them",
        reach: Some(Reach::Files),
    },
    Forbidden {
        pattern: "std::net",
        expected: "sockets only where the table allows them",
        reach: Some(Reach::Sockets),
    },
    timed("Instant::now"),
    timed("SystemTime::now"),
];

const fn never(pattern: &'static str, expected: &'static str) -> Forbidden {
    Forbidden { pattern, expected, reach: None }
}

const fn timed(pattern: &'static str) -> Forbidden {
    Forbidden { pattern, expected: TIMELESS, reach: Some(Reach::Clock) }
}

/// Calls that no file of the repository may make.
pub(super) fn anywhere(source: &Source) -> Vec<Finding> {
    ANYWHERE
        .iter()
        .flat_map(|forbidden| {
            occurrences(source.code(), forbidden.pattern).map(|offset| {
                let message = format!("`{}`, expected {}", forbidden.pattern, forbidden.expected);
                Finding::violation(source.line_of(offset), message)
            })
        })
        .collect()
}

/// Calls that a library may not make outside its tests, unless it has the reach for them.
pub(super) fn in_library(source: &Source, may_use: &[Reach]) -> Vec<Finding> {
    IN_LIBRARY
        .iter()
        .filter(|forbidden| !forbidden.reach.is_some_and(|reach| may_use.contains(&reach)))
        .flat_map(|forbidden| {
            occurrences(source.code(), forbidden.pattern)
                .chain(grouped_imports(source, forbidden.pattern))
                .filter(|&offset| !source.is_test(offset))
                .map(|offset| {
                    let message = format!(
                        "`{}` in a library, expected {}",
                        forbidden.pattern, forbidden.expected
                    );
                    Finding::violation(source.line_of(offset), message)
                })
        })
        .collect()
}

/// Offsets of the pattern where it is not a part of a longer identifier.
fn occurrences(code: &str, pattern: &'static str) -> impl Iterator<Item = usize> {
    let ends_in_identifier = pattern.bytes().next_back().is_some_and(is_identifier_byte);
    code.match_indices(pattern).map(|(offset, _)| offset).filter(move |&offset| {
        let before = code[..offset].bytes().next_back();
        let after = code[offset + pattern.len()..].bytes().next();
        let goes_on = ends_in_identifier && after.is_some_and(is_identifier_byte);
        !goes_on && !before.is_some_and(is_identifier_byte)
    })
}

/// Offsets where `std::{…}` imports the module that the pattern `std::module` names.
fn grouped_imports(source: &Source, pattern: &'static str) -> impl Iterator<Item = usize> {
    let module = pattern.strip_prefix("std::");
    occurrences(source.code(), "std::{").flat_map(move |start| {
        let open = start + "std::".len();
        let end = source.closing(open).unwrap_or(source.code().len());
        let group = &source.code()[open + 1..end];
        let mut depth = 0_usize;
        let mut item_start = open + 1;
        let mut found = Vec::new();
        for (offset, byte) in group.bytes().enumerate().chain([(group.len(), b',')]) {
            match byte {
                b'{' => depth += 1,
                b'}' => depth = depth.saturating_sub(1),
                b',' if depth == 0 => {
                    let item = &source.code()[item_start..open + 1 + offset];
                    let name = item.trim_start();
                    let identifier = name.split(|c: char| !c.is_alphanumeric() && c != '_').next();
                    if identifier.is_some() && identifier == module {
                        found.push(item_start + item.len() - name.len());
                    }
                    item_start = open + 1 + offset + 1;
                }
                _ => {}
            }
        }
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_anywhere(text: &str) -> Vec<usize> {
        anywhere(&Source::new(text)).into_iter().map(|finding| finding.line).collect()
    }

    fn lines_in_library(text: &str, may_use: &[Reach]) -> Vec<usize> {
        in_library(&Source::new(text), may_use).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn unseeded_generators_are_found_everywhere() {
        for call in [
            "let rng = rand::rng();",
            "rand::thread_rng()",
            "use rand::rngs::StdRng;",
            "SmallRng::seed_from_u64(1)",
            "ChaCha8Rng::from_os_rng()",
        ] {
            assert_eq!(lines_anywhere(&format!("\n{call}\n")), [2], "{call}");
            assert_eq!(lines_anywhere(&format!("#[cfg(test)]\nmod tests {{ {call} }}")), [2]);
        }
    }

    #[test]
    fn comments_strings_and_longer_names_pass() {
        let text = "// rand::rng()\n/* StdRng */\nlet name = \"thread_rng\";\n\
                    MyStdRng; SmallRngs; brand::rng(); rand::rngs::mock();\n";
        assert_eq!(lines_anywhere(text), [0; 0]);
    }

    #[test]
    fn libraries_are_silent_timeless_and_inside() {
        for call in [
            "println!(\"a\");",
            "eprintln!(\"a\");",
            "print!(\"a\");",
            "eprint!(\"a\");",
            "std::fs::read(path)",
            "use std::net::TcpStream;",
            "std::time::Instant::now()",
            "SystemTime::now()",
        ] {
            assert_eq!(lines_in_library(&format!("\n{call}\n"), &[]), [2], "{call}");
            let test = format!("#[cfg(test)]\nmod tests {{\n{call}\n}}\n");
            assert_eq!(lines_in_library(&test, &[]), [0; 0], "{call}");
        }
        assert_eq!(lines_in_library("writeln!(out)?; debug_println!();\n", &[]), [0; 0]);
    }

    #[test]
    fn reach_allows_its_own_calls_only() {
        let text = "use std::fs;\nuse std::net;\n";
        assert_eq!(lines_in_library(text, &[Reach::Files]), [2]);
        assert_eq!(lines_in_library(text, &[Reach::Files, Reach::Sockets]), [0; 0]);
    }

    #[test]
    fn grouped_imports_do_not_hide_a_module() {
        let text = "use std::{\n    fmt::{self, fs},\n    fs::{self, File},\n    net,\n};\n";
        assert_eq!(lines_in_library(text, &[]), [3, 4]);
        assert_eq!(lines_in_library("use std::{fmt, net_of, io};\n", &[]), [0; 0]);
    }
}
