//! Where a model is asked: the base URL, checked, and the one place that requests go to.

use super::HttpConfigError;
use std::net::IpAddr;
use ureq::http::Uri;

/// What is appended to a base URL.
const PATH: &str = "/chat/completions";

/// A checked address. It holds no secret: no user, no query.
#[derive(Debug, Clone)]
pub(super) struct Address {
    /// Where requests go.
    pub(super) endpoint: Uri,
    /// Without a port.
    pub(super) host: String,
    /// Whether what is sent cannot be read on the way: it is encrypted, or never leaves this machine.
    pub(super) is_private: bool,
    /// Whether it never leaves this machine.
    pub(super) is_loopback: bool,
}

impl Address {
    /// Checks a base URL such as `https://host/v1`.
    pub(super) fn parse(base: &str) -> Result<Self, HttpConfigError> {
        // Before anything else, because other messages repeat what was given.
        if base.contains('@') {
            return Err(HttpConfigError::UrlWithUser);
        }
        if base.contains(['?', '#']) {
            return Err(HttpConfigError::UrlWithQuery);
        }
        let no_url = || HttpConfigError::Url { given: base.to_owned() };
        let endpoint: Uri =
            format!("{}{PATH}", base.trim_end_matches('/')).parse().map_err(|_| no_url())?;
        let is_encrypted = match endpoint.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(no_url()),
        };
        let host = endpoint.host().filter(|host| !host.is_empty()).ok_or_else(no_url)?.to_owned();
        let is_loopback = host.eq_ignore_ascii_case("localhost")
            || host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        Ok(Self { endpoint, host, is_private: is_encrypted || is_loopback, is_loopback })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_appended_once() {
        for base in ["https://host:8443/v1", "https://host:8443/v1/"] {
            let address = Address::parse(base).unwrap();
            assert_eq!(address.endpoint.to_string(), "https://host:8443/v1/chat/completions");
            assert_eq!(address.host, "host");
            assert!(address.is_private && !address.is_loopback);
        }
        let address = Address::parse("http://[::1]:80").unwrap();
        assert_eq!(address.endpoint.to_string(), "http://[::1]:80/chat/completions");
    }

    #[test]
    fn only_this_machine_and_encryption_are_private() {
        for (base, is_private, is_loopback) in [
            ("http://localhost:1/v1", true, true),
            ("http://LocalHost", true, true),
            ("http://127.0.0.1:1", true, true),
            ("http://127.8.8.8", true, true),
            ("http://[::1]", true, true),
            ("https://10.0.0.1", true, false),
            ("http://10.0.0.1", false, false),
            ("http://0.0.0.0", false, false),
            ("http://127.0.0.1.example.org", false, false),
            ("http://localhost.example.org", false, false),
            ("http://[::2]", false, false),
        ] {
            let address = Address::parse(base).unwrap();
            assert_eq!(
                (address.is_private, address.is_loopback),
                (is_private, is_loopback),
                "{base}"
            );
        }
    }

    #[test]
    fn other_addresses_are_refused() {
        for bad in ["", "host/v1", "ftp://host", "https://", "http:///v1", "https://a b", "//host"]
        {
            let error = Address::parse(bad).unwrap_err().to_string();
            assert!(error.starts_with("the base URL must") && error.contains(bad), "{error}");
        }
    }

    #[test]
    fn secrets_in_an_address_are_refused_and_not_repeated() {
        for bad in ["https://user:secret@host", "secret@host", "https://h?key=secret", "h#secret"] {
            let error = Address::parse(bad).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }
}
