//! The wrapper that looks at a connection until it has been of use: nothing is changed, delayed or forgotten.
//!
//! An input is as [`Input`] has it; the steps are those of [`Play::step`].

#![no_main]

use std::sync::LazyLock;

use http::Uri;
use libfuzzer_sys::fuzz_target;
use tower_redial::fuzzing::observe;
use tower_redial_fuzz::io::{Input, Play, options};
use tower_redial_fuzz::pipe::Pipe;

static URI: LazyLock<Uri> = LazyLock::new(|| Uri::from_static("http://peer"));

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::new(data) else { return };
    let pipe = Pipe::new(input.options & options::VECTORED != 0);
    let mut play = Play::new(observe(pipe.clone(), &URI), pipe, &input);
    play.run();
    for step in input.steps.chunks_exact(2) {
        play.step(step[0], step[1]);
        assert_eq!(play.pipe.look().read, play.received.len(), "nothing is kept");
        assert_eq!(play.pipe.look().written.len(), play.taken, "nothing is kept");
    }
    play.let_through();
    play.pipe.look().shutdown_waits = false;
    play.pipe.wake_writer();
    play.run();
    assert!(!play.is_writing(), "the client waits for room that is there");
    play.finish();
    assert_eq!(play.received, play.inbound[..play.came]);
    assert_eq!(play.pipe.look().written, play.outbound[..play.taken]);
    let end = play.pipe.look().end;
    assert_eq!(play.read_end, end);
});
