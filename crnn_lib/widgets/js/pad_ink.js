// From strokes to pixels, as crnn_lib.widgets.pad_ink has it: the line that a network reads.
// A stroke is { points: [[x, y], ...], width, erase } in units of the pad, y downwards. A picture is
// { rows, columns, values: Float32Array of rows * columns in [0, 1] }, ink bright on black.

const PAD = { width: 720, height: 300 }; // units
const DARK_FROM = 0.4; // a pixel with this share of the ink's colour counts as ink where extents are measured
const FILLS = 0.72; // share of a line's height that its ink fills, as where networks learned
const MARGINS = 6, PENS = [2.5, 3.5], ROWS_OF_BOTH = 32; // pixels beside the ink; of a stroke; in a line so high
const LEAST_TALL = 40; // units; writing lower than this is not enlarged to a full line
const DOTS = 2, BLOCK = 3; // dots along the side of a pixel; pixels that are averaged to one of the network's
const clip = (x, low, high) => Math.min(high, Math.max(low, x));

/** Lay a line with round ends on dots: where both have ink, the darker stays. */
function cover({ rows, columns, values }, [x0, y0], [x1, y1], radius) {
  const left = Math.max(0, Math.floor(Math.min(x0, x1) - radius - 1)), right = Math.min(columns, Math.ceil(Math.max(x0, x1) + radius + 1));
  const top = Math.max(0, Math.floor(Math.min(y0, y1) - radius - 1)), bottom = Math.min(rows, Math.ceil(Math.max(y0, y1) + radius + 1));
  const along = x1 - x0, down = y1 - y0, length = along * along + down * down, most = Math.min(1, 2 * radius);
  const far = (radius + 0.5) ** 2; // from here on there is no ink: most dots of the box need no root
  for (let i = top; i < bottom; i++) {
    const y = i + 0.5 - y0;
    for (let j = left; j < right; j++) {
      const x = j + 0.5 - x0;
      let place = length ? (x * along + y * down) / length : 0;
      place = place < 0 ? 0 : place > 1 ? 1 : place;
      const dx = x - place * along, dy = y - place * down, apart = dx * dx + dy * dy;
      if (apart >= far) continue;
      const ink = Math.min(radius + 0.5 - Math.sqrt(apart), most), at = i * columns + j;
      if (ink > values[at]) values[at] = ink;
    }
  }
}

/** Rasterise strokes, with grey edges: see crnn_lib.widgets.draw. */
export function drawStrokes(strokes, rows, columns, { left = 0, top = 0, zoom = 1, pen = [0, Infinity] } = {}) {
  const fine = { rows: DOTS * rows, columns: DOTS * columns };
  const dots = new Float32Array(fine.rows * fine.columns);
  for (const { points, width, erase } of strokes) {
    const thick = erase ? zoom * width : clip(zoom * width, ...pen);
    const values = erase ? new Float32Array(dots.length) : dots;
    const places = points.map(([x, y]) => [DOTS * zoom * (x - left), DOTS * zoom * (y - top)]);
    if (places.length === 1) places.push(places[0]);
    for (let k = 1; k < places.length; k++) cover({ ...fine, values }, places[k - 1], places[k], (DOTS * thick) / 2);
    if (erase) for (let k = 0; k < dots.length; k++) dots[k] *= 1 - values[k];
  }
  return averaged({ ...fine, values: dots }, DOTS);
}

/** Squares of pixels as one pixel each; what is missing of the last ones is empty. */
function averaged({ rows, columns, values }, side) {
  const high = Math.ceil(rows / side), wide = Math.ceil(columns / side), means = new Float32Array(high * wide);
  for (let i = 0; i < rows; i++) {
    let at = Math.floor(i / side) * wide;
    for (let j = 0; j < columns; at++) {
      for (const end = Math.min(j + side, columns); j < end; j++) means[at] += values[i * columns + j];
    }
  }
  for (let k = 0; k < means.length; k++) means[k] /= side * side;
  return { rows: high, columns: wide, values: means };
}

