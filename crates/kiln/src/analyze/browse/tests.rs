//! Keys pressed, and what the screen shows then.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use kiln_analyze::{Analysis, analyze};
use kiln_oci::{Digest, History, ImageConfig, Reference, RootFs};
use kiln_store::{Layer, Store};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::draw::draw;
use super::state::State;

/// Adds a layer of files with so many bytes each; `None` deletes.
fn layer(store: &Store, files: &[(&str, Option<usize>)]) -> Digest {
    let scratch = store.scratch().unwrap();
    let dir = scratch.path().join("layer");
    for (path, size) in files {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match size {
            Some(size) => std::fs::write(&path, vec![b'x'; *size]).unwrap(),
            None => mknodat(CWD, &path, FileType::CharacterDevice, Mode::empty(), 0).unwrap(),
        }
    }
    let diff_id = Digest::of(format!("{files:?}").as_bytes());
    let layer = Layer {
        diff_id,
        size: 0,
        tar_size: 0,
        entries: 0,
        created: String::new(),
        recipe: false,
    };
    store.commit_layer(&dir, &layer).unwrap();
    diff_id
}

fn sample(root: &Path) -> Analysis {
    let store = Store::open(root).unwrap();
    let hold = store.hold().unwrap();
    let diff_ids = vec![
        layer(
            &store,
            &[
                ("bin/sh", Some(9000)),
                ("etc/motd", Some(20)),
                ("var/big/data", Some(50_000)),
            ],
        ),
        layer(&store, &[("app/main", Some(700)), ("etc/motd", Some(30))]),
        layer(&store, &[("var/big", None)]),
    ];
    let step = |text: &str| History {
        created_by: Some(text.to_owned()),
        ..History::default()
    };
    let config = ImageConfig {
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
        rootfs: RootFs {
            diff_ids,
            ..RootFs::default()
        },
        history: ["ADD base /", "COPY app /app", "RUN rm -r /var/big"]
            .map(step)
            .to_vec(),
        ..ImageConfig::default()
    };
    let name = [Reference::parse("shown:1").unwrap()];
    store
        .image_put_named(&config.to_json(), None, &name)
        .unwrap();
    drop(hold);
    analyze(&store, "shown:1").unwrap()
}

/// The state on a screen of a size; the rows of it.
fn screen(state: &mut State<'_>, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, state)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect();
    (0..height).map(row).collect()
}

fn press(state: &mut State<'_>, keys: &[KeyCode]) {
    for key in keys {
        state.key(KeyEvent::new(*key, KeyModifiers::NONE));
    }
}

fn text(state: &mut State<'_>) -> String {
    screen(state, 110, 24).join("\n")
}

/// The files shown, in order: mark, size, name.
fn files(state: &mut State<'_>) -> Vec<String> {
    state.pane = super::state::Pane::Files;
    let rows = screen(state, 60, 24);
    let body = &rows[2..22];
    let words = |row: &String| {
        let row = row.trim_matches('│');
        let (mark, rest) = row.split_at(14);
        let words: Vec<&str> = rest.split_whitespace().collect();
        format!("{} {}", mark.chars().next().unwrap_or(' '), words.join(" "))
    };
    body.iter()
        .filter(|row| !row.trim_matches(['│', ' ']).is_empty())
        .map(words)
        .collect()
}

const ENTER: KeyCode = KeyCode::Enter;

fn typed(text: &str) -> Vec<KeyCode> {
    text.chars().map(KeyCode::Char).collect()
}

