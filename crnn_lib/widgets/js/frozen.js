// FrozenReader: lines that were read beforehand; a slider goes through them.
import { collapse } from "./alignments.js";
import { cividis, decodeBytes, drag, focusable, ink, keys, make, mount, paint, slider } from "./common.js";

/** Two pixels of 16 levels from each byte, as numbers in [0, 1]. */
export function unpack(bytes, count) {
  return Array.from({ length: count }, (_, i) => ((bytes[i >> 1] >> (i % 2 ? 0 : 4)) & 15) / 15);
}

/** The runs of one class on a path, without blanks: [symbol, first frame, frame after the last]. */
export function runs(path, blank) {
  const found = [];
  [...path].forEach((symbol, t) => {
    if (symbol === blank) return;
    if (t && path[t - 1] === symbol) found[found.length - 1][2] = t + 1;
    else found.push([symbol, t, t + 1]);
  });
  return found;
}

function render({ model, el }) {
  const view = mount({ model, el }, "frozen", "Frozen reader: a line, its lattice and its text at each stop of a slider");
  const symbols = model.get("symbols"), C = symbols.length, blank = symbols[model.get("blank")];
  const last = () => model.get("steps").length - 1;
  const at = () => Math.min(Math.max(model.get("step"), 0), last());
  const step = () => model.get("steps")[at()];
  const signed = (value) => (value < 0 ? "−" : "") + Math.abs(value).toFixed(2);
  const sureness = (p) => (p >= 0.995 ? "above 0.99" : p.toFixed(2));
  const inPercent = (p) => (p > 0.995 ? "> 99 %" : p < 0.01 ? "< 1 %" : `${Math.round(100 * p)} %`);
  // looked at as long as the line has it
  const frame = () => Math.min(model.get("frame"), step().frames - 1);
  const look = (t) => view.change({ frame: Math.min(step().frames - 1, Math.max(0, t)) });

  const stop = slider(model.get("name"), { min: 0, max: last(), change: (n) => view.change({ step: n }) });
  const picture = make("canvas", { class: "picture", "aria-hidden": "true" });
  const marks = make("div", { class: "marks", "aria-hidden": "true" });
  const heat = make("canvas");
  const playhead = make("div", { class: "playhead" });
  const lattice = focusable(make("div", { class: "heat", role: "slider", "aria-valuemin": 0 }, heat, playhead), "frame of the lattice");
  const names = make("div", { class: "symbols", "aria-hidden": "true" }, ...symbols.map((s) => make("span", {}, s)));
  const path = make("p", { class: "path mono" });
  const answer = make("p", { class: "answer" });
  const note = make("p", { class: "soft" }, model.get("note"));
  view.root.append(
    make("div", { class: "row" }, make("h4", {}, "A network reads along"), stop.node),
    make("div", { class: "stage" }, make("div", { class: "line" }, picture, marks), names, make("div", { class: "line" }, lattice)),
    path, answer, view.status, note,
  );
  drag(lattice, (x) => look(Math.floor(x * step().frames)));
  keys(lattice, {
    ArrowRight: () => look(frame() + 1), ArrowLeft: () => look(frame() - 1),
    Home: () => look(0), End: () => look(step().frames - 1),
  });

  function drawStep() {
    const { width, left, right, frames, image, probs, path: said, probability, stop: value } = step();
    const H = model.get("height"), pixels = unpack(decodeBytes(image), width * H), posteriors = decodeBytes(probs);
    const widest = Math.max(...model.get("steps").map((s) => s.width));
    view.root.style.setProperty("--share", width / widest);
    picture.style.aspectRatio = `${width} / ${H}`;
    paint(picture, width, H, (x, y) => ink(pixels[y * width + x]));
    paint(heat, frames, C, (t, c) => cividis(posteriors[t * C + c] / 255));
    lattice.style.marginLeft = `${(100 * left) / width}%`;
    lattice.style.width = `${(100 * (right - left)) / width}%`;
    const place = (t) => (100 * (left + ((right - left) * t) / frames)) / width;
    marks.replaceChildren(...runs(said, blank).map(([symbol, from, to]) =>
      make("b", { class: "mono", style: `left:${place((from + to) / 2)}%` }, symbol)));
    const text = model.get("text"), read = collapse(said, blank), isRight = read === text;
    answer.replaceChildren(
      make("span", { class: "soft" }, "reads"), make("b", { class: "mono" }, read || "nothing"),
      make("span", { class: isRight ? "right" : "wrong" }, isRight ? "✓ right" : `✗ it says ${text}`),
      make("span", { class: "soft" }, `probability ${sureness(probability)}`));
    answer.classList.toggle("bad", !isRight);
    stop.set(at(), signed(value), last());
    lattice.setAttribute("aria-valuemax", frames - 1);
  }

  function draw() {
    const { frames, probs, path: said, probability, stop: value } = step(), t = frame();
    const read = collapse(said, blank), text = model.get("text");
    playhead.hidden = t < 0;
    playhead.style.left = `${(100 * t) / frames}%`;
    playhead.style.width = `${100 / frames}%`;
    path.replaceChildren(...[...said].map((symbol, i) =>
      make("span", { class: `${symbol === blank ? "soft" : "named"}${i === t ? " now" : ""}` }, symbol)));
    let words = `${model.get("name")} ${signed(value)}: read as ${read || "nothing"}, probability ${sureness(probability)}`;
    words += read === text ? "." : `; it says ${text}.`;
    if (t >= 0) {
      const column = [...decodeBytes(probs).subarray(t * C, t * C + C)];
      const best = column.map((p, c) => [p / 255, c]).sort((a, b) => b[0] - a[0]).filter(([p], i) => !i || p >= 0.01).slice(0, 3);
      const shares = best.map(([p, c]) => `${symbols[c] === blank ? "blank" : symbols[c]} ${inPercent(p)}`).join(", ");
      words += ` Frame ${t}: ${shares}.`;
      lattice.setAttribute("aria-valuenow", t);
      lattice.setAttribute("aria-valuetext", `frame ${t}: ${shares}`);
    } else {
      lattice.setAttribute("aria-valuenow", 0);
      lattice.setAttribute("aria-valuetext", "no frame yet");
    }
    view.say(words[0].toUpperCase() + words.slice(1));
  }

  view.listen(["steps", "step", "text", "height"], drawStep);
  view.listen(["steps", "step", "text", "frame"], draw);
  return view.dispose;
}

export default { render };
