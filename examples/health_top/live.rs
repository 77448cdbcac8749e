//! The view that goes on: draws until it is told to end, and gives the terminal back whatever happens.

use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};
use std::{io, panic, thread};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, KeyCode, KeyEvent, KeyModifiers};
use tokio::runtime::Runtime;
use tower::BoxError;

use crate::draw;
use crate::model::Model;
use crate::watch::Watch;

/// How often a frame is drawn.
const REFRESH: Duration = Duration::from_millis(200);

const HINT: &str = "q quit  d drain all";

/// What ends the view from outside.
enum Stop {
    Signal,
    /// Another thread panicked, and this is what it would have printed.
    Panic(String),
}

/// Shows the view for as long as it is wanted.
///
/// # Errors
///
/// What the terminal says; and the panic of another thread.
pub(crate) fn run(runtime: &Runtime, watch: &Watch, limit: Option<Duration>) -> Result<(), BoxError> {
    let until = limit.and_then(|limit| Instant::now().checked_add(limit));
    let (sender, stop) = mpsc::channel();
    let signalled = sender.clone();
    runtime.spawn(async move {
        if signal().await.is_ok() {
            let _ = signalled.send(Stop::Signal);
        }
    });
    let default_hook = panic::take_hook();
    let terminal = ratatui::try_init();
    // Instead of ratatui's, which would give the terminal back under this thread, that goes on drawing.
    hook_panics(default_hook, sender);
    let outcome = terminal.map_err(Into::into).and_then(|terminal| show(terminal, watch, until, &stop));
    // Also where only half of it could be taken.
    let restored = ratatui::try_restore();
    outcome?;
    Ok(restored?)
}

/// A panic of this thread gives the terminal back before it is printed; one of another is left to this thread.
fn hook_panics(print: Box<dyn Fn(&panic::PanicHookInfo<'_>) + Send + Sync>, sender: Sender<Stop>) {
    let draws = thread::current().id();
    panic::set_hook(Box::new(move |info| {
        let left = thread::current().id() != draws && sender.send(Stop::Panic(info.to_string())).is_ok();
        if !left {
            let _ = ratatui::try_restore();
            print(info);
        }
    }));
}

fn show(
    mut terminal: DefaultTerminal,
    watch: &Watch,
    until: Option<Instant>,
    stop: &Receiver<Stop>,
) -> Result<(), BoxError> {
    loop {
        match stop.try_recv() {
            Ok(Stop::Signal) | Err(TryRecvError::Disconnected) => return Ok(()),
            Ok(Stop::Panic(text)) => return Err(text.into()),
            Err(TryRecvError::Empty) => {}
        }
        let left = until.map_or(REFRESH, |until| until.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Ok(());
        }
        let model = Model { hint: HINT, ..watch.model() };
        terminal.draw(|frame| draw::draw(&model, frame))?;
        // A key, or a new size: then the next frame comes at once.
        if event::poll(left.min(REFRESH))? {
            match event::read()?.as_key_press_event() {
                Some(key) if ends(key) => return Ok(()),
                Some(KeyEvent { code: KeyCode::Char('d'), .. }) => watch.drain_all(),
                _ => {}
            }
        }
    }
}

/// Ctrl-C comes as a key: the terminal is in raw mode.
fn ends(key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => true,
        KeyCode::Char('c') => key.modifiers.contains(KeyModifiers::CONTROL),
        _ => false,
    }
}

/// Somebody else wants this process to end.
async fn signal() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => pressed,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