/** The box around the ink on the pad: [left, top, right, bottom]; null without ink. */
function extentOf(strokes) {
  if (!strokes.length) return null;
  if (strokes.some(({ erase }) => erase)) { // what is left can only be seen
    const { rows, columns, values } = drawStrokes(strokes, PAD.height, PAD.width);
    let [left, top, right, bottom] = [columns, rows, 0, 0];
    for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) if (values[i * columns + j] >= DARK_FROM) {
      [left, right, top, bottom] = [Math.min(left, j), Math.max(right, j + 1), Math.min(top, i), Math.max(bottom, i + 1)];
    }
    return right ? [left, top, right, bottom] : null;
  }
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { points, width } of strokes) for (const [x, y] of points) {
    [left, right] = [Math.min(left, x - width / 2), Math.max(right, x + width / 2)];
    [top, bottom] = [Math.min(top, y - width / 2), Math.max(bottom, y + width / 2)];
  }
  return [left, top, right, bottom];
}

/** The line that a network of this height reads: a picture, with `left`, where its column 0 stands
 * on the pad, and `scale`, units of the pad per column. null where no ink is left. As
 * crnn_lib.widgets.network_line: the same to 1/255. */
export function networkLine(strokes, height = ROWS_OF_BOTH) {
  const extent = extentOf(strokes);
  if (!extent) return null;
  const [start, top, end, bottom] = extent, rows = BLOCK * height, unit = rows / ROWS_OF_BOTH;
  const limits = PENS.map((width) => unit * width);
  const widths = strokes.filter(({ erase }) => !erase).map(({ width }) => width);
  const tall = FILLS * rows, thick = widths.reduce((sum, w) => sum + w, 0) / widths.length;
  let zoom = tall / Math.max(bottom - top, LEAST_TALL), pen = thick;
  for (let k = 0; k < 4; k++) { // a fixed point: the pen depends on the zoom, and the zoom on the pen
    pen = clip(zoom * thick, ...limits);
    zoom = (tall - pen) / Math.max(bottom - top - thick, LEAST_TALL - thick, 1);
  }
  const grow = (pen / zoom - thick) / 2, margin = (unit * MARGINS) / zoom + grow;
  const columns = Math.ceil(zoom * (end - start + 2 * margin)), left = start - margin;
  const place = { left, top: (top + bottom) / 2 - rows / 2 / zoom, zoom, pen: limits };
  return { ...averaged(drawStrokes(strokes, rows, columns, place), BLOCK), left, scale: BLOCK / zoom };
}

/** Which columns of ink belong to which character: [[start, end], ...], as crnn_lib.widgets.divide_ink. */
export function divideInk({ rows, columns, values }, peaks) {
  if (!peaks.length) return [];
  const amount = new Float64Array(columns + 1), dark = new Uint8Array(columns);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) {
    amount[j] += values[i * columns + j];
    if (values[i * columns + j] >= DARK_FROM) dark[j] = 1;
  }
  const least = amount.map((sum) => Math.round(1000 * sum));
  const cuts = [0];
  for (let k = 0; k + 1 < peaks.length; k++) {
    const before = cuts.at(-1);
    let low = clip(Math.floor(peaks[k]), before, columns), high = clip(Math.ceil(peaks[k + 1]), low, columns);
    const first = dark.indexOf(1, before), last = dark.lastIndexOf(1);
    if (first >= 0 && last > first) {
      low = Math.min(Math.max(low, first + 1), last);
      high = Math.min(Math.max(high, low), last);
    }
    const middle = (peaks[k] + peaks[k + 1]) / 2;
    let best = low;
    for (let j = low; j <= high; j++) {
      if (least[j] < least[best] || (least[j] === least[best] && Math.abs(j - middle) < Math.abs(best - middle))) best = j;
    }
    cuts.push(best);
  }
  cuts.push(columns);
  return peaks.map((peak, k) => {
    const inside = dark.subarray(cuts[k], cuts[k + 1]), first = inside.indexOf(1);
    return first < 0 ? [peak, peak] : [cuts[k] + first, cuts[k] + inside.lastIndexOf(1) + 1];
  });
}
