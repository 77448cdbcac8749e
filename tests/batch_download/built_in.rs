//! The built-in server.

use serde_json::Value;

use crate::setup::run;

async fn the_built_in_server(options: &[&str]) {
    let done = run(["--json"].iter().chain(options)).await;
    assert_eq!(done.status, Some(0), "{done:?}");
    assert_eq!(done.stderr, "", "bars are for terminals");
    let json = done.json();
    let number =
        |run: &str, field: &str| json[run][field].as_u64().unwrap_or_else(|| panic!("{run}.{field}: {done:?}"));

    assert_eq!(number("redial", "files"), 400);
    assert_eq!(number("redial", "ok"), 400);
    assert_eq!(number("redial", "failed"), 0);
    assert_eq!(number("redial", "corrupt"), 0);
    assert_eq!(json["redial"]["errors"], Value::Array(Vec::new()));
    assert_eq!(json["redial"]["gave_up"], Value::Object(serde_json::Map::new()));
    for cause in ["goaway(NO_ERROR)", "refused", "closed"] {
        assert!(json["redial"]["resends_by_cause"][cause].as_u64() > Some(0), "{cause}: {done:?}");
    }
    for cause in ["closed", "stalled"] {
        assert!(json["redial"]["resumes_by_cause"][cause].as_u64() > Some(0), "{cause}: {done:?}");
    }
    for repairs in ["resends", "resumes"] {
        let causes = json["redial"][format!("{repairs}_by_cause")].as_object().unwrap();
        assert_eq!(causes.values().filter_map(Value::as_u64).sum::<u64>(), number("redial", repairs));
    }
    // Some bodies break before a byte is read, and many after a few.
    assert!(number("redial", "bytes_saved") > number("redial", "resumes") * 1_000, "{done:?}");

    assert_eq!(number("bare", "files"), 400);
    assert!(number("bare", "failed") > 0, "{done:?}");
    assert_eq!(number("bare", "ok") + number("bare", "failed"), 400);
    assert_eq!(number("bare", "corrupt"), 0);
    assert_eq!((number("bare", "resends"), number("bare", "resumes"), number("bare", "bytes_saved")), (0, 0, 0));
    let counts: Vec<_> =
        json["bare"]["errors"].as_array().unwrap().iter().map(|e| e["count"].as_u64().unwrap()).collect();
    assert!(counts.len() >= 3, "one kind of error for each kind of fault: {done:?}");
    assert!(counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
    assert_eq!(counts.iter().sum::<u64>(), number("bare", "failed"));

    // One fell silent under its requests, the other while it was idle. Each was found when a second had passed without a
    // byte and half another without an answer, or later.
    let silent = json["redial"]["silent_connections"].as_array().unwrap();
    assert!(silent.len() >= 2, "{done:?}");
    assert!(silent.iter().all(|silent| silent["seconds"].as_f64() >= Some(1.5)), "{done:?}");
    assert_eq!(number("redial", "restarts"), 0);
    assert_eq!(json["bare"]["silent_connections"], Value::Array(Vec::new()));
    assert!(number("bare", "restarts") > 0, "{done:?}");
    let errors = json["bare"]["errors"].as_array().unwrap();
    for error in ["request timed out", "the body stalled"] {
        assert!(errors.iter().any(|counted| counted["error"] == error), "{error}: {done:?}");
    }
    let of_bodies =
        |error: &&Value| error["error"].as_str().unwrap().starts_with("error reading a body from connection");
    assert!(errors.iter().any(|error| of_bodies(&error)), "{done:?}");

    for run in ["bare", "redial"] {
        assert!(number(run, "connections") > 1, "{done:?}");
        assert!(json[run]["seconds"].as_f64() > Some(0.0), "{done:?}");
        let protocols = json[run]["protocols"].as_object().unwrap();
        let (origin, versions) = protocols.iter().next().unwrap();
        assert!(protocols.len() == 1 && origin.contains("://127.0.0.1:"), "{done:?}");
        // Those that the layers joined on are not counted.
        assert_eq!(versions.as_object().unwrap().len(), 1, "{done:?}");
        let responses = versions["HTTP/2.0"].as_u64().unwrap();
        assert!((number(run, "ok")..=400).contains(&responses), "{done:?}");
        assert_eq!(
            json[run]["downgrades"],
            Value::Object(serde_json::Map::new()),
            "it has trouble, but is of use: {done:?}"
        );
        assert_eq!(json[run]["concurrency"], Value::Null, "{done:?}");
        for fault in ["goaways", "refused", "cuts", "silenced", "stalled"] {
            assert!(json[run]["server"][fault].as_u64() > Some(0), "{run}: {fault}: {done:?}");
        }
    }
}

#[tokio::test]
async fn the_layer_loses_nothing_where_the_bare_client_does() {
    the_built_in_server(&[]).await;
}

#[tokio::test]
async fn the_same_over_tls() {
    the_built_in_server(&["--tls"]).await;
}

#[tokio::test]
async fn the_table_is_all_there_is_on_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("picture.svg");
    let done = run(["--files", "48", "--picture", picture.to_str().unwrap()]).await;
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    let mut lines = done.stdout.lines();
    assert_eq!(lines.next().map(|line| line.split_whitespace().collect()), Some(vec!["bare", "redial"]));
    let table: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let cells = |label: &str| {
        let row = table.iter().find_map(|line| line.strip_prefix(label)).unwrap_or_else(|| panic!("{label}: {done:?}"));
        row.split_whitespace().map(|cell| cell.parse().unwrap()).collect::<Vec<f64>>()
    };
    assert_eq!(cells("files "), [48.0, 48.0]);
    assert_eq!(cells("ok ")[1], 48.0);
    assert_eq!(cells("failed ")[1], 0.0);
    assert!(cells("failed ")[0] > 0.0);
    let picture = std::fs::read_to_string(picture).unwrap();
    assert_eq!(picture.matches("<rect").count(), 1 + 2 * 48, "a square for each download: {picture}");
    for (run, failed) in cells("failed ").into_iter().enumerate() {
        let said = picture.split(" failed, ").nth(run).and_then(|before| before.rsplit('>').next());
        assert_eq!(said, Some(failed.to_string().as_str()), "{picture}");
    }
    for label in [
        "resends ",
        "resumes ",
        "MiB saved by resumes ",
        "connections ",
        "silent connections ",
        "restarts ",
        "seconds ",
    ] {
        assert_eq!(cells(label).len(), 2);
    }
    assert_eq!((cells("silent connections ")[0], cells("restarts ")[1]), (0.0, 0.0));
    let protocols = table.iter().find_map(|line| line.strip_prefix("protocol ")).unwrap();
    assert_eq!(protocols.split_whitespace().collect::<Vec<_>>(), ["HTTP/2.0", "HTTP/2.0"]);
    let costs = table.iter().find_map(|line| line.strip_prefix("  time each cost, s ")).unwrap();
    let costs: Vec<_> = costs.split([' ', ',']).filter(|word| !matches!(*word, "" | "to")).collect();
    assert!(costs[0] == "-" && costs.len() > 2, "two or more were found: {done:?}");
    assert!(costs[1..].iter().all(|cost| cost.parse::<f64>().is_ok_and(|cost| cost >= 1.5)), "{done:?}");
    let width = table[0].len();
    assert!(table.iter().all(|line| line.len() == width), "not aligned: {done:?}");
    assert_eq!(lines.next(), Some("Errors of the bare client, in the client's own words:"));
    let errors: Vec<_> = lines.map(|line| line.split_once(" x ").unwrap().1).collect();
    assert!(errors.contains(&"request timed out"), "{done:?}");
    assert!(errors.iter().any(|error| error.starts_with("client error (SendRequest): ")), "{done:?}");
}

#[tokio::test]
async fn one_at_a_time_and_many_at_a_time() {
    for concurrency in ["1", "32"] {
        let done = run(["--json", "--files", "64", "--concurrency", concurrency]).await;
        assert_eq!(done.status, Some(0), "{done:?}");
        assert_eq!(done.json()["redial"]["ok"], 64);
    }
}
