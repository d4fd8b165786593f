// LatticeExplorer: a line, its posteriors, and the trellis of a label, all alive.
import { announce, button, choice, decodeBytes, decodeFloats, focusable, ink, keys, lessMotion, make, mount, paint, saveSvg, signed, slider, svg } from "./common.js";
import { countAlignments, minimumFrames } from "./counting.js";
import { bruteForce, forwardBackward, nudged, withProbability } from "./ctc.js";
import { REST, drawPosteriors, drawTrellis, rungTop, sharesOf } from "./lattice_drawing.js";
import { inPowers, percent, say, sayLog, wordsOf } from "./lattice_words.js";
import { rowsOf } from "./rows.js";
import { svgPen } from "./svg_pen.js";

export const MOST_LISTED = 8; // frames up to which all alignments are listed
const LISTED = 60, SURE = 0.9999, STEP = 0.05, DRAG = 120; // rows; largest probability; by key; pixels from 0 to 1
const MEANING = {
  posterior: "Disc: how likely the network finds this character in this frame.",
  alpha: "Disc: of all ways from the left edge to this frame, the share that stands here.",
  beta: "Disc: of all ways from this frame to the right edge, the share that starts here.",
  gamma: "Disc: the share of all probability that passes here, α × β / P. Click one to see the paths through it.",
};

function encodeFloats(values) {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  return btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
}

const clamp = (x, low, high) => Math.min(high, Math.max(low, x));

/** The line itself, one pixel per pixel, or null. */
function imageOf({ image, rows }) {
  if (!image) return null;
  const pixels = decodeBytes(image), wide = pixels.length / rows, canvas = document.createElement("canvas");
  paint(canvas, wide, rows, (x, y) => ink(pixels[y * wide + x] / 255));
  return canvas;
}

