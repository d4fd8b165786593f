// FrozenReader: lines that were read beforehand; a slider goes through them.
import { collapse } from "./alignments.js";
import { decodeBytes, make, mount, slider } from "./common.js";
import { lineView, shareWords, sureness, unpack } from "./line_view.js";

function render({ model, el }) {
  const view = mount({ model, el }, "frozen", "Frozen reader: a line, its lattice and its text at each stop of a slider");
  const symbols = model.get("symbols"), blank = symbols[model.get("blank")];
  const last = () => model.get("steps").length - 1;
  const at = () => Math.min(Math.max(model.get("step"), 0), last());
  const step = () => model.get("steps")[at()];
  // in whatever order the stops were given: the larger ones are on the right
  const order = () => model.get("steps").map((_, n) => n).sort((a, b) => model.get("steps")[a].stop - model.get("steps")[b].stop);
  const signed = (value) => (value < 0 ? "−" : "") + Math.abs(value).toFixed(2);
  // looked at as long as the line has it
  const frame = () => Math.min(model.get("frame"), step().frames - 1);

  const stop = slider(model.get("name"), { min: 0, max: last(), change: (n) => view.change({ step: order()[n] }) });
  const line = lineView((t) => view.change({ frame: t }));
  const answer = make("p", { class: "answer" });
  const note = make("p", { class: "soft note" }, model.get("note"));
  view.status.classList.add("unseen"); // all that it says is seen: in the answer, and below the line
  view.root.append(make("div", { class: "row" }, make("h4", {}, "A network reads along"), stop.node), line.node, answer, view.status, note);

  function drawStep() {
    const { width, image, path: said, probability, stop: value } = step(), height = model.get("height");
    const widest = Math.max(...model.get("steps").map((s) => s.width));
    line.drawLine({ pixels: unpack(decodeBytes(image), width * height), width, height, share: width / widest });
    const text = model.get("text"), read = collapse(said, blank), isRight = read === text;
    answer.replaceChildren(
      make("span", { class: "soft" }, "reads"), make("b", { class: "mono" }, read || "nothing"),
      make("span", { class: isRight ? "right" : "wrong" }, isRight ? "✓ right" : `✗ it says ${text}`),
      make("span", { class: "soft" }, `probability ${sureness(probability)}`));
    answer.classList.toggle("bad", !isRight);
    stop.set(order().indexOf(at()), signed(value), last());
  }

  function draw() {
    const { probs: encoded, path: said, probability, stop: value } = step(), t = frame(), probs = decodeBytes(encoded);
    line.drawReading({ ...step(), probs, symbols, blank: model.get("blank"), frame: t });
    const read = collapse(said, blank), text = model.get("text");
    let words = `${model.get("name")} ${signed(value)}: read as ${read || "nothing"}, probability ${sureness(probability)}`;
    words += read === text ? "." : `; it says ${text}.`;
    line.heat.setAttribute("aria-valuenow", Math.max(t, 0));
    line.heat.setAttribute("aria-valuetext", "no frame yet");
    if (t >= 0) {
      const shares = shareWords(probs, t, symbols, model.get("blank"));
      words += ` Frame ${t}: ${shares}.`;
      line.heat.setAttribute("aria-valuetext", `frame ${t}: ${shares}`);
    }
    view.say(words[0].toUpperCase() + words.slice(1));
  }

  view.listen(["steps", "step", "text", "height"], drawStep);
  view.listen(["steps", "step", "text", "frame"], draw);
  return view.dispose;
}

export default { render };
