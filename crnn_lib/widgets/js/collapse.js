// CollapseExplorer: from an alignment to its label and back.
import { announce, button, choice, drag, enable, focusable, keys, lessMotion, make, mount, slider, svg } from "./common.js";
import { BLANK, MOST_FRAMES, alignmentAt, collapse, runsOf, stages } from "./alignments.js";
import { countAlignments, minimumFrames } from "./counting.js";

const EXAMPLES = [["55-55222--07", "the line of this series"], ["5-5", "two 5s, a blank between"], ["55", "one long 5"]];

const many = (n, thing) => `${n.toLocaleString("en")} ${thing}${n === 1 ? "" : "s"}`;
const shown = (text) => text || "nothing";
const spoken = (alignment) => [...alignment].map((s) => (s === BLANK ? "blank" : s)).join(" "); // a dash is often not read out

function render({ model, el }) {
  const view = mount({ model, el }, "collapse", "Collapse explorer: from an alignment to its label, and back");
  const { root } = view;
  const symbols = [BLANK, ...model.get("characters")];
  const clamp = (x, low, high) => Math.min(high, Math.max(low, x));

  // 1. From an alignment to its label ------------------------------------------------------------
  const field = focusable(make("input", { type: "text", size: 16, spellcheck: "false", autocomplete: "off", maxlength: MOST_FRAMES }), "alignment, typed");
  field.addEventListener("input", () => {
    const typed = [...field.value].filter((s) => symbols.includes(s)).join("");
    edit(typed, field.selectionStart - 1);
    if (typed !== field.value) field.value = typed;
  });
  keys(field, { Enter: () => play() });
  const examples = EXAMPLES.filter(([a]) => [...a].every((s) => symbols.includes(s))).map(([a, why]) => {
    const b = button(a, `Example ${a}: ${why}`, () => edit(a, 0));
    b.classList.add("mono");
    b.title = why;
    return b;
  });
  const order = choice("Order", [[false, "merge, then drop"], [true, "drop, then merge (a classic bug)"]],
    (value) => view.change({ drop_first: value, step: 2 }));

  const board = make("div", { class: "board" });
  const rows = [0, 1, 2].map((r) => {
    const name = make("span", { class: "rule" });
    const result = make("span", { class: "result mono" });
    board.append(make("div", { class: `side side${r}` }, name, result));
    return { name, result };
  });
  const stage = focusable(make("div", { class: "stage", role: "application", "data-drag": "" }));
  board.append(stage);
  const palette = make("div", { class: "palette row" });
  const which = make("span", { class: "which", role: "status", "aria-live": "polite" });
  palette.append(which, ...symbols.map((s) => {
    const b = button(s === BLANK ? "–" : s, s === BLANK ? "set blank" : `set ${s}`, () => { put(s); stage.focus(); });
    b.tabIndex = -1; // by keys one types it
    b.dataset.symbol = s;
    return b;
  }));
  const insert = button("+", "add a frame", () => { addFrame(); stage.focus(); });
  const remove = button("×", "remove this frame", () => { removeFrame(0); stage.focus(); });
  for (const b of [insert, remove]) { b.tabIndex = -1; palette.append(b); }

  const back = button("◂ Back", "one step back", () => goTo(model.get("step") - 1));
  const next = button("Step ▸", "one step on", () => goTo(model.get("step") + 1));
  const watch = button("▶ Watch", "watch it from the start", () => play());
  watch.classList.add("main");
  let timer = null;
  const stop = () => { clearTimeout(timer); timer = null; };
  function goTo(step) { stop(); view.change({ step: clamp(step, 0, 2) }); }
  function play() {
    stop();
    if (lessMotion()) return view.change({ step: 2 });
    view.change({ step: 0 });
    const on = () => {
      if (model.get("step") >= 2) return;
      view.change({ step: model.get("step") + 1 });
      timer = setTimeout(on, 1300);
    };
    timer = setTimeout(on, 700);
    return undefined;
  }
  function edit(alignment, frame) {
    stop();
    const at = clamp(frame, 0, Math.max(0, alignment.length - 1));
    // who writes an alignment asks what becomes of it; who only looks at a frame does not
    view.change(alignment === model.get("alignment") ? { frame: at } : { alignment, frame: at, step: 2 });
  }
  const put = (symbol, on = 0) => {
    const s = [...model.get("alignment")], i = model.get("frame");
    s[i] = symbol;
    edit(s.join(""), i + on);
  };
  const turn = (by) => {
    const now = symbols.indexOf(model.get("alignment")[model.get("frame")]);
    put(symbols[(now + by + symbols.length) % symbols.length]);
  };
  const addFrame = () => {
    const a = model.get("alignment"), i = model.get("frame");
    if (a.length < MOST_FRAMES) edit(a.slice(0, i + 1) + (a[i] ?? BLANK) + a.slice(i + 1), i + 1);
  };
  const removeFrame = (by) => {
    const a = model.get("alignment"), i = model.get("frame");
    edit(a.slice(0, i) + a.slice(i + 1), i + by);
  };
  const typed = Object.fromEntries(symbols.map((s) => [s, () => put(s, 1)]));
  keys(stage, {
    ...typed,
    ArrowLeft: () => edit(model.get("alignment"), model.get("frame") - 1),
    ArrowRight: () => edit(model.get("alignment"), model.get("frame") + 1),
    Home: () => edit(model.get("alignment"), 0), End: () => edit(model.get("alignment"), MOST_FRAMES),
    ArrowUp: () => turn(1), ArrowDown: () => turn(-1),
    Insert: addFrame, Delete: () => removeFrame(0), Backspace: () => removeFrame(-1), Enter: play,
  });
  drag(stage, (x, y) => {
    stage.focus();
    const n = model.get("alignment").length;
    if (n) edit(model.get("alignment"), Math.floor(x * n));
    // a click on a lower row shows the state of that row
    const row = clamp(Math.floor(y * 3), 0, 2);
    if (row > 0) goTo(row);
  });

  let built = "";
  function drawStages() {
    const alignment = model.get("alignment"), step = model.get("step"), dropFirst = model.get("drop_first");
    const { runs, tiles, texts } = stages(alignment, dropFirst);
    const right = collapse(alignment), n = Math.max(tiles.length, 1);
    const frame = clamp(model.get("frame"), 0, n - 1);
    if (document.activeElement !== field) field.value = alignment;
    order.set(dropFirst);
    const lost = dropFirst && texts[2] !== right;
    root.classList.toggle("wrong", lost);
    if (built !== `${alignment}|${dropFirst}`) { // else the same tiles move, which is the animation
      built = `${alignment}|${dropFirst}`;
      stage.replaceChildren(...bands(runs, tiles, dropFirst, n));
      stage.style.setProperty("--n", n);
      for (const row of [0, 1, 2]) {
        tiles.forEach((tile, i) => {
          const blank = tile.symbol === BLANK;
          const node = make("span", { class: `tile row${row}${blank ? " blank" : ""}`, "data-row": row, "data-frame": i, "aria-hidden": "true" }, blank ? "–" : tile.symbol);
          stage.append(node);
        });
      }
      stage.getBoundingClientRect(); // so that new tiles start from where they are
    }
    for (const node of stage.querySelectorAll(".tile")) {
      const row = Number(node.dataset.row), i = Number(node.dataset.frame), tile = tiles[i];
      const reached = row <= step, at = reached ? row : Math.max(0, Math.min(step, row));
      node.style.setProperty("--x", tile.places[at] + 0.5);
      node.style.setProperty("--y", at);
      const falls = reached && row > 0 && !tile.there[row] && tile.there[row - 1];
      node.classList.toggle("fallen", falls);
      node.classList.toggle("gone", !reached || (!tile.there[row] && !falls));
      node.classList.toggle("selected", row === 0 && i === frame);
    }
    for (const band of stage.querySelectorAll(".bands")) band.classList.toggle("gone", Number(band.dataset.row) > step);

    const rules = dropFirst ? ["alignment", "1. drop blanks", "2. merge repeats"] : ["alignment", "1. merge repeats", "2. drop blanks"];
    rows.forEach(({ name, result }, r) => {
      name.textContent = rules[r];
      result.textContent = r > step ? "" : r === 0 ? many(alignment.length, "frame") : shown(texts[r]);
      result.classList.toggle("label", r === 2);
      result.classList.toggle("bad", r === 2 && lost);
    });
    enable(back, step > 0);
    enable(next, step < 2);
    const symbol = alignment[frame];
    const where = symbol === undefined ? "no frames" : `frame ${frame} of ${alignment.length}: ${symbol === BLANK ? "blank" : symbol}`;
    announce(which, where);
    for (const b of palette.querySelectorAll("[data-symbol]")) b.setAttribute("aria-pressed", String(b.dataset.symbol === symbol));
    stage.setAttribute("aria-label", `Alignment ${spoken(alignment)}. Left, right, Home and End choose a frame (they count from 0), up and down change its symbol, a digit or minus sets it, Delete removes it, Enter plays.`);
    view.say(sentence(step, dropFirst, texts, right));
  }

  function sentence(step, dropFirst, texts, right) {
    const [a, b, c] = texts.map(shown);
    if (step === 0) return `${a}: one symbol per frame. Next: ${dropFirst ? "drop blanks, which is too early" : "merge repeats"}.`;
    if (!dropFirst) return step === 1 ? `Repeats merged: ${b}. Next: drop blanks.` : `${a} → ${b} → ${c}. The label is ${c}.`;
    if (step === 1) return `Blanks dropped: ${b}. Next: merge repeats.`;
    return c === shown(right)
      ? `Here both orders give ${c}: no blank stands between equal characters. Try 5-5.`
      : `${c} is wrong: the label is ${right}. The blank that kept equal characters apart fell before they merged.`;
  }

  function bands(runs, tiles, dropFirst, n) {
    const shapes = (row, list) => svg("svg", { class: `bands bands${row}`, "data-row": row, viewBox: `0 0 ${n} 1`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...list);
    const funnel = ({ symbol, frames }) => {
      const [from, to] = [frames[0], frames.at(-1)], middle = (from + to) / 2 + 0.5;
      const bridges = to - from + 1 > frames.length; // over blanks that fell too early
      return svg("polygon", { class: `${symbol === BLANK ? "of-blank" : ""}${bridges ? " bridge" : ""}`, points: `${from + 0.08},0 ${to + 0.92},0 ${middle + 0.42},1 ${middle - 0.42},1` });
    };
    const straight = (place) => svg("polygon", { points: `${place + 0.08},0 ${place + 0.92},0 ${place + 0.92},1 ${place + 0.08},1` });
    const merge = runs.map(funnel);
    const alive = dropFirst
      ? tiles.flatMap((tile) => (tile.there[1] ? [straight(tile.places[1])] : []))
      : runs.filter((run) => run.symbol !== BLANK).map((run) => straight((run.frames[0] + run.frames.at(-1)) / 2));
    return dropFirst ? [shapes(1, alive), shapes(2, merge)] : [shapes(1, merge), shapes(2, alive)];
  }

  // 2. From a label to its alignments ------------------------------------------------------------
  const text = focusable(make("input", { type: "text", size: 12, spellcheck: "false", autocomplete: "off", maxlength: 12 }), "label");
  text.addEventListener("input", () => {
    const clean = [...text.value].filter((s) => model.get("characters").includes(s)).join("");
    if (clean !== text.value) text.value = clean;
    view.change({ text: clean, number: 0 });
  });
  const chart = focusable(svg("svg", { class: "chart", role: "slider", "data-drag": "", "aria-valuemin": 1, "aria-valuemax": MOST_FRAMES }), "frames T");
  const setFrames = (T) => view.change({ frames: clamp(T, 1, MOST_FRAMES), number: 0 });
  drag(chart, (x) => { chart.focus(); setFrames(Math.floor(x * MOST_FRAMES) + 1); });
  const by = (d) => () => setFrames(model.get("frames") + d);
  keys(chart, { ArrowLeft: by(-1), ArrowDown: by(-1), ArrowRight: by(1), ArrowUp: by(1), PageUp: by(10), PageDown: by(-10), Home: () => setFrames(1), End: () => setFrames(MOST_FRAMES) });
  const strip = make("div", { class: "strip mono", role: "img" });
  const STOPS = 2000; // of the slider, where there are more alignments than that
  const browse = slider("alignment", { min: 0, change: (v) => {
    const most = countAlignments(model.get("text"), model.get("frames")) - 1;
    view.change({ number: most <= STOPS ? v : Math.round((v / STOPS) * most) });
  } });
  const go = (d) => () => {
    const most = countAlignments(model.get("text"), model.get("frames")) - 1;
    view.change({ number: clamp(model.get("number") + d, 0, Math.max(most, 0)) });
  };
  const before = button("◂", "previous alignment", go(-1)), after = button("▸", "next alignment", go(1));
  const take = button("Show above", "Show above: collapse this alignment above", () => {
    const a = alignmentAt(model.get("text"), model.get("frames"), model.get("number"));
    stop();
    view.change({ alignment: a, frame: 0, step: 2 });
  });
  const told = make("p", { class: "status", role: "status", "aria-live": "polite" });
  const number = make("p", { class: "unseen", role: "status", "aria-live": "polite" });

  function drawInverse() {
    const label = model.get("text"), T = model.get("frames"), needs = minimumFrames(label);
    const total = countAlignments(label, T), place = clamp(model.get("number"), 0, Math.max(total - 1, 0));
    if (document.activeElement !== text) text.value = label;
    const repeats = needs - label.length;
    const apart = repeats ? ` and ${many(repeats, "blank")} between equal neighbours` : "";
    announce(told, total
      ? `${many(total, "alignment")} of ${many(T, "frame")} ${total === 1 ? "collapses" : "collapse"} to ${shown(label)}. The shortest takes ${many(needs, "frame")}.`
      : `None: ${label} needs ${many(needs, "frame")}, ${many(label.length, "character")}${apart}. T is ${T}.`);
    chart.setAttribute("aria-valuenow", T);
    chart.setAttribute("aria-valuetext", `${many(T, "frame")}: ${many(total, "alignment")}`);
    drawChart();
    const found = total ? alignmentAt(label, T, place) : "";
    strip.replaceChildren(...runsOf([...found]).map((run) => make("span", { class: run.symbol === BLANK ? "blank" : "ink" }, ...run.frames.map(() => make("i", {}, run.symbol === BLANK ? "–" : run.symbol)))));
    strip.style.setProperty("--n", Math.max(found.length, 1));
    strip.setAttribute("aria-label", spoken(found) || "no alignment");
    announce(number, found && `Alignment ${place + 1} of ${total.toLocaleString("en")}: ${spoken(found)}`);
    strip.dataset.alignment = found;
    const few = total - 1 <= STOPS;
    browse.set(few ? place : Math.round((place / (total - 1)) * STOPS), total ? `${(place + 1).toLocaleString("en")} of ${total.toLocaleString("en")}` : "0 of 0", few ? Math.max(total - 1, 0) : STOPS);
    browse.input.disabled = !total;
    enable(take, total > 0);
    enable(before, place > 0);
    enable(after, place < total - 1);
  }

  function drawChart() {
    const label = model.get("text"), T = model.get("frames"), needs = minimumFrames(label), total = countAlignments(label, T);
    const wide = clamp(chart.clientWidth || 800, 240, 800), step = wide / MOST_FRAMES; // a narrow page keeps its letters
    const gap = step / 10, far = (a, b, apart) => Math.abs(a - b) * step > apart;
    chart.setAttribute("viewBox", `0 0 ${wide} 128`);
    const most = Math.log10(Math.max(countAlignments(label, MOST_FRAMES), 10)), floor = 102, room = 74;
    const height = (n) => (n ? 5 + (room * Math.log10(n)) / most : 0);
    const parts = [];
    for (const [power, name] of [[3, "a thousand"], [6, "a million"], [9, "a billion"], [12, "a trillion"]]) {
      if (power > most) continue;
      const y = floor - 5 - (room * power) / most;
      parts.push(svg("line", { class: "grid", x1: 0, x2: wide, y1: y, y2: y }), svg("text", { class: "soft", x: 2, y: y - 4 }, name));
    }
    for (let t = 1; t <= MOST_FRAMES; t++) {
      const h = height(countAlignments(label, t)), x = (t - 1) * step;
      if (h) parts.push(svg("rect", { class: t === T ? "bar now" : "bar", x: x + gap, width: step - 2 * gap, y: floor - h, height: h, rx: 2 }));
      else parts.push(svg("line", { class: t === T ? "none now" : "none", x1: x + 3 * gap, x2: x + step - 3 * gap, y1: floor - 6, y2: floor - 14 }));
      const named = t === needs || (t % 10 === 0 && far(t, needs, 24)) || (t === 1 && far(t, needs, 16));
      if (named && far(t, T, 40)) parts.push(svg("text", { class: "soft", x: clamp(x + step / 2, 9, wide - 9), y: 120, "text-anchor": "middle" }, String(t)));
    }
    const middle = (T - 0.5) * step, count = total.toLocaleString("en"), half = 5 * count.length + 2; // over its own bar, as far as the page is wide
    parts.push(svg("line", { class: "grid", x1: 0, x2: wide, y1: floor, y2: floor }));
    parts.push(svg("text", { class: "now", x: clamp(middle, 24, wide - 24), y: 121, "text-anchor": "middle" }, `T = ${T}`));
    parts.push(svg("text", { class: "now number", x: clamp(middle, half, wide - half), y: floor - height(total) - 7, "text-anchor": "middle" }, count));
    chart.replaceChildren(...parts);
  }

  root.append(
    make("div", { class: "row head" }, make("h4", {}, "Collapse", make("small", {}, "alignment → label")), make("span", { class: "grow" }), make("div", { class: "row" }, back, next, watch)),
    make("div", { class: "row" }, make("label", { class: "row" }, make("span", { class: "soft" }, "Type"), field), make("span", { class: "soft" }, "or try"), ...examples),
    order.node,
    board,
    view.status,
    palette,
    make("hr"),
    make("div", { class: "row head" }, make("h4", {}, "The other way", make("small", {}, "label → its alignments")), make("span", { class: "grow" }), make("label", { class: "row" }, make("span", { class: "soft" }, "Label"), text)),
    told,
    chart,
    make("div", { class: "row browse" }, before, after, browse.node, take),
    strip, number,
  );
  view.listen(["alignment", "frame", "step", "drop_first", "characters"], drawStages);
  view.listen(["text", "frames", "number"], drawInverse);
  const sized = new ResizeObserver(drawChart);
  sized.observe(root);
  return () => { stop(); sized.disconnect(); view.dispose(); };
}

export default { render };
