//! The facade `metrics` over OpenTelemetry's meters.
//!
//! Gauges are counters that go up and down: what the layers count in them, connections and requests, is added to and taken from.

use std::sync::Arc;

use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{self as otel, Meter, UpDownCounter};

pub(crate) struct Recorder {
    meter: Meter,
}

impl Recorder {
    pub(crate) fn new(meter: Meter) -> Self {
        Self { meter }
    }
}

/// An instrument, with the labels of one of its series.
struct Series<I> {
    instrument: I,
    labels: Vec<KeyValue>,
}

impl<I> Series<I> {
    fn new(instrument: I, key: &Key) -> Arc<Self> {
        let labels =
            key.labels().map(|label| KeyValue::new(label.key().to_owned(), label.value().to_owned())).collect();
        Arc::new(Self { instrument, labels })
    }
}

impl CounterFn for Series<otel::Counter<u64>> {
    fn increment(&self, value: u64) {
        self.instrument.add(value, &self.labels);
    }

    // OpenTelemetry's counters are only added to, and the layers do no other.
    fn absolute(&self, _: u64) {}
}

impl GaugeFn for Series<UpDownCounter<f64>> {
    fn increment(&self, value: f64) {
        self.instrument.add(value, &self.labels);
    }

    fn decrement(&self, value: f64) {
        self.instrument.add(-value, &self.labels);
    }

    // Nor is one of the layers' gauges ever set.
    fn set(&self, _: f64) {}
}

impl HistogramFn for Series<otel::Histogram<f64>> {
    fn record(&self, value: f64) {
        self.instrument.record(value, &self.labels);
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Series::new(self.meter.u64_counter(key.name().to_owned()).build(), key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Series::new(self.meter.f64_up_down_counter(key.name().to_owned()).build(), key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        // All of the layers' histograms are of times.
        Histogram::from_arc(Series::new(self.meter.f64_histogram(key.name().to_owned()).with_unit("s").build(), key))
    }
}
