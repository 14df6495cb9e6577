//! The HTML page, opened in a browser from the file as it is.

use std::path::PathBuf;

use serde_json::json;

use super::browser::{Browser, Window};
use super::{bytes, wasteful};
use crate::harness::{Kiln, Project};

const DESKTOP: Window = Window {
    width: 1300,
    height: 860,
    dark: false,
};

const ESCAPE: &str = "\u{e00c}";
const RETURN: &str = "\u{e007}";
const RIGHT: &str = "\u{e014}";

fn page(kiln: &Kiln, image: &str) -> PathBuf {
    let file = kiln.file("page.html");
    kiln.ok(["analyze", "--html", file.to_str().unwrap(), image]);
    file
}

/// The names on the largest tiles.
fn tiles(browser: &Browser) -> Vec<String> {
    let names = browser.script(
        "return [...document.querySelectorAll('.tile.d0')].map(t => t.ariaLabel)",
        json!([]),
    );
    let names = names.as_array().unwrap();
    names
        .iter()
        .map(|n| n.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn layers_can_be_looked_into() {
    let (kiln, _project) = wasteful();
    let browser = Browser::open(&page(&kiln, "wasteful"), DESKTOP);
    assert_eq!(browser.text("h1"), "wasteful:latest");
    assert_eq!(browser.texts("#crumbs li"), ["All layers"]);
    assert_eq!(browser.texts("#layers code").len(), 8);
    let figures = browser.text("#figures");
    assert!(
        figures.contains("1.38MB") && figures.contains("4 files"),
        "{figures}"
    );
    let all = tiles(&browser);
    assert_eq!(all[1], "3  COPY big data moving ./, 1.08MB", "{all:?}");

    browser.click(".tile.d0[aria-label^='3 ']");
    assert_eq!(
        browser.texts("#crumbs li"),
        ["All layers", "3 COPY big data moving ./"]
    );
    assert_eq!(tiles(&browser), ["work, 1.08MB"]);
    browser.click(".tile.d0");
    assert_eq!(tiles(&browser), ["big, 1MB", "moving, 40kB", "data, 40kB"]);
    // A tile says what it is and who hid it.
    let tip = browser.script(
        "const t = document.querySelector('.tile.d0');
        const r = t.getBoundingClientRect();
        t.dispatchEvent(new PointerEvent('pointermove',
            {bubbles: true, clientX: r.left + 20, clientY: r.top + 20}));
        return document.getElementById('tip').innerText",
        json!([]),
    );
    let tip = tip.as_str().unwrap();
    for part in [
        "/work/big",
        "1MB",
        "layer 3: COPY",
        "deleted by layer 4: RUN rm big",
    ] {
        assert!(tip.contains(part), "{part} in {tip}");
    }

    browser.click("#crumbs li:nth-child(2) button");
    assert_eq!(tiles(&browser), ["work, 1.08MB"]);
    browser.keys(ESCAPE);
    assert_eq!(browser.texts("#crumbs li"), ["All layers"]);
    assert_eq!(tiles(&browser), all);
    // The list of layers leads there as well.
    browser.click("#layers li:nth-child(7) button");
    assert_eq!(browser.texts("#crumbs li")[1], "7 COPY other data2 ./");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn the_final_tree_and_what_is_wasted() {
    let (kiln, _project) = wasteful();
    let browser = Browser::open(&page(&kiln, "wasteful"), DESKTOP);
    browser.click("[data-mode=final]");
    assert_eq!(browser.texts("#crumbs li"), ["Final tree"]);
    let shown = tiles(&browser);
    assert_eq!(
        shown[1..3],
        ["work, 80kB", "there, 40kB"],
        "all layers as one: {shown:?}"
    );
    browser.click(".tile.d0[aria-label^='work']");
    assert_eq!(
        tiles(&browser),
        ["data, 40kB", "data2, 40kB", "other, 3B"][..2],
        "three bytes are no tile"
    );
    browser.click("[data-mode=wasted]");
    assert_eq!(
        tiles(&browser),
        [
            "3  COPY big data moving ./, 1.08MB",
            "7  COPY other data2 ./, 300kB"
        ]
    );
    let finding = browser.text("#findings details[open]");
    for part in [
        "Wasted",
        "1.38MB",
        "/work/big",
        "deleted by layer 4: RUN rm big",
        "(new mode)",
    ] {
        assert!(finding.contains(part), "{part} in {finding}");
    }
    // A path of the findings is shown in the map.
    browser.click("#findings details[open] button.path");
    assert_eq!(
        browser.texts("#crumbs li"),
        ["All layers", "3 COPY big data moving ./", "work"]
    );
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn files_are_searched() {
    let (kiln, _project) = wasteful();
    let browser = Browser::open(&page(&kiln, "wasteful"), DESKTOP);
    browser.keys("/moV");
    let hits = browser.texts("#results li");
    assert_eq!(hits.len(), 2, "{hits:?}");
    assert!(
        hits[0].contains("/work/moving") && hits[0].contains("layer 3"),
        "{hits:?}"
    );
    assert!(
        hits[1].contains("/there/moved") && hits[1].contains("layer 6"),
        "{hits:?}"
    );
    let dim = browser.script(
        "return [...document.querySelectorAll('.tile.d0:not(.dim)')].map(t => t.node.layer)",
        json!([]),
    );
    assert_eq!(dim, json!([3, 6]), "only layers that have it are lit");
    browser.keys(RETURN);
    assert_eq!(
        browser.texts("#crumbs li"),
        ["All layers", "3 COPY big data moving ./", "work"]
    );
    browser.keys(ESCAPE);
    let dim = "return document.querySelectorAll('.dim').length";
    assert_eq!(browser.script(dim, json!([])), 0);
    browser.keys("/no such");
    assert_eq!(browser.texts("#results li"), ["No such file"]);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn keys_are_enough() {
    let (kiln, _project) = wasteful();
    let browser = Browser::open(&page(&kiln, "wasteful"), DESKTOP);
    let focused = |browser: &Browser| {
        let label = browser.script("return document.activeElement.ariaLabel", json!([]));
        label.as_str().unwrap_or_default().to_owned()
    };
    browser.script("document.querySelector('.tile.d0').focus()", json!([]));
    browser.keys(RIGHT);
    assert_eq!(focused(&browser), "3  COPY big data moving ./, 1.08MB");
    browser.keys(RETURN);
    assert_eq!(
        focused(&browser),
        "work, 1.08MB",
        "the focus stays in the map"
    );
    browser.keys(ESCAPE);
    assert_eq!(browser.texts("#crumbs li"), ["All layers"]);
    browser.script(
        "document.querySelector('[data-mode=layers]').focus()",
        json!([]),
    );
    browser.keys(RIGHT);
    assert_eq!(browser.texts("#crumbs li"), ["Final tree"]);
    let checked = browser.text("[aria-checked=true]");
    assert_eq!(checked, "Final tree");
}

/// Names made to break out of the page, and bytes that are no text.
#[test]
fn names_stay_names() {
    let kiln = Kiln::new();
    let project = Project::new(
        r#"FROM busybox
COPY evil /evil
RUN d=$(printf '/evil/\377\n\342\200\250') && mkdir "$d" && head -c 90000 /bin/busybox >"$d/f"
RUN echo '</script><script>document.title="run"</script><!--' >/x
"#,
    )
    .with("evil/<img src=x onerror=alert(1)>", bytes(1, 50_000))
    .with("evil/{{data}}{{script}}", bytes(2, 60_000))
    .with("evil/<script>/'\"&amp;", bytes(3, 70_000));
    kiln.build(project.dir(), &["-t", "evil"]);
    let file = page(&kiln, "evil");
    let html = std::fs::read_to_string(&file).unwrap();
    assert_eq!(html.matches("</script").count(), 2, "the page's own");
    let browser = Browser::open(&file, DESKTOP);
    assert_eq!(
        browser.script("return document.title", json!([])),
        "evil:latest · kiln analyze"
    );
    browser.click("#layers li:nth-child(2) button");
    browser.click(".tile.d0");
    assert_eq!(
        tiles(&browser),
        [
            "<script>, 70kB",
            "{{data}}{{script}}, 60kB",
            "<img src=x onerror=alert(1)>, 50kB"
        ]
    );
    browser.keys(r"/\xff");
    let hits = browser.texts("#results .path");
    assert!(
        hits.contains(&r"/evil/\xff\x0a\u{2028}/f".to_owned()) || hits.len() == 1,
        "{hits:?}"
    );
    assert_eq!(
        browser.script("return document.images.length", json!([])),
        0
    );
    assert_eq!(browser.complaints(), [""; 0]);
}

/// All of it is drawn, in light and dark and on a telephone.
#[test]
fn it_is_seen_everywhere() {
    let (kiln, _project) = wasteful();
    let file = page(&kiln, "wasteful");
    let windows = [
        ("light", DESKTOP),
        (
            "dark",
            Window {
                dark: true,
                ..DESKTOP
            },
        ),
        (
            "narrow",
            Window {
                width: 420,
                height: 900,
                dark: false,
            },
        ),
    ];
    let mut shots = Vec::new();
    for (name, window) in windows {
        let browser = Browser::open(&file, window);
        let geometry = browser.script(
            "const box = document.getElementById('map').getBoundingClientRect();
            const out = [...document.querySelectorAll('.tile')].filter(t => {
                const r = t.getBoundingClientRect();
                return r.left < box.left - 1 || r.right > box.right + 1
                    || r.top < box.top - 1 || r.bottom > box.bottom + 1;
            });
            const paper = getComputedStyle(document.documentElement).backgroundColor;
            return [box.width > 300, box.height > 300, out.length,
                document.documentElement.scrollWidth <= innerWidth,
                Number(/[\\d.]+/.exec(paper.replace('oklch(', ''))[0])]",
            json!([]),
        );
        assert_eq!(
            geometry.as_array().unwrap()[..4],
            [json!(true), json!(true), json!(0), json!(true)],
            "{name}"
        );
        let light = geometry[4].as_f64().unwrap();
        assert_eq!(light > 0.5, !window.dark, "{name}: {light}");
        let shot = browser.screenshot();
        assert!(shot.starts_with(b"\x89PNG"), "{name}");
        std::fs::write(
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("analyze-{name}.png")),
            &shot,
        )
        .unwrap();
        shots.push(shot);
    }
    assert_ne!(shots[0], shots[1], "dark is another picture");
}
