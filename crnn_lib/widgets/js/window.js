// WindowExplorer: a window slides over a line; what the network sees, remembers and says.
import { announce, button, cividis, decodeBytes, decodeFloats, drag, focusable, ink, keys, make, mount, paint, slider, svg } from "./common.js";
import { BLANK, alignmentAt } from "./alignments.js";
import { minimumFrames } from "./counting.js";
import { rowsOf } from "./rows.js";

/** Frames of a line: enough windows to reach the last column. */
export function frameCount(width, window, stride) {
  return Math.ceil(Math.max(width - window, 0) / stride) + 1;
}

/** The gaps between windows, as [start, end) columns: what no frame ever sees. */
export function gaps(width, window, stride) {
  const found = [];
  for (let t = 1; t < frameCount(width, window, stride); t++) {
    const [start, end] = [(t - 1) * stride + window, Math.min(t * stride, width)];
    if (start < end) found.push([start, end]);
  }
  return found;
}

/** The frame whose window has its middle nearest to a column. */
export function frameAt(column, width, window, stride) {
  const frame = Math.round((column - window / 2) / stride);
  return Math.min(Math.max(frame, 0), frameCount(width, window, stride) - 1);
}

const WIDEST = 64, CELLS = 40;

function render({ model, el }) {
  const view = mount({ model, el }, "window", "Window explorer: a window slides over a line");
  const { root } = view;
  const counted = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;
  const percent = (p) => (p > 0.995 && p < 1 ? "> 99" : p > 0 && p < 0.005 ? "< 1" : (100 * p).toFixed(0)) + "\u00a0%";
  const W = () => model.get("width"), H = () => model.get("height");
  const get = () => {
    const [window, stride] = [model.get("window"), model.get("stride")];
    const T = frameCount(W(), window, stride);
    return { window, stride, T, frame: Math.min(Math.max(model.get("frame"), 0), T - 1) };
  };
  const goTo = (frame) => view.change({ frame: Math.min(Math.max(frame, 0), get().T - 1) });
  // The window stays where it is on the line when its width or the stride changes.
  function shape(window, stride) {
    const now = get(), middle = now.frame * now.stride + now.window / 2;
    view.change({ window, stride, frame: frameAt(middle, W(), window, stride) });
  }

  // What networks answered, decoded once for each.
  const decoded = new Map();
  function reading(window, stride) {
    const key = `${window}/${stride}`;
    if (!decoded.has(key)) {
      const found = model.get("readings").find((r) => r.window === window && r.stride === stride);
      decoded.set(key, found && { ...found, states: decodeBytes(found.states), log_probs: decodeFloats(found.log_probs) });
    }
    return decoded.get(key);
  }

  // The line, and under it one column per frame -------------------------------------------------
  const picture = make("canvas", { class: "picture", "aria-hidden": "true" });
  const overlay = svg("svg", { class: "overlay", preserveAspectRatio: "none", "aria-hidden": "true" });
  const marks = svg("svg", { class: "marks", "aria-hidden": "true" });
  const states = make("canvas", { "aria-hidden": "true" }), posteriors = make("canvas", { "aria-hidden": "true" });
  const heat = (name, canvas) => make("div", { class: `heat ${name}` }, canvas, make("div", { class: "playhead", "aria-hidden": "true" }));
  const curves = svg("svg", { class: "curves", preserveAspectRatio: "none", "aria-hidden": "true" });
  const told = make("div", { class: "units" }); // what the two curves are
  const statesBox = heat("states", states), posteriorsBox = heat("posteriors", posteriors);
  const caption = (row, name, text = "") => make("div", { class: `caption row${row}` }, make("b", {}, name), make("span", { class: "soft" }, text));
  const line = focusable(make("div", { class: "line", role: "slider", "data-drag": "" },
    caption(1, "The line", "drag the window, or use the arrow keys; frames and columns count from 0"), make("div", { class: "paper" }, picture, overlay), marks,
    caption(4, "Hidden state", "two units that can be read, and all of them"), statesBox,
    caption(6, "Classes", "how likely each one is, frame by frame"), posteriorsBox), "frame");
  drag(line, (x) => {
    line.focus();
    const { window, stride } = get();
    goTo(frameAt(x * W(), W(), window, stride));
  });
  const by = (d) => () => goTo(get().frame + d);
  keys(line, { ArrowLeft: by(-1), ArrowDown: by(-1), ArrowRight: by(1), ArrowUp: by(1), PageUp: by(5), PageDown: by(-5), Home: () => goTo(0), End: () => goTo(Infinity) });

  // The current frame, beside it ----------------------------------------------------------------
  const stripe = make("canvas", { class: "stripe", "aria-hidden": "true" });
  const cells = make("canvas", { "aria-hidden": "true" });
  const bars = make("div", { class: "bars", "aria-hidden": "true" });
  const names = make("div", { class: "symbols mono", "aria-hidden": "true" });
  const arrows = make("div", { class: "arrows", "aria-hidden": "true" });
  const note = make("p", { class: "note" });
  const heading = make("b", { class: "heading" });

  // Width, stride, and whether the label fits ---------------------------------------------------
  const wide = slider("window", { min: 1, max: Math.min(WIDEST, W()), change: (v) => shape(v, model.get("stride")) });
  const steps = slider("stride", { min: 1, max: Math.min(WIDEST, W()), change: (v) => shape(model.get("window"), v) });
  const trained = model.get("readings").map((r) => button(`${r.window} / ${r.stride}`, `${r.window} / ${r.stride}: window ${r.window}, stride ${r.stride}`, () => shape(r.window, r.stride)));
  const sum = make("p", { class: "sum" });
  const room = make("div", { class: "room mono", role: "img" });
  const verdict = make("p", { class: "verdict", role: "status", "aria-live": "polite" });

  root.append(
    make("div", { class: "row head" }, make("h4", {}, "Sliding window", make("small", {}, "one frame per step")), make("span", { class: "grow" }), make("div", { class: "row tools" }, wide.node, steps.node)),
    make("div", { class: "columns" },
      arrows, names, line, heading, make("div", { class: "seen" }, stripe),
      caption(4, "its state"), make("div", { class: "cells" }, cells), caption(6, "its classes"), bars),
    view.status,
    make("div", { class: "fit" }, sum, room, verdict),
  );
  statesBox.prepend(curves);
  if (trained.length) root.querySelector(".columns").after(told);
  if (trained.length) view.status.after(make("div", { class: "row trained" }, make("span", { class: "soft" }, "Networks for window / stride:"), ...trained, note));

  function drawPicture() {
    const pixels = decodeBytes(model.get("image"));
    paint(picture, W(), H(), (x, y) => ink(pixels[y * W() + x] / 255));
    overlay.setAttribute("viewBox", `0 0 ${W()} ${H()}`);
    line.style.setProperty("--aspect", `${W()} / ${H()}`);
  }

  function drawLine() {
    const { window, stride, T, frame } = get(), found = reading(window, stride);
    const symbols = model.get("symbols"), C = symbols.length;
    const start = frame * stride, end = start + window;

    overlay.replaceChildren(
      ...gaps(W(), window, stride).map(([a, b]) => svg("rect", { class: "gap", x: a, y: 0, width: b - a, height: H() })),
      svg("rect", { class: "shade", x: 0, y: 0, width: start, height: H() }),
      svg("rect", { class: "shade", x: end, y: 0, width: Math.max(0, W() - end), height: H() }),
      svg("rect", { class: "halo", x: start, y: 0, width: window, height: H() }),
      svg("rect", { class: "frame", x: start, y: 0, width: window, height: H() }),
    );
    // one mark per frame, under the middle of its window; where a network answered, its best class
    const best = found && Array.from({ length: T }, (_, t) => {
      const row = found.log_probs.subarray(t * C, (t + 1) * C);
      return row.indexOf(Math.max(...row));
    });
    const across = line.clientWidth || 640, scale = across / W(), size = Math.min(15, 1.5 * stride * scale);
    marks.setAttribute("viewBox", `0 0 ${across} 22`);
    marks.replaceChildren(...Array.from({ length: T }, (_, t) => {
      const x = Math.min((t * stride + window / 2) * scale, across - 4), now = t === frame ? " now" : "";
      if (best && best[t] !== found.blank) return svg("text", { class: `class${now}`, x, y: 16, "text-anchor": "middle", "font-size": size }, symbols[best[t]]);
      return svg("circle", { class: `dot${now}`, cx: x, cy: 11, r: Math.min(t === frame ? 5 : 2.6, 0.45 * stride * scale) });
    }));

    root.classList.toggle("answers", Boolean(found));
    const from = (window - stride) / 2; // a frame's column stands under the middle of its window
    for (const box of [statesBox, posteriorsBox]) {
      box.style.setProperty("--left", `${(100 * from) / W()}%`);
      box.style.setProperty("--width", `${(100 * T * stride) / W()}%`);
    }
    root.style.setProperty("--now", `${(100 * (from + frame * stride)) / W()}%`);
    root.style.setProperty("--one", `${(100 * stride) / W()}%`);
    if (found && line.dataset.painted !== `${window}/${stride}`) {
      const { states: values, log_probs, hidden } = found, rows = rowsOf(C, found.blank);
      paint(states, T, hidden, (t, h) => cividis(values[t * hidden + h] / 255));
      paint(posteriors, T, C, (t, row) => cividis(Math.exp(log_probs[t * C + rows[row]])));
      line.dataset.painted = `${window}/${stride}`;
      drawUnits(found, T);
      root.style.setProperty("--classes", C);
      arrows.replaceChildren(...["→", "←"].slice(0, found.directions).map((a) => make("span", {}, a)));
      names.replaceChildren(...rows.map((c) => make("span", {}, c === found.blank ? "–" : symbols[c])));
    }

    // the current frame
    heading.textContent = `Frame ${frame} of ${T} sees`;
    const pixels = decodeBytes(model.get("image"));
    paint(stripe, window, H(), (x, y) => ink(start + x < W() ? pixels[y * W() + start + x] / 255 : 0)); // after the line, background
    stripe.style.aspectRatio = `${window} / ${H()}`;
    let most = "";
    if (found) {
      const { states: values, log_probs, hidden, directions } = found;
      const across = 16, each = hidden / directions, down = Math.ceil(each / across);
      paint(cells, across, down * directions, (x, y) => {
        const h = Math.floor(y / down) * each + (y % down) * across + x;
        return cividis((y % down) * across + x < each ? values[frame * hidden + h] / 255 : 0.5);
      });
      const p = Array.from({ length: C }, (_, c) => Math.exp(log_probs[frame * C + c])), top = p.indexOf(Math.max(...p));
      bars.replaceChildren(...rowsOf(C, found.blank).map((c) => [c, p[c]]).map(([c, value]) => make("div", { class: c === top ? "bar top" : "bar" },
        make("span", { class: "mono" }, c === found.blank ? "–" : symbols[c]), make("i", { style: `--p:${value}` }), make("span", { class: "value" }, c === top || value >= 0.01 ? percent(value) : ""))));
      most = ` Most likely: ${top === found.blank ? "blank" : symbols[top]} (${percent(p[top])}).`;
    }
    // frames and columns count from 0, and a span is half-open, as in Python
    const last = Math.max(Math.min(end, W()), start);
    view.say(`Frame ${frame} of ${T} sees columns [${start}, ${last}).${most}`);
    line.setAttribute("aria-valuemin", 0);
    line.setAttribute("aria-valuemax", T - 1);
    line.setAttribute("aria-valuenow", frame);
    line.setAttribute("aria-valuetext", `frame ${frame} of ${T}, columns ${start} up to ${last}, ${last} not included.${most}`);
  }

  /** The units that were found to count and to remember, as curves over the frames, each from its least to its
   * most on this line: a unit may tell much by little. */
  function drawUnits({ states: values, hidden, units = [] }, T) {
    curves.setAttribute("viewBox", `0 0 ${T} 2`);
    curves.replaceChildren(...units.map(({ unit, kind }) => {
      const own = Array.from({ length: T }, (_, t) => values[t * hidden + unit]), least = Math.min(...own), range = Math.max(...own) - least || 1;
      return svg("polyline", { class: kind, points: own.map((value, t) => `${t + 0.5},${(1.85 - (1.7 * (value - least)) / range).toFixed(3)}`).join(" ") });
    }));
    const story = ({ kind, score, falls, unit }) => (kind === "counts"
      ? [make("b", {}, "counts"), ` unit ${unit} ${falls ? "falls" : "rises"} with each character that is named: correlation ${falls ? "−" : ""}${score.toFixed(2)} on this line`]
      : [make("b", {}, "remembers"), ` unit ${unit} has a level of its own after each character: ${Math.round(100 * score)}\u00a0% of its variance on this line`]);
    told.replaceChildren(...units.map((one) => make("p", { class: one.kind }, make("i", {}), make("span", {}, ...story(one)))));
  }

  function drawFit() {
    const { window, stride, T } = get(), text = model.get("text"), needs = minimumFrames(text);
    wide.set(window, counted(window, "column"));
    steps.set(stride, counted(stride, "column"));
    trained.forEach((b, i) => {
      const r = model.get("readings")[i];
      b.setAttribute("aria-pressed", String(r.window === window && r.stride === stride));
    });
    const readings = model.get("readings").length;
    note.textContent = readings && !reading(window, stride) ? `None for ${window} / ${stride}. Choose one to see states and classes.` : "";
    sum.replaceChildren(make("span", { class: "mono" }, "T"), ` = ⌈(${W()} − ${window}) / ${stride}⌉ + 1 = `, make("b", {}, counted(T, "frame")),
      make("span", { class: "soft" }, `   for ${W()} columns`));
    const shortest = text ? alignmentAt(text, needs, 0) : "", shownCells = Math.min(Math.max(T, needs), CELLS);
    room.replaceChildren(...Array.from({ length: shownCells }, (_, i) => {
      const symbol = shortest[i] ?? "", kind = i >= T ? "missing" : i < needs ? "used" : "spare";
      return make("span", { class: kind + (symbol === BLANK ? " blank" : "") }, symbol === BLANK ? "–" : symbol);
    }), ...(T > CELLS ? [make("em", {}, `+ ${T - CELLS}`)] : []));
    room.setAttribute("aria-label", `${counted(T, "frame")}, ${needs} needed for ${shortest}`);
    const fits = T >= needs, blanks = needs - text.length;
    const why = blanks ? `${counted(text.length, "character")} and ${counted(blanks, "blank")} between equal neighbours` : "one per character";
    const hidden = gaps(W(), window, stride).reduce((all, [a, b]) => all + b - a, 0);
    verdict.classList.toggle("bad", !fits);
    announce(verdict, (fits ? `✓ ${text} fits: ` : `✗ ${text} does not fit: `)
      + `it needs ${counted(needs, "frame")} (${why}), T is ${T}.`
      + (hidden ? ` Between the windows, ${counted(hidden, "column")} of ${W()} are never seen.` : ""));
  }

  const all = ["image", "width", "height", "text", "symbols", "readings", "window", "stride"];
  view.listen(["image", "width", "height"], drawPicture);
  view.listen([...all, "frame"], drawLine);
  view.listen(all, drawFit);
  const sized = new ResizeObserver(drawLine);
  sized.observe(line);
  return () => { sized.disconnect(); view.dispose(); };
}

export default { render };
