use http::{HeaderName, HeaderValue};

use super::*;
use crate::resume::range::Spec;

const TAG: (&str, &str) = ("etag", r#""a""#);
const RANGE: Asked = Asked::One(Spec::From(10, Some(49)));

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers
}

fn of(asked: Asked, status: u16, fields: &[(&'static str, &'static str)]) -> Content {
    Content::of(asked, StatusCode::from_u16(status).unwrap(), &headers(fields))
}

fn part(content: Content) -> Part {
    match content {
        Content::Part(part) => part,
        other => panic!("{other:?}"),
    }
}

/// The part with this range of a hundred bytes.
fn ten_to_fifty() -> Part {
    part(of(RANGE, 206, &[TAG, ("content-range", "bytes 10-49/100"), ("content-length", "40")]))
}

/// R1, R2, R5: which bytes a response has, if they can be known.
#[test]
fn what_a_response_has() {
    let whole = part(of(Asked::Everything, 200, &[TAG, ("content-length", "100")]));
    assert_eq!((whole.first, whole.end, whole.complete, whole.trailers), (0, 100, 100, false));
    assert!(whole.validator.is_ok() && whole.is_all() && whole.digest.is_none());
    let range = ten_to_fifty();
    assert_eq!((range.first, range.end, range.complete, range.is_all()), (10, 50, 100, false));

    for (fields, why) in [
        (&[("content-length", "100")][..], Why::NoValidator),
        (&[("content-length", "100"), ("etag", r#"W/"a""#)], Why::NoValidator),
        (&[TAG, ("content-length", "100"), ("accept-ranges", "None")], Why::NoRanges),
    ] {
        assert_eq!(part(of(Asked::Everything, 200, fields)).validator, Err(why), "{fields:?}");
    }
    for (asked, status, fields, why) in [
        (Asked::Everything, 200, &[TAG][..], Why::NoLength),
        (Asked::Everything, 200, &[TAG, ("content-length", "9"), ("transfer-encoding", "chunked")], Why::NoLength),
        (Asked::Everything, 200, &[TAG, ("content-length", "9"), ("content-encoding", "gzip")], Why::Encoded),
        (RANGE, 206, &[TAG, ("content-range", "bytes 10-48/100")], Why::WrongRange),
        (RANGE, 206, &[TAG, ("content-range", "bytes 10-49/*")], Why::WrongRange),
        (RANGE, 206, &[TAG, ("content-range", "bytes 10-49/100"), ("content-length", "41")], Why::WrongRange),
        (RANGE, 206, &[TAG], Why::WrongRange),
        // As a layer leaves it that has decoded the content.
        (RANGE, 206, &[TAG, ("content-range", "bytes 10-49/100")], Why::NoLength),
    ] {
        assert!(matches!(of(asked, status, fields), Content::Unknown(given) if given == why), "{fields:?}");
    }
    for (asked, status, fields) in [
        (Asked::Other, 200, &[TAG, ("content-length", "100")][..]),
        (Asked::Everything, 404, &[TAG, ("content-length", "100")]),
        (Asked::Everything, 206, &[TAG, ("content-range", "bytes 10-49/100")]),
        (RANGE, 206, &[("content-type", "Multipart/ByteRanges; boundary=x")]),
        (RANGE, 416, &[("content-range", "bytes */5")]),
    ] {
        assert!(matches!(of(asked, status, fields), Content::Other), "{status} {fields:?}");
    }
    let identity = of(Asked::Everything, 200, &[TAG, ("content-length", "9"), ("content-encoding", "Identity")]);
    assert_eq!(part(identity).length(), 9);
}

/// R1, R3, R4: only the rest itself is joined on.
#[test]
fn what_an_answer_has() {
    let part = ten_to_fifty();
    let rest = |status: u16, fields: &[(&'static str, &'static str)]| {
        part.rest(20, false, StatusCode::from_u16(status).unwrap(), &headers(fields))
    };
    let range = ("content-range", "bytes 20-49/100");
    assert_eq!(rest(206, &[TAG, range, ("content-length", "30")]), Ok(Rest { skip: 0, length: 30 }));
    for (status, fields, why) in [
        (206, &[range][..], Why::Unproven),
        (206, &[TAG, range], Why::NoLength),
        (206, &[TAG, range, ("content-length", "30"), ("transfer-encoding", "chunked")], Why::NoLength),
        (206, &[range, ("etag", r#""b""#)], Why::Changed),
        (206, &[range, ("etag", r#"W/"a""#)], Why::Changed),
        (206, &[TAG], Why::WrongRange),
        (206, &[TAG, ("content-range", "bytes 19-49/100")], Why::WrongRange),
        (206, &[TAG, ("content-range", "bytes 20-48/100")], Why::WrongRange),
        (206, &[TAG, ("content-range", "bytes 20-49/101")], Why::WrongRange),
        (206, &[TAG, ("content-range", "bytes 20-49/*")], Why::WrongRange),
        (206, &[TAG, range, ("content-length", "31")], Why::WrongRange),
        (206, &[TAG, range, ("content-type", "multipart/byteranges; boundary=x")], Why::WrongRange),
        (206, &[TAG, range, ("content-encoding", "br")], Why::Encoded),
        (200, &[TAG, ("content-length", "100")], Why::RangeIgnored),
        (200, &[("etag", r#""b""#), ("content-length", "100")], Why::Changed),
        (200, &[TAG, ("content-length", "99")], Why::Changed),
        (416, &[TAG, ("content-range", "bytes */100")], Why::Status(StatusCode::RANGE_NOT_SATISFIABLE)),
        (503, &[], Why::Status(StatusCode::SERVICE_UNAVAILABLE)),
        (304, &[TAG], Why::Status(StatusCode::NOT_MODIFIED)),
    ] {
        assert_eq!(rest(status, fields), Err(why), "{status} {fields:?}");
    }
}

/// R3: the whole once more is of use only where the caller said so.
#[test]
fn a_restart_is_skipped_to_where_it_was() {
    let part = ten_to_fifty();
    let fields = headers(&[TAG, ("content-length", "100")]);
    assert_eq!(part.rest(20, true, StatusCode::OK, &fields), Ok(Rest { skip: 20, length: 100 }));
    let unsaid = headers(&[TAG]);
    assert_eq!(part.rest(20, true, StatusCode::OK, &unsaid), Err(Why::NoLength));
    let changed = headers(&[("etag", r#""b""#), ("content-length", "100")]);
    assert_eq!(part.rest(20, true, StatusCode::OK, &changed), Err(Why::Changed));
    // Nothing was delivered yet: nothing is skipped.
    let whole = super::tests::part(of(Asked::Everything, 200, &[TAG, ("content-length", "100")]));
    assert_eq!(whole.rest(0, false, StatusCode::OK, &fields), Ok(Rest { skip: 0, length: 100 }));
}

#[test]
fn another_digest_is_another_representation() {
    const ONE: (&str, &str) = ("repr-digest", "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
    const OTHER: (&str, &str) = ("repr-digest", "sha-256=:QK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
    let part = part(of(Asked::Everything, 200, &[TAG, ONE, ("content-length", "100")]));
    let rest = |digest: &[(&'static str, &'static str)]| {
        let fields = [&[TAG, ("content-range", "bytes 20-99/100"), ("content-length", "80")], digest].concat();
        part.rest(20, false, StatusCode::PARTIAL_CONTENT, &headers(&fields)).map(|rest| rest.length)
    };
    assert_eq!((rest(&[ONE]), rest(&[]), rest(&[OTHER])), (Ok(80), Ok(80), Err(Why::Changed)));
    // One of another algorithm says nothing.
    const SHA_512: (&str, &str) = (
        "repr-digest",
        "sha-512=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==:",
    );
    assert_eq!(rest(&[SHA_512]), Ok(80));
}
