//! `analyze --browse` in a terminal.

use rustix::process::Signal;

use super::screen::Screen;
use super::wasteful;

const BROWSE: &[&str] = &["analyze", "--browse", "wasteful"];

#[test]
fn an_image_is_looked_around_in() {
    let (kiln, _project) = wasteful();
    let mut screen = Screen::start(&kiln, BROWSE, 30, 110);
    let text = screen.wait_for("q quit");
    assert!(screen.is_alternate() && !screen.is_usual());
    for part in [
        "wasteful:latest",
        "1.38MB wasted",
        "  3   1.08MB ! COPY big data moving ./",
        "Files of layer 8, by size",
        "▸ work/",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    screen.press("[[[[[");
    screen.wait_for("Files of layer 3");
    screen.press("\t\r");
    let text = screen.wait_for("big  (deleted by layer 4)");
    assert!(text.contains("data  (stored again by layer 5)"), "{text}");
    screen.press("/mov\r");
    screen.wait_for("1 of 1");
    screen.press("w");
    screen.wait_for("wasted only");
    screen.press("wa");
    screen.wait_for("Files of layers 1 to 3");
    screen.press("?");
    screen.wait_for("search, next, previous");
    screen.press("\x1b");
    screen.wait_until("no help", |text| !text.contains("search, next, previous"));
    screen.resize(12, 40);
    screen.wait_until("one pane", |text| {
        !text.contains("Layers") && text.contains("big")
    });
    screen.resize(3, 20);
    screen.wait_for("too small");
    screen.press("q");
    assert!(screen.end().success());
    screen.wait_restored();
}

#[test]
fn the_terminal_is_left_as_it_was() {
    let (kiln, _project) = wasteful();
    let mut screen = Screen::start(&kiln, BROWSE, 24, 80);
    screen.wait_for("q quit");
    screen.press("\x03");
    assert!(screen.end().success(), "Ctrl-C leaves");
    screen.wait_restored();

    let mut screen = Screen::start(&kiln, BROWSE, 24, 80);
    screen.wait_for("q quit");
    screen.signal(Signal::TERM);
    screen.end();
    screen.wait_restored();

    let mut screen = Screen::start(&kiln, &["analyze", "-i", "nope"], 24, 80);
    assert!(!screen.end().success());
    screen.wait_for("nope:latest");
    screen.wait_restored();
}
