"use strict";
const { report, lengths, trees } = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);

/* ---- words ---- */

function human(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) { bytes /= 1000; unit++; }
  return (unit ? Number(bytes.toPrecision(3)) : bytes) + units[unit];
}
const plural = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
const percent = (share) => (share > 0 && share < 0.001 ? "< 0.1" : (share * 100).toFixed(1)) + " %";
const instruction = (number) => report.layers[number - 1]?.instruction ?? "(not recorded)";
const VERBS = { deleted: "deleted by", replaced: "replaced by", moved: "moved by",
  copied: "stored again by" };

/** An element with attributes and children; text is always text. */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((c) => c !== null && c !== undefined && c !== ""));
  return element;
}

/* ---- trees: layers as they are, and merged to the final tree ---- */

function grow(node, parent, layer) {
  const todo = [[node, parent]];
  while (todo.length) {
    const [next, above] = todo.pop();
    next.parent = above;
    next.layer = layer;
    next.w ??= 0;
    for (const kid of next.k ?? []) todo.push([kid, next]);
  }
  return node;
}

const layersRoot = { n: "All layers", s: report.bytes, w: report.wasted_bytes, k: trees };
trees.forEach((tree, i) => {
  tree.top = true;
  grow(tree, layersRoot, i + 1);
});

/** All layers in one tree, without what is hidden; a directory is its largest part's layer's. */
function merged() {
  const root = { n: "Final tree", s: report.visible_bytes, w: 0, layer: 0, from: trees };
  const todo = [root];
  while (todo.length) {
    const dir = todo.pop();
    const kids = new Map();
    for (const source of dir.from) {
      for (const kid of source.k ?? []) {
        const size = kid.s - kid.w;
        if (size <= 0) continue;
        const key = kid.m ? "\0" : kid.n;
        const kin = kids.get(key);
        if (kin) {
          if (size > kin.largest) [kin.largest, kin.layer] = [size, kid.layer];
          kin.s += size;
          kin.m += kid.m ?? 0;
          kin.from.push(kid);
        } else {
          kids.set(key, { n: kid.n, s: size, w: 0, m: kid.m ?? 0, parent: dir, layer: kid.layer,
            largest: size, from: [kid] });
        }
      }
    }
    if (kids.size) dir.k = [...kids.values()].sort((a, b) => b.s - a.s);
    if (dir.k) todo.push(...dir.k);
  }
  return root;
}

let finalRoot = null;
let mode = "layers";
let at = layersRoot;
const rootOf = () => (mode === "final" ? (finalRoot ??= merged()) : layersRoot);
const size = (node) => (mode === "wasted" ? node.w : node.s);
const kids = (node) => (node.k ?? []).filter((kid) => size(kid) > 0);

function label(node) {
  if (node.m) return plural(node.m, "small file");
  if (node.top) return `${node.layer}  ${instruction(node.layer)}`;
  return node.n;
}
/** Of directories that have nothing but one directory in them the last. */
function inmost(node) {
  let only = node;
  while (!node.top) {
    const inner = kids(only);
    if (inner.length !== 1 || !kids(inner[0]).length) break;
    only = inner[0];
  }
  return only;
}
function pathOf(node) {
  const names = [];
  for (let n = node; n && n.parent && !n.top; n = n.parent) names.unshift(n.m ? label(n) : n.n);
  return "/" + names.join("/");
}
function lineage(node) {
  const line = [];
  for (let n = node; n; n = n.parent) line.unshift(n);
  return line;
}

/* ---- colours: grey for the base, a hue for each layer above ---- */

const hues = [];
report.layers.forEach((layer, i) => {
  const own = report.layers.slice(0, i).filter((l) => !l.base).length;
  hues.push(layer.base ? [250, 0.35] : [(58 + own * 137.5) % 360, 1]);
});
function paint(element, layer) {
  const [hue, chroma] = hues[layer - 1] ?? [80, 0.3];
  element.style.setProperty("--h", hue);
  element.style.setProperty("--c", `calc(var(--chroma) * ${chroma})`);
}

/* ---- the map: squarified rows (Bruls, Huizing, van Wijk) ---- */

