//! The guide: from an error on the screen to a client that lives with it.
//!
//! The modules say what each part does and how it is set. These chapters say which parts you need, in what order, with what
//! numbers, and why. They are documentation only.
//!
//! | chapter | the question |
//! |---|---|
//! | [`errors`] | What does the error on my screen prove, and what do I do about it? |
//! | [`layers`] | In what order do the layers go, and where do the timeouts belong? |
//! | [`limits`] | How often, how fast, how much of a body? |
//! | [`budgets`] | What keeps several layers that resend from becoming a storm? |
//! | [`grpc`] | What of streams and of gRPC calls is sent again? |
//! | [`downloads`] | What helps once the response's head is in? |
//! | [`rotation`] | How does a client follow load balancers, deploys and DNS? |
//! | [`observing`] | How do I see all of this? |
//! | [`testing`] | How do I test my own client? |
//! | [`moving`] | How do I come from reqwest-retry, or from `tower::retry`? |
//! | [`faq`] | And the rest |
//!
//! Whoever has five minutes reads [`errors`] for the error at hand, and takes the stack from [`layers`].

pub mod budgets;
pub mod downloads;
pub mod errors;
pub mod faq;
pub mod grpc;
pub mod layers;
pub mod limits;
pub mod moving;
pub mod observing;
pub mod rotation;
pub mod testing;
