//! The key of a service: read from an environment variable, sent in one header, and shown nowhere.
//!
//! It can be neither printed nor serialized, and texts of the server are cleared of it before they go anywhere, because
//! services like to repeat a key that they refuse.

use super::HttpConfigError;
use std::env::{self, VarError};
use std::fmt;
use ureq::http::HeaderValue;

/// What is shown in place of a key.
const HIDDEN: &str = "***";

/// The key of a service. Its `Debug` is `***`.
#[derive(Clone)]
pub(super) struct ApiKey {
    text: String,
    authorization: HeaderValue,
}

impl ApiKey {
    /// Reads a key. `None` if the variable is not set or blank.
    pub(super) fn from_variable(variable: &str) -> Result<Option<Self>, HttpConfigError> {
        // Whoever takes the one for the other must not find the key in a message.
        let is_name = variable.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && variable.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            return Err(HttpConfigError::KeyVariable);
        }
        match env::var(variable) {
            Ok(text) if text.trim().is_empty() => Ok(None),
            Ok(text) => Self::new(&text)
                .map(Some)
                .ok_or_else(|| HttpConfigError::KeyUnusable { variable: variable.to_owned() }),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => {
                Err(HttpConfigError::KeyUnusable { variable: variable.to_owned() })
            }
        }
    }

    /// `None` if no header can carry it. Space around it is most often a line feed of the file it came from.
    fn new(text: &str) -> Option<Self> {
        let text = text.trim().to_owned();
        let mut authorization = HeaderValue::try_from(format!("Bearer {text}")).ok()?;
        authorization.set_sensitive(true);
        text.bytes().all(|byte| byte.is_ascii_graphic()).then_some(Self { text, authorization })
    }

    /// The value of the header `Authorization`.
    pub(super) fn authorization(&self) -> HeaderValue {
        self.authorization.clone()
    }

    /// The text without the key.
    pub(super) fn hide_in(&self, text: &str) -> String {
        text.replace(&self.text, HIDDEN)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_as_stars() {
        let key = ApiKey::new(" sk-secret\n").unwrap();
        assert_eq!(format!("{key:?} {key:#?}"), "*** ***");
        assert_eq!(key.authorization().to_str().unwrap(), "Bearer sk-secret");
        assert_eq!(format!("{:?}", key.authorization()), "Sensitive");
        assert_eq!(key.hide_in("key sk-secret, sk-secrets"), "key ***, ***s");
    }

    #[test]
    fn a_key_that_no_header_can_carry_is_refused() {
        for bad in ["sk secret", "sk\nsecret", "sk-é", "sk\u{7f}"] {
            assert!(ApiKey::new(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_in_place_of_its_name_is_not_repeated() {
        for bad in ["sk-secret", "", "1A", "A=B"] {
            let error = ApiKey::from_variable(bad).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
        assert!(ApiKey::from_variable("NLHF_NO_SUCH_VARIABLE").unwrap().is_none());
    }
}
