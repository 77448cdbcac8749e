use super::*;
use crate::retry::Backoff;

fn case(fate: Fate, cause: Cause, safety: Safety) -> Case {
    Case {
        failure: Failure::new(fate, cause),
        safety,
        single_hop: true,
        nested: false,
        body_left: true,
        elapsed: Duration::ZERO,
        timeout: None,
        past: Past::default(),
    }
}

const GRACEFUL: Cause = Cause::GoAway { reason: Reason::NO_ERROR };

/// Law 1: whatever the cause, only a proof resends what is not idempotent, and nothing resends what is permanent.
#[test]
fn only_a_proof_resends_what_is_not_idempotent() {
    let causes = [Cause::HandedBack, Cause::Connect, Cause::Refused, GRACEFUL, Cause::Closed, Cause::Timeout];
    for cause in causes {
        for fate in [Fate::NotSent, Fate::NotProcessed, Fate::Unknown, Fate::Permanent] {
            for safety in [Safety::Idempotent, Safety::OnProof, Safety::Tunnel, Safety::Never] {
                let allowed = Policy::default().decide(&case(fate, cause, safety), 0.5).is_ok();
                let expected = match (safety, fate) {
                    (Safety::Never, _) | (_, Fate::Permanent) => false,
                    (Safety::Idempotent, Fate::Unknown) => cause != Cause::Timeout,
                    (Safety::Idempotent, _) => true,
                    (_, Fate::NotSent) => true,
                    (Safety::OnProof, Fate::NotProcessed) => true,
                    _ => false,
                };
                assert_eq!(allowed, expected, "{fate} by {cause}, {safety:?}");
            }
        }
    }
}

#[test]
fn a_proof_is_trusted_across_hops_for_idempotent_requests_only() {
    let policy = Policy::default();
    let decide = |fate, cause, safety| policy.decide(&Case { single_hop: false, ..case(fate, cause, safety) }, 0.5);
    for (fate, cause) in [(Fate::NotSent, Cause::Connect), (Fate::NotProcessed, Cause::Refused)] {
        assert!(decide(fate, cause, Safety::Idempotent).is_ok());
        assert_eq!(decide(fate, cause, Safety::OnProof), Err(Stop::NotSingleHop));
    }
}

#[test]
fn a_goaway_is_trusted_where_the_caller_says_so() {
    let post = case(Fate::Unknown, GRACEFUL, Safety::OnProof);
    assert_eq!(Policy::default().decide(&post, 0.5), Err(Stop::NotIdempotent));
    assert!(Policy { trust_goaway: true, ..Policy::default() }.decide(&post, 0.5).is_ok());
    let closed = case(Fate::Unknown, Cause::Closed, Safety::OnProof);
    assert_eq!(Policy { trust_goaway: true, ..Policy::default() }.decide(&closed, 0.5), Err(Stop::NotIdempotent));
}

/// X1: HTTP_1_1_REQUIRED, where the next attempt goes over HTTP/1.1, is resent at once, and by GOAWAY is no other proof than any.
#[test]
fn http_1_1_required_is_resent_at_once() {
    for fate in [Fate::NotProcessed, Fate::Unknown] {
        let plan = Policy::default().decide(&case(fate, Cause::Http11Required, Safety::Idempotent), 0.5).unwrap();
        assert_eq!((plan.lane, plan.wait), (Lane::Transparent, Duration::ZERO), "{fate}");
    }
    let post = case(Fate::Unknown, Cause::Http11Required, Safety::OnProof);
    assert_eq!(Policy::default().decide(&post, 0.5), Err(Stop::NotIdempotent));
    assert!(Policy { trust_goaway: true, ..Policy::default() }.decide(&post, 0.5).is_ok());
}

#[test]
fn timeouts_are_resent_where_the_caller_asked_and_it_is_safe() {
    let asked = Policy { resend_timeouts: true, ..Policy::default() };
    assert!(asked.decide(&case(Fate::Unknown, Cause::Timeout, Safety::Idempotent), 0.5).is_ok());
    assert_eq!(asked.decide(&case(Fate::Unknown, Cause::Timeout, Safety::OnProof), 0.5), Err(Stop::NotIdempotent));
}

/// Makes the same failure until it is no longer resent.
fn waits(cause: Cause, fate: Fate) -> Vec<Plan> {
    let mut case = case(fate, cause, Safety::Idempotent);
    let mut plans = Vec::new();
    while let Ok(plan) = Policy::default().decide(&case, 1.0) {
        case.past.add(&plan, &case.failure);
        plans.push(plan);
    }
    plans
}

/// T6: the first transparent resend comes at once, the later ones are paced and counted.
#[test]
fn what_cost_the_server_nothing_is_resent_at_once_and_then_paced() {
    for (cause, fate) in [(Cause::HandedBack, Fate::NotSent), (Cause::Refused, Fate::NotProcessed)] {
        let plans = waits(cause, fate);
        let millis: Vec<_> = plans.iter().map(|plan| plan.wait.as_millis()).collect();
        assert_eq!(millis, [0, 25, 50, 100, 200, 250]);
        assert!(plans.iter().all(|plan| plan.lane == Lane::Transparent && !plan.free));
    }
}

