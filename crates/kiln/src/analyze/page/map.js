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
  const whole = { layers: "all bytes", final: "the final tree", wasted: "all waste" }[mode];
  const lines = [make("span", { class: "path" }, node.top ? instruction(node.layer) : pathOf(node)),
    `${human(size(node))} (${share} of ${whole})`];
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
