//! The rule that every exception to a lint says why: `#[allow(…, reason = "…")]`.

use super::Finding;
use super::source::{Source, is_identifier_byte};

pub(super) fn reasons(source: &Source) -> Vec<Finding> {
    source
        .attributes()
        .iter()
        .flat_map(|range| in_attribute(source, range.start, range.end))
        .collect()
}

/// `allow` and `expect` are looked for anywhere inside, because `cfg_attr` can hold several.
fn in_attribute(source: &Source, start: usize, end: usize) -> Vec<Finding> {
    let attribute = &source.code()[start..end];
    let path = attribute.trim_start_matches(['#', '!', '[', ' ']);
    let mut findings = Vec::new();
    if !["allow", "expect", "cfg_attr"].iter().any(|name| starts_with_call(path, name)) {
        return findings;
    }
    for name in ["allow", "expect"] {
        for (offset, _) in attribute.match_indices(name) {
            let is_word = !attribute[..offset].bytes().next_back().is_some_and(is_identifier_byte);
            if !is_word || !starts_with_call(&attribute[offset..], name) {
                continue;
            }
            let open = start + offset + name.len();
            let close = source.closing(open).unwrap_or(end);
            if !has_reason(&source.code()[open + 1..close]) {
                findings.push(Finding::violation(
                    source.line_of(start + offset),
                    format!("`{name}` without a reason, expected `reason = \"…\"`"),
                ));
            }
        }
    }
    findings
}

fn starts_with_call(code: &str, name: &str) -> bool {
    code.strip_prefix(name).is_some_and(|rest| rest.starts_with('('))
}

/// Whether one of the arguments is a reason. What strings say is blanked, but not how long they are.
fn has_reason(arguments: &str) -> bool {
    arguments.split(',').any(|argument| {
        argument
            .trim_start()
            .strip_prefix("reason")
            .and_then(|rest| rest.trim_start().strip_prefix('='))
            .is_some_and(|value| !value.trim().is_empty() && value.trim() != "\"\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        reasons(&Source::new(text)).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn reasons_are_seen_on_one_line_and_on_many() {
        let text = "#![allow(a, reason = \"b, (c)]\")]\n\
                    #[expect(\n    clippy::a,\n    clippy::b,\n    reason = \"so\"\n)]\n\
                    #[cfg_attr(test, allow(a, reason = \"d\"), expect(b, reason = r#\"e\"#))]\n";
        assert_eq!(lines(text), [0; 0]);
    }

    #[test]
    fn missing_reasons_are_found() {
        assert_eq!(lines("\n#[allow(dead_code)]\n"), [2]);
        assert_eq!(lines("#![expect(\n    a,\n    b\n)]\n"), [1]);
        assert_eq!(lines("#[allow(reasonable)]\n"), [1]);
        assert_eq!(lines("#[allow(a, reason = \"\")]\n"), [1]);
        assert_eq!(lines("#[allow(a)] // reason = \"in a comment\"\n"), [1]);
        assert_eq!(
            lines("#[cfg_attr(\n    test,\n    allow(a, reason = \"b\"),\n    allow(c),\n)]\n"),
            [4]
        );
    }

    #[test]
    fn other_attributes_calls_and_comments_pass() {
        assert_eq!(lines("#[serde(allow(a))]\n"), [0; 0]);
        assert_eq!(lines("#[deny(missing_docs)]\n"), [0; 0]);
        assert_eq!(lines("value.expect(\"a\");\n"), [0; 0]);
        assert_eq!(lines("/// #[allow(a)]\nlet text = \"#[allow(a)]\";\n"), [0; 0]);
    }
}
