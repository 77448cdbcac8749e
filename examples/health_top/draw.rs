//! Draws a [`Model`]: no IO, no clock.

use std::time::Duration;

use ratatui::backend::TestBackend;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};
use ratatui::{Frame, Terminal, buffer};
use tower_redial::health::{Close, Drain, EventKind, State};

use crate::model::{Connection, Counted, Entry, Happening, Model, Requests};

/// Where there are fewer columns or lines, some things are left out.
const WIDE: u16 = 110;
const HIGH: u16 = 18;

/// The longest state that is likely. All of it is given up first where there is little room.
const STATE: Constraint = Constraint::Max(39);

/// Lines of a block of counts, its title among them.
const COUNTS: u16 = 7;

/// Draws a frame.
pub(crate) fn draw(model: &Model, frame: &mut Frame<'_>) {
    let height = frame.area().height;
    let [head, counts, connections, events] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(if height < HIGH { 0 } else { COUNTS }),
        Constraint::Fill(1),
        Constraint::Length((height / 4).min(12)),
    ])
    .areas(frame.area());
    draw_head(model, frame, head);
    draw_counts(model, frame, counts);
    draw_connections(model, frame, connections);
    draw_log(&model.log, frame, events);
}

/// The same as plain text, without what is empty at its end.
pub(crate) fn text(model: &Model, width: u16, height: u16) -> String {
    let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
    let Ok(drawn) = terminal.draw(|frame| draw(model, frame));
    let lines = drawn.buffer.content.chunks(usize::from(width.max(1)));
    let lines =
        lines.map(|cells| cells.iter().map(buffer::Cell::symbol).collect::<String>().trim_end().to_owned() + "\n");
    lines.collect::<String>().trim_end().to_owned() + "\n"
}

// ===== the parts =====

fn draw_head(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let Model { hint, origin, workers, running, .. } = model;
    let head =
        Line::from(vec!["health_top".bold(), format!("  {origin}  {workers} workers  {}", time(*running)).into()]);
    let free = usize::from(area.width).saturating_sub(head.width());
    frame.render_widget(head, area);
    if free >= hint.len() {
        frame.render_widget(Line::from(hint.dim()).right_aligned(), area);
    }
}

fn draw_counts(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let Requests { ok, resent, failed, under_way, waiting } = model.requests;
    let requests = [
        ("ok", ok),
        ("  of these, resent", resent),
        ("failed", failed),
        ("under way", under_way as u64),
        ("waiting", waiting as u64),
    ];
    let requests = requests.map(|(name, count)| (name.to_owned(), count));
    let wide = area.width >= WIDE;
    let blocks = [
        (Constraint::Length(27), "requests".to_owned(), &requests[..]),
        (Constraint::Fill(4), total("drains", &model.drains), &model.drains),
        (Constraint::Fill(4), total("resends", &model.resends), &model.resends),
        (Constraint::Fill(5), total("given up", &model.given_up), &model.given_up),
        (Constraint::Fill(2), total("ended", &model.ends), &model.ends),
    ];
    let blocks = &blocks[..if wide { blocks.len() } else { 3 }];
    let areas = Layout::horizontal(blocks.iter().map(|(width, ..)| *width)).spacing(2).split(area);
    for ((_, title, counts), area) in blocks.iter().zip(areas.iter()) {
        let block = block(title);
        frame.render_widget(count_lines(counts, block.inner(*area).height).block(block), *area);
    }
}

fn total(title: &str, counts: &Counted) -> String {
    format!("{title}: {}", sum(counts))
}

fn sum(counts: &[(String, u64)]) -> u64 {
    counts.iter().map(|(_, count)| count).sum()
}

/// As many as there is room for; the last line says how many are left out.
fn count_lines(counts: &[(String, u64)], room: u16) -> Table<'static> {
    let room = usize::from(room);
    let shown = if counts.len() > room { room.saturating_sub(1) } else { counts.len() };
    let (shown, others) = counts.split_at(shown);
    let mut shown = shown.to_vec();
    if !others.is_empty() {
        shown.push((format!("{} others", others.len()), sum(others)));
    }
    let digits = shown.iter().map(|(_, count)| count.to_string().len()).max().unwrap_or_default();
    let row =
        |(name, count): (String, u64)| Row::new([Text::from(name), Text::from(count.to_string()).right_aligned()]);
    Table::new(shown.into_iter().map(row), [Constraint::Fill(1), Constraint::Length(digits as u16)])
}

/// A column of the connections' table.
struct Column {
    name: &'static str,
    width: Constraint,
    /// It is left out where the table is narrower than this.
    from: u16,
    number: bool,
    show: fn(&Connection) -> String,
}

impl Column {
    const fn text(name: &'static str, width: Constraint, from: u16, show: fn(&Connection) -> String) -> Self {
        Self { name, width, from, number: false, show }
    }

    const fn number(name: &'static str, width: u16, from: u16, show: fn(&Connection) -> String) -> Self {
        Self { name, width: Constraint::Length(width), from, number: true, show }
    }
}

