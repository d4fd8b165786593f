// The beam explorer: a beam of prefixes flows under the ink, grows, merges and dries up, frame by frame.

import { button, choice, cividis, decodeBytes, decodeFloats, drag, enable, focusable, ink, keys, lessMotion, make, mount, paint, saveSvg, signed, slider, svg } from "./common.js";
import { forwardBackward } from "./ctc.js";
import { saveGif } from "./gif.js";
import { bestPathLabel } from "./prefixes.js";
import { lives, river } from "./river.js";
import { rowsOf } from "./rows.js";

const DYING = 5; // how many of those that die are listed
const WIDEST = 16;
const FULL = 140, HIGH = 214; // pixels: a probability of 1, and the river's bed
const SEEN = 0.02; // a class that never gets as much has no row
const HEADS = [["rank", "rank"], ["prefix", "label"], ["share", "bars"], ["ends in a blank", "number"],
  ["in its last character", "number"], ["together", "number total"], ["comes from", "comes"]];
const BED = "rgb(0,34,78)", WATER = { char: "rgb(232,212,80)", blank: "rgb(120,126,140)" }, MARKED = "#ff8c98", MONO = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace";

const share = (logProb) => {
  const p = Math.exp(logProb);
  return p === 0 ? "0" : p < 0.001 ? p.toExponential(1).replace("e-", "e−") : p.toFixed(p < 0.1 ? 4 : 3);
};
const many = (n, one, more = `${one}s`) => `${n} ${n === 1 ? one : more}`;
const clamp = (x, low, high) => Math.min(high, Math.max(low, x));

