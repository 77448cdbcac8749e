//! The page, in Markdown.

use std::fmt::Write;

use serde_json::Value;

use super::figures::{Document, Estimate, estimate, list, number, text};

/// What the figures mean, and why some targets are missed: written by hand.
const NOTES: &str = include_str!("notes.md");

/// The whole page. Writing into a `String` cannot fail, so that nobody asks.
pub(crate) fn markdown(document: &Document) -> String {
    let mut page = String::from(
        "# Benchmarks\n\n\
         Every number and plot here is of one run of\n\n\
         ```sh\ncargo run --release --example benchmarks\n```\n\n\
         and is in [`benchmarks/figures.json`](benchmarks/figures.json) in full. The text is in `benches/report`; what is measured, and how, is in the \
         bench of that name under `benches`.\n\n",
    );
    if document.reports.iter().any(|report| report.quick) {
        page.push_str("**This was a short run: its figures are of no use.**\n\n");
    }
    host(&mut page, document);
    page.push_str(NOTES.trim_end());
    page.push_str("\n\n");
    faults(&mut page, document);
    wire(&mut page, document);
    overhead(&mut page, document);
    scale(&mut page, document);
    targets(&mut page, document);
    page
}

fn host(page: &mut String, document: &Document) {
    let host = &document.host;
    let _ = writeln!(
        page,
        "{}, {} threads, {} MiB, {}; {} minutes in all.\n",
        host.processor,
        host.threads,
        host.memory_mib,
        host.system,
        document.seconds.div_ceil(60)
    );
    let versions: Vec<_> = host.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let versions: Vec<_> = versions.iter().map(|told| told.replace("rustc rustc", "rustc")).collect();
    let _ = writeln!(page, "{}.\n", versions.join(", "));
}

fn faults(page: &mut String, document: &Document) {
    page.push_str(
        "## `faults`: while connections die\n\n\
         ![Requests that are answered, by what happens and by client](benchmarks/answered.svg)\n\n\
         ![Goodput, by what happens and by client](benchmarks/goodput.svg)\n\n\
         *Where allowed* leaves out POSTs whose error does not say whether they were processed. *Twice* counts POSTs that were processed more than \
         once. *Goodput* is over that of the same client without faults; of what is offered, where requests come at a fixed pace. *Load* is \
         requests that came to the server, and connects that failed, for each request.\n\n",
    );
    for row in document.figures("faults") {
        let _ = writeln!(page, "### {}, {}\n", text(row, "/name"), text(row, "/server"));
        page.push_str(
            "| | requests | answered | where allowed | timed out | twice | goodput | p50, ms | p99.9, ms | load |\n",
        );
        page.push_str("|---|---|---|---|---|---|---|---|---|---|\n");
        for stack in list(row, "/stacks") {
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                text(stack, "/stack"),
                plain(number(stack, "/requests"), 0),
                percent(number(stack, "/success")),
                percent(number(stack, "/success_where_allowed")),
                plain(number(stack, "/timed_out"), 0),
                plain(number(stack, "/doubled"), 0),
                interval(estimate(stack, "/goodput")),
                plain(number(stack, "/p50_ms"), 1),
                plain(number(stack, "/p999_ms"), 1),
                plain(number(stack, "/load"), 2)
            );
        }
        page.push('\n');
    }
}

fn wire(page: &mut String, document: &Document) {
    page.push_str(
        "## `wire`: on a real connection\n\n\
         ![Speed with all layers over that of the bare client](benchmarks/speed.svg)\n\n\
         Both layers and the monitored connector around hyper-util's client, over the client by itself. Processor time is that of the client's thread.\n\n\
         Speed and instructions are over the bare client's; *locked* are instructions that lock the memory bus, as each atomic change does. \
         *Capture* is the bare client when each request asks it which connection it gets, and *retry* the retry layer alone.\n\n\
         | load | | requests/s | speed (95 %) | us of processor | instructions | | locked |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for load in document.figures("wire") {
        for (name, stack) in [("bare", "bare"), ("both layers", "layers"), ("retry", "retry"), ("capture", "capture")] {
            let of = |figure: &str| number(load, &format!("/measured/{stack}/{figure}"));
            if of("per_second").is_none() {
                continue;
            }
            let _ = writeln!(
                page,
                "| {} | {name} | {} | {} | {} | {} | {} | {} |",
                text(load, "/load"),
                plain(of("per_second"), 0),
                interval(estimate(load, &format!("/measured/{stack}/speed_ratio"))),
                plain(of("cpu_microseconds"), 1),
                plain(of("count/instructions"), 0),
                plain(of("instructions_ratio"), 3),
                plain(of("count/locked"), 0)
            );
        }
    }
    page.push('\n');
}

