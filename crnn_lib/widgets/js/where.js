// The where explorer: click a digit and see its frames, its ink, and what else it could be.

import { button, choice, decodeBytes, drag, focusable, ink, keys, make, mount, paint, svg } from "./common.js";

const percent = (p) => (p > 0.9999 && p < 1 ? "> 99.99\u00a0%" : p < 0.0001 ? "< 0.01\u00a0%" : `${(100 * p).toFixed(p > 0.995 || p < 0.01 ? 2 : 1)}\u00a0%`);
const BUTTON = 46; // pixels from one to the next
const span = ([start, end]) => `[${start}, ${end})`;

function render({ model, el }) {
  const view = mount({ model, el }, "where", "Where explorer: which pixels a character was read from, and how sure it is");
  const line = () => model.get("lines")[model.get("line")];
  const at = () => Math.min(model.get("character"), line().characters.length - 1);
  const go = (i) => view.change({ character: Math.min(line().characters.length - 1, Math.max(0, i)) });

  const lines = choice("line", model.get("lines").map(({ read }, i) => [i, read]), (i) => view.change({ line: i, character: 0 }));
  const picture = make("canvas", { "aria-hidden": "true" });
  const marks = svg("svg", { class: "marks", "aria-hidden": "true", preserveAspectRatio: "none" });
  const paper = focusable(make("div", { class: "paper", role: "slider", "aria-valuemin": 0 }, picture, marks), "character");
  const said = make("div", { class: "characters" });
  const facts = make("div", { class: "facts" });
  const legend = make("p", { class: "soft legend" });
  view.root.append(lines.node, paper, said, facts, legend, view.status);
  drag(paper, (x) => {
    const column = x * line().width;
    const middles = line().characters.map(({ columns: [a, b] }) => Math.abs((a + b) / 2 - column));
    go(middles.indexOf(Math.min(...middles)));
  });
  keys(paper, {
    ArrowRight: () => go(at() + 1), ArrowLeft: () => go(at() - 1), ArrowUp: () => go(at() + 1), ArrowDown: () => go(at() - 1),
    Home: () => go(0), End: () => go(line().characters.length - 1),
  });

  /** Each character's button below its ink; where ink is close, they stand beside each other. */
  function placeButtons() {
    const { characters, width } = line(), room = said.clientWidth, count = characters.length;
    if (!room) return;
    const step = Math.min(BUTTON, room / count), half = step / 2;
    const places = characters.map(({ columns, ink: own }) => (((own ?? columns)[0] + (own ?? columns)[1]) / 2 / width) * paper.clientWidth);
    for (let i = 0; i < count; i++) places[i] = Math.max(places[i], i ? places[i - 1] + step : half);
    for (let i = count - 1; i >= 0; i--) places[i] = Math.min(places[i], i < count - 1 ? places[i + 1] - step : room - half);
    [...said.children].forEach((b, i) => { b.style.cssText = `left:${places[i]}px;width:${step - 4}px`; });
  }

  function drawPicture() {
    const { image, width, height } = line(), pixels = decodeBytes(image);
    paint(picture, width, height, (x, y) => ink(pixels[y * width + x] / 255));
    paper.style.setProperty("--ratio", width / (height + 10));
    marks.setAttribute("viewBox", `0 0 ${width} ${height + 10}`);
    picture.style.height = `${(100 * height) / (height + 10)}%`;
    // made once for a line, so that the one that was pressed keeps the focus
    said.replaceChildren(...line().characters.map(({ symbol, sure }, i) => {
      const b = button("", `${symbol}, ${percent(sure)} sure`, () => go(i));
      b.append(make("span", { class: "mono" }, symbol), make("i", { style: `--p:${sure}` }));
      return b;
    }));
    placeButtons();
  }

  function draw() {
    const { characters, height, truth, read, probability } = line(), k = at(), chosen = characters[k];
    lines.set(model.get("line"));
    marks.replaceChildren(...characters.flatMap(({ columns: [a, b], ink: own }, i) => {
      const kind = i === k ? " now" : "";
      const drawn = [svg("rect", { class: `spike${kind}`, x: a, y: 0, width: b - a, height })];
      if (own) drawn.push(svg("path", { class: `ink${kind}`, d: `M ${own[0] + 0.5} ${height + 2} v 4 H ${own[1] - 0.5} v -4`, "vector-effect": "non-scaling-stroke" }));
      return drawn;
    }));
    [...said.children].forEach((b, i) => b.setAttribute("aria-pressed", String(i === k)));
    const rows = [["frames", span(chosen.frames)], ["columns", span(chosen.columns)]];
    if (chosen.ink) rows.push(["its ink", span(chosen.ink)]);
    const shares = chosen.shares.map(([symbol, p]) => make("div", { class: "share" },
      make("span", { class: "mono" }, symbol || "∅"), make("i", { style: `--p:${p}` }), make("span", {}, percent(p))));
    facts.replaceChildren(
      make("dl", {}, ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", { class: "mono" }, value)])),
      make("div", { class: "shares" }, make("p", { class: "soft" }, "if all others are right, this is"), ...shares));
    const wrong = truth && truth !== read ? ` There stands ${truth}.` : "";
    legend.textContent = chosen.ink ? "Bands: what the network calls the character. Brackets: where its ink really is." : "Bands: what the network calls the character.";
    paper.setAttribute("aria-valuemax", characters.length - 1);
    paper.setAttribute("aria-valuenow", k);
    const words = `Character ${k}, ${chosen.symbol}: frames ${span(chosen.frames)}, columns ${span(chosen.columns)}, ${percent(chosen.sure)} sure.`;
    paper.setAttribute("aria-valuetext", words);
    view.say(`${words} The whole line reads ${read}, with probability ${percent(probability)}.${wrong}`);
  }

  view.listen(["lines", "line"], drawPicture);
  view.listen(["lines", "line", "character"], draw);
  const resized = new ResizeObserver(placeButtons);
  resized.observe(paper);
  return () => { resized.disconnect(); view.dispose(); };
}

export default { render };
