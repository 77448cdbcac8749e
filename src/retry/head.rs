//! A request's head as the caller gave it, kept at little cost: hardly any is ever needed again.

use std::cell::RefCell;
use std::fmt;
use std::mem;
use std::sync::OnceLock;

use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

/// A head whose fields lie in a row. A copy of a `HeaderMap` would be two allocations, and hashes for nothing; the row's memory
/// is that of an earlier request of this thread's.
pub struct SavedHead {
    method: Method,
    uri: Uri,
    version: Version,
    fields: Fields,
    extensions: Extensions,
    /// The whole, once somebody has asked for it: when an attempt has failed.
    restored: OnceLock<Box<Parts>>,
}

impl SavedHead {
    pub(crate) fn new(
        method: &Method,
        uri: Uri,
        version: Version,
        headers: &HeaderMap,
        extensions: Extensions,
    ) -> Self {
        let fields = Fields::copied_from(headers);
        Self { method: method.clone(), uri, version, fields, extensions, restored: OnceLock::new() }
    }

    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let (uri, extensions) = (request.uri().clone(), request.extensions().clone());
        Self::new(request.method(), uri, request.version(), request.headers(), extensions)
    }

    #[cfg(any(test, feature = "tracing"))]
    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The whole head.
    pub(crate) fn parts(&self) -> &Parts {
        self.restored.get_or_init(|| Box::new(self.restore()))
    }

    fn restore(&self) -> Parts {
        let mut parts = Request::new(()).into_parts().0;
        parts.method = self.method.clone();
        parts.uri = self.uri.clone();
        parts.version = self.version;
        parts.headers = self.fields.restore();
        parts.extensions = self.extensions.clone();
        parts
    }
}

/// Without what may hold secrets.
impl fmt::Debug for SavedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedHead").field("method", &self.method).finish_non_exhaustive()
    }
}

type Row = Vec<(HeaderName, HeaderValue)>;

/// How many rows a thread keeps, and how long they are at the most: 100 KiB.
const ROWS: usize = 32;
const LONGEST: usize = 40;

thread_local! {
    static SPARE: RefCell<Vec<Row>> = const { RefCell::new(Vec::new()) };
}

/// Header fields, in their order.
struct Fields(Row);

impl Fields {
    fn copied_from(headers: &HeaderMap) -> Self {
        if headers.is_empty() {
            return Self(Vec::new());
        }
        // A thread that ends has none.
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
        let mut row = spare.ok().flatten().unwrap_or_default();
        row.reserve(headers.len());
        row.extend(headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        Self(row)
    }

    fn restore(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(self.0.len());
        for (name, value) in &self.0 {
            headers.append(name, value.clone());
        }
        headers
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        let mut row = mem::take(&mut self.0);
        if row.capacity() == 0 || row.capacity() > LONGEST {
            return;
        }
        // What is dropped here is foreign code's at times: nothing is borrowed meanwhile.
        row.clear();
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < ROWS {
                spare.push(row);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: usize) -> Request<()> {
        let mut request = Request::put("https://user:hunter2@host:81/path?token=hunter2").version(Version::HTTP_2);
        for n in 0..fields {
            request = request.header(format!("x-{}", n % 7), format!("value {n}")).header("accept", "a");
        }
        request.extension(7_u8).body(()).unwrap()
    }

    #[test]
    fn is_restored_as_it_was() {
        for fields in [0, 1, 20, 300] {
            let request = request(fields);
            let saved = SavedHead::of(&request);
            assert_eq!((saved.method(), saved.uri()), (request.method(), request.uri()));
            let (parts, kept) = (request.into_parts().0, saved.parts());
            assert_eq!((&kept.method, &kept.uri, kept.version), (&parts.method, &parts.uri, parts.version));
            assert!(kept.headers.iter().eq(parts.headers.iter()), "in the same order: {fields}");
            assert_eq!(kept.headers, parts.headers);
            assert_eq!(kept.extensions.get::<u8>(), Some(&7));
        }
    }

    #[test]
    fn what_is_secret_stays_so() {
        let mut request = request(0);
        let mut secret = HeaderValue::from_static("hunter2");
        secret.set_sensitive(true);
        request.headers_mut().insert("authorization", secret);
        let saved = SavedHead::of(&request);
        assert!(saved.parts().headers["authorization"].is_sensitive());
        assert!(!format!("{saved:?}").contains("hunter2"));
    }

    #[test]
    fn a_row_is_used_again_and_only_so_many_are_kept() {
        let spare = || SPARE.with(|spare| spare.borrow().len());
        let taken = |n: usize| (0..n).map(|_| SavedHead::of(&request(3))).collect::<Vec<_>>();
        drop(taken(3));
        assert_eq!(spare(), 3);
        let two = taken(2);
        assert_eq!(spare(), 1);
        drop(two);
        drop(taken(100));
        assert_eq!(spare(), ROWS);
        // One that is long, and one that is empty, are not worth it.
        let before = spare();
        let long = SavedHead::of(&request(300));
        assert_eq!(spare(), before - 1);
        drop((long, SavedHead::of(&request(0))));
        assert_eq!(spare(), before - 1);
    }
}
