// Prefix beam search for one line, as crnn_lib.decoders.prefix_beams has it, with a record of each frame.

import { logSum } from "./ctc.js";

/** Ranks agree with Python's: scores that are the same to nine decimals are a tie, and the first stays first. */
const rank = (value) => Math.round(value * 1e9);

/** What a beam of this width does, frame by frame: an array of T + 1 steps. A step is a list of
 * { label, atBlank, atChar, total, ways, kept }, the best first; log-probabilities. `ways` says where
 * a prefix comes from: { from, c }, and c is null if no character came in. Step 0 is the start. */
export function beamSteps({ frames, classes, logProbs }, blank, width) {
  const start = { label: [], atBlank: 0, atChar: -Infinity, total: 0, ways: [], kept: true };
  const steps = [[start]];
  for (let t = 0; t < frames; t++) {
    const frame = logProbs.subarray(t * classes, (t + 1) * classes);
    const beam = steps[t].filter((prefix) => prefix.kept), grown = new Map();
    for (const { label, atChar, total } of beam) { // a blank, or the last character again
      const held = label.length ? atChar + frame[label.at(-1)] : -Infinity;
      grown.set(label.join(), { label, atBlank: total + frame[blank], atChar: held, ways: [{ from: label, c: null }] });
    }
    for (const { label, atBlank, total } of beam) for (let c = 0; c < classes; c++) { // one character more
      if (c === blank) continue;
      const before = label.at(-1) === c ? atBlank : total;
      const longer = [...label, c], key = longer.join();
      const same = grown.get(key) ?? { label: longer, atBlank: -Infinity, atChar: -Infinity, ways: [] };
      if (before === -Infinity && grown.has(key)) continue;
      grown.set(key, { ...same, atChar: logSum(same.atChar, before + frame[c]), ways: [...same.ways, { from: label, c }] });
    }
    const ranked = [...grown.values()].map((p) => ({ ...p, total: logSum(p.atBlank, p.atChar) }))
      .filter((p) => p.total > -Infinity).sort((a, b) => rank(b.total) - rank(a.total));
    steps.push(ranked.map((p, place) => ({ ...p, kept: place < width })));
  }
  return steps;
}

/** What the most probable class of each frame collapses to, over the first frames. */
export function bestPathLabel({ classes, logProbs }, blank, frames) {
  const label = [];
  let last = blank;
  for (let t = 0; t < frames; t++) {
    const frame = logProbs.subarray(t * classes, (t + 1) * classes), c = frame.indexOf(Math.max(...frame));
    if (c !== blank && c !== last) label.push(c);
    last = c;
  }
  return label;
}
