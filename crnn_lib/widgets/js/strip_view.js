// StripView: the strip maker's controls, and the strip as a network reads it. Python writes and reads; what it has
// read beforehand (the stops of each slider) is there at once, what it has not is drawn at once and read later.
import { collapse } from "./alignments.js";
import { decodeBytes, focusable, make, mount, slider } from "./common.js";
import { lineView, shareWords, sureness, unpack } from "./line_view.js";

const STROKE = 0.9; // how much a pixel gains or loses by one unit of the stroke, where the ink ends

/** The ink leant over about its base line by `slant` pixels per row, and with `stroke` more or less ink at its
 * edges: what is seen until the line itself has come. */
export function leant(pixels, width, height, slant, stroke) {
  const base = 0.8 * height;
  const at = (x, y) => {
    const from = x - slant * (base - y), i = Math.floor(from), part = from - i;
    const value = (k) => (k >= 0 && k < width ? pixels[y * width + k] : 0);
    return (1 - part) * value(i) + part * value(i + 1);
  };
  const made = Float32Array.from({ length: width * height }, (_, k) => at(k % width, Math.floor(k / width)));
  if (!stroke) return made;
  return made.map((value, k) => {
    const x = k % width, near = [k - 1, k + 1, k - width, k + width].map((n, i) => (n < 0 || n >= made.length || (i === 0 && !x) || (i === 1 && x === width - 1) ? 0 : made[n]));
    const edge = (stroke > 0 ? Math.max(...near) : Math.min(...near)) - value; // up beside ink, down beside paper
    return Math.min(1, Math.max(0, value + Math.min(1, STROKE * Math.abs(stroke)) * edge));
  });
}

function render({ model, el }) {
  const view = mount({ model, el }, "strip", "Strip maker: a number, written as the sliders say, and how it is read");
  const field = focusable(make("input", { type: "text", size: 14, inputmode: "numeric", spellcheck: "false", autocomplete: "off", maxlength: model.get("longest") }), "number");
  field.addEventListener("input", () => view.change({ text: field.value }));
  const sliders = model.get("ranges").map(([name, min, max, step]) => {
    const made = slider(name, { min, max, step, change: (value) => view.change({ [name]: value }) });
    const digits = Number.isInteger(step) ? 0 : 2;
    return { name, made, show: (value) => made.set(value, value.toFixed(digits).replace("-", "−")) };
  });
  let frame = -1, drawn = null;
  const line = lineView((t) => { frame = t; draw(); });
  const strip = line.node.firstChild;
  strip.setAttribute("role", "img");
  const answer = make("p", { class: "answer" });
  view.root.append(
    make("div", { class: "controls" }, make("label", { class: "slider" }, make("span", {}, "number"), field), ...sliders.map(({ made }) => made.node)),
    line.node, answer, view.status);

  const near = (a, b) => Math.abs(a - b) < 1e-6;
  /** How many settings differ from those of a line that was written and read. */
  const apart = (made) => (made.text !== model.get("text").trim()) + sliders.filter(({ name }) => !near(made[name], model.get(name))).length;
  /** The line as it was written and read with these settings, if it was. */
  const known = () => [model.get("now"), ...model.get("stops")].find((made) => made.image && !apart(made)) ?? null;

  function draw() {
    for (const { name, show } of sliders) show(model.get(name));
    if (document.activeElement !== field) field.value = model.get("text");
    const found = known(), made = found ?? drawn;
    if (!made?.image) return view.say(model.get("said"));
    const { width, image } = made, height = model.get("height");
    let pixels = unpack(decodeBytes(image), width * height);
    if (!found) pixels = leant(pixels, width, height, model.get("slant") - made.slant, model.get("stroke") - made.stroke);
    line.drawLine({ pixels, width, height, share: Math.min(1, width / model.get("widest")) });
    view.root.classList.toggle("waiting", !found);
    view.root.dataset.near = model.get("stops").filter((stop) => apart(stop) < 2).length; // read, and one slider away
    view.root.classList.toggle("unread", !made.path);
    if (found) drawn = found;
    if (!made.path) return tell(found ? `${width} pixel columns` : model.get("said"));
    const symbols = model.get("symbols"), blank = model.get("blank"), probs = decodeBytes(made.probs), t = Math.min(frame, made.frames - 1);
    line.drawReading({ ...made, probs, symbols, blank, frame: t });
    const text = collapse(made.path, symbols[blank]), right = text === made.text;
    answer.replaceChildren(make("span", { class: "soft" }, "reads"), make("b", { class: "mono" }, text || "nothing"),
      make("span", { class: right ? "right" : "wrong" }, right ? "✓ right" : `✗ it says ${made.text}`));
    answer.classList.toggle("bad", !right);
    const shares = t < 0 ? "no frame yet" : `frame ${t}: ${shareWords(probs, t, symbols, blank)}`;
    line.heat.setAttribute("aria-valuenow", Math.max(t, 0));
    line.heat.setAttribute("aria-valuetext", shares);
    const words = `${width} pixel columns · read as ${text || "nothing"}, probability ${sureness(made.probability)}`;
    return tell(found ? words : model.get("said"), words);
  }
  function tell(said, words = said) {
    strip.setAttribute("aria-label", `The strip: ${words}`);
    view.say(said);
  }

  view.listen(["text", "now", "stops", "said", ...sliders.map(({ name }) => name)], draw);
  const sized = new ResizeObserver(draw);
  sized.observe(view.root);
  view.change({ seen: true }); // from now on Python reads ahead
  return () => { sized.disconnect(); view.dispose(); };
}

export default { render };
