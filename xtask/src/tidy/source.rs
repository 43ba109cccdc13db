//! Rust code as the rules read it: comments and literals blanked, attributes and tests found.
//!
//! This is a scanner and no parser. It knows comments, strings, characters and brackets, which is
//! enough to ask whether a name occurs in code, and in code that is not a test. Offsets are those of
//! the original text.

use std::ops::Range;

/// The scanned text of one file.
#[derive(Debug)]
pub(super) struct Source {
    code: String,
    attributes: Vec<Range<usize>>,
    tests: Vec<Range<usize>>,
}

impl Source {
    pub(super) fn new(text: &str) -> Self {
        let code = blank(text);
        let attributes = find_attributes(&code);
        let tests = attributes
            .iter()
            .filter(|range| is_test_attribute(&code[(*range).clone()]))
            .map(|range| range.start..end_of_item(&code, range))
            .collect();
        Source { code, attributes, tests }
    }

    /// The text with spaces in place of comments and of what stands inside quotes.
    pub(super) fn code(&self) -> &str {
        &self.code
    }

    /// Each from its `#` to its closing bracket, in order.
    pub(super) fn attributes(&self) -> &[Range<usize>] {
        &self.attributes
    }

    /// Whether the offset lies in an item under `#[cfg(test)]`.
    pub(super) fn is_test(&self, offset: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&offset))
    }

    /// Lines count from 1.
    pub(super) fn line_of(&self, offset: usize) -> usize {
        self.code[..offset].bytes().filter(|&byte| byte == b'\n').count() + 1
    }

    /// The offset of the bracket that closes the one at `open`.
    pub(super) fn closing(&self, open: usize) -> Option<usize> {
        closing(&self.code, open)
    }

    /// Files of the modules that are declared as `#[cfg(test)] mod name;` in the file at `path`.
    pub(super) fn test_module_paths(&self, path: &str) -> Vec<String> {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = match file {
            "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
            _ => format!("{folder}/{}", file.trim_end_matches(".rs")),
        };
        self.tests
            .iter()
            .filter_map(|range| module_name(&self.code[range.clone()]))
            .flat_map(|name| [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")])
            .collect()
    }
}

pub(super) fn is_identifier_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Same length and same lines as the text, so that offsets and line numbers carry over.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let Some(Span { inside, end }) = span_at(text, at) else {
            code.push(first);
            at += first.len_utf8();
            continue;
        };
        code.push_str(&text[at..inside.start]);
        code.extend(text[inside.clone()].bytes().map(|byte| match byte {
            b'\n' => '\n',
            _ => ' ',
        }));
        code.push_str(&text[inside.end..end]);
        at = end;
    }
    code
}

/// A comment or a literal: what stands inside is blanked, quotes before and after are kept.
struct Span {
    inside: Range<usize>,
    end: usize,
}

/// The comment or literal that opens at this offset.
fn span_at(text: &str, at: usize) -> Option<Span> {
    let bytes = text.as_bytes();
    match bytes[at] {
        b'/' if bytes[at..].starts_with(b"//") => {
            let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
            Some(Span { inside: at..end, end })
        }
        b'/' if bytes[at..].starts_with(b"/*") => {
            let end = end_of_block_comment(bytes, at);
            Some(Span { inside: at..end, end })
        }
        quote @ (b'"' | b'\'') if quote == b'"' || is_character(text, at) => {
            let close = closing_quote(bytes, at, quote);
            Some(Span { inside: at + 1..close, end: text.len().min(close + 1) })
        }
        b'r' if starts_word(bytes, at) => raw_string(text, at),
        _ => None,
    }
}

/// Block comments nest.
fn end_of_block_comment(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 2;
    let mut depth = 1_usize;
    while at < bytes.len() && depth > 0 {
        if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
        } else if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else {
            at += 1;
        }
    }
    at
}

