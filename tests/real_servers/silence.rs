//! What is expected of a client whose connection has become a black hole.

use std::time::{Duration, Instant};

use http::{Method, Uri};
use tower::BoxError;
use tower_redial::{
    BodyUse, Cause, ConnectionHealth, Failure, Fate,
    health::{Close, ConnectionId, EventKind, Events, State},
    retry,
};

use crate::{
    attempts::Attempts,
    support::bound::within,
    watched::{Answer, DEAD_AFTER, PROBE_AFTER, Watched, look_up, next, send},
};

/// A machine that is busy with other tests may be this late. TCP by itself takes some fifteen minutes to give up.
const LATE: Duration = Duration::from_secs(5);

/// A client with one connection, which is a black hole from now on. Nobody has told the client.
pub(crate) struct BlackHole<'a> {
    pub(crate) client: &'a Watched,
    pub(crate) health: &'a ConnectionHealth,
    pub(crate) attempts: &'a Attempts,
    pub(crate) uri: Uri,
    pub(crate) connection: ConnectionId,
    /// From before the connection fell silent.
    pub(crate) events: Events,
}

impl BlackHole<'_> {
    /// Sends a GET and a POST into the hole, and checks what becomes of them, and of requests that come later.
    pub(crate) async fn escape(mut self) {
        let before = look_up(self.health, self.connection).requests;
        let sent = Instant::now();
        let get = tokio::spawn(self.send(Method::GET, "stuck-get"));
        let post = self.send(Method::POST, "stuck-post");
        let post = tokio::spawn(async move { (post.await, sent.elapsed()) });
        within("both to go into the hole", async {
            while look_up(self.health, self.connection).requests < before + 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;

        is_left_silent(&mut self.events, self.connection).await;
        for (method, id) in [(Method::GET, "later-get"), (Method::POST, "later-post")] {
            let answer = within("an answer elsewhere", self.send(method, id)).await.expect("an answer");
            assert_ne!(answer.connection(), self.connection, "{id}");
            assert!(answer.extensions.get::<retry::Attempts>().is_none(), "{id} was in the hole");
        }
        is_given_up(&mut self.events, self.connection).await;

        let answer = within("the GET", get).await.expect("no panic").expect("an answer from elsewhere");
        assert_ne!(answer.connection(), self.connection);
        let attempts = answer.extensions.get::<retry::Attempts>().expect("it was resent");
        let [attempt] = attempts.iter().copied().collect::<Vec<_>>()[..] else {
            panic!("one resend is enough: {attempts:?}")
        };
        assert!(silent(&attempt.failure()), "{attempt:?}");
        let failed_after = attempt.failed_after();
        self.in_time("GET", failed_after);
        assert_eq!(self.attempts.of("stuck-get"), 2);

        let (post, post_failed_after) = within("the POST", post).await.expect("no panic");
        let error = post.expect_err("it cannot be known what became of it");
        let failure = Failure::of(&*error, BodyUse::Polled);
        assert!(silent(&failure), "{failure}: {error:?}");
        assert!(failure.connection_is_dead());
        self.in_time("POST", post_failed_after);
        assert_eq!(self.attempts.of("stuck-post"), 1);

        let ended = look_up(self.health, self.connection);
        assert_eq!(ended.state, State::Closed(Close::Dead));
        assert_eq!((ended.requests, ended.probes), (before + 2, 1), "nothing new was sent into the hole");
        println!("the GET failed after {failed_after:?} and was resent, the POST failed after {post_failed_after:?}");
    }

    fn send(&self, method: Method, id: &'static str) -> impl Future<Output = Result<Answer, BoxError>> + use<> {
        send(self.client.clone(), method, self.uri.clone(), id)
    }

    fn in_time(&self, what: &str, failed_after: Duration) {
        let due = PROBE_AFTER + DEAD_AFTER;
        assert!((due..due + LATE).contains(&failed_after), "the {what} failed after {failed_after:?}");
    }
}

/// Whether that says: the connection fell silent, and what became of the request is not known.
pub(crate) fn silent(failure: &Failure) -> bool {
    (failure.fate(), failure.cause()) == (Fate::Unknown, Cause::Silent)
}

/// The next that happens to the connection is that it is probed, and then that it is left because nothing came of it.
pub(crate) async fn is_left_silent(events: &mut Events, connection: ConnectionId) {
    for expected in [EventKind::Probed, EventKind::Silent] {
        assert_eq!(next(events, connection).await.kind, expected);
    }
}

/// The next that happens to the connection is that it is failed with all that is on it.
pub(crate) async fn is_given_up(events: &mut Events, connection: ConnectionId) {
    let kind = next(events, connection).await.kind;
    assert!(matches!(kind, EventKind::Closed { reason: Close::Dead, .. }), "{kind:?}");
}
