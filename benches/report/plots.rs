//! The plots of the page.

use serde_json::Value;

use super::chart::{Category, Chart, Point};
use super::figures::{Document, estimate, list, number, text};

/// Names of files, and what is in them.
pub(crate) fn all(document: &Document) -> Vec<(&'static str, String)> {
    vec![
        ("answered.svg", answered(document).svg()),
        ("goodput.svg", goodput(document).svg()),
        ("instructions.svg", instructions(document).svg()),
        ("speed.svg", speed(document).svg()),
    ]
}

/// The rows of the bench `faults` in which something happens.
fn faults(document: &Document) -> impl Iterator<Item = &Value> {
    document.figures("faults").filter(|row| !text(row, "/name").starts_with("nothing"))
}

fn stacks(document: &Document) -> Vec<String> {
    let first = document.figures("faults").next();
    first.into_iter().flat_map(|row| list(row, "/stacks")).map(|stack| text(stack, "/stack").to_owned()).collect()
}

fn answered(document: &Document) -> Chart {
    let categories = faults(document).map(|row| Category {
        name: text(row, "/name").to_owned(),
        points: list(row, "/stacks")
            .map(|stack| {
                let hollow = number(stack, "/doubled").is_some_and(|doubled| doubled > 0.0);
                Some(Point { hollow, ..Point::exact(number(stack, "/success")?) })
            })
            .collect(),
    });
    Chart {
        title: "Requests that are answered, while connections die".to_owned(),
        subtitle: "of all, half of them POSTs; a ring: some POSTs were processed twice".to_owned(),
        series: stacks(document),
        categories: categories.collect(),
        from: 0.0,
        to: 1.0,
        tick: 0.1,
        mark: None,
        percent: true,
    }
}

fn goodput(document: &Document) -> Chart {
    let categories = faults(document).map(|row| Category {
        name: text(row, "/name").to_owned(),
        points: list(row, "/stacks").map(|stack| point(stack, "/goodput")).collect(),
    });
    Chart {
        title: "Goodput, while connections die".to_owned(),
        subtitle: "answers in time over those of the same client without faults, with the 95 % interval".to_owned(),
        series: stacks(document),
        categories: categories.collect(),
        from: 0.0,
        to: 1.4,
        tick: 0.2,
        mark: Some(1.0),
        percent: false,
    }
}

fn speed(document: &Document) -> Chart {
    let categories = document.figures("wire").map(|load| Category {
        name: text(load, "/load").to_owned(),
        points: vec![point(load, "/measured/layers/speed_ratio")],
    });
    Chart {
        title: "Speed with all layers, over that of the bare client".to_owned(),
        subtitle: "hyper-util over loopback HTTP/2; requests at a time; paired rounds, with the 95 % interval"
            .to_owned(),
        series: vec!["both layers and the monitored connector".to_owned()],
        categories: categories.collect(),
        from: 0.5,
        to: 1.2,
        tick: 0.1,
        mark: Some(1.0),
        percent: false,
    }
}

fn instructions(document: &Document) -> Chart {
    // A stream has its own scale: each of its frames is looked at.
    let cases = document.figures("overhead").filter(|case| text(case, "/case") != "post_stream_1m");
    let categories = cases.map(|case| {
        let of = |stack: &Value| number(stack, "/instructions");
        let bare = list(case, "/stacks").next().and_then(of);
        Category {
            name: text(case, "/case").to_owned(),
            points: list(case, "/stacks")
                .skip(1)
                .map(|stack| Some(Point::exact((of(stack)? - bare?) / 1_000.0)))
                .collect(),
        }
    });
    let first = document.figures("overhead").next();
    Chart {
        title: "Instructions that a layer adds to a request".to_owned(),
        subtitle: "in thousands, counted by callgrind; around a service in memory".to_owned(),
        series: first
            .into_iter()
            .flat_map(|case| list(case, "/stacks").skip(1))
            .map(|stack| text(stack, "/stack").to_owned())
            .collect(),
        categories: categories.collect(),
        from: 0.0,
        to: 8.0,
        tick: 1.0,
        mark: None,
        percent: false,
    }
}

fn point(value: &Value, pointer: &str) -> Option<Point> {
    estimate(value, pointer).map(|estimate| Point {
        at: estimate.median,
        low: estimate.low,
        high: estimate.high,
        hollow: false,
    })
}
