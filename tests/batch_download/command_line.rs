//! The command line.

use crate::setup::run;

#[tokio::test]
async fn bad_arguments_get_one_line_and_status_2() {
    let cases: &[(&[&str], &str)] = &[
        (&["--bogus"], "unexpected argument '--bogus'"),
        (&["--concurrency", "0"], "'--concurrency <N|auto>': neither `auto` nor a number from 1 to 250"),
        (&["--concurrency", "251"], "neither `auto` nor a number from 1 to 250"),
        (&["--concurrency", "four"], "neither `auto` nor a number from 1 to 250"),
        (&["--timeout", "0"], "'--timeout <SECONDS>'"),
        (&["--head-timeout", "-1"], "'-1'"),
        (&["--stall-timeout", "0"], "'--stall-timeout <SECONDS>'"),
        (&["--resume-max", "-1"], "'-1'"),
        (&["--files", "0"], "'--files <N>'"),
        (&["--cacert"], "'--cacert <FILE>'"),
        (&["--out", "/"], "--out needs at least one URL"),
        (&["--bare"], "--bare needs at least one URL"),
        (&["--http1"], "--http1 needs at least one URL"),
        (&["--tls", "http://localhost/a"], "--tls is about the built-in server"),
        (&["--picture", "a.svg", "http://localhost/a"], "--picture is about the built-in server"),
        (&["--files", "3", "http://localhost/a"], "--files is about the built-in server"),
        (&["--http1", "--http2-prior-knowledge", "http://localhost/a"], "exclude each other"),
        (&["--out", "/no/such/directory", "http://localhost/a"], "/no/such/directory is not a directory"),
        (&["--cacert", "/no/such/file", "http://localhost/a"], "--cacert: /no/such/file: "),
        (&["--cacert", "/dev/null", "http://localhost/a"], "no certificate"),
        (&["localhost/a"], "localhost/a: a URL begins with http:// or https://"),
        (&["ftp://localhost/a"], "a URL begins with http:// or https://"),
        (&["http:///a"], "http:///a: "),
        (&["http://[::1/a"], "http://[::1/a: "),
        (&["http://me:secret@localhost/a"], "user name"),
        (&["http://localhost"], "no usable file name"),
        (&["http://localhost/a/"], "no usable file name"),
        (&["http://localhost/a/.."], "no usable file name"),
        (&["http://localhost/%2e%2E"], "no usable file name"),
        (&["http://localhost/a", "http://127.0.0.1/b/a?c"], "would both be named a"),
        (&["http://localhost/a", "http://localhost/a.part"], "would both be named a.part"),
        (&["http://localhost/a.part.json", "http://localhost/a"], "would both be named a.part.json"),
    ];
    for (args, expected) in cases {
        let done = run(*args).await;
        assert_eq!((done.status, done.stdout.as_str()), (Some(2), ""), "{args:?}: {done:?}");
        assert_eq!(done.stderr.matches('\n').count(), 1, "{args:?}: {done:?}");
        assert!(done.stderr.starts_with("batch_download: ") && done.stderr.contains(expected), "{args:?}: {done:?}");
        assert!(!done.stderr.contains("secret"), "{done:?}");
    }
}

#[tokio::test]
async fn help_says_everything() {
    let done = run(["--help"]).await;
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    let options = [
        "--out <DIR>",
        "--concurrency <N|auto>",
        "--timeout <SECONDS>",
        "--head-timeout <SECONDS>",
        "--stall-timeout <SECONDS>",
        "--resume-max <N>",
        "--json",
        "--bare",
        "--http1",
        "--http2-prior-knowledge",
        "--cacert <FILE>",
        "--picture",
        "--tls",
        "--files <N>",
        "--help",
    ];
    for said in options.iter().chain(&[
        "[URL]...",
        "Exit status:",
        "Redirects are not followed",
        "NAME.part.json",
        "--concurrency auto",
        "HTTP_1_1_REQUIRED",
        "`downgrades`",
    ]) {
        assert!(done.stdout.contains(said), "{said}: {done:?}");
    }
    let listed = done.stdout.lines().filter(|line| line.trim_start().starts_with('-')).count();
    assert_eq!(listed, options.len(), "an option that this test does not know: {done:?}");
}
