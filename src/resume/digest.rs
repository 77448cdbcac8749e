//! `Repr-Digest`: the digest that a server sends of the whole representation (RFC 9530, section 3).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use sha2::{Digest as _, Sha256, Sha512};

/// The field's name.
const REPR_DIGEST: &str = "repr-digest";

/// A digest that was announced.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Announced {
    Sha256([u8; 32]),
    Sha512([u8; 64]),
}

impl Announced {
    /// The strongest that is known of those in the field; other algorithms, and what cannot be read, are passed over (RFC 9530, section 3).
    /// Of several of one algorithm the last counts (RFC 8941, section 3.2).
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(REPR_DIGEST).iter();
        let members = values.flat_map(|value| members(value.as_bytes()));
        members.filter_map(|member| member_of(member.trim_ascii())).reduce(|found, next| match (&found, &next) {
            (Self::Sha512(_), Self::Sha256(_)) => found,
            _ => next,
        })
    }

    /// Whether no content has both.
    pub(super) fn contradicts(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sha256(one), Self::Sha256(other)) => one != other,
            (Self::Sha512(one), Self::Sha512(other)) => one != other,
            _ => false,
        }
    }
}

/// What stands between commas, but for those within a parameter's string (RFC 8941, section 3.3.3).
fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    value.split(move |byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b',' => return !quoted,
            _ => {}
        }
        false
    })
}

/// `sha-256=:base64:`, a member of a dictionary with a byte sequence (RFC 8941, sections 3.2 and 3.3.5), and parameters after it.
fn member_of(member: &[u8]) -> Option<Announced> {
    // Structured fields are ASCII (RFC 8941, section 4.2).
    let member = std::str::from_utf8(member).ok().filter(|member| member.is_ascii())?;
    let (key, value) = member.split_once('=')?;
    let (encoded, rest) = value.strip_prefix(':')?.split_once(':')?;
    if !rest.is_empty() && !rest.starts_with(';') {
        return None;
    }
    let decoded = STANDARD.decode(encoded).ok()?;
    match key {
        "sha-256" => decoded.try_into().ok().map(Announced::Sha256),
        "sha-512" => decoded.try_into().ok().map(Announced::Sha512),
        _ => None,
    }
}

/// What is computed while the bytes go by.
#[derive(Clone)]
pub(super) enum Running {
    Sha256(Sha256, [u8; 32]),
    Sha512(Sha512, [u8; 64]),
}

impl Running {
    pub(super) fn new(announced: &Announced) -> Self {
        match announced {
            Announced::Sha256(expected) => Self::Sha256(Sha256::new(), *expected),
            Announced::Sha512(expected) => Self::Sha512(Sha512::new(), *expected),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(digest, _) => digest.update(bytes),
            Self::Sha512(digest, _) => digest.update(bytes),
        }
    }

    /// Whether all that went by has the digest that was announced.
    pub(super) fn matches(self) -> bool {
        match self {
            Self::Sha256(digest, expected) => digest.finalize()[..] == expected,
            Self::Sha512(digest, expected) => digest.finalize()[..] == expected,
        }
    }
}

impl fmt::Debug for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256(_) => "Sha256",
            Self::Sha512(_) => "Sha512",
        })
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256(..) => "Sha256",
            Self::Sha512(..) => "Sha512",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    /// RFC 9530, appendix B.1, for `{"hello": "world"}` and a line feed.
    const SHA_256: &str = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
    const CONTENT: &[u8] = b"{\"hello\": \"world\"}\n";

    fn of(values: &[&str]) -> Option<Announced> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(REPR_DIGEST, HeaderValue::from_str(value).unwrap());
        }
        Announced::of(&headers)
    }

    fn sha_512() -> String {
        format!("sha-512=:{}:", STANDARD.encode(Sha512::digest(CONTENT)))
    }

    #[test]
    fn the_standards_own_example() {
        let announced = of(&[SHA_256]).unwrap();
        for (content, right) in [(CONTENT, true), (&CONTENT[1..], false)] {
            let mut running = Running::new(&announced);
            for byte in content.chunks(3) {
                running.update(byte);
            }
            assert_eq!(running.matches(), right);
        }
        let mut running = Running::new(&of(&[&sha_512()]).unwrap());
        running.update(CONTENT);
        assert!(running.matches());
    }

    #[test]
    fn the_strongest_is_taken_and_the_rest_passed_over() {
        let both = format!("md5=:AAAA:, {SHA_256};a=1 ,{}", sha_512());
        assert!(matches!(of(&[&both]), Some(Announced::Sha512(_))));
        assert!(matches!(of(&["unixsum=:AAAA:", SHA_256]), Some(Announced::Sha256(_))));
        for other in ["", "sha-256", "sha-256=1", "sha-256=:AAAA:", "sha-256=:!:", "SHA-256=:AAAA:", &SHA_256[..40]] {
            assert_eq!(of(&[other]), None, "{other}");
        }
        assert_eq!(of(&[&format!("{SHA_256}x")]), None);
        let latin = [SHA_256.as_bytes(), b";a=\xc9\xbe"].concat();
        let headers =
            HeaderMap::from_iter([(HeaderName::from_static(REPR_DIGEST), HeaderValue::from_bytes(&latin).unwrap())]);
        assert_eq!(Announced::of(&headers), None, "structured fields are ASCII");
        let quoted = format!(r#"{SHA_256};a="\", {}", unixsum=:AAAA:"#, sha_512());
        assert!(matches!(of(&[&quoted]), Some(Announced::Sha256(_))), "a parameter's string is no member");
    }

    #[test]
    fn only_digests_of_one_algorithm_can_contradict() {
        let (one, other) = (Announced::Sha256([1; 32]), Announced::Sha256([2; 32]));
        let (long, longer) = (Announced::Sha512([1; 64]), Announced::Sha512([2; 64]));
        assert!(one.contradicts(&other) && long.contradicts(&longer));
        assert!(!one.contradicts(&one) && !long.contradicts(&long) && !one.contradicts(&long));
        assert_eq!(format!("{one:?} {:?}", Running::new(&long)), "Sha256 Sha512");
    }

    /// A comma within a string, and after an escaped quote in it, separates nothing (RFC 8941, section 3.3.3).
    #[test]
    fn members_are_separated_outside_of_strings() {
        let of = |value: &str| {
            members(value.as_bytes()).map(|member| String::from_utf8_lossy(member).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(of(r#"a=1;b="x,y",c=2"#), [r#"a=1;b="x,y""#, "c=2"]);
        assert_eq!(of(r#"a=1;b="x\",y",c=2"#), [r#"a=1;b="x\",y""#, "c=2"]);
        assert_eq!(of(r"a\,b"), [r"a\", "b"]);
    }
}
