// TouchExplorer: digits move together until they touch; how a line is cut, and how it is read.
import { decodeBytes, ink, make, mount, paint, slider, svg } from "./common.js";

// Each differs from its neighbours in brightness too; and every piece has its number.
const HUES = [[0, 68, 136], [214, 116, 0], [0, 88, 68], [200, 96, 176], [84, 70, 0], [124, 124, 140]];
const LEVEL = 128, PROFILE = 48; // bytes of a pixel that is ink; height of the profile

/** Number of each ink pixel's connected piece, from 1, rows first; pieces below `speck` are 0. */
export function findComponents(pixels, width, height, speck) {
  const found = new Int32Array(width * height), sizes = [0];
  for (let first = 0; first < found.length; first++) {
    if (pixels[first] < LEVEL || found[first]) continue;
    const number = sizes.push(0) - 1, open = [first];
    found[first] = number;
    while (open.length) {
      const at = open.pop(), x = at % width, y = (at - x) / width;
      sizes[number] += 1;
      for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, height - 1); v++) {
        for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, width - 1); u++) {
          const next = v * width + u;
          if (pixels[next] >= LEVEL && !found[next]) { found[next] = number; open.push(next); }
        }
      }
    }
  }
  let count = 0;
  const renumbered = sizes.map((size, number) => (number && size >= speck ? ++count : 0));
  return { labels: Array.from(found, (number) => renumbered[number]), count };
}

/** Ink pixels of each column. */
export function columnProfile(pixels, width, height) {
  return Array.from({ length: width }, (_, x) => {
    let ink = 0;
    for (let y = 0; y < height; y++) ink += pixels[y * width + x] >= LEVEL;
    return ink;
  });
}

function render({ model, el }) {
  const view = mount({ model, el }, "touch", "Touch explorer: digits that move together");
  const { root } = view;
  const counted = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;
  const signed = (value) => (value < 0 ? "−" : "") + Math.abs(value).toFixed(2);
  const last = () => model.get("steps").length - 1;
  const now = () => Math.min(Math.max(model.get("step"), 0), last());
  // in whatever order the steps were given: the wider ones are on the right
  const order = () => model.get("steps").map((_, n) => n).sort((a, b) => model.get("steps")[a].spacing - model.get("steps")[b].spacing);
  const spacing = slider("spacing", { min: 0, max: last(), step: 1, change: (n) => view.change({ step: order()[n] }) });

  const picture = make("canvas", { class: "picture", "aria-hidden": "true" });
  const overlay = svg("svg", { class: "overlay", "aria-hidden": "true" });
  const profile = svg("svg", { class: "profile", "aria-hidden": "true" });
  const pieces = svg("svg", { class: "pieces", "aria-hidden": "true" });
  const line = make("div", { class: "line" }, picture, profile, pieces, overlay);
  const captions = ["connected pieces", "ink per column", "cut, then read"].map((text) => make("p", { class: "soft" }, text));
  const cutRow = make("p", { class: "reading cut" }), wholeRow = make("p", { class: "reading whole" });

  root.append(
    make("div", { class: "row" }, make("h4", {}, "Touching digits", make("small", {}, "cut first, or read first?")), spacing.node),
    make("div", { class: "stage" }, make("div", { class: "captions", "aria-hidden": "true" }, ...captions), line),
    cutRow, wholeRow, view.status,
  );

  // What does not change while the slider moves is worked out once for each step.
  const known = new Map();
  function worked(n) {
    if (!known.has(n)) {
      const { image, width, groups } = model.get("steps")[n], height = model.get("height");
      const pixels = decodeBytes(image), { labels } = findComponents(pixels, width, height, model.get("speck"));
      known.set(n, { pixels, profile: columnProfile(pixels, width, height), owners: labels.map((c) => (c ? groups[c - 1] : 0)) });
    }
    return known.get(n);
  }

  function reading(row, name, said) {
    const text = model.get("text"), right = said === text;
    row.replaceChildren(make("span", { class: "name" }, name), make("b", { class: "mono" }, said || "nothing"), make("span", { class: right ? "right" : "wrong" }, right ? "✓ right" : `✗ it says ${text}`));
    row.classList.toggle("bad", !right);
  }

  function draw() {
    const n = now(), step = model.get("steps")[n], H = model.get("height"), W = step.width;
    const { pixels, profile: columns, owners } = worked(n);
    const widest = Math.max(...model.get("steps").map((s) => s.width));
    line.style.setProperty("--share", W / widest);
    picture.style.aspectRatio = `${W} / ${H}`;
    paint(picture, W, H, (x, y) => {
      const at = y * W + x, owner = owners[at], value = pixels[at] / 255;
      if (!owner) return ink(value);
      const paper = ink(0), hue = HUES[(owner - 1) % HUES.length];
      return hue.map((c, k) => Math.round(paper[k] + value * (c - paper[k])));
    });

    // each piece's number stands above its middle
    const names = [];
    for (let owner = 1; owner <= step.joined; owner++) {
      const xs = owners.flatMap((o, at) => (o === owner ? [at % W] : []));
      names.push(svg("text", { x: (Math.min(...xs) + Math.max(...xs) + 1) / 2, y: 3.4, class: "number" }, String(owner)));
    }
    const most = Math.max(...columns, 1), tall = H + PROFILE / 4;
    overlay.setAttribute("viewBox", `0 0 ${W} ${tall}`);
    overlay.style.aspectRatio = `${W} / ${tall}`;
    overlay.replaceChildren(...step.cuts.flatMap((x) => ["halo", "cutline"].map((kind) => svg("line", { class: kind, x1: x, x2: x, y1: 0, y2: tall }))), ...names);
    profile.setAttribute("viewBox", `0 0 ${W} ${PROFILE / 4}`);
    profile.replaceChildren(...columns.map((count, x) => {
      const high = (count / most) * (PROFILE / 4 - 1);
      return svg("rect", { x, y: PROFILE / 4 - high, width: 0.9, height: high });
    }));
    pieces.setAttribute("viewBox", `0 0 ${W} 11`);
    pieces.replaceChildren(...step.pieces.flatMap(([left, right], k) => [
      svg("path", { d: `M${left + 0.4} ${0.6 + (k % 2)}v1.4H${right - 0.4}v-1.4` }),
      svg("text", { x: (left + right) / 2, y: 9.6 }, step.read[k] ?? ""),
    ]));

    const where = signed(step.spacing);
    const touch = `${counted(step.joined, "connected piece")}, ${counted(step.cuts.length, "cut")}`;
    spacing.set(order().indexOf(n), where, last());
    reading(cutRow, "cut, then read", step.read);
    if (model.get("named")) reading(wholeRow, model.get("named"), step.whole);
    else wholeRow.replaceChildren();
    const whole = model.get("named") ? ` ${model.get("named")}: ${step.whole || "nothing"}.` : "";
    view.say(`Spacing ${where}: ${touch}. Cut, then read: ${step.read || "nothing"}.${whole}`);
  }

  view.listen(["steps"], () => known.clear());
  view.listen(["steps", "step", "text", "named"], draw);
  return view.dispose;
}

export default { render };