fn overhead(page: &mut String, document: &Document) {
    page.push_str(
        "## `overhead`: the layers by themselves\n\n\
         ![Instructions that a layer adds to a request](benchmarks/instructions.svg)\n\n\
         Around a service in memory that answers at once.\n\n\
         | request | | ns | over no layer (95 %) | instructions | allocations | bytes |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for case in document.figures("overhead") {
        for stack in list(case, "/stacks") {
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} | {} | {} | {} |",
                text(case, "/case"),
                text(stack, "/stack"),
                plain(number(stack, "/nanoseconds"), 0),
                interval(estimate(stack, "/ratio_to_no_layer")),
                plain(number(stack, "/instructions"), 0),
                plain(number(stack, "/allocations"), 2),
                plain(number(stack, "/bytes_allocated"), 0)
            );
        }
    }
    page.push('\n');
}

fn scale(page: &mut String, document: &Document) {
    page.push_str("## `scale`: many of everything\n\n");
    for part in document.figures("scale") {
        match text(part, "/part") {
            "idle connections" => {
                let of = |name: &str| plain(number(part, &format!("/measured/{name}")), 0);
                let _ = writeln!(
                    page,
                    "**{} idle connections** take {} bytes each with their servers in memory, {} where they are watched: {} bytes more.\n",
                    of("connections"),
                    of("bytes_bare"),
                    of("bytes_watched"),
                    of("bytes_extra")
                );
            }
            "requests in flight" => {
                let of = |name: &str, digits| plain(number(part, &format!("/measured/{name}")), digits);
                let _ = writeln!(
                    page,
                    "**{} requests in flight** take {} bytes each with no layer and {} with both. Through the pool, from a server that lets 250 in at a \
                     time, all are answered: {} us each, and {} us where 1,000 are in flight.\n",
                    of("in_flight", 0),
                    of("bytes_bare", 0),
                    of("bytes_layers", 0),
                    of("pool_microseconds", 1),
                    of("pool_microseconds_of_1000_in_flight", 1)
                );
            }
            "origins" => {
                page.push_str(
                    "| origins | instructions that both layers add | time over that with 10 (95 %) |\n|---|---|---|\n",
                );
                for row in list(part, "/measured") {
                    let _ = writeln!(
                        page,
                        "| {} | {} | {} |",
                        plain(number(row, "/origins"), 0),
                        plain(number(row, "/instructions_added"), 0),
                        interval(estimate(row, "/time_ratio"))
                    );
                }
                page.push('\n');
            }
            _ => threads(page, part),
        }
    }
}

fn threads(page: &mut String, part: &Value) {
    page.push_str(
        "| | | ns for a request | over one thread (95 %) | waits of a million requests |\n|---|---|---|---|---|\n",
    );
    for row in list(part, "/measured") {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} |",
            text(row, "/stack"),
            text(row, "/threads"),
            plain(number(row, "/nanoseconds"), 0),
            interval(estimate(row, "/ratio_to_one_thread")),
            plain(number(row, "/waits_of_a_million"), 0)
        );
    }
    page.push('\n');
}

fn targets(page: &mut String, document: &Document) {
    page.push_str("## Targets\n\n| bench | target | figure | | limit |\n|---|---|---|---|---|\n");
    for report in &document.reports {
        for target in &report.targets {
            let sign = if target.at_most { "≤" } else { "≥" };
            let missed = if target.met { "" } else { " **missed**" };
            let _ = writeln!(
                page,
                "| {} | {} | {:.3}{missed} | {sign} | {} |",
                report.bench, target.name, target.value, target.limit
            );
        }
    }
}

fn plain(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{:.2} %", value * 100.0))
}

fn interval(value: Option<Estimate>) -> String {
    value.map_or_else(|| "-".to_owned(), |Estimate { median, low, high }| format!("{median:.3} ({low:.3}-{high:.3})"))
}