fn closing_quote(bytes: &[u8], open: usize, quote: u8) -> usize {
    let mut at = open + 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// `'a'` and `'\n'` are characters, `'a` is a lifetime.
fn is_character(text: &str, at: usize) -> bool {
    let mut rest = text[at + 1..].chars();
    match rest.next() {
        Some('\\') => true,
        Some(_) => rest.next() == Some('\''),
        None => false,
    }
}

/// Whether the `r` at this offset starts a word, or follows the `b` or `c` that does.
fn starts_word(bytes: &[u8], at: usize) -> bool {
    let start = if at > 0 && matches!(bytes[at - 1], b'b' | b'c') { at - 1 } else { at };
    start == 0 || !is_identifier_byte(bytes[start - 1])
}

/// `None` for a word that only starts with `r`, a raw identifier among them.
fn raw_string(text: &str, start: usize) -> Option<Span> {
    let n_hashes = text[start + 1..].bytes().take_while(|&byte| byte == b'#').count();
    let hashes = &text[start + 1..=start + n_hashes];
    let inside_start = start + 1 + n_hashes + 1;
    text[start + 1 + n_hashes..].starts_with('"').then_some(())?;
    let terminator = format!("\"{hashes}");
    let length = text[inside_start..].find(&terminator);
    Some(match length {
        Some(length) => {
            let inside = inside_start..inside_start + length;
            Span { end: inside.end + terminator.len(), inside }
        }
        None => Span { inside: inside_start..text.len(), end: text.len() },
    })
}

fn find_attributes(code: &str) -> Vec<Range<usize>> {
    code.match_indices('#')
        .filter_map(|(start, _)| {
            let rest = &code[start + 1..];
            let open = start + 1 + usize::from(rest.starts_with('!'));
            code[open..].starts_with('[').then_some(())?;
            Some(start..closing(code, open)? + 1)
        })
        .collect()
}

fn is_test_attribute(attribute: &str) -> bool {
    let attribute: String = attribute.split_whitespace().collect();
    attribute == "#[cfg(test)]" || attribute.starts_with("#[cfg(all(test,")
}

/// The end of the item that an attribute stands before: its block, or its semicolon.
fn end_of_item(code: &str, attribute: &Range<usize>) -> usize {
    let mut at = attribute.end;
    while let Some(&byte) = code.as_bytes().get(at) {
        match byte {
            b'{' => return closing(code, at).map_or(code.len(), |close| close + 1),
            b'(' | b'[' => at = closing(code, at).unwrap_or(code.len()),
            b';' => return at + 1,
            // A field or a statement at the end of its block.
            b'}' | b')' | b']' => return at,
            _ => {}
        }
        at += 1;
    }
    code.len()
}

/// `name` if the item is `mod name;`, whatever stands before it.
fn module_name(item: &str) -> Option<&str> {
    let declaration = item.strip_suffix(';')?;
    let (before, name) = declaration.rsplit_once(char::is_whitespace)?;
    (before.split_whitespace().next_back() == Some("mod")).then_some(name)
}

fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (offset, byte) in code[open..].bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(open + offset);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_in_place() {
        for (text, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            ("f(\"a \\\" b\", c)", "f(\"      \", c)"),
            ("f('\"', '\\'', 'é', c)", "f(' ', '  ', '  ', c)"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("f(\"// a\") // b", "f(\"    \")     "),
            ("r\"a\\\" b", "r\"  \" b"),
            ("br##\"a\"# b\"## c", "br##\"     \"## c"),
            ("for r in r#type {}", "for r in r#type {}"),
            ("\"é\nb\" c", "\"  \n \" c"),
            ("\"a", "\" "),
            ("\"a\\", "\"  "),
            ("r#\"a\"", "r#\"  "),
            ("/* a", "    "),
        ] {
            assert_eq!(blank(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_test_ends_with_its_item() {
        let text = "fn a() {}\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n    fn b() { {} }\n}\n\
                    fn c() {}\n#[cfg(test)]\nuse d::D;\nfn e() {}\n#[cfg(not(test))]\nfn f() {}\n\
                    #[cfg(all(test, unix))]\nfn g(x: [u8; 3]) {}\n";
        let source = Source::new(text);
        let is_test = |needle: &str| source.is_test(text.find(needle).unwrap());
        assert!(is_test("fn b") && is_test("use d") && is_test("fn g"));
        assert!(source.is_test(text.find("3]) {").unwrap() + 4));
        assert!(!is_test("fn a") && !is_test("fn c") && !is_test("fn e") && !is_test("fn f"));
    }

    #[test]
    fn test_modules_lie_beside_or_below_their_parent() {
        let declaration = Source::new("#[cfg(test)]\npub(crate) mod testing;\nmod other;\n");
        assert_eq!(
            declaration.test_module_paths("crates/a/src/lib.rs"),
            ["crates/a/src/testing.rs", "crates/a/src/testing/mod.rs"]
        );
        assert_eq!(
            declaration.test_module_paths("crates/a/src/b.rs"),
            ["crates/a/src/b/testing.rs", "crates/a/src/b/testing/mod.rs"]
        );
        assert!(
            Source::new("#[cfg(test)]\nmod tests { a(); }\n").test_module_paths("b.rs").is_empty()
        );
    }

    #[test]
    fn attributes_are_found_across_lines() {
        let source = Source::new("#![a]\n#[b(\n    c = \"]\",\n)]\nfn f() {} // #[d]\n");
        let found: Vec<&str> =
            source.attributes().iter().map(|range| &source.code()[range.clone()]).collect();
        assert_eq!(found, ["#![a]", "#[b(\n    c = \" \",\n)]"]);
        assert_eq!(source.line_of(source.attributes()[1].start), 2);
    }
}