function squarify(nodes, x, y, width, height) {
  const out = [];
  let total = nodes.reduce((sum, n) => sum + size(n), 0);
  let rest = nodes.slice().sort((a, b) => size(b) - size(a));
  while (rest.length && width > 0 && height > 0) {
    const scale = (width * height) / total;
    const side = Math.min(width, height);
    const worst = (sum, max, min) =>
      Math.max((side * side * max) / (sum * sum), (sum * sum) / (side * side * min));
    let count = 0, sum = 0, best = Infinity;
    const max = size(rest[0]) * scale;
    while (count < rest.length) {
      const area = size(rest[count]) * scale;
      const ratio = worst(sum + area, max, area);
      if (ratio > best) break;
      best = ratio;
      sum += area;
      count++;
    }
    const thick = sum / side;
    let along = 0;
    for (const node of rest.slice(0, count)) {
      const length = (size(node) * scale) / thick;
      out.push(width >= height ? [node, x, y + along, thick, length]
        : [node, x + along, y, length, thick]);
      along += length;
      total -= size(node);
    }
    if (width >= height) { x += thick; width -= thick; } else { y += thick; height -= thick; }
    rest = rest.slice(count);
  }
  return out;
}

const HEAD = 21, GAP = 2, DEPTH = 4;
let found = null;

function draw() {
  const map = $("map");
  const before = map.contains(document.activeElement);
  map.replaceChildren();
  const nodes = kids(at);
  if (!nodes.length) {
    map.append(make("p", { class: "empty" }, mode === "wasted"
      ? make("b", {}, "Nothing is wasted here.") : make("b", {}, "Nothing in here takes room."),
      mode === "wasted" ? "The final tree shows every byte of these layers." : ""));
  }
  fill(nodes, 0, 0, map.clientWidth, map.clientHeight, 0);
  const first = map.querySelector(".d0");
  if (first) first.tabIndex = 0;
  if (before) first?.focus({ preventScroll: true });
}

function fill(nodes, x, y, width, height, depth) {
  for (const [outer, l, t, w, h] of squarify(nodes, x, y, width, height)) {
    const node = inmost(outer);
    const name = node === outer ? label(node)
      : lineage(node).slice(lineage(outer).length - 1).map(label).join("/");
    const [tw, th] = [w - GAP, h - GAP];
    if (tw < 1.5 || th < 1.5) continue;
    const inner = kids(node);
    const tile = make("button", { class: `tile d${depth}`, tabindex: -1,
      "aria-label": `${name}, ${human(size(node))}` });
    tile.node = node;
    tile.style.left = `${l}px`;
    tile.style.top = `${t}px`;
    tile.style.width = `${tw}px`;
    tile.style.height = `${th}px`;
    tile.style.setProperty("--depth", depth);
    paint(tile, node.layer);
    if (!inner.length) tile.classList.add("leaf");
    if (found && !found.has(node)) tile.classList.add("dim");
    const open = inner.length && depth < DEPTH && tw > 46 && th > 52;
    if (mode === "layers" && !open && node.w / node.s > 0.98) tile.classList.add("gone");
    if (tw > 34 && th > 17) {
      tile.append(make("b", {}, name));
      if (!open && th > 38) tile.classList.add("tall");
      if (tw > 110 || (th > 38 && !open && tw > 50)) tile.append(make("span", {}, human(size(node))));
    } else {
      tile.style.padding = 0;
    }
    $("map").append(tile);
    if (open) {
      fill(inner, l + 3, t + HEAD, tw - 4, th - HEAD - 1, depth + 1);
    }
  }
}

let begun = false;
function zoom(node, from) {
  const inward = node !== at && lineage(node).includes(at);
  at = node;
  crumbs();
  draw();
  describe(null);
  $("tip").hidden = true;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (still || !begun) return;
  const begin = from && inward
    ? `translate(${from[0]}px, ${from[1]}px) scale(${from[2]}, ${from[3]})` : "scale(1.04)";
  for (const tile of document.querySelectorAll("#map .tile")) {
    tile.animate([{ opacity: 0.2 }, { opacity: found && !found.has(tile.node) ? 0.22 : 1 }], 200);
  }
  $("map").animate([{ transform: begin, transformOrigin: from && inward ? "0 0" : "50% 50%" },
    { transform: "none", transformOrigin: from && inward ? "0 0" : "50% 50%" }],
  { duration: 220, easing: "cubic-bezier(.2,.8,.2,1)" });
}

function crumbs() {
  $("crumbs").replaceChildren(...lineage(at).map((node) => make("li", {}, make("button", {
    "aria-current": node === at ? "location" : null, title: label(node),
    onclick: () => node !== at && zoom(node) }, label(node)))));
}

