//! Keeps HTTP requests alive when their connection dies.
#![cfg_attr(docsrs, feature(doc_cfg))]
