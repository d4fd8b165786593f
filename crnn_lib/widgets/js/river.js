// A beam as a river: how wide each prefix flows after each frame, from where to where, and what dries up.
// All alignments of some frames have the probability 1 together: what the river lacks of its first
// width is what the beam has dropped.

import { beamSteps } from "./prefixes.js";

const LEAST = 1.6; // pixels: a prefix of the beam is seen, however improbable it is
const MOST_GAP = 16, LEAST_GAP = 3;

/** Longer before shorter, later classes before earlier ones: a prefix lies under all that grow from it. */
export function upwards(a, b) {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return b[i] - a[i];
  return b.length - a.length;
}

/** What flows out of a kept prefix in a frame, as probabilities: { to: label, ends, mass }. `ends` says
 * whether its alignments end in a "blank" or in a character afterwards, "char". Their sum is that of the prefix. */
export function outflow({ label, atBlank, atChar, total }, frame, blank) {
  const p = (c) => Math.exp(frame[c]), last = label.at(-1);
  const flows = [{ to: label, ends: "blank", mass: Math.exp(total) * p(blank) }];
  if (label.length) flows.push({ to: label, ends: "char", mass: Math.exp(atChar) * p(last) });
  frame.forEach((_, c) => {
    if (c !== blank) flows.push({ to: [...label, c], ends: "char", mass: Math.exp(c === last ? atBlank : total) * p(c) });
  });
  return flows.filter(({ mass }) => mass > 0);
}

/** Places of all that is drawn. `full` pixels are a probability of 1, `high` is the height of the picture.
 *
 * columns: for each of the T + 1 borders between frames, the kept prefixes from above: { key, label,
 * place (rank from 0), top, blank, char }; their heights stand for the part that ends in a blank, which
 * lies above, and the part that ends in a character. flows: { t, from, to, ends, y0, h0, y1, h1 } from
 * border t to t + 1. dry: { t, from, y0, h0 }, what of a prefix flows into nothing that is kept. */
export function river({ frames, classes, logProbs }, blank, width, { full, high }) {
  const steps = beamSteps({ frames, classes, logProbs }, blank, width);
  const most = Math.max(...steps.map((step) => step.filter((p) => p.kept).length));
  const gap = Math.min(MOST_GAP, Math.max(LEAST_GAP, (high - full) / Math.max(1, most)));
  const columns = steps.map((step) => {
    const kept = step.filter((p) => p.kept).map((prefix, place) => {
      const p = Math.exp(prefix.total), scale = Math.max(p * full, LEAST) / p;
      return { ...prefix, key: prefix.label.join(), place, scale, blank: scale * Math.exp(prefix.atBlank), char: scale * Math.exp(prefix.atChar) };
    }).sort((a, b) => upwards(a.label, b.label));
    let top = (high - kept.reduce((sum, { blank: b, char }) => sum + b + char, 0) - gap * (kept.length - 1)) / 2;
    for (const node of kept) {
      node.top = top;
      top += node.blank + node.char + gap;
    }
    return kept;
  });
  const flows = [], dry = [];
  for (let t = 0; t < frames; t++) {
    const there = new Map(columns[t + 1].map((node) => [node.key, node]));
    const taken = new Map(); // how much of a node's lower part has been filled, from below
    for (const node of [...columns[t]].reverse()) { // the parent lies below, so it flows in below
      const all = outflow(node, logProbs.subarray(t * classes, (t + 1) * classes), blank);
      const kept = all.filter(({ to }) => there.has(to.join()));
      const order = ({ to, ends }) => (to.length > node.label.length ? 0 : ends === "blank" ? 1 : 2);
      kept.sort((a, b) => order(a) - order(b) || upwards(a.to, b.to));
      let y0 = node.top;
      const out = kept.map((flow) => {
        const found = { ...flow, t, from: node.key, to: flow.to.join(), y0, h0: flow.mass * node.scale };
        y0 += found.h0;
        return found;
      });
      const h0 = node.top + node.blank + node.char - y0;
      if (h0 > 1e-9) dry.push({ t, from: node.key, y0, h0 });
      for (const flow of out.reverse()) {
        const end = there.get(flow.to), h1 = flow.mass * end.scale;
        if (flow.ends === "blank") flow.y1 = end.top;
        else {
          taken.set(flow.to, (taken.get(flow.to) ?? 0) + h1);
          flow.y1 = end.top + end.blank + end.char - taken.get(flow.to);
        }
        flows.push({ ...flow, h1 });
      }
    }
  }
  return { steps, columns, flows, dry, gap };
}

/** When each prefix enters the beam, and the frame that drops it: key -> { label, born, dies }, counted
 * in frames read; dies is null for those that are there at the end. */
export function lives(columns) {
  const found = new Map();
  columns.forEach((column, t) => {
    for (const { key, label } of column) found.set(key, { label, born: found.get(key)?.born ?? t, last: t });
  });
  return new Map([...found].map(([key, { label, born, last }]) => [key, { label, born, dies: last + 1 < columns.length ? last + 1 : null }]));
}