function setMode(next) {
  const path = lineage(at).filter((n) => n.parent && !n.top).map((n) => n.n);
  const layer = mode !== "final" && at.layer ? trees[at.layer - 1] : null;
  mode = next;
  let node = mode === "final" ? rootOf() : layer && size(layer) > 0 ? layer : layersRoot;
  if (mode === "final" || node.top) {
    for (const name of path) {
      const kid = kids(node).find((k) => k.n === name && !k.m);
      if (!kid || !kids(kid).length) break;
      node = kid;
    }
  }
  for (const button of document.querySelectorAll("[data-mode]")) {
    button.setAttribute("aria-checked", button.dataset.mode === mode);
    button.tabIndex = button.dataset.mode === mode ? 0 : -1;
  }
  look($("search").value);
  zoom(node);
}

/* ---- what a tile is ---- */

function facts(node) {
  const share = percent(size(node) / Math.max(1, size(rootOf())));
  const what = mode === "wasted" ? "wasted, " : "";
  const lines = [make("span", { class: "path" }, node.top ? instruction(node.layer) : pathOf(node)),
    `${human(size(node))} (${what}${share} of ${mode === "wasted" ? "all waste" : "all bytes"})`];
  if (!node.top && node.layer) {
    const word = node.from?.length > 1 ? "mostly layer" : "layer";
    lines.push(`${word} ${node.layer}: ${instruction(node.layer)}`);
  }
  if (node.h) {
    const [how, by] = node.h;
    lines.push(make("span", { class: "fire" }, `${VERBS[how]} layer ${by}: ${instruction(by)}`));
  } else if (mode === "layers" && node.w) {
    lines.push(make("span", { class: "fire" }, `${human(node.w)} of it wasted`));
  }
  return lines;
}

function describe(node) {
  const detail = $("detail");
  if (!node) {
    const n = kids(at).length;
    detail.replaceChildren(`${plural(n, "entry").replace("entrys", "entries")}, `
      + `${human(size(at))}. Click to zoom in, Esc to go back.`);
    return;
  }
  const [first, ...rest] = facts(node);
  detail.replaceChildren(first, " · ", ...rest.flatMap((r, i) => (i ? [" · ", r] : [r])));
}

function point(event) {
  const tile = event.target.closest?.(".tile");
  const tip = $("tip");
  tip.hidden = !tile;
  if (!tile) return;
  if (tip.node !== tile.node || tip.mode !== mode) {
    [tip.node, tip.mode] = [tile.node, mode];
    tip.replaceChildren(...facts(tile.node).map((line) => make("p", {}, line)));
    describe(tile.node);
  }
  const box = tip.getBoundingClientRect();
  const right = event.clientX + 16 + box.width > innerWidth;
  tip.style.left = `${Math.max(4, right ? event.clientX - box.width - 12 : event.clientX + 16)}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 18, innerHeight - box.height - 8))}px`;
}

const map = $("map");
map.addEventListener("pointermove", point);
map.addEventListener("pointerleave", () => { $("tip").hidden = true; describe(null); });
map.addEventListener("focusin", (e) => e.target.node && describe(e.target.node));
map.addEventListener("click", (event) => {
  const tile = event.target.closest(".tile");
  if (!tile) return;
  let node = tile.node;
  if (!kids(node).length) node = node.parent;
  const box = tile.getBoundingClientRect(), all = map.getBoundingClientRect();
  const from = [box.left - all.left, box.top - all.top, box.width / all.width,
    box.height / all.height];
  if (node !== at) zoom(node, from);
});
map.addEventListener("keydown", (event) => {
  const tiles = [...map.querySelectorAll(".d0")];
  const here = tiles.indexOf(document.activeElement);
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (step && here >= 0) {
    const next = tiles[(here + step + tiles.length) % tiles.length];
    tiles[here].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    event.preventDefault();
  }
});
document.addEventListener("keydown", (event) => {
  const typing = document.activeElement === $("search");
  if (event.key === "/" && !typing) {
    $("search").focus();
    event.preventDefault();
  } else if (event.key === "Escape" && ($("search").value || !$("results").hidden)) {
    $("search").value = "";
    look("");
    draw();
    if (typing) $("search").blur();
  } else if ((event.key === "Escape" || (event.key === "Backspace" && !typing)) && at.parent) {
    zoom(at.parent);
  }
});

/* ---- search ---- */