#[test]
fn layers_and_their_files() {
    let root = tempfile::tempdir().unwrap();
    let analysis = sample(root.path());
    let mut state = State::new(&analysis);
    let shown = text(&mut state);
    for part in [
        "shown:1  59.8kB, efficiency 16.2 %, 50kB wasted",
        "  1     59kB ! ADD base /",
        "  2     730B   COPY app /app",
        "  3       0B   RUN rm -r /var/big",
        "Files of layer 3, by size",
        "│~ drwxr-xr-x      0B  ▸ var/ ",
        "Layer 3",
        "1 deleted",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    press(&mut state, &[KeyCode::Home]);
    assert_eq!(state.layer, 0);
    press(&mut state, &[KeyCode::Up, KeyCode::Down, KeyCode::Tab]);
    assert_eq!(state.layer, 1);
    let shown = text(&mut state);
    assert!(shown.contains("Files of layer 2"), "{shown}");
    assert!(
        shown.contains("▸ app/") && shown.contains("▸ etc/"),
        "{shown}"
    );
}

#[test]
fn directories_open_and_close() {
    let root = tempfile::tempdir().unwrap();
    let analysis = sample(root.path());
    let mut state = State::new(&analysis);
    press(&mut state, &[KeyCode::Home, ENTER]);
    assert_eq!(
        files(&mut state),
        ["+ 50kB ▸ var/", "+ 9kB ▸ bin/", "+ 20B ▸ etc/"]
    );
    press(&mut state, &[ENTER, KeyCode::Right, KeyCode::Right]);
    assert_eq!(state.cursor, 1, "an open directory is entered");
    press(&mut state, &[KeyCode::Right]);
    assert_eq!(
        files(&mut state),
        [
            "+ 50kB ▾ var/",
            "+ 50kB ▾ big/",
            "+ 50kB data (deleted by layer 3)",
            "+ 9kB ▸ bin/",
            "+ 20B ▸ etc/"
        ]
    );
    press(&mut state, &[KeyCode::Left; 4]);
    assert_eq!(files(&mut state).len(), 3);
    press(&mut state, &typed("s"));
    assert_eq!(
        files(&mut state),
        ["+ 9kB ▸ bin/", "+ 20B ▸ etc/", "+ 50kB ▸ var/"]
    );
    press(&mut state, &[KeyCode::Left]);
    assert_eq!(state.pane, super::state::Pane::Layers);
}

#[test]
fn all_layers_up_to_one() {
    let root = tempfile::tempdir().unwrap();
    let analysis = sample(root.path());
    let mut state = State::new(&analysis);
    press(&mut state, &typed("a"));
    assert_eq!(
        files(&mut state),
        [
            "  9kB ▸ bin/",
            "  700B ▸ app/",
            "  30B ▸ etc/",
            "~ 0B ▸ var/"
        ]
    );
    press(&mut state, &[KeyCode::End, ENTER]);
    assert_eq!(files(&mut state)[4], "- 50kB ▸ big/");
    press(&mut state, &typed("["));
    let shown = text(&mut state);
    assert!(shown.contains("Files of layers 1 to 2"), "{shown}");
    let listed = files(&mut state);
    assert_eq!(
        listed[..2],
        ["  50kB ▾ var/", "  50kB ▸ big/"],
        "it stays open"
    );
    assert!(listed.contains(&"~ 30B ▸ etc/".to_owned()), "{listed:?}");
    assert!(listed.contains(&"+ 700B ▸ app/".to_owned()), "{listed:?}");
}

#[test]
fn only_what_is_wasted() {
    let root = tempfile::tempdir().unwrap();
    let analysis = sample(root.path());
    let mut state = State::new(&analysis);
    press(&mut state, &typed("w"));
    assert!(text(&mut state).contains("Nothing is wasted here."));
    press(&mut state, &typed("gw"));
    press(&mut state, &typed("w"));
    assert_eq!(files(&mut state), ["+ 50kB ▸ var/", "+ 20B ▸ etc/"]);
    assert!(text(&mut state).contains("wasted only"));
}

#[test]
fn searches_go_around() {
    let root = tempfile::tempdir().unwrap();
    let analysis = sample(root.path());
    let mut state = State::new(&analysis);
    press(&mut state, &typed("g/A"));
    assert!(screen(&mut state, 80, 24)[23].starts_with(" /A"));
    press(&mut state, &[ENTER]);
    let at = |state: &State<'_>| state.tree.path(state.chosen().unwrap());
    assert_eq!(
        (at(&state), &*state.message),
        ("/var/big/data".into(), "2 of 2")
    );
    press(&mut state, &typed("n"));
    assert_eq!((at(&state), &*state.message), ("/var".into(), "1 of 2"));
    press(&mut state, &typed("N"));
    assert_eq!(at(&state), "/var/big/data");
    press(&mut state, &typed("/nothing"));
    press(&mut state, &[ENTER]);
    assert!(text(&mut state).contains("not here: nothing"));
    press(&mut state, &typed("/x"));
    press(&mut state, &[KeyCode::Backspace, KeyCode::Backspace]);
    assert_eq!(state.prompt, None);
    press(&mut state, &[KeyCode::Char('/'), KeyCode::Esc]);
    assert_eq!(state.prompt, None);
    let mut fresh = State::new(&analysis);
    press(&mut fresh, &typed("n"));
    assert_eq!(fresh.message, "nothing searched yet: press /");
}

#[test]
fn help_and_the_way_out() {
    let root = tempfile::tempdir().unwrap();
    let analysis = sample(root.path());
    let mut state = State::new(&analysis);
    press(&mut state, &typed("?"));
    assert!(text(&mut state).contains("this layer, or all up to it"));
    press(&mut state, &typed("q"));
    assert!(!state.help && !state.done, "any key closes the help");
    press(&mut state, &typed("q"));
    assert!(state.done);
    let mut state = State::new(&analysis);
    press(&mut state, &typed("/"));
    state.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert!(state.done, "Ctrl-C leaves even a prompt");
}

#[test]
fn any_size_will_do() {
    let root = tempfile::tempdir().unwrap();
    let analysis = sample(root.path());
    let mut state = State::new(&analysis);
    press(&mut state, &typed("a"));
    for pane in [super::state::Pane::Layers, super::state::Pane::Files] {
        state.pane = pane;
        for help in [false, true] {
            state.help = help;
            for (width, height) in [
                (1, 1),
                (10, 3),
                (24, 6),
                (30, 50),
                (71, 7),
                (72, 8),
                (300, 90),
            ] {
                let rows = screen(&mut state, width, height);
                assert_eq!(rows.len(), usize::from(height));
            }
        }
    }
    assert!(screen(&mut state, 23, 6)[0].starts_with("terminal too small"));
}

#[test]
fn what_is_chosen_is_in_sight() {
    let root = tempfile::tempdir().unwrap();
    let analysis = sample(root.path());
    let mut state = State::new(&analysis);
    press(&mut state, &typed("g"));
    press(&mut state, &[ENTER, ENTER, KeyCode::End]);
    for height in [6, 7, 8, 20] {
        let shown = screen(&mut state, 60, height).join("\n");
        assert!(shown.contains("etc/"), "{height}:\n{shown}");
    }
    press(&mut state, &[KeyCode::Home]);
    assert!(screen(&mut state, 60, 6).join("\n").contains("var/"));
}
