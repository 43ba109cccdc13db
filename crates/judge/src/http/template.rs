//! The text that a model is sent: a template with places for the prompt and both responses.
//!
//! ```text
//! {prompt}  {first}  {second}     what is put in stays as it is, braces and all
//! {{  }}                          one brace
//! ```
//! A template is cut into pieces once, so that a response that says "{second}" is not filled in itself.

use crate::Question;

/// Placeholders that every template must have.
const PLACEHOLDERS: [(&str, Piece); 3] =
    [("prompt", Piece::Prompt), ("first", Piece::First), ("second", Piece::Second)];

/// How many characters of a template an error quotes.
const QUOTED_CHARS: usize = 30;

/// A template that cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A text of the question has no place.
    #[error(
        "the template must hold {{prompt}}, {{first}} and {{second}}, but lacks {{{placeholder}}}"
    )]
    Missing {
        /// The placeholder, without braces.
        placeholder: &'static str,
    },
    /// A placeholder that stands for nothing.
    #[error(
        "the template must hold no placeholders but {{prompt}}, {{first}} and {{second}}, but holds {{{placeholder}}}; \
         a brace itself is written twice"
    )]
    Unknown {
        /// The placeholder, without braces.
        placeholder: String,
    },
    /// A single brace that begins or ends no placeholder.
    #[error("the template has a single brace at {beginning:?}; a brace itself is written twice")]
    Brace {
        /// The template from this brace on, shortened.
        beginning: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Prompt,
    First,
    Second,
}

/// A template cut into pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

impl Template {
    pub(super) fn parse(template: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = template;
        while let Some(at) = rest.find(['{', '}']) {
            let brace = &rest[at..=at];
            text.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if let Some(after) = after.strip_prefix(brace) {
                text.push_str(brace);
                rest = after;
                continue;
            }
            let stray =
                || TemplateError::Brace { beginning: super::beginning(&rest[at..], QUOTED_CHARS) };
            let end = after.find(['{', '}']).filter(|_| brace == "{").ok_or_else(stray)?;
            if !after[end..].starts_with('}') {
                return Err(stray());
            }
            let name = &after[..end];
            let piece = PLACEHOLDERS
                .iter()
                .find(|(placeholder, _)| *placeholder == name)
                .map(|(_, piece)| piece.clone())
                .ok_or_else(|| TemplateError::Unknown {
                    placeholder: super::beginning(name, QUOTED_CHARS),
                })?;
            pieces.extend([Piece::Text(std::mem::take(&mut text)), piece]);
            rest = &after[end + 1..];
        }
        text.push_str(rest);
        pieces.push(Piece::Text(text));
        match PLACEHOLDERS.iter().find(|(_, piece)| !pieces.contains(piece)) {
            Some((placeholder, _)) => Err(TemplateError::Missing { placeholder }),
            None => Ok(Self(pieces)),
        }
    }

    pub(super) fn fill_in(&self, question: &Question<'_>) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Prompt => &question.prompt.text,
                Piece::First => &question.first.text,
                Piece::Second => &question.second.text,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shown;

    fn question<'a>(prompt: &'a str, first: &'a str, second: &'a str) -> Question<'a> {
        let shown = |text: &'a str| Shown { id: "id", text: text.into() };
        Question {
            prompt: shown(prompt),
            first: shown(first),
            second: shown(second),
            repetition: 0,
        }
    }

    #[test]
    fn what_is_put_in_is_not_filled_in_itself() {
        let template = Template::parse("{prompt}|{first}|{second}|{first}").unwrap();
        assert_eq!(
            template.fill_in(&question("{first}", "{second} {{}}", "{prompt}")),
            "{first}|{second} {{}}|{prompt}|{second} {{}}"
        );
    }

    #[test]
    fn braces_are_written_twice() {
        let template =
            Template::parse("{{\"a\": {{{prompt}}}}} {first}{second} {{prompt}}").unwrap();
        assert_eq!(template.fill_in(&question("p", "f", "s")), "{\"a\": {p}} fs {prompt}");
    }

    #[test]
    fn a_missing_placeholder_is_named() {
        for (template, missing) in
            [("{first}{second}", "prompt"), ("{prompt}{second}{{first}}", "first")]
        {
            let error = Template::parse(template).unwrap_err();
            assert_eq!(error, TemplateError::Missing { placeholder: missing });
            assert!(error.to_string().ends_with(&format!("lacks {{{missing}}}")), "{error}");
        }
    }

    #[test]
    fn an_unknown_placeholder_is_named() {
        for unknown in ["answer", "First", " first", ""] {
            let text = format!("{{prompt}}{{first}}{{second}}{{{unknown}}}");
            let error = Template::parse(&text).unwrap_err();
            assert_eq!(error, TemplateError::Unknown { placeholder: unknown.to_owned() });
            assert!(error.to_string().contains(&format!("holds {{{unknown}}}")), "{error}");
        }
    }

    #[test]
    fn a_single_brace_is_shown_with_what_follows() {
        for (template, beginning) in [
            ("{prompt}{first}{second} } é", "} é"),
            ("{prompt}{first}{second} {", "{"),
            ("{prompt {first} {second}", "{prompt {first} {second}"),
        ] {
            let error = Template::parse(template).unwrap_err();
            assert_eq!(error, TemplateError::Brace { beginning: beginning.to_owned() });
        }
    }
}