const COLUMNS: &[Column] = &[
    Column::text("conn", Constraint::Length(5), 0, |connection| format!("#{}", connection.id)),
    Column::text("state", STATE, 0, |connection| state(connection.state, connection.drained)),
    Column::number("streams", 7, 30, streams),
    Column::number("rtt", 7, 60, |connection| connection.round_trip.map(round_trip).unwrap_or_default()),
    Column::number("age", 6, 60, |connection| time(connection.age)),
    Column::number("requests", 8, 80, |connection| connection.requests.to_string()),
    Column::number("received", 9, 80, |connection| bytes(connection.received)),
    Column::number("sent", 9, 80, |connection| bytes(connection.sent)),
    Column::text("goaway said", Constraint::Fill(1), WIDE, |connection| {
        connection.said.as_deref().map(escaped).unwrap_or_default()
    }),
];

fn draw_connections(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let columns: Vec<_> = COLUMNS.iter().filter(|column| area.width >= column.from).collect();
    let row = |show: &dyn Fn(&Column) -> String| {
        let cell = |column: &&Column| {
            let text = Text::from(show(column));
            Cell::from(if column.number { text.right_aligned() } else { text })
        };
        columns.iter().map(cell).collect::<Row<'_>>()
    };
    let rows = model
        .connections
        .iter()
        .map(|connection| row(&|column| (column.show)(connection)).style(colour(connection.state)));
    let live = model.connections.iter().filter(|connection| !matches!(connection.state, State::Closed(_))).count();
    // More than are listed.
    let title = format!("connections: {live} live, {} ended", sum(&model.ends));
    let table = Table::new(rows, columns.iter().map(|column| column.width))
        .header(row(&|column| column.name.to_owned()).bold())
        .block(block(&title));
    frame.render_widget(table, area);
}

fn draw_log(log: &[Entry], frame: &mut Frame<'_>, area: Rect) {
    let block = block("events");
    let room = usize::from(block.inner(area).height);
    let newest = &log[log.len().saturating_sub(room)..];
    let lines: Vec<_> = newest.iter().map(entry).collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn entry(entry: &Entry) -> Line<'static> {
    let (connection, what, style) = match entry.what {
        Happening::Event { connection, kind } => (format!("#{connection}"), happened(kind), event_colour(kind)),
        Happening::Missed(missed) => (String::new(), format!("{missed} events were missed"), Style::new()),
    };
    Line::styled(format!("{:>7}  {connection:<5} {what}", time(entry.at)), style)
}

fn block(title: &str) -> Block<'static> {
    Block::new().borders(Borders::TOP).border_style(Color::DarkGray).title(format!("{title} ").bold().fg(Color::Reset))
}

// ===== words =====

fn state(state: State, drained: Option<Drain>) -> String {
    match (state, drained) {
        (State::Closed(_), Some(drained)) => format!("{state}, {drained}"),
        _ => state.to_string(),
    }
}

fn happened(kind: EventKind) -> String {
    match kind {
        EventKind::Answered { round_trip: time } => format!("answered after {}", round_trip(time)),
        EventKind::Draining { reason } => format!("draining: {reason}"),
        EventKind::Closed { reason: Close::Dead, silent_for } => {
            format!("closed: dead, nothing heard for {}", time(silent_for))
        }
        EventKind::Closed { reason, .. } => format!("closed: {}", reason.label()),
        other => other.label().to_owned(),
    }
}

fn streams(connection: &Connection) -> String {
    match connection.limit {
        Some(limit) => format!("{}/{limit}", connection.streams),
        None => format!("{}/-", connection.streams),
    }
}

/// A peer's words must not command the terminal.
fn escaped(said: &[u8]) -> String {
    said.escape_ascii().to_string()
}

fn round_trip(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1_000.0;
    if milliseconds < 9.995 { format!("{milliseconds:.2} ms") } else { format!("{milliseconds:.0} ms") }
}

fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}.{} s", time.subsec_millis() / 100),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
    }
}

fn bytes(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 999.95 {
            break;
        }
        (value, unit) = (value / 1_024.0, larger);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

// ===== colours =====

fn colour(state: State) -> Style {
    match state {
        State::Open => Style::new().fg(Color::Green),
        State::Draining(_) => Style::new().fg(Color::Yellow),
        State::Silent => Style::new().fg(Color::Red).bold(),
        State::Closed(Close::Dead | Close::Handshake | Close::Transport) => Style::new().fg(Color::Red),
        _ => Style::new().fg(Color::DarkGray),
    }
}

fn event_colour(kind: EventKind) -> Style {
    match kind {
        EventKind::Opened | EventKind::Recovered => colour(State::Open),
        EventKind::Silent => colour(State::Silent),
        EventKind::Draining { reason } => colour(State::Draining(reason)),
        EventKind::Closed { reason, .. } => colour(State::Closed(reason)),
        _ => Style::new(),
    }
}
