//! `Repr-Digest`, against a slow reading of it.
//!
//! An input's first byte says what the rest is: the field's values, with a zero byte between them; or a content, with which its true
//! digest is announced among other things, see [`announced`].

#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256, Sha512};
use tower_redial::fuzzing::{digest, has_digest};

const FIELD: HeaderName = HeaderName::from_static("repr-digest");

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fuzz_target!(|data: &[u8]| {
    let [what, rest @ ..] = data else { return };
    if what % 2 == 0 {
        let values: Vec<_> = rest.split(|byte| *byte == 0).collect();
        let Some(headers) = headers(&values) else { return };
        assert_eq!(digest(&headers), reference(&values));
    } else {
        let _ = announced(&mut Unstructured::new(rest));
    }
});

fn headers(values: &[&[u8]]) -> Option<HeaderMap> {
    values.iter().map(|value| Some((FIELD, HeaderValue::from_bytes(value).ok()?))).collect()
}

/// The last of the longest kind that can be read: members between commas, each `key=:base64:` and perhaps parameters. Those that
/// cannot be read are passed over one by one.
fn reference(values: &[&[u8]]) -> Option<Vec<u8>> {
    let mut found: Option<Vec<u8>> = None;
    for member in members(values) {
        let mut member = &member[..];
        while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = member {
            member = rest;
        }
        let (length, rest) = match member {
            [b's', b'h', b'a', b'-', b'2', b'5', b'6', b'=', b':', rest @ ..] => (32, rest),
            [b's', b'h', b'a', b'-', b'5', b'1', b'2', b'=', b':', rest @ ..] => (64, rest),
            _ => continue,
        };
        let Some(end) = rest.iter().position(|byte| *byte == b':') else { continue };
        let (encoded, parameters) = (&rest[..end], &rest[end + 1..]);
        if !matches!(parameters, [] | [b';', ..]) || parameters.iter().any(|byte| !byte.is_ascii()) {
            continue;
        }
        let Some(decoded) = decode(encoded).filter(|decoded| decoded.len() == length) else { continue };
        if found.as_ref().is_none_or(|found| decoded.len() >= found.len()) {
            found = Some(decoded);
        }
    }
    found
}

/// What stands between commas that are not within a string (RFC 8941, section 3.3.3).
fn members(values: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut members = Vec::new();
    for value in values {
        let mut member = Vec::new();
        let (mut quoted, mut escaped) = (false, false);
        for byte in *value {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b',' if !quoted => {
                    members.push(std::mem::take(&mut member));
                    continue;
                }
                _ => {}
            }
            member.push(*byte);
        }
        members.push(member);
    }
    members
}

/// RFC 4648, section 4, with its padding and nothing in the bits that are left over.
fn decode(encoded: &[u8]) -> Option<Vec<u8>> {
    let padding = encoded.iter().rev().take_while(|byte| **byte == b'=').count();
    if !encoded.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut decoded = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in &encoded[..encoded.len() - padding] {
        let value = ALPHABET.iter().position(|other| other == letter)?;
        bits = (bits << 6) | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    (bits == 0 && count == padding * 2).then_some(decoded)
}

fn encode(bytes: &[u8]) -> String {
    let mut encoded = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| (bits << 8) | u32::from(*chunk.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * at)) as usize & 63];
            encoded.push(if at <= chunk.len() { letter.into() } else { '=' });
        }
    }
    encoded
}

/// A true digest is never rejected, a false one never accepted; whatever else is announced beside it, in whatever pieces it comes.
fn announced(input: &mut Unstructured<'_>) -> Result<()> {
    let (long, both, wrong, beside): (bool, bool, bool, u8) = input.arbitrary()?;
    let (cut, at, bit): (usize, usize, u8) = input.arbitrary()?;
    let content = input.bytes(input.len())?;
    let digests = [Sha256::digest(content).to_vec(), Sha512::digest(content).to_vec()];
    let mut members: Vec<String> = Vec::new();
    for (which, name) in ["sha-256", "sha-512"].into_iter().enumerate() {
        if both || (which == 1) == long {
            let mut digest = digests[which].clone();
            if wrong {
                let at = at % digest.len();
                digest[at] ^= 1 << (bit % 8);
            }
            members.push(format!("{name}=:{}:", encode(&digest)));
        }
    }
    let last = members.len() - 1;
    match beside % 8 {
        0 => members.insert(0, "md5=:AAAA:".into()),
        1 => members.push(" unixsum=:AAA=:;a=1".into()),
        2 => members[last].push_str(";a=1; b"),
        3 => members[last].push_str(&format!(r#";note="a, sha-512=:{}:""#, encode(&[0; 64]))),
        4 => members.push("sha-512".into()),
        5 => members.push("sha-512=:AAAA:".into()),
        6 => members.push(" sha-512=1".into()),
        _ => {}
    }
    let one = members.join(",");
    let values: Vec<&[u8]> =
        if beside & 0x80 == 0 { vec![one.as_bytes()] } else { members.iter().map(String::as_bytes).collect() };
    let headers = headers(&values).expect("values");
    let (first, second) = content.split_at(cut % (content.len() + 1));
    assert_eq!(has_digest(&headers, [first, &[], second]), Some(!wrong), "{values:?}");
    let other = [content, b"."].concat();
    assert_eq!(has_digest(&headers, [&other[..]]), Some(false));
    Ok(())
}