#[test]
fn what_was_lost_is_resent_twice_and_never_at_once() {
    for (cause, fate) in [(Cause::Closed, Fate::Unknown), (Cause::Connect, Fate::NotSent)] {
        let plans = waits(cause, fate);
        let millis: Vec<_> = plans.iter().map(|plan| plan.wait.as_millis()).collect();
        assert_eq!(millis, [50, 100]);
        assert!(plans.iter().all(|plan| plan.lane == Lane::AfterLoss && !plan.free));
    }
}

/// G9: the server asked, so the budget does not pay, though not without end.
#[test]
fn a_graceful_goaway_is_free_of_the_budget_twice() {
    for fate in [Fate::Unknown, Fate::NotProcessed] {
        let free: Vec<_> = waits(GRACEFUL, fate).iter().map(|plan| plan.free).collect();
        assert_eq!(free, [true, true, false, false, false, false]);
    }
}

/// A server that ends its connections early turns away the second attempt as well, now and then.
#[test]
fn the_first_two_resends_after_a_graceful_goaway_wait_no_longer_than_the_first() {
    let at_once: Vec<_> = waits(GRACEFUL, Fate::NotProcessed).iter().map(|plan| plan.wait.is_zero()).collect();
    assert_eq!(at_once, [true, true, false, false, false, false]);

    let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
    let policy = Policy { transparent: Limits::transparent().backoff(backoff), ..Policy::default() };
    let mut case = case(Fate::NotProcessed, GRACEFUL, Safety::OnProof);
    for wait in [1, 1, 4] {
        let plan = policy.decide(&case, 1.0).unwrap();
        assert_eq!(plan.wait, Duration::from_secs(wait), "the caller said how long the first resend waits");
        case.past.add(&plan, &case.failure);
    }
}

/// C12: who is told to calm down waits before the first resend.
#[test]
fn enhance_your_calm_is_never_resent_at_once() {
    let reason = Reason::ENHANCE_YOUR_CALM;
    for (cause, fate) in [
        (Cause::GoAway { reason }, Fate::NotProcessed),
        (Cause::GoAway { reason }, Fate::Unknown),
        (Cause::Reset { reason }, Fate::Unknown),
    ] {
        let plans = waits(cause, fate);
        assert_eq!(plans.len(), 2);
        assert!(plans.iter().all(|plan| !plan.wait.is_zero() && !plan.free && plan.lane == Lane::AfterLoss));
    }
}

/// W4: a resend that would begin too late is not waited for.
#[test]
fn no_resend_begins_after_retry_for() {
    let mut case = case(Fate::Unknown, Cause::Closed, Safety::Idempotent);
    case.elapsed = Duration::from_millis(29_950);
    assert!(Policy::default().decide(&case, 1.0).is_ok());
    case.elapsed = Duration::from_millis(29_951);
    assert_eq!(Policy::default().decide(&case, 1.0), Err(Stop::OutOfTime { wait: Duration::from_millis(50) }));
}

/// W5: nor when the time that the request itself has would be over.
#[test]
fn no_resend_begins_after_the_requests_own_timeout() {
    let mut case = case(Fate::NotSent, Cause::HandedBack, Safety::OnProof);
    case.timeout = Some(Duration::from_secs(1));
    case.elapsed = Duration::from_millis(999);
    assert!(Policy::default().decide(&case, 1.0).is_ok());
    case.elapsed = Duration::from_secs(1);
    assert_eq!(Policy::default().decide(&case, 1.0), Err(Stop::OutOfTime { wait: Duration::ZERO }));
}

#[test]
fn extreme_settings_do_not_panic() {
    let extreme = Backoff::new(Duration::MAX, Duration::MAX);
    let policy = Policy {
        after_loss: Limits::after_loss().max_resends(u32::MAX).backoff(extreme),
        retry_for: Duration::MAX,
        ..Policy::default()
    };
    let mut case = case(Fate::Unknown, Cause::Closed, Safety::Idempotent);
    case.elapsed = Duration::MAX;
    assert!(policy.decide(&case, 1.0).is_ok());
}

#[test]
fn the_rest_of_the_reasons_to_stop() {
    let base = case(Fate::NotSent, Cause::HandedBack, Safety::Idempotent);
    assert_eq!(Policy::default().decide(&Case { nested: true, ..base }, 0.5), Err(Stop::Nested));
    assert_eq!(Policy::default().decide(&Case { body_left: false, ..base }, 0.5), Err(Stop::BodyUsed));
    let watching = Policy { observe_only: true, ..Policy::default() };
    assert_eq!(watching.decide(&base, 0.5), Err(Stop::ObserveOnly));
    assert_eq!(watching.decide(&Case { body_left: false, ..base }, 0.5), Err(Stop::BodyUsed));
}
