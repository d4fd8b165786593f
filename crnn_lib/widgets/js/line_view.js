// One line as a network reads it, all on one axis: ink, posteriors, best path, text.
import { cividis, drag, focusable, ink, keys, make, paint } from "./common.js";
import { rowsOf } from "./rows.js";

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

/** Two pixels of 16 levels from each byte, as numbers in [0, 1]. */
export function unpack(bytes, count) {
  return Array.from({ length: count }, (_, i) => ((bytes[i >> 1] >> (i % 2 ? 0 : 4)) & 15) / 15);
}

/** The picture of a line. `look(t)` is called where a reader points at a frame.
 *
 * Returns node; heat, which has the focus and the words of a frame; and two ways to draw:
 * drawLine({ pixels, width, height, share }) and, if somebody has read it,
 * drawReading({ width, frames, left, right, probs, path, symbols, blank, frame }). */
export function lineView(look) {
  const picture = make("canvas", { class: "picture", "aria-hidden": "true" });
  const plane = make("canvas"), playhead = make("div", { class: "playhead" });
  const heat = focusable(make("div", { class: "heat", role: "slider", "aria-valuemin": 0 }, plane, playhead), "frame of the lattice");
  const names = make("div", { class: "symbols", "aria-hidden": "true" });
  const path = make("div", { class: "path mono", "aria-hidden": "true" });
  const marks = make("div", { class: "marks", "aria-hidden": "true" });
  const said = make("p", { class: "look soft", "aria-hidden": "true" }); // the heat says it to ears
  const node = make("div", { class: "line-view" }, make("div", { class: "line" }, picture), names, make("div", { class: "line" }, heat),
    make("div", { class: "line" }, path), make("div", { class: "line" }, marks), said);
  let frames = 1, at = -1;
  const go = (t) => look(Math.min(frames - 1, Math.max(0, t)));
  drag(heat, (x) => go(Math.floor(x * frames)));
  keys(heat, { ArrowRight: () => go(at + 1), ArrowLeft: () => go(at - 1), Home: () => go(0), End: () => go(frames - 1) });
  return {
    node,
    heat,
    drawLine({ pixels, width, height, share = 1 }) {
      node.style.setProperty("--share", share);
      picture.style.aspectRatio = `${width} / ${height}`;
      paint(picture, width, height, (x, y) => ink(pixels[y * width + x]));
    },
    drawReading({ width, frames: T, left, right, probs, path: taken, symbols, blank, frame }) {
      [frames, at] = [T, frame];
      const C = symbols.length, rows = rowsOf(C, blank), silent = symbols[blank], place = (t) => (100 * (left + ((right - left) * t) / T)) / width;
      paint(plane, T, C, (t, row) => cividis(probs[t * C + rows[row]] / 255));
      heat.style.marginLeft = `${place(0)}%`;
      heat.style.width = `${place(T) - place(0)}%`;
      if (names.childElementCount !== C) names.replaceChildren(...rows.map((c) => make("span", {}, c === blank ? "–" : symbols[c])));
      playhead.hidden = frame < 0;
      playhead.style.left = `${(100 * frame) / T}%`;
      playhead.style.width = `${100 / T}%`;
      const narrow = (node.clientWidth || 700) / T < 7; // a dash for each blank would run into the next
      path.replaceChildren(...[...taken].map((symbol, t) => make("span", { class: `${symbol === silent ? "soft" : "named"}${t === frame ? " now" : ""}`, style: `left:${place(t + 0.5)}%` },
        symbol === silent ? (narrow ? "·" : "–") : symbol)));
      marks.replaceChildren(...runs(taken, silent).map(([symbol, from, to]) => make("b", { style: `left:${place((from + to) / 2)}%` }, symbol)));
      heat.setAttribute("aria-valuemax", T - 1);
      said.textContent = frame < 0 ? "Click a column: what is said of this frame." : `Frame ${frame}: ${shareWords(probs, frame, symbols, blank)}.`;
    },
  };
}

/** The likeliest classes of a frame: [name, probability], the best first, none below 1 % but the best. */
export function sharesOfFrame(probs, t, symbols, blank) {
  const C = symbols.length, column = [...probs.subarray(t * C, t * C + C)];
  return column.map((p, c) => [c === blank ? "blank" : symbols[c], p / 255]).sort((a, b) => b[1] - a[1]).filter(([, p], i) => !i || p >= 0.01).slice(0, 3);
}

/** The same in words. */
export const shareWords = (...given) => sharesOfFrame(...given).map(([name, p]) => `${name} ${inPercent(p)}`).join(", ");

export const inPercent = (p) => (p > 0.995 ? "> 99\u00a0%" : p < 0.01 ? "< 1\u00a0%" : `${Math.round(100 * p)}\u00a0%`);
export const sureness = (p) => (p >= 0.995 ? "above 0.99" : p.toFixed(2));