function look(text) {
  const wanted = text.trim().toLowerCase();
  const list = $("results");
  list.hidden = true;
  found = null;
  if (!wanted) return;
  found = new Set();
  const hits = [];
  const todo = [rootOf()];
  while (todo.length) {
    const node = todo.pop();
    const inner = kids(node);
    const named = node.parent && !node.m && !node.top;
    if (named && (wanted.includes("/") ? pathOf(node) : node.n).toLowerCase().includes(wanted)) {
      hits.push(node);
      for (let n = node; n; n = n.parent) found.add(n);
      const below = [...inner];
      while (below.length) {
        const kid = below.pop();
        found.add(kid);
        below.push(...kids(kid));
      }
    }
    todo.push(...inner);
  }
  hits.sort((a, b) => size(b) - size(a) || a.layer - b.layer);
  list.replaceChildren(...hits.slice(0, 100).map((node) => make("li", {}, make("button", {
    onclick: () => { list.hidden = true; zoom(kids(node).length ? node : node.parent); } },
  make("span", { class: "path" }, pathOf(node)),
  make("span", { class: "size" }, mode === "final" ? human(size(node))
    : `layer ${node.layer} · ${human(size(node))}`)))));
  if (!hits.length) list.append(make("li", { class: "note" }, "No such file"));
  if (hits.length > 100) {
    list.append(make("li", { class: "note" }, `… and ${plural(hits.length - 100, "more file")}`));
  }
}
$("search").addEventListener("input", () => {
  look($("search").value);
  $("results").hidden = !$("search").value.trim();
  draw();
});
$("search").addEventListener("focus", () => {
  if ($("search").value.trim()) $("results").hidden = false;
});
$("search").addEventListener("keydown", (event) => {
  if (event.key === "Enter") $("results").querySelector("button")?.click();
  if (event.key === "ArrowDown") $("results").querySelector("button")?.focus();
});
document.addEventListener("pointerdown", (event) => {
  if (!event.target.closest(".search")) $("results").hidden = true;
});

/** Shows a path of a layer in the map, as near as the map knows it. */
function reveal(path, layer) {
  if (mode === "final" || (mode === "wasted" && !size(trees[layer - 1]))) setMode("layers");
  let node = layer ? trees[layer - 1] : at;
  for (const name of path.split("/").filter(Boolean)) {
    const kid = kids(node).find((k) => k.n === name && !k.m);
    if (!kid || !kids(kid).length) break;
    node = kid;
  }
  zoom(node);
  if (innerWidth <= 920) map.scrollIntoView({ behavior: "smooth", block: "center" });
}

/* ---- header, layers, findings ---- */

function figures() {
  const { image } = report;
  $("name").textContent = image.names[0] ?? "<none>";
  const id = image.id.replace("sha256:", "").slice(0, 12);
  const base = image.bases.length ? `built upon ${image.bases.map((b) => b.name).join(", ")}` : "";
  $("about").textContent = [id, image.platform, image.created.slice(0, 10),
    image.names.slice(1).join(", "), base].filter(Boolean).join(" · ");
  const meter = make("i", {});
  meter.style.width = `${report.efficiency * 100}%`;
  const bar = make("span", { class: "meter", "aria-hidden": "true" }, meter);
  const figure = (name, value, note, bad) => make("div", {}, make("dt", {}, name),
    make("dd", { class: bad ? "bad" : null }, value, typeof note === "string"
      ? make("small", {}, note) : note));
  $("figures").append(
    figure("Size", human(report.bytes),
      `${plural(report.layers.length, "layer")}, ${plural(report.files, "file")}`),
    figure("Efficiency", `${(Math.floor(report.efficiency * 1000) / 10).toFixed(1)} %`, bar),
    figure("Wasted", human(report.wasted_bytes), plural(lengths.wasted, "file"),
      report.wasted_bytes > 0),
    figure("Stored twice", human(report.duplicate_bytes), plural(lengths.duplicates, "content")));
}

function layerList() {
  const most = Math.max(1, ...report.layers.map((l) => l.bytes));
  $("layers").append(...report.layers.map((layer) => {
    const [seen, lost] = [make("i", {}), make("i", {})];
    seen.style.width = `${((layer.bytes - layer.wasted_bytes) / most) * 100}%`;
    lost.style.width = `${(layer.wasted_bytes / most) * 100}%`;
    const track = make("span", { class: "track", "aria-hidden": "true" }, seen, lost);
    paint(track, layer.number);
    const notes = [plural(layer.files, "file")];
    if (layer.deletions) notes.push(plural(layer.deletions, "deletion"));
    if (layer.base) notes.push(`from ${layer.base}`);
    const waste = layer.wasted_bytes
      ? make("em", {}, ` · ${human(layer.wasted_bytes)} wasted`) : null;
    return make("li", {}, make("button", { title: instruction(layer.number),
      onclick: () => reveal("", layer.number) },
    make("span", { class: "no" }, String(layer.number)),
    make("code", {}, instruction(layer.number)),
    make("span", { class: "size" }, human(layer.bytes)), track,
    make("span", { class: "of" }, notes.join(" · "), waste)));
  }));
}