function render({ model, el }) {
  const view = mount({ model, el }, "beam", "Beam explorer: the prefixes of a beam search, frame by frame", {
    set: { line: (name) => ({ line: model.get("lines").findIndex((l) => l.name === name) }) },
    get: { line: () => line().name },
  });
  const line = () => model.get("lines")[model.get("line")];
  const symbols = () => line().symbols;
  const spell = (label) => label.map((c) => symbols()[c]).join("");
  const quoted = (label) => (label.length ? spell(label) : "nothing");
  const frames = () => lattice.frames;
  const now = () => clamp(model.get("frame"), 0, frames());
  const go = (frame) => { stop(); view.change({ frame: clamp(frame, 0, frames()) }); };
  let lattice, flow, life, place = { column: 1, gutter: 0 }, playing = null;

  const lines = choice("line", model.get("lines").map(({ name }, i) => [i, name]), (i) => { stop(); view.change({ line: i, frame: 1, prefix: null }); });
  const note = make("p", { class: "soft" });
  const widths = slider("beam width", { min: 1, max: WIDEST, change: (width) => view.change({ width }) });
  const read = slider("frames read", { change: go });
  const back = button("‹", "one frame back", () => go(now() - 1));
  const on = button("›", "one frame on", () => go(now() + 1));
  const watch = button("▶ Watch", "watch the beam", () => (playing ? stop() : play()));
  watch.classList.add("main");
  const named = () => `beam-${line().name.replace(/\W+/g, "-")}`;
  const save = button("Save as SVG", "Save as SVG: the river", () => saveSvg(picture(), named()));
  const record = button("Save as GIF", "Save as GIF: the river, frame by frame", saveRiver);

  const strip = make("canvas", { "aria-hidden": "true" });
  const paper = make("div", { class: "paper" }, strip);
  const canvas = make("canvas", { "aria-hidden": "true" });
  const names = make("div", { class: "names mono", "aria-hidden": "true" });
  const unread = make("div", { class: "unread" });
  const mark = make("div", { class: "now" });
  const heat = focusable(make("div", { class: "heat", role: "slider", "aria-valuemin": 0 }, canvas, unread, mark), "frames read, on the posteriors; up and down change the width of the beam");
  const bed = focusable(svg("svg", { class: "bed", role: "application", "data-drag": "" }));
  const key = make("p", { class: "key soft" }, make("i", { class: "char" }), "ends in a character", make("i", { class: "blank" }), "ends in a blank",
    make("span", {}, "As thick as its probability. What the beam drops fades out."));
  const card = make("div", { class: "card" });
  const more = button("All in numbers", "All in numbers: every prefix of this frame", () => { open = !open; draw(); });
  let open = false;
  const heading = make("h4");
  const table = make("div", { class: "prefixes", role: "table", "aria-label": "prefixes after this frame" });
  const others = make("p", { class: "soft" });
  const verdict = make("p", { class: "verdict" });
  view.root.append(make("div", { class: "row" }, lines.node, note),
    make("div", { class: "row tools" }, widths.node, make("div", { class: "row grow" }, back, read.node, on), watch),
    make("div", { class: "picture" }, paper, names, heat, bed), key, card, verdict,
    make("div", { class: "row" }, heading, make("span", { class: "grow" }), more, save, record), table, others, view.status);
  drag(heat, (x) => go(Math.floor(x * frames()) + 1));
  const arrows = { ArrowRight: () => go(now() + 1), ArrowLeft: () => go(now() - 1), Home: () => go(0), End: () => go(frames()) };
  keys(heat, {
    ...arrows,
    ArrowUp: () => view.change({ width: Math.min(WIDEST, model.get("width") + 1) }),
    ArrowDown: () => view.change({ width: Math.max(1, model.get("width") - 1) }),
  });
  keys(bed, { ...arrows, ArrowUp: () => step(-1), ArrowDown: () => step(1), Escape: () => view.change({ prefix: null }) });
  bed.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const box = bed.getBoundingClientRect(), [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const t = clamp(Math.ceil(x / place.column), 0, frames()), touched = event.target.dataset.to;
    const [nearest] = [...flow.columns[t]].sort((a, b) => far(a, y) - far(b, y));
    const found = flow.columns[t].find(({ key: k }) => k === touched) ?? nearest;
    stop();
    view.change({ frame: t, prefix: spell(found.label) });
  });
  const far = ({ top, blank, char }, y) => Math.max(top - y, y - top - blank - char, 0);
  /** To the ribbon above or below. */
  function step(by) {
    const column = flow.columns[now()], at = column.findIndex(({ label }) => spell(label) === spell(chosen().label));
    view.change({ prefix: spell(column[clamp((at < 0 ? 0 : at) + by, 0, column.length - 1)].label) });
  }
  /** The prefix that is looked at, whether it is in the beam or not: { label, node }. */
  function chosen() {
    const column = flow.columns[now()], wanted = model.get("prefix");
    const best = column.find(({ place: p }) => p === 0);
    if (wanted === null || wanted === undefined) return { label: best.label, node: best };
    const node = column.find(({ label }) => spell(label) === wanted);
    const known = [...life.values()].find(({ label }) => spell(label) === wanted);
    return { label: node?.label ?? known?.label ?? [...wanted].map((c) => symbols().indexOf(c)), node };
  }
  function stop() {
    clearInterval(playing);
    playing = null;
    watch.textContent = "▶ Watch";
    watch.setAttribute("aria-label", "watch the beam");
  }
  function play() {
    if (lessMotion()) return go(frames());
    view.change({ frame: now() < frames() ? now() + 1 : 0 });
    playing = setInterval(() => {
      if (now() >= frames()) return stop();
      view.change({ frame: now() + 1 });
      return undefined;
    }, clamp(6000 / frames(), 150, 900));
    watch.textContent = "❚❚ Pause";
    watch.setAttribute("aria-label", "Pause: no longer watch the beam");
    return undefined;
  }

  // The picture ----------------------------------------------------------------------------------
  function readLine() {
    const logProbs = Float64Array.from(decodeFloats(line().encoded)), classes = symbols().length;
    lattice = { frames: logProbs.length / classes, classes, logProbs };
    const { image, rows, span = [0, 1], blank } = line();
    paper.hidden = !image;
    if (image) {
      const pixels = decodeBytes(image), wide = pixels.length / rows;
      paint(strip, wide, rows, (x, y) => ink(pixels[y * wide + x] / 255));
      strip.style.left = `${(100 * span[0]) / frames()}%`;
      strip.style.width = `${(100 * (span[1] - span[0])) / frames()}%`;
    }
    const seen = rowsOf(classes, blank).filter((c) => c === blank || Array.from({ length: frames() }, (_, t) => logProbs[t * classes + c]).some((p) => Math.exp(p) >= SEEN));
    paint(canvas, frames(), seen.length, (t, r) => cividis(Math.exp(logProbs[t * classes + seen[r]])));
    names.replaceChildren(...seen.map((c) => make("span", {}, c === blank ? "–" : symbols()[c])));
    heat.style.setProperty("--classes", seen.length);
    names.style.setProperty("--classes", seen.length);
  }

  function readBeam() {
    flow = river(lattice, line().blank, model.get("width"), { full: FULL, high: HIGH });
    life = lives(flow.columns);
    for (const node of [...bed.children]) node.remove();
    laidOut = 0;
  }

  let laidOut = 0, groups = [], texts = [], heads = null, ring, veil, way;
  const ribbon = (x0, y0, h0, x1, y1, h1) => {
    const m = (x0 + x1) / 2, n = (v) => v.toFixed(1);
    return `M${n(x0)} ${n(y0)}C${n(m)} ${n(y0)} ${n(m)} ${n(y1)} ${n(x1)} ${n(y1)}v${n(h1)}C${n(m)} ${n(y1 + h1)} ${n(m)} ${n(y0 + h0)} ${n(x0)} ${n(y0 + h0)}z`;
  };
  /** All of the river, once for each width of beam and page; a step of the frames only shows more of it. */
  function layOut() {
    const wide = bed.clientWidth, gutter = wide < 500 ? 66 : 108, gap = parseFloat(getComputedStyle(bed.parentElement).columnGap), column = (wide - gutter - gap - 6) / frames(), x = (t) => column * t;
    if (!wide || laidOut === wide) return;
    laidOut = wide;
    place = { column, gutter };
    view.root.style.setProperty("--gutter", `${gutter}px`);
    bed.setAttribute("viewBox", `0 0 ${wide} ${HIGH + 16}`);
    const stop = (offset, ends, opacity = 1) => svg("stop", { offset, "stop-color": WATER[ends], "stop-opacity": opacity });
    const across = (id, t, to, ...stops) => svg("linearGradient", { id: `${uid}-${id}`, gradientUnits: "userSpaceOnUse", x1: x(t), x2: x(t) + column * to, y1: 0, y2: 0 }, ...stops);
    const shades = Array.from({ length: frames() }, (_, t) => [
      across(t, t, 0.8, stop(0, "char", 0.75), stop(1, "char", 0)),
      across(`${t}-char`, t, 1, stop(0.1, "blank"), stop(0.7, "char")), across(`${t}-blank`, t, 1, stop(0.3, "char"), stop(0.9, "blank")),
    ]).flat();
    groups = Array.from({ length: frames() }, () => svg("g"));
    for (const { t, from, y0, h0 } of flow.dry) {
      if (h0 < 0.3) continue;
      groups[t].append(svg("path", { fill: `url(#${uid}-${t})`, "data-from": from, d: ribbon(x(t), y0, h0, x(t) + column * 0.8, y0 + h0 * 0.7 + 12, 0.1) }));
    }
    const source = flow.columns.map((nodes) => new Map(nodes.map(({ key: k, blank, char }) => [k, blank > char ? "blank" : "char"])));
    for (const { t, from, to, ends, y0, h0, y1, h1 } of flow.flows) {
      const was = t ? source[t].get(from) : ends;
      const fill = was === ends ? WATER[ends] : `url(#${uid}-${t}-${ends})`; // the shade changes on the way
      groups[t].append(svg("path", { fill, "data-from": from, "data-to": to, "data-ends": ends, d: ribbon(x(t), y0, h0, x(t + 1) + 0.4, y1, h1) }));
    }
    const ticks = Array.from({ length: frames() }, (_, t) => t).filter((t) => column >= 22 || t % (column >= 8 ? 5 : 10) === 0)
      .map((t) => svg("text", { class: "tick", x: x(t + 0.5), y: HIGH + 12, "text-anchor": "middle", "font-size": 11, fill: "#c8ccd6" }, column > 70 ? `frame ${t}` : String(t)));
    veil = svg("rect", { height: HIGH, fill: BED, opacity: 0.62 });
    way = svg("g");
    ring = svg("path", { class: "ring", fill: "none", stroke: MARKED, "stroke-width": 2.5 });
    [texts, heads] = [labels(x), svg("g")];
    bed.replaceChildren(svg("defs", {}, ...shades), svg("rect", { width: wide, height: HIGH + 16, rx: 6, fill: BED }), ...groups, veil, way, ...ticks, ...texts.map(({ node }) => node), ring, heads);
  }
  const word = (x, y, text, size, attributes = {}) => svg("text", { x, y, "font-size": size, "font-family": MONO, "font-weight": 700, fill: "#fff", stroke: BED, "stroke-width": 3.5, "stroke-linejoin": "round", "paint-order": "stroke", "dominant-baseline": "central", "pointer-events": "none", ...attributes }, text);
  /** Each prefix has its name once, where it has been wide for a while, and where no other name stands. */
  function labels(x) {
    const found = [], boxes = [];
    const runs = [...life.values()].map(({ label }) => {
      const k = label.join();
      const nodes = flow.columns.map((column) => column.find((node) => node.key === k));
      const high = (t) => (nodes[t] ? nodes[t].blank + nodes[t].char : 0), most = Math.max(...nodes.map((_, t) => high(t)));
      const wideAt = nodes.map((_, t) => t).filter((t) => high(t) > 0.75 * most && t < frames());
      return { label, nodes, most, t: wideAt[Math.floor(wideAt.length / 2)] };
    }).filter(({ most, t }) => most > 10 && t !== undefined).sort((a, b) => b.most - a.most);
    for (const { label, nodes, most, t } of runs) {
      const node = nodes[t], text = label.length ? spell(label) : "∅", size = clamp(most * 0.6, 11, 16), half = 0.32 * size * text.length + 3;
      const [cx, cy] = [Math.max(x(t), half + 4), node.top + (node.blank + node.char) / 2];
      if (boxes.some((b) => Math.abs(b.cx - cx) < b.half + half && Math.abs(b.cy - cy) < 16)) continue;
      boxes.push({ cx, cy, half });
      found.push({ t, node: word(cx, cy, text, size, { "text-anchor": "middle" }) });
    }
    return found;
  }

  function drawRiver() {
    layOut();
    const frame = now(), { column } = place, { label, node } = chosen(), k = label.join(), picked = model.get("prefix") !== null && model.get("prefix") !== undefined;
    if (!laidOut) return;
    groups.forEach((group, t) => group.setAttribute("opacity", t < frame ? 1 : 0.2));
    // a prefix that was chosen: the way to it stays bright, and a line goes round its own ribbon
    veil.setAttribute("width", picked ? column * frame : 0);
    const before = label.map((_, i) => label.slice(0, i).join());
    way.replaceChildren(...(picked ? groups.slice(0, frame).flatMap((group) => [...group.children]) : [])
      .filter(({ dataset }) => dataset.to === k || before.includes(dataset.to)).map((path) => {
        const copy = path.cloneNode();
        if (path.dataset.to === k) for (const [name, value] of [["stroke", MARKED], ["stroke-width", 1.4]]) copy.setAttribute(name, value);
        return copy;
      }));
    const known = life.get(k), dead = known?.dies && known.dies <= frame && flow.columns[known.dies - 1].find((one) => one.key === k);
    if (picked && dead) way.append(word(column * (known.dies - 0.5), dead.top + (dead.blank + dead.char) / 2, "✗", 15, { fill: MARKED, "text-anchor": "middle" }));
    texts.forEach(({ t, node: text }) => text.setAttribute("visibility", t < frame ? "visible" : "hidden"));
    ring.setAttribute("d", node ? `M${(column * frame).toFixed(1)} ${(node.top - 2).toFixed(1)}v${(node.blank + node.char + 4).toFixed(1)}` : "M0 0");
    const x = column * frame + 7, taken = [];
    const ends = [...flow.columns[frame]].sort((a, b) => (b.key === k) - (a.key === k) || a.place - b.place).flatMap((one) => {
      const y = one.top + (one.blank + one.char) / 2;
      if (taken.some((other) => Math.abs(other - y) < 13)) return [];
      taken.push(y);
      const text = one.label.length ? spell(one.label) : "∅", room = place.gutter < 100 ? 0 : 1, fill = one.key === k ? MARKED : "#fff";
      return word(x, y, room ? `${text} ${share(one.total)}` : text, one.place ? 12 : 14, { fill, "text-anchor": "start" });
    });
    heads.replaceChildren(...(frame ? ends : []));
  }

  /** The ink, the posteriors and the river as one picture that needs no page. */
  function picture() {
    const wide = bed.clientWidth, across = place.column * frames(), parts = [];
    let top = 0;
    const still = (source, x, w, h) => parts.push(svg("image", { x, y: top, width: w, height: h, href: source.toDataURL(), preserveAspectRatio: "none", style: "image-rendering: pixelated" }));
    if (line().image) {
      const [from, to] = line().span;
      parts.push(svg("rect", { width: across, height: paper.clientHeight, fill: "rgb(246,244,238)" }));
      still(strip, place.column * from, place.column * (to - from), paper.clientHeight);
      top += paper.clientHeight + 4;
    }
    still(canvas, 0, across, heat.clientHeight);
    top += heat.clientHeight + 4;
    const flowing = bed.cloneNode(true);
    for (const name of [...flowing.attributes].map((a) => a.name)) flowing.removeAttribute(name);
    for (const [name, value] of Object.entries({ y: top, width: wide, height: HIGH + 16, viewBox: `0 0 ${wide} ${HIGH + 16}` })) flowing.setAttribute(name, value);
    return svg("svg", { width: wide, height: top + HIGH + 16, viewBox: `0 0 ${wide} ${top + HIGH + 16}`, "font-family": "sans-serif" }, ...parts, flowing);
  }

  let recording = false;
  /** As a GIF: what Watch shows, in the colours of the theme. */
  async function saveRiver() {
    if (recording) return;
    recording = true;
    stop();
    const was = now(), pictures = [], paperColour = getComputedStyle(view.root).getPropertyValue("--paper").trim();
    const canvasOf = make("canvas"), context = canvasOf.getContext("2d", { willReadFrequently: true });
    for (let t = 0; t <= frames(); t++) {
      model.set("frame", t);
      draw();
      const sheet = picture(), [wide, high] = ["width", "height"].map((name) => Math.round(Number(sheet.getAttribute(name))));
      if (!t) [canvasOf.width, canvasOf.height] = [wide, high];
      sheet.setAttribute("xmlns", "http://www.w3.org/2000/svg");
      const drawing = new Image(), url = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(sheet)], { type: "image/svg+xml" }));
      drawing.src = url;
      await drawing.decode();
      URL.revokeObjectURL(url);
      context.globalAlpha = 1;
      context.fillStyle = paperColour;
      context.fillRect(0, 0, wide, high);
      context.drawImage(drawing, 0, 0);
      context.globalAlpha = 0.72; // frames that are not read yet
      const top = line().image ? paper.clientHeight + 4 : 0;
      context.fillRect(place.column * t, top, place.column * (frames() - t), heat.clientHeight);
      pictures.push({ data: context.getImageData(0, 0, canvasOf.width, canvasOf.height).data, delay: t === frames() ? 250 : Math.round(clamp(600 / frames(), 15, 90)) });
    }
    model.set("frame", was);
    draw();
    await saveGif(canvasOf.width, canvasOf.height, pictures, named());
    view.say(`The GIF is saved: ${pictures.length} pictures.`);
    recording = false;
  }

  // In numbers and words -------------------------------------------------------------------------
  const comesFrom = (ways) => ways.map(({ from, c }) => (c === null ? "stays" : `${from.length ? spell(from) : "∅"} + ${symbols()[c]}`));
  const bars = (atBlank, atChar, most) => make("span", { class: "bar" }, make("i", { class: "blank", style: `--p:${Math.exp(atBlank - most)}` }), make("i", { class: "char", style: `--p:${Math.exp(atChar - most)}` }));

  function row({ label, atBlank, atChar, total, ways, kept }, rank, most) {
    const comes = comesFrom(ways);
    const text = label.length ? [spell(label.slice(0, -1)), make("b", {}, symbols()[label.at(-1)])] : ["∅"];
    const cell = (name, ...children) => make("span", { class: name, role: "cell" }, ...children);
    return make("div", { class: kept ? "prefix" : "prefix dies", role: "row" },
      cell("rank", ...(kept ? [String(rank + 1)] : signed("✗", "dies"))), cell("label mono", ...text), cell("bars", bars(atBlank, atChar, most)),
      cell("number", share(atBlank)), cell("number", share(atChar)), cell("number total", share(total)),
      cell(comes.length > 1 ? "comes merged" : "comes", comes.join("  ⋈  ")));
  }

  function drawCard(kept) {
    const frame = now(), { label, node } = chosen(), name = make("b", { class: "mono name" }, label.length ? spell(label) : "∅"), known = life.get(label.join());
    if (!node) {
      const when = !known ? "never gets into a beam of this width." : frame < known.born ? `comes into the beam in frame ${known.born - 1}.` : `was dropped in frame ${known.dies - 1}.`;
      return card.replaceChildren(name, make("span", {}, when));
    }
    const ways = comesFrom(node.ways), last = label.length ? `ends in ${symbols()[label.at(-1)]}` : "";
    const part = (p) => make("b", { class: "mono" }, p > -Infinity && p < Math.log(1e-6) ? "almost 0" : share(p));
    const sum = [make("span", {}, "ends in a blank ", part(node.atBlank))];
    if (last) sum.push(make("span", {}, `+ ${last} `, part(node.atChar)), make("span", {}, "= ", make("b", { class: "mono" }, share(node.total))));
    const story = [`${node.place + 1} of ${kept.length} in the beam.`];
    if (ways.length > 1) story.push(`Two ways flow together: ${ways.map((w) => (w === "stays" ? "it stays" : w)).join(", ")}.`);
    else if (ways.length && ways[0] !== "stays") story.push(`It has just grown: ${ways[0]}.`);
    if (known.dies && known.dies > frame) story.push(`Frame ${known.dies - 1} drops it.`);
    return card.replaceChildren(name, ...sum, make("span", { class: "soft" }, story.join(" ")));
  }

  function draw() {
    const { classes, logProbs } = lattice, width = model.get("width"), { blank } = line();
    const frame = now(), listed = flow.steps[frame], kept = listed.filter((p) => p.kept), dead = listed.length - kept.length;
    lines.set(model.get("line"));
    note.textContent = line().note;
    widths.set(width);
    read.set(frame, `${frame} of ${frames()}`, frames());
    enable(back, frame > 0);
    enable(on, frame < frames());
    heat.setAttribute("aria-valuemax", frames());
    heat.setAttribute("aria-valuenow", frame);
    heat.setAttribute("aria-valuetext", `${frame} of ${frames()} frames read`);
    unread.style.left = `${(100 * frame) / frames()}%`;
    mark.style.left = `${(100 * Math.max(0, frame - 1)) / frames()}%`;
    mark.style.width = frame ? `${100 / frames()}%` : "0";
    drawRiver();
    drawCard(kept);
    heading.replaceChildren(frame ? `After frame ${frame - 1}` : "Before the first frame",
      make("small", {}, `${many(kept.length, "prefix", "prefixes")} kept, ${dead} ${dead === 1 ? "dies" : "die"}`));
    const shown = listed.slice(0, kept.length + DYING), most = listed[0].total, head = make("div", { class: "prefix head", role: "row" });
    head.append(...HEADS.map(([name, kind]) => make("span", { role: "columnheader", class: kind },
      ["rank", "bars"].includes(kind) ? make("span", { class: "unseen" }, name) : name))); // the eye needs no word for these
    table.replaceChildren(head, ...shown.map((prefix, rank) => row(prefix, rank, most)));
    table.hidden = others.hidden = !open;
    more.setAttribute("aria-expanded", String(open));
    others.textContent = listed.length > shown.length ? `… and ${listed.length - shown.length} more that die` : "";
    const greedy = bestPathLabel({ classes, logProbs }, blank, frame), best = kept[0];
    const differs = spell(greedy) !== spell(best.label);
    const merges = kept.filter((p) => p.ways.length > 1).length;
    verdict.replaceChildren(make("span", {}, "best path so far: ", make("span", { class: "mono" }, greedy.length ? spell(greedy) : "∅")),
      make("span", { class: differs ? "differs" : "" }, differs ? "   ≠   " : "   =   "),
      make("span", {}, "best of the beam: ", make("span", { class: "mono" }, best.label.length ? spell(best.label) : "∅")));
    if (frame === frames()) {
      const truth = forwardBackward({ frames: frames(), classes, logProbs }, best.label, blank).logProb;
      verdict.append(make("span", { class: "soft" }, `   The beam has seen ${share(best.total)} of its ${share(truth)}.`));
    }
    const { label, node } = chosen();
    const picked = model.get("prefix") === null || model.get("prefix") === undefined ? "" : ` Selected: ${quoted(label)}, ${node ? `${node.place + 1} of ${kept.length}, ${share(node.total)}` : "not in the beam"}.`;
    bed.setAttribute("aria-label", `The beam as a river, after ${frame} of ${frames()} frames: ${kept.map((p) => `${quoted(p.label)} ${share(p.total)}`).join(", ")}. Left and right read frames, up and down select a prefix, Escape selects the best.`);
    view.say((frame ? `After frame ${frame - 1}: ${many(kept.length, "prefix", "prefixes")} kept, ${dead} died, ${merges} of the kept merged. `
      + `Best: ${quoted(best.label)}, ${share(best.total)}. Best path: ${quoted(greedy)}.` : "No frame read: the empty prefix has all of the probability.") + picked);
  }

  const uid = `river-${Math.random().toString(36).slice(2)}`; // gradients are found by their id, page-wide
  let drawn = {};
  view.listen(["lines", "line", "width", "frame", "prefix"], () => {
    const wanted = { line: line(), width: model.get("width") };
    if (wanted.line !== drawn.line) readLine();
    if (wanted.line !== drawn.line || wanted.width !== drawn.width) readBeam();
    drawn = wanted;
    draw();
  });
  const sized = new ResizeObserver(() => { if (flow) drawRiver(); });
  sized.observe(bed);
  return () => { stop(); sized.disconnect(); view.dispose(); };
}

export default { render };