function render({ model, el }) {
  const view = mount({ model, el }, "lattice", "Lattice explorer: a line, its posteriors, and the trellis of a label", {
    set: { line: (name) => opened(lines.findIndex((l) => l.name === name)) },
    get: { line: () => lines[model.get("line")].name, encoded: () => (model.get("encoded") === lines[model.get("line")].encoded ? undefined : model.get("encoded")) },
    hover: (asked) => { lit = new Map(asked).get("light") ?? ""; draw(); },
  });
  const { root } = view;
  let line, data, text, label, trellis, words, picture, scene = null; // what is drawn
  let hover = null, chosen = 0, history = []; // cell under the pointer; selected class; losses of the nudges
  let arrows = true, rate = 1, playing = null, held = null, lit = "", message = ""; // message: news that stays until the next deed

  // Controls -------------------------------------------------------------------------------------
  const lines = model.get("lines");
  const which = choice("Line", lines.map(({ name }, i) => [i, name]), (i) => open(i));
  which.node.style.display = lines.length < 2 ? "none" : "";
  const note = make("p", { class: "soft" });
  const field = focusable(make("input", { type: "text", size: 9, spellcheck: "false", autocomplete: "off", maxlength: 40 }), "label whose probability is asked for");
  const fault = make("p", { class: "fault", role: "alert" });
  field.addEventListener("input", () => edit(field.value));
  const verdict = make("span", { class: "verdict" });
  const loss = make("span", { class: "loss" });
  const many = make("span", { class: "soft many" });
  const result = make("p", { class: "unseen", "aria-live": "polite", "aria-atomic": "true" }); // of the whole label
  const chart = svg("svg", { class: "chart", viewBox: "0 0 120 34", "aria-hidden": "true" });

  const above = focusable(make("canvas", { role: "application", class: "posteriors" }));
  const below = focusable(make("canvas", { role: "application" }));
  const views = choice("Show", [["posterior", "posterior"], ["alpha", "α →"], ["beta", "← β"], ["gamma", "γ = α × β / P"]],
    (value) => { stop(); view.change({ view: value, known: 0 }); });
  for (const [value, name] of [["alpha", "alpha, from the left"], ["beta", "beta, from the right"], ["gamma", "gamma, alpha times beta over P"]]) {
    views.node.querySelector(`[value=${value}]`).setAttribute("aria-label", name);
  }
  const meaning = make("small");
  const title = make("span");

  const step = button("Step ▸", "Step: compute one more frame of the recursion", () => { stop(); advance(); });
  const watch = button("▶ Watch", "watch the recursion", () => (playing ? stop() : play()));
  step.classList.add("main");
  const done = slider("frames computed", { min: 1, change: (n) => { stop(); show(n); } });
  const shown = make("input", { type: "checkbox", checked: "" });
  focusable(shown, "show the gradient as arrows").addEventListener("change", () => { arrows = shown.checked; draw(); });
  const nudge = button("Nudge", "Nudge: one step down the gradient of the loss", () => push());
  let pressed = null; // held down, it goes on
  nudge.addEventListener("pointerdown", () => { pressed = setTimeout(() => { pressed = setInterval(push, 120); }, 450); });
  const release = () => { clearInterval(pressed); clearTimeout(pressed); };
  for (const end of ["pointerup", "pointerleave", "pointercancel"]) nudge.addEventListener(end, release);
  const speed = slider("rate", { min: 0, max: 4, change: (i) => setRate(i) });
  const RATES = [0.25, 0.5, 1, 2, 4];
  function setRate(i) { rate = RATES[i]; speed.set(i, String(rate)); }
  setRate(2);
  const reset = button("Reset", "Reset: undo all changes", () => open(model.get("line")));
  const list = make("div", { class: "list" });
  let folded = true; // classes that the label does not have share one row
  const every = focusable(make("input", { type: "checkbox" }), "all classes, not those of the label alone");
  every.addEventListener("change", () => { folded = !every.checked; draw(); });
  const whole = make("label", { class: "check" }, every, make("span", {}, "all classes"));
  const save = button("Save as SVG", "Save as SVG: the line, its posteriors and the trellis", () => saveSvg(still(), `trellis-${model.get("text") || "empty"}`));

  const pictures = make("div", { class: "pictures" },
    make("div", { class: "row" }, make("h4", {}, "Posteriors", make("small", {}, "Drag a cell up or down.")), make("span", { class: "grow" }), whole,
      make("label", { class: "check" }, shown, make("span", {}, "gradient: "), make("b", {}, "▲"), " a nudge raises it, ", make("b", { class: "down" }, "▽"), " lowers it")),
    make("div", { class: "wide" }, above),
    make("div", { class: "row" }, make("h4", {}, title, make("small", {}, "Every way from left to right spells it.")), make("span", { class: "grow" }), views.node),
    make("div", { class: "wide" }, below),
    make("p", { class: "soft meaning" }, meaning),
  );
  root.append(
    make("div", { class: "row" }, which.node, note),
    make("div", { class: "top" },
      make("div", { class: "row head" }, make("span", {}, "P("), field, make("span", {}, ") ="), verdict, loss, chart, many),
      fault,
      make("div", { class: "row" }, step, watch, done.node, make("span", { class: "grow" }), make("span", { class: "pair" }, nudge, speed.node), reset)),
    pictures, view.status, list, make("div", { class: "row" }, save), result,
  );

  // What changes ---------------------------------------------------------------------------------
  const T = () => data.frames, S = () => trellis.states.length;
  const cell = () => (model.get("row") >= 0 && model.get("row") < S() ? { t: now(), s: model.get("row") } : null);
  const now = () => clamp(model.get("frame"), 0, T() - 1);
  const known = () => { const n = model.get("known"); return n < 1 || n > T() ? T() : n; };

  /** A line as it was at first. */
  const opened = (i) => (i < 0 ? {} : { line: i, encoded: lines[i].encoded, text: lines[i].text, frame: 0, row: -1, known: 0 });
  function open(i) {
    stop();
    history = [];
    chosen = 0;
    view.change(opened(i));
    field.value = lines[i].text;
    complain("");
  }
  const labelOf = (text) => [...text].map((c) => line.symbols.findIndex((symbol, i) => symbol === c && i !== line.blank));
  function complain(why) {
    announce(fault, why);
    field.setAttribute("aria-invalid", String(Boolean(why)));
  }
  function edit(text) {
    stop();
    const characters = line.symbols.filter((_, c) => c !== line.blank);
    const strange = [...text].find((c) => !characters.includes(c));
    if (strange !== undefined) {
      complain(`There is no class for “${strange}”. This line knows ${characters.join(" ")}.`);
      return;
    }
    const wanted = labelOf(text);
    const needed = minimumFrames(wanted), pairs = needed - wanted.length;
    if (needed > T()) {
      const why = pairs ? `: one for each of ${wanted.length} characters, and a blank between each two that are equal` : ", one for each character";
      complain(`“${text}” does not fit: it needs ${needed} frames${why}. This line has ${T()}.`);
      return;
    }
    complain("");
    history = [];
    view.change({ text, row: -1, known: 0 });
  }
  function put(changed) { view.change({ encoded: encodeFloats(changed.logProbs) }); }
  function setProbability(t, c, p) {
    stop();
    history = [];
    put(withProbability(data, t, c, clamp(p, 1 - SURE, SURE)));
  }
  function push() {
    stop();
    if (!history.length) history.push(-trellis.logProb);
    const changed = nudged(data, trellis.gradient, rate);
    history.push(-forwardBackward(changed, label, line.blank).logProb);
    const [was, is] = history.slice(-2);
    message = `Nudge ${history.length - 1}: the loss goes from ${say(was)} to ${say(is)}.${is > was ? " It rose: the step was too large." : ""}`;
    put(changed);
  }

  const bestState = (t, shares) => {
    let best = 0;
    for (let s = 0; s < S(); s++) if (shares[t * S() + s] > shares[t * S() + best]) best = s;
    return best;
  };
  function show(n) { // n frames are computed; the selected cell is the likeliest of the last
    const kind = model.get("view") === "beta" ? "beta" : "alpha";
    const t = kind === "beta" ? T() - n : n - 1;
    view.change({ view: kind, known: n, frame: t, row: bestState(t, sharesOf(trellis[kind], T(), S())) });
  }
  function advance() {
    const running = ["alpha", "beta"].includes(model.get("view")) && model.get("known") > 0 && known() < T();
    show(running ? known() + 1 : 1);
  }
  function stop() {
    message = "";
    clearInterval(playing);
    playing = null;
    watch.textContent = "▶ Watch";
    watch.setAttribute("aria-label", "watch the recursion");
  }
  function play() {
    if (lessMotion()) return show(T());
    advance();
    playing = setInterval(() => {
      if (known() >= T()) return stop();
      advance();
      return undefined;
    }, clamp(6000 / T(), 150, 900));
    watch.textContent = "❚❚ Pause";
    watch.setAttribute("aria-label", "Pause: no longer watch the recursion");
    return undefined;
  }
  function select(t, s) {
    stop();
    t = clamp(t, 0, T() - 1);
    s = clamp(s, -1, S() - 1);
    if (s >= 0) chosen = trellis.states[s];
    view.change({ frame: t, row: s });
    draw();
  }
  function selectClass(t, c) { // and the state of that class through which most passes
    t = clamp(t, 0, T() - 1);
    chosen = clamp(c, 0, data.classes - 1);
    let best = -1;
    trellis.states.forEach((k, s) => {
      if (k === chosen && (best < 0 || trellis.stateOccupancy[t * S() + s] > trellis.stateOccupancy[t * S() + best])) best = s;
    });
    stop();
    view.change({ frame: t, row: best });
    draw();
  }

  // Pointers and keys ----------------------------------------------------------------------------
  const spot = (canvas, event) => {
    const box = canvas.getBoundingClientRect(), { left, column, top, row, rung } = scene;
    const [first, high] = canvas === above ? [top, row] : [rungTop, rung];
    return [Math.floor((event.clientX - box.left - left) / column), Math.floor((event.clientY - box.top - first) / high)];
  };
  const inside = (canvas, t, r) => t >= 0 && t < T() && r >= 0 && r < (canvas === above ? scene.rows.length : S());
  const classOf = (r) => scene.rows[clamp(r, 0, scene.rows.length - 1)];
  above.style.touchAction = "none";
  above.addEventListener("pointerdown", (event) => {
    const [t, r] = spot(above, event), c = classOf(r);
    if (event.button !== 0 || !inside(above, t, r)) return;
    if (c === REST) { // to change one of them, one has to see it
      folded = false;
      every.checked = true;
      return draw();
    }
    above.setPointerCapture(event.pointerId);
    held = { t, c, y: event.clientY, p: Math.exp(data.logProbs[t * data.classes + c]), moved: false };
    selectClass(t, c);
    return undefined;
  });
  above.addEventListener("pointermove", (event) => {
    if (!held) return;
    if (Math.abs(event.clientY - held.y) > 2) held.moved = true;
    if (held.moved) setProbability(held.t, held.c, held.p + (held.y - event.clientY) / DRAG);
  });
  for (const end of ["pointerup", "pointercancel"]) above.addEventListener(end, () => { held = null; draw(); });
  const point = (canvas, event) => {
    const [t, r] = spot(canvas, event), there = event.type !== "pointerleave" && !held && scene && inside(canvas, t, r);
    const on = canvas === above ? "posteriors" : "trellis", at = there && canvas === above ? classOf(r) : r;
    const next = there && at !== REST ? { on, t, r: at } : null;
    if (hover?.on === next?.on && hover?.t === next?.t && hover?.r === next?.r) return;
    hover = next;
    draw();
  };
  for (const canvas of [above, below]) for (const type of ["pointermove", "pointerleave"]) canvas.addEventListener(type, (event) => point(canvas, event));
  below.addEventListener("pointerdown", (event) => {
    const [t, s] = spot(below, event), old = cell();
    if (event.button !== 0 || !inside(below, t, s)) return;
    if (old && old.t === t && old.s === s) select(t, -1);
    else select(t, s);
  });
  const change = (by) => {
    setProbability(now(), chosen, Math.exp(data.logProbs[now() * data.classes + chosen]) + by);
  };
  const both = { "+": () => change(STEP), "=": () => change(STEP), "-": () => change(-STEP), _: () => change(-STEP), Escape: () => select(model.get("frame"), -1) };
  const moves = (go, row) => ({
    ArrowLeft: () => go(model.get("frame") - 1, row()), ArrowRight: () => go(model.get("frame") + 1, row()),
    ArrowUp: () => go(model.get("frame"), Math.max(0, row() - 1)), ArrowDown: () => go(model.get("frame"), row() + 1),
    Home: () => go(0, row()), End: () => go(T() - 1, row()),
  });
  keys(above, { ...both, ...moves((t, r) => selectClass(t, classOf(r) === REST ? chosen : classOf(r)), () => Math.max(0, scene.rows.indexOf(chosen))) });
  keys(below, { ...both, ...moves(select, () => Math.max(0, model.get("row"))) });

  // What is seen and said ------------------------------------------------------------------------
  function read() {
    line = lines[model.get("line")];
    const { symbols, blank } = line, logProbs = Float64Array.from(decodeFloats(model.get("encoded")));
    data = { frames: logProbs.length / symbols.length, classes: symbols.length, logProbs };
    if (label && model.get("text") !== text) complain(""); // a new label, so the refused one is history
    text = model.get("text");
    label = labelOf(text);
    trellis = forwardBackward(data, label, blank);
    words = wordsOf(line, data, trellis);
    if (picture?.line !== line) picture = { line, canvas: imageOf(line) };
    if (document.activeElement !== field && !fault.textContent) field.value = model.get("text");
  }

  function draw() {
    if (!data || !root.isConnected || !root.clientWidth) return;
    const room = root.clientWidth - 36, left = 40, small = T() <= MOST_LISTED; // inside the padding
    const column = clamp((room - left - 2) / T(), 16, 130), { canvas } = picture;
    const tight = innerHeight < 800; // then all of it is to be seen on a screen of 720
    const imageHeight = canvas ? clamp((line.rows * column * (line.span[1] - line.span[0])) / canvas.width / 1.5, 48, tight ? 52 : 84) : 0;
    const all = rowsOf(data.classes, line.blank), used = all.filter((c) => c === line.blank || label.includes(c)), rest = data.classes - used.length;
    const rows = folded && rest > 1 ? [...used, REST] : all;
    whole.hidden = rest < 2;
    const style = getComputedStyle(root);
    scene = {
      line, data, label, trellis, small, left, column, imageHeight, arrows, chosen, held, rows, lit,
      picture: canvas, top: imageHeight && imageHeight + 6,
      row: small ? 36 : clamp((tight ? 100 : 140) / rows.length, 11, 20), rung: small ? clamp(300 / S(), 40, 60) : clamp((tight ? 190 : 245) / S(), 14, 30),
      view: model.get("view"), known: known(), cell: cell(), frame: now(), pointed: hover,
      focus: { [0]: "posteriors", [1]: "trellis" }[[above, below].indexOf(document.activeElement)],
      text: style.color, soft: style.getPropertyValue("--soft"), mono: style.getPropertyValue("--mono"),
    };
    root.classList.toggle("beside", small && left + column * T() + 320 < room);
    drawPosteriors(above, scene);
    drawTrellis(below, scene);
    view.say(readout());
    surround();
  }

  /** Both pictures as one that needs no page. */
  function still() {
    const parts = [above, below].map((canvas) => {
      const pen = svgPen();
      (canvas === above ? drawPosteriors : drawTrellis)({ penOf: pen.open }, { ...scene, pointed: null, focus: null });
      return pen;
    });
    const [wide, high] = [parts[0].size[0], parts[0].size[1] + parts[1].size[1] + 8], style = getComputedStyle(root);
    parts[1].node.setAttribute("y", parts[0].size[1] + 8);
    return svg("svg", { width: wide, height: high, viewBox: `0 0 ${wide} ${high}` },
      svg("rect", { width: wide, height: high, fill: style.getPropertyValue("--paper") }), ...parts.map(({ node }) => node));
  }

  function readout() {
    const { cell: chosenCell, pointed, focus } = scene;
    if (message && !pointed) return message;
    if (pointed?.on === "posteriors") return words.ofClass(pointed.t, pointed.r);
    if (pointed) return words.ofState(scene.view, scene.known, pointed.t, pointed.r);
    if (held || focus === "posteriors") return words.ofClass(scene.frame, chosen);
    if (chosenCell) return words.ofState(scene.view, scene.known, chosenCell.t, chosenCell.s);
    if (trellis.logProb === -Infinity) return "The label has the probability 0: each way across meets a 0.";
    return "Click a disc to see the paths through it. Step computes α frame by frame.";
  }

  /** Everything around the two pictures. */
  function surround() {
    const { view: kind, small } = scene, text = model.get("text");
    which.set(model.get("line"));
    views.set(kind);
    note.textContent = line.note;
    note.hidden = !line.note;
    verdict.textContent = sayLog(trellis.logProb);
    loss.textContent = `loss ${trellis.logProb > -Infinity ? say(Math.abs(trellis.logProb)) : "∞"}`;
    const count = countAlignments(label, T());
    many.textContent = `${count < 1e12 ? count.toLocaleString("en") : inPowers(count)} ${count === 1 ? "alignment" : "alignments"} of ${T()} frames`;
    announce(result, `P(${text || "nothing"}) = ${verdict.textContent}, ${loss.textContent}, ${many.textContent}.`);
    title.textContent = text ? `Trellis of “${text}”` : "Trellis of the empty label";
    meaning.textContent = MEANING[kind];
    done.set(known(), `${known()} of ${T()}`, T());
    const spoken = `${T()} frames. Arrow keys move, plus and minus change the probability.`;
    above.setAttribute("aria-label", `Posteriors of ${data.classes} classes in ${spoken}`);
    below.setAttribute("aria-label", `Trellis of ${text}: ${S()} states in ${spoken} Escape selects none.`);
    sparkline();
    list.hidden = !small;
    list.replaceChildren(...(small ? listing() : []));
  }

  function sparkline() {
    chart.style.display = history.length > 1 ? "" : "none";
    if (history.length < 2) return;
    const most = Math.max(...history), x = (i) => 3 + (114 * i) / Math.max(history.length - 1, 10), y = (v) => 31 - (28 * v) / most;
    const points = history.map((v, i) => `${x(i).toFixed(1)},${y(v).toFixed(1)}`);
    const [cx, cy] = points.at(-1).split(",");
    chart.replaceChildren(svg("polyline", { points: points.join(" ") }), svg("circle", { cx, cy, r: 3 }));
  }

  /** All alignments, one by one, beside the recursion. */
  function listing() {
    const { blank, symbols } = line, { cell: now } = scene, whole = Math.exp(trellis.logProb);
    const all = bruteForce(data, label, blank).sort((a, b) => b.logProb - a.logProb);
    const sum = all.reduce((total, { logProb }) => total + Math.exp(logProb), 0);
    const through = now ? all.filter(({ path }) => path[now.t] === now.s) : [];
    const rows = all.slice(0, LISTED).map(({ path, classes, logProb }) => {
      const here = now && path[now.t] === now.s;
      const factors = classes.map((c, t) => say(Math.exp(data.logProbs[t * data.classes + c]))).join(" · ");
      return make("li", { class: here ? "here" : "" },
        make("span", { class: "mark" }, ...signed(here ? "●" : "", "passes the selected cell: ")),
        make("b", {}, classes.map((c) => (c === blank ? "-" : symbols[c])).join("")),
        make("span", { class: "factors" }, factors), make("span", { class: "product" }, say(Math.exp(logProb))));
    });
    const agree = Math.abs(sum - whole) <= 1e-9 * Math.max(sum, 1e-300) + 1e-300;
    const parts = [
      make("h4", {}, "One by one", make("small", {}, `${all.length === 1 ? "The one alignment that collapses" : `All ${all.length} alignments that collapse`} to ${model.get("text") || "nothing"}, multiplied out and added up.`)),
      make("ol", { class: T() > 5 || all.length > 16 ? "mono long" : "mono" }, ...rows, ...(all.length > LISTED ? [make("li", { class: "more" }, `… and ${all.length - LISTED} less likely ones`)] : [])),
      make("p", { class: "sum" }, "sum ", make("b", { class: "mono" }, say(sum)), `   recursion: α at the end, ${words.ends} = `, make("b", { class: "mono" }, say(whole)),
        make("span", { class: agree ? "agree" : "differ" }, agree ? " ✓ the same" : " ✗ they differ")),
    ];
    if (now) {
      const part = through.reduce((total, { logProb }) => total + Math.exp(logProb), 0);
      parts.push(make("p", {}, make("span", { class: "mark" }, "●"), ` ${through.length} of ${all.length} through the ringed disc: ${say(part)} of ${say(sum)}, ${percent(sum ? part / sum : 0)}.`));
    }
    return parts;
  }

  const scrolls = [above.parentElement, below.parentElement]; // wide lines: both move together
  for (const [one, other] of [scrolls, [...scrolls].reverse()]) one.addEventListener("scroll", () => { other.scrollLeft = one.scrollLeft; });
  const sized = new ResizeObserver(() => draw());
  sized.observe(root);
  addEventListener("resize", draw); // a lower window has lower rows
  const themed = new MutationObserver(() => draw());
  themed.observe(root, { attributes: true, attributeFilter: ["data-theme"] });
  for (const canvas of [above, below]) for (const type of ["focus", "blur"]) canvas.addEventListener(type, () => draw());
  view.listen(["line", "encoded", "text"], () => { read(); draw(); });
  view.listen(["view", "frame", "row", "known"], () => draw());
  return () => { stop(); release(); removeEventListener("resize", draw); sized.disconnect(); themed.disconnect(); view.dispose(); };
}
export default { render };