function finding(title, figure, why, rows, options = {}) {
  const { bad, open, more } = options;
  const body = make("tbody", {}, ...rows.map(([path, layer, notes, right]) => make("tr", {},
    make("td", {}, make("button", { class: "path", onclick: () => reveal(path, layer) }, path),
      ...notes.map((note) => make("small", {}, note))),
    make("td", { class: "size" }, right ?? ""))));
  if (more > 0) {
    body.append(make("tr", {}, make("td", { colspan: 2 }, make("small", {}, `… and ${more} more`))));
  }
  $("findings").append(make("details", { class: bad ? "bad" : null, open: open ? "" : null },
    make("summary", {}, make("b", {}, title), make("span", { class: "size" }, figure)),
    why ? make("p", { class: "why" }, why) : null, make("table", {}, body)));
}

function findings() {
  const r = report;
  const layerOf = (n) => `layer ${n}: ${instruction(n)}`;
  if (r.secrets.length) {
    finding("Possible secrets", plural(lengths.secrets, "file"),
      "Whoever has the image has these files, deleted later or not.",
      r.secrets.map((s) => [s.path, s.layer, [s.kind, layerOf(s.layer),
        ...(s.hidden_by ? [`hidden by ${layerOf(s.hidden_by)}`] : [])]]),
      { bad: true, open: true, more: lengths.secrets - r.secrets.length });
  }
  if (r.wasted.length) {
    finding("Wasted", human(r.wasted_bytes), "In a layer, but not in the final tree.",
      r.wasted.map((w) => [w.path, w.layer, [layerOf(w.layer),
        `${VERBS[w.how]} ${layerOf(w.by)}${w.changed ? ` (new ${w.changed.join(", ")})` : ""}`,
        ...(w.to ? [`now ${w.to}`] : [])], human(w.bytes)]),
      { bad: true, open: !r.secrets.length, more: lengths.wasted - r.wasted.length });
  }
  if (r.duplicates.length) {
    finding("Stored twice", human(r.duplicate_bytes), "The same content at several paths.",
      r.duplicates.map((d) => [d.copies[0].path, d.copies[0].layer,
        d.copies.slice(1).map((c) => `layer ${c.layer}: ${c.path}${c.visible ? "" : " (hidden)"}`),
        human(d.redundant_bytes)]),
      { more: lengths.duplicates - r.duplicates.length });
  }
  for (const l of r.leftovers) {
    const layers = l.layers.map((s) => s.layer);
    finding(l.title[0].toUpperCase() + l.title.slice(1), human(l.bytes), `To avoid them: ${l.advice}.`,
      l.paths.map((p) => [p.path, layers[0], [`${layers.length > 1 ? "layers" : "layer"} `
        + layers.join(", ")], human(p.bytes)]), { bad: !l.minor && l.bytes > r.bytes / 100 });
  }
  if (r.set_id.length) {
    finding("Set-uid and set-gid files", String(lengths.set_id), "They run with another's rights.",
      r.set_id.map((s) => [s.path, s.layer, [`owner ${s.uid}:${s.gid}, layer ${s.layer}`], s.mode]),
      { more: lengths.set_id - r.set_id.length });
  }
  if (r.capabilities.length) {
    finding("Files with capabilities", String(lengths.capabilities), "",
      r.capabilities.map((c) => [c.path, c.layer, [c.capabilities, `layer ${c.layer}`]]),
      { more: lengths.capabilities - r.capabilities.length });
  }
  if (r.world_writable.length) {
    finding("Writable for everybody", String(lengths.world_writable), "",
      r.world_writable.map((w) => [w.path, w.layer, [w.directory ? "directory" : "file"], w.mode]),
      { more: lengths.world_writable - r.world_writable.length });
  }
  if (!$("findings").children.length) {
    $("findings").append(make("p", { class: "none" }, "Nothing to complain about."));
  }
  const largest = (list) => list.slice(0, 25).map((m) => [m.path, m.layer ?? 1, [], human(m.bytes)]);
  if (r.largest_directories.length) {
    finding("Largest directories", "", "", largest(r.largest_directories));
  }
  if (r.largest_files.length) finding("Largest files", "", "", largest(r.largest_files));
}

figures();
layerList();
findings();
const modes = document.querySelector(".modes");
modes.addEventListener("click", (e) => e.target.dataset.mode && setMode(e.target.dataset.mode));
modes.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const all = [...modes.children];
  const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
  next.focus();
  setMode(next.dataset.mode);
  event.preventDefault();
});
setMode("layers");
begun = true;
new ResizeObserver(() => draw()).observe(map);
