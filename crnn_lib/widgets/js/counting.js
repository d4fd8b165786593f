// How many alignments a label has, and in how few frames it fits. A label is a text or an array of classes.

/** One frame per character, and one more per pair of equal neighbours. */
export function minimumFrames(label) {
  return label.length + [...label].filter((c, i) => i > 0 && c === label[i - 1]).length;
}

// Pascal's triangle, as far as it was asked for. By addition only: a product would leave the range in
// which Numbers are exact, 2 ** 53, before the result does.
const CHOOSE = [[1]];
export function choose(n, k) {
  while (CHOOSE.length <= n) {
    const above = CHOOSE.at(-1);
    CHOOSE.push([...above, 0].map((x, i) => x + (above[i - 1] ?? 0)));
  }
  return CHOOSE[n]?.[k] ?? 0;
}

/** C(T + L - R, 2L) alignments of T frames collapse to the label; exact up to 2 ** 53. */
export function countAlignments(label, frames) {
  const spare = frames - minimumFrames(label);
  return spare >= 0 ? choose(spare + 2 * label.length, spare) : 0;
}
