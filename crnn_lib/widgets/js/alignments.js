// Alignments and labels as text, one symbol per frame: what crnn_lib.ctc says of them.
import { choose, minimumFrames } from "./counting.js";

export const BLANK = "-";
export const MOST_FRAMES = 40; // for them, and 12 characters, every count is an exact Number

/** Runs of equal symbols: [{ symbol, frames }], frames being the indices of the run. */
export function runsOf(symbols, frames = symbols.map((_, i) => i)) {
  const runs = [];
  for (const i of frames) {
    const last = runs.at(-1);
    if (last && last.symbol === symbols[i]) last.frames.push(i);
    else runs.push({ symbol: symbols[i], frames: [i] });
  }
  return runs;
}

/** Merge repeats, then drop blanks. */
export function collapse(alignment, blank = BLANK) {
  return runsOf([...alignment]).filter((run) => run.symbol !== blank).map((run) => run.symbol).join("");
}

/** The classic mistake: drop blanks, then merge repeats. */
export function dropThenMerge(alignment, blank = BLANK) {
  return runsOf([...alignment].filter((s) => s !== blank)).map((run) => run.symbol).join("");
}

/** Alignment `number`, from 0, of those that collapse to the text, in the order of
 * crnn_lib.ctc.alignments: 2L bars among the spare frames say to which run each one goes. */
export function alignmentAt(text, frames, number, blank = BLANK) {
  const runs = [blank, ...[...text].flatMap((c) => [c, blank])];
  const least = runs.map((_, s) => (s % 2 || (s > 1 && s < runs.length - 1 && runs[s - 1] === runs[s + 1]) ? 1 : 0));
  const slots = frames - minimumFrames(text) + runs.length - 1;
  let result = "", slot = 0;
  for (let s = 0; s < runs.length; s++) {
    const bars = runs.length - 1 - s; // still to be placed, this run's included
    let length = least[s];
    if (bars === 0) length += slots - slot;
    for (; bars > 0; slot++, length++) {
      const here = choose(slots - slot - 1, bars - 1); // ways with this run's bar in this slot
      if (number < here) { slot++; break; }
      number -= here;
    }
    result += runs[s].repeat(length);
  }
  return result;
}

/** What becomes of each frame: for rows 0, 1, 2 its place (in frames from the left), whether it is
 * there, and the runs that merge. */
export function stages(alignment, dropFirst, blank = BLANK) {
  const symbols = [...alignment];
  const all = symbols.map((_, i) => i);
  const kept = all.filter((i) => symbols[i] !== blank);
  const runs = runsOf(symbols, dropFirst ? kept : all);
  const middle = [];
  for (const { frames } of runs) for (const i of frames) middle[i] = (frames[0] + frames.at(-1)) / 2;
  const alive = all.map((i) => symbols[i] !== blank);
  return {
    runs,
    tiles: symbols.map((symbol, i) => ({
      symbol,
      places: dropFirst ? [i, i, middle[i] ?? i] : [i, middle[i], middle[i]],
      there: dropFirst ? [true, alive[i], alive[i]] : [true, true, alive[i]],
    })),
    texts: dropFirst
      ? [alignment, kept.map((i) => symbols[i]).join(""), dropThenMerge(alignment, blank)]
      : [alignment, runs.map((run) => run.symbol).join(""), collapse(alignment, blank)],
  };
}
