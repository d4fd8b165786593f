// The order of the rows wherever a picture has one for each class.

/** The classes from above: the blank, then the others in their order, wherever the alphabet has its blank. */
export function rowsOf(classes, blank) {
  return [blank, ...Array.from({ length: classes }, (_, c) => c).filter((c) => c !== blank)];
}
