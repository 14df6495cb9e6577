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
