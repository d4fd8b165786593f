// TrainingFilm: one line at many moments of a training run, scrubbed or played.
import { announce, button, cividis, decodeBytes, drag, focusable, ink, keys, lessMotion, make, mount, paint, slider, svg } from "./common.js";
import { forwardBackward } from "./ctc.js";
import { saveGif } from "./gif.js";
import { rowsOf } from "./rows.js";

const FINEST = 1000, SHOWN = 0.15, FEW = 16, RED = [190, 30, 60], BLUE = [20, 90, 190];
const PLAYED = 14, HELD = 200; // hundredths of a second for a moment, and for the last one
const SHEET = 520, LEFT = 28, EDGE = 12, ROW = 9; // pixels of the pictures of a GIF: width, borders, height of a class

/** The log-probabilities of all moments, from thousandths as base64 text: an array of
 * { frames, classes, logProbs }, each frame normalised. */
export function momentsOf(text, moments, frames, classes) {
  const whole = new Int16Array(decodeBytes(text).buffer), size = frames * classes;
  return Array.from({ length: moments }, (_, m) => {
    const logProbs = Float64Array.from(whole.subarray(m * size, (m + 1) * size), (v) => v / FINEST);
    for (let t = 0; t < frames; t++) {
      const frame = logProbs.subarray(t * classes, (t + 1) * classes);
      const mass = Math.log(frame.reduce((sum, p) => sum + Math.exp(p), 0));
      frame.forEach((p, c) => { frame[c] = p - mass; });
    }
    return { frames, classes, logProbs };
  });
}

/** Mean probability of a class over the frames. */
export function meanProbability({ frames, classes, logProbs }, c) {
  return Array.from({ length: frames }, (_, t) => Math.exp(logProbs[t * classes + c])).reduce((a, b) => a + b) / frames;
}

/** Best class of each frame. */
export function bestClasses({ frames, classes, logProbs }) {
  return Array.from({ length: frames }, (_, t) => {
    const frame = logProbs.subarray(t * classes, (t + 1) * classes);
    return frame.indexOf(Math.max(...frame));
  });
}

/** What is read along the best path, as text. */
export function readAlong(path, symbols, blank) {
  return path.filter((c, t) => c !== blank && c !== path[t - 1]).map((c) => symbols[c]).join("");
}

/** The moments that have a name, as TrainingFilm.stations finds them: [[name, moment]]. `blanks` is
 * the blank's mean probability at each moment. */
export function stationsOf(texts, blanks, text) {
  const found = [["the smear", 0]], silent = texts.indexOf("");
  if (silent >= 0) {
    const spikes = texts.findIndex((read, m) => m > silent && read);
    const quiet = blanks.slice(silent, spikes > 0 ? spikes : undefined);
    found.push(["all blank", silent + quiet.indexOf(Math.max(...quiet))]);
    if (spikes > 0) found.push(["first spikes", spikes]);
  }
  let right = texts.length;
  while (right > 0 && texts[right - 1] === text) right--;
  if (right < texts.length) found.push(["the text", right]);
  return found;
}

