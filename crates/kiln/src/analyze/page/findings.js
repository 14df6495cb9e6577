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
      ...notes.map((note) => make("small", { title: note }, note))),
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