function render({ model, el }) {
  const view = mount({ model, el }, "film", "Training film: one line at many moments of a training run");
  const { root } = view;
  const [symbols, blank, steps] = [model.get("symbols"), model.get("blank"), model.get("steps")];
  const [W, H, T, C] = [model.get("width"), model.get("height"), model.get("frames"), symbols.length];
  const moments = momentsOf(model.get("said"), steps.length, T, C).map((line) => {
    const found = forwardBackward(line, model.get("label"), blank), path = bestClasses(line);
    return { line, found, path, loss: -found.logProb, read: readAlong(path, symbols, blank) };
  });
  const last = moments.length - 1;
  const at = () => Math.min(model.get("moment"), last);
  const go = (moment) => view.change({ moment: Math.min(last, Math.max(0, moment)) });
  const rows = rowsOf(C, blank);
  const rowName = (c) => (c === blank ? "–" : symbols[c]);

  // Playing: the page alone turns the moments; Python hears where it stops.
  let timer = null;
  const play = button("▶ Play", "play", () => (timer ? stop() : start()));
  play.classList.add("main");
  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "▶ Play";
    play.setAttribute("aria-label", "play");
    model.save_changes();
    draw(); // says where it stopped
  }
  function start() {
    if (at() === last) model.set("moment", 0);
    play.textContent = "❚❚ Pause";
    play.setAttribute("aria-label", "pause");
    timer = setInterval(() => {
      if (at() >= last) stop();
      else model.set("moment", at() + 1);
    }, lessMotion() ? 700 : 140);
  }
  const scrub = slider("moment", { min: 0, max: last, change: (moment) => { if (timer) stop(); go(moment); } });
  const stations = stationsOf(moments.map((m) => m.read), moments.map((m) => meanProbability(m.line, blank)), model.get("text"))
    .map(([name, moment]) => [moment, button(name, `${name}, step ${steps[moment]}`, () => { if (timer) stop(); go(moment); })]);

  const picture = make("canvas", { "aria-hidden": "true" });
  const read = make("span", { class: "read mono" });
  const facts = make("span", { class: "facts" });
  const strips = {};
  const strip = (name, title, ...words) => {
    const canvas = make("canvas", { "aria-hidden": "true" });
    const marks = svg("svg", { class: "marks", viewBox: `0 0 ${T} ${C}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    const names = make("div", { class: "symbols mono", "aria-hidden": "true" }, ...rows.map((c) => make("span", { class: model.get("label").includes(c) || c === blank ? "wanted" : C > FEW ? "unnamed" : "" }, rowName(c))));
    strips[name] = { canvas, marks };
    return [make("p", { class: "caption" }, make("b", {}, title), ...words.map((part) => make("span", { class: "soft" }, part))), make("div", { class: "strip" }, names, make("div", { class: "heat" }, make("div", { class: "frames" }, canvas, marks)))];
  };
  const curve = svg("svg", { class: "curve", viewBox: `0 0 ${last} 100`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const chart = focusable(make("div", { class: "chart", role: "slider", "aria-valuemin": 0, "aria-valuemax": last }, curve), "moment on the curve of the loss");
  drag(chart, (x) => { if (timer) stop(); go(Math.round(x * last)); });
  const by = (d) => () => { if (timer) stop(); go(at() + d); };
  keys(chart, { ArrowRight: by(1), ArrowUp: by(1), ArrowLeft: by(-1), ArrowDown: by(-1), PageUp: by(10), PageDown: by(-10), Home: by(-Infinity), End: by(Infinity) });

  root.style.setProperty("--classes", C);
  root.style.setProperty("--shape", W / H);
  root.style.setProperty("--left", `${(100 * model.get("ends")[0]) / W}%`);
  root.style.setProperty("--frames", `${(100 * (model.get("ends")[1] - model.get("ends")[0])) / W}%`);
  root.append(
    make("div", { class: "row head" }, make("h4", {}, "Training film", make("small", {}, "one line, many moments of learning"))),
    make("div", { class: "row" }, play, scrub.node),
    make("div", { class: "row stations" }, ...stations.map(([, node]) => node)),
    make("div", { class: "strip" }, make("div", {}), make("div", { class: "paper", style: `aspect-ratio: ${W} / ${H}` }, picture)),
    make("p", { class: "reads" }, make("span", { class: "soft" }, "reads "), read, facts),
    ...strip("p", "p", "what the network says of each frame;", "○ its best class"),
    ...strip("gamma", "γ", `share of the alignments of ${model.get("text")} that pass there`),
    ...strip("gradient", "p − γ", "▼ red: too likely, pushed down;", "▲ blue: too unlikely, pushed up"),
    make("p", { class: "caption" }, make("b", {}, "loss"), make("span", { class: "soft" }, "at all moments; drag along it")),
    make("div", { class: "strip" }, make("div", {}), chart),
    make("div", { class: "row foot" }, view.status, button("Save as GIF", "Save as GIF: all moments, as they play", saveFilm)),
  );
  const pixels = decodeBytes(model.get("image"));
  paint(picture, W, H, (x, y) => ink(pixels[y * W + x] / 255));
  const most = Math.max(...moments.map(({ loss }) => loss).filter(Number.isFinite)); // a label of probability 0 has no height
  const height100 = (loss) => 100 - (96 * Math.min(loss, most)) / most;
  const now = svg("line", { class: "now", y1: 0, y2: 100, "vector-effect": "non-scaling-stroke" });
  curve.append(svg("polyline", { points: moments.map(({ loss }, m) => `${m},${height100(loss)}`).join(" "), "vector-effect": "non-scaling-stroke" }), now);

  const diverging = (g) => (g > 0 ? RED : BLUE).map((full, k) => Math.round([246, 244, 238][k] + Math.min(1, Math.abs(g)) * (full - [246, 244, 238][k])));

  /** Paint the strips of a moment; returns p and gamma. */
  function paintMoment(m, canvases) {
    const { line, found } = moments[m];
    const p = (t, c) => Math.exp(line.logProbs[t * C + c]), gamma = (t, c) => Math.exp(found.occupancy[t * C + c]);
    paint(canvases.p, T, C, (t, row) => cividis(p(t, rows[row])));
    paint(canvases.gamma, T, C, (t, row) => cividis(gamma(t, rows[row])));
    paint(canvases.gradient, T, C, (t, row) => diverging(p(t, rows[row]) - gamma(t, rows[row])));
    return { p, gamma };
  }

  // As a GIF: the same picture, drawn on a sheet of its own for each moment ------------------------
  /** The sheets of all moments: { width, height, pictures }. */
  async function sheets() {
    const style = getComputedStyle(root), [front, paper, faint, red, quiet] = ["ink", "paper", "panel", "accent", "soft"].map((name) => style.getPropertyValue(`--${name}`).trim());
    const sans = "system-ui, 'Segoe UI', 'Liberation Sans', 'DejaVu Sans', sans-serif", wide = SHEET - LEFT - EDGE;
    const tall = Math.min(150, (wide * H) / W), broad = (tall * W) / H, high = ROW * C, step = high + 24;
    const height = Math.round(62 + tall + 3 * step + 74), canvas = make("canvas", { width: SHEET, height });
    const context = canvas.getContext("2d", { willReadFrequently: true }), own = { p: make("canvas"), gamma: make("canvas"), gradient: make("canvas") };
    const from = LEFT + (broad * model.get("ends")[0]) / W, across = (broad * (model.get("ends")[1] - model.get("ends")[0])) / W;
    const word = (words, x, y, size, colour, align = "left", weight = 400) => {
      Object.assign(context, { font: `${weight} ${size}px ${sans}`, fillStyle: colour, textAlign: align, textBaseline: "middle" });
      context.fillText(words, x, y);
    };
    const titles = { p: "p: what the network says", gamma: `γ: share of the alignments of ${model.get("text")} that pass there`, gradient: "p − γ: red is pushed down, blue up" };
    const pictures = [];
    for (let m = 0; m <= last; m++) {
      const { loss, read: said } = moments[m];
      paintMoment(m, own);
      context.fillStyle = paper;
      context.fillRect(0, 0, SHEET, height);
      word(`step ${steps[m]}`, LEFT, 18, 16, front, "left", 700);
      word(`loss ${loss.toFixed(2)}`, SHEET - EDGE, 18, 15, front, "right");
      context.imageSmoothingEnabled = false;
      context.drawImage(picture, LEFT, 34, broad, tall);
      word(`reads ${said || "nothing"}`, LEFT, 50 + tall, 16, front, "left", 700);
      Object.keys(own).forEach((name, k) => {
        const top = 68 + tall + k * step;
        word(titles[name], LEFT, top + 8, 12, quiet);
        context.save();
        context.beginPath();
        context.rect(LEFT, top + 18, broad, high); // the outer frames see beyond the line
        context.clip();
        context.drawImage(own[name], from, top + 18, across, high);
        context.restore();
        rows.forEach((c, row) => {
          if (model.get("label").includes(c) || c === blank) word(rowName(c), LEFT - 10, top + 18 + ROW * (row + 0.5), 10, front, "center");
        });
      });
      const top = 72 + tall + 3 * step, x = (moment) => LEFT + (wide * moment) / last, y = (value) => top + 18 + 0.4 * height100(value);
      word("loss", LEFT, top + 6, 12, quiet);
      context.fillStyle = faint;
      context.fillRect(LEFT, top + 16, wide, 44);
      context.beginPath();
      moments.forEach((each, moment) => context.lineTo(x(moment), y(each.loss)));
      Object.assign(context, { strokeStyle: quiet, lineWidth: 2 });
      context.stroke();
      context.fillStyle = red;
      context.fillRect(x(m) - 1.5, top + 16, 3, 44);
      pictures.push({ data: context.getImageData(0, 0, SHEET, height).data, delay: m === last ? HELD : PLAYED });
      await new Promise((goOn) => { setTimeout(goOn); });
    }
    return { width: SHEET, height, pictures };
  }
  let saving = false;
  async function saveFilm() {
    if (saving) return;
    saving = true;
    if (timer) stop();
    view.say("The GIF is being made.");
    const { width, height, pictures } = await sheets();
    await saveGif(width, height, pictures, `training-${model.get("text")}`);
    view.say(`The GIF is saved: ${pictures.length} moments.`);
    saving = false;
  }

  function draw() {
    const m = at(), { path, loss, read: text } = moments[m];
    const { p, gamma } = paintMoment(m, { p: strips.p.canvas, gamma: strips.gamma.canvas, gradient: strips.gradient.canvas });
    // best path as dots; the direction of each strong push as a sign, so that colour is not alone
    strips.p.marks.replaceChildren(...path.map((c, t) => svg("ellipse", { class: "best", cx: t + 0.5, cy: rows.indexOf(c) + 0.5, rx: 0.11, ry: 0.28 })));
    strips.gradient.marks.replaceChildren(...path.flatMap((_, t) => rows.flatMap((c, row) => {
      const g = p(t, c) - gamma(t, c);
      if (Math.abs(g) < SHOWN) return [];
      const y = row + 0.5, d = g > 0 ? 0.34 : -0.34;
      return [svg("path", { class: "push", d: `M ${t + 0.36} ${y - d} H ${t + 0.64} L ${t + 0.5} ${y + d} Z` })];
    })));
    now.setAttribute("x1", m);
    now.setAttribute("x2", m);
    scrub.set(m, `step ${steps[m]}`);
    for (const [moment, node] of stations) node.setAttribute("aria-pressed", String(moment === m));
    announce(read, text || "nothing");
    read.classList.toggle("right", text === model.get("text"));
    const blanks = path.filter((c) => c === blank).length;
    facts.textContent = `loss ${loss.toFixed(2)}`;
    chart.setAttribute("aria-valuenow", m);
    chart.setAttribute("aria-valuetext", `step ${steps[m]}, loss ${loss.toFixed(2)}`);
    if (!timer) view.say(`After ${steps[m]} ${steps[m] === 1 ? "step" : "steps"} the loss is ${loss.toFixed(2)}. ${blanks} of ${T} frames say blank; the line reads ${text || "nothing"}.`);
  }

  view.listen(["moment"], draw);
  return () => { clearInterval(timer); view.dispose(); };
}

export default { render };
