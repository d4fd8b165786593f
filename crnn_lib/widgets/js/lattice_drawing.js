// How the lattice explorer draws: posteriors above, the trellis below, in one scene.
//
// A scene has what is drawn: line, picture, data, label, trellis; how: view, known, arrows, cell
// { t, s } or null, frame, chosen (class), pointed { on, t, r } or null, focus, held; where: left,
// column, top, row, imageHeight, rung, small; and text, soft, mono of the theme.
import { cividis } from "./common.js";
import { flows, forwardBackward, waysFrom, waysInto } from "./ctc.js";
import { say } from "./lattice_words.js";

export const REST = -1;
const FOUND = "255,140,152", FLOW = "225,204,85", WAY = "#fff", RUNG_TOP = 4, ROOMY = 56;
const rgb = (value) => `rgb(${cividis(value).join(",")})`;

/** Each frame's values as shares of their sum: what alpha and beta look like without their decay. */
export function sharesOf(values, frames, S) {
  const shares = new Float64Array(values.length);
  for (let t = 0; t < frames; t++) {
    const frame = values.subarray(t * S, (t + 1) * S), most = Math.max(...frame);
    if (most === -Infinity) continue;
    let sum = 0;
    for (let s = 0; s < S; s++) sum += shares[t * S + s] = Math.exp(frame[s] - most);
    for (let s = 0; s < S; s++) shares[t * S + s] /= sum;
  }
  return shares;
}

/** A canvas of that size in CSS pixels, sharp on any screen; returns its context. What has a pen of its
 * own, as a picture to be saved has, gives that. */
function penOf(canvas, wide, high) {
  if (canvas.penOf) return canvas.penOf(wide, high);
  const dense = window.devicePixelRatio || 1;
  canvas.width = Math.round(wide * dense);
  canvas.height = Math.round(high * dense);
  canvas.style.width = `${wide}px`;
  canvas.style.height = `${high}px`;
  const pen = canvas.getContext("2d");
  pen.scale(dense, dense);
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineCap = pen.lineJoin = "round";
  return pen;
}

function panel(pen, { left, column, data }, top, high) {
  pen.beginPath();
  pen.roundRect(left, top, column * data.frames, high, 6);
}

function ticks(pen, y, scene) {
  const { left, column, data, cell, text, soft } = scene, every = column >= 22 ? 1 : column >= 8 ? 5 : 10;
  for (let t = 0; t < data.frames; t++) {
    const marked = cell?.t === t;
    if (!marked && (t % every || (cell && every > 1 && Math.abs(t - cell.t) * column < 20))) continue;
    pen.fillStyle = marked ? text : soft;
    pen.font = `${marked ? 700 : 400} 11px sans-serif`;
    pen.fillText(column > 60 ? `frame ${t}` : String(t), left + column * (t + 0.5), y);
  }
}

/** The gradient of one posterior: up and filled if a nudge raises it, down and hollow if not. */
function arrow(pen, x, y, up, size, onLight) {
  if (Math.abs(up) < 0.01) return;
  const half = Math.min(Math.max(size * Math.sqrt(Math.abs(up)), 2), size * 0.8), sign = up > 0 ? -1 : 1;
  pen.beginPath();
  pen.moveTo(x, y + sign * half);
  pen.lineTo(x - half, y - sign * half * 0.8);
  pen.lineTo(x + half, y - sign * half * 0.8);
  pen.closePath();
  pen.lineWidth = 1.3;
  pen.strokeStyle = up > 0 ? (onLight ? "#14141c" : "#fff") : onLight ? "#a3122c" : "#ff9aa6";
  pen.fillStyle = up > 0 ? pen.strokeStyle : "transparent";
  pen.fill();
  pen.stroke();
}

function drawImage(pen, scene) {
  const { picture, line, left, column, imageHeight, pointed, cell, held, frame } = scene;
  pen.save();
  panel(pen, scene, 0, imageHeight);
  pen.clip();
  pen.fillStyle = "rgb(246,244,238)";
  pen.fill();
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, left + line.span[0] * column, 0, (line.span[1] - line.span[0]) * column, imageHeight);
  const t = pointed ? pointed.t : cell || held ? frame : -1;
  pen.fillStyle = "rgba(209,73,91,0.18)";
  if (t >= 0) pen.fillRect(left + column * t, 0, column, imageHeight);
  pen.restore();
}

export function drawPosteriors(canvas, scene) {
  const { line: { symbols, blank }, data, label, trellis, cell, pointed, left, column, top, row, rows, small } = scene;
  const bottom = top + row * rows.length;
  const pen = penOf(canvas, left + column * data.frames + 2, bottom + 20);
  if (scene.picture) drawImage(pen, scene);
  rows.forEach((c, r) => {
    const used = label.includes(c) || c === blank, y = top + row * (r + 0.5);
    pen.fillStyle = used ? scene.text : scene.soft;
    pen.font = `${used && c !== blank ? 700 : 400} ${Math.min(15, row)}px ${scene.mono}`;
    pen.fillText(c === blank ? "–" : c === REST ? "…" : symbols[c], left - 16, y);
    for (let t = 0; t < data.frames; t++) {
      const frame = data.logProbs.subarray(t * symbols.length, (t + 1) * symbols.length), x = left + column * t;
      const p = c === REST ? frame.reduce((sum, v, k) => sum + (rows.includes(k) ? 0 : Math.exp(v)), 0) : Math.exp(frame[c]);
      pen.fillStyle = rgb(p);
      pen.fillRect(x + 0.5, top + row * r + 0.5, column - 1, row - 1);
      if (small) {
        pen.fillStyle = p > 0.5 ? "#101018" : "#fff";
        pen.font = `15px ${scene.mono}`;
        pen.fillText(say(p), x + column / 2 - 8, y);
      }
      const size = Math.min(row, column) * (small ? 0.3 : 0.55);
      if (scene.arrows && c !== REST) arrow(pen, small ? x + column - 14 : x + column / 2, y, -trellis.gradient[t * symbols.length + c], size, p > 0.6);
    }
  });
  ticks(pen, bottom + 11, scene);
  const ring = (t, c, wide) => {
    if (!rows.includes(c)) return;
    for (const [width, colour] of [[wide + 2, "#fff"], [wide, "#d1495b"]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.strokeRect(left + column * t, top + row * rows.indexOf(c), column, row);
    }
  };
  if (pointed) ring(pointed.t, pointed.on === "posteriors" ? pointed.r : trellis.states[pointed.r], 1);
  if (cell || scene.focus === "posteriors" || scene.held) ring(scene.frame, cell ? trellis.states[cell.s] : scene.chosen, 2);
}

/** What the trellis shows: the share (area of a disc) and the value (number) of each cell, and
 * whether an alignment can get there at all. */
function seen({ data, trellis, label, line, view, known }) {
  const { states } = trellis, S = states.length, T = data.frames;
  const recursion = view === "alpha" || view === "beta";
  const values = view === "posterior" ? trellis.alpha.map((_, i) => data.logProbs[Math.floor(i / S) * data.classes + states[i % S]])
    : view === "gamma" ? trellis.stateOccupancy : trellis[view];
  const shares = recursion ? sharesOf(values, T, S) : values.map(Math.exp);
  const computed = (t) => (view === "alpha" ? t < known : view === "beta" ? t >= T - known : true);
  // Zeros among the posteriors do not matter to this: counted with all of them equal. Alpha knows
  // nothing of the end, beta nothing of the start.
  const even = forwardBackward({ ...data, logProbs: new Float64Array(data.logProbs.length) }, label, line.blank);
  const reach = recursion ? even[view] : even.stateOccupancy;
  return {
    computed,
    open: (t, s) => reach[t * S + s] > -Infinity,
    share: (t, s) => (computed(t) ? shares[t * S + s] : 0),
    value: (t, s) => Math.exp(values[t * S + s]),
  };
}

export const rungTop = RUNG_TOP;

export function drawTrellis(canvas, scene) {
  const { line: { symbols }, data, trellis, view, cell, pointed, left, column, rung, small } = scene;
  const { states, logProb } = trellis, S = states.length, T = data.frames, high = RUNG_TOP + rung * S + 4;
  const { computed, open, share, value } = seen(scene);
  const roomy = column >= ROOMY; // for the numbers themselves
  const radius = Math.min(column, roomy ? rung - 16 : rung) / 2 - (small ? 3 : 1);
  const x = (t) => left + column * (t + 0.5), y = (s) => RUNG_TOP + rung * (s + 0.5) - (roomy ? 8 : 0);
  const pen = penOf(canvas, left + column * T + 2, high + 18);
  panel(pen, scene, 0, high);
  pen.fillStyle = rgb(0);
  pen.fill();

  const wire = (t, from, to, colour, width, dash = []) => {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.setLineDash(dash);
    pen.beginPath();
    pen.moveTo(x(t), y(from));
    pen.lineTo(x(t + 1), y(to));
    pen.stroke();
    pen.setLineDash([]);
  };
  for (let t = 0; t + 1 < T; t++) for (let s = 0; s < S; s++) for (const [r] of waysFrom(states, s)) {
    if (open(t, s) && open(t + 1, r)) wire(t, s, r, "rgba(255,255,255,0.10)", 1);
  }
  const thick = Math.min(7, rung * 0.26);
  if (view === "gamma" && logProb > -Infinity) {
    for (const { t, from, to, share: part } of flows(data, trellis)) {
      if (part > 0.002) wire(t, from, to, `rgba(${FLOW},${(cell ? 0.4 : 1) * (0.25 + 0.55 * part)})`, 0.8 + thick * part);
    }
  }
  if (cell && view !== "posterior") { // the paths through it: all of them, or the side that is added up
    for (const { t, from, to, share: part } of flows(data, trellis, cell)) {
      const side = view === "gamma" || (view === "alpha") === t < cell.t;
      if (part > 0.002 && side && computed(t) && computed(t + 1)) wire(t, from, to, `rgba(${FOUND},${0.35 + 0.6 * part})`, 1 + thick * part);
    }
  }

  const disc = (t, s, size, fill) => {
    pen.beginPath();
    pen.arc(x(t), y(s), size, 0, 7);
    pen.fillStyle = fill;
    pen.fill();
  };
  for (let s = 0; s < S; s++) {
    const character = s % 2 === 1;
    pen.fillStyle = character ? scene.text : scene.soft;
    pen.font = `${character ? 700 : 400} ${Math.min(Math.max(rung * 0.75, 11), 17)}px ${scene.mono}`;
    pen.fillText(character ? symbols[states[s]] : "–", left - 16, y(s));
    for (let t = 0; t < T; t++) {
      if (!open(t, s)) continue;
      disc(t, s, 1.6, "rgba(255,255,255,0.30)");
      if (share(t, s) >= 1e-4) {
        disc(t, s, Math.max(2, radius * Math.sqrt(share(t, s))), rgb(0.3 + 0.7 * share(t, s)));
        pen.strokeStyle = "rgba(0,20,50,0.75)";
        pen.lineWidth = 1;
        pen.stroke();
      }
      if (!roomy || !computed(t)) continue;
      pen.font = `13px ${scene.mono}`;
      pen.lineWidth = 4;
      pen.strokeStyle = rgb(0);
      pen.fillStyle = "#fff";
      pen.strokeText(say(value(t, s)), x(t), y(s) + radius + 9);
      pen.fillText(say(value(t, s)), x(t), y(s) + radius + 9);
    }
  }
  if (cell && computed(cell.t)) drawWays(pen, scene, x, y, wire);
  if (scene.lit) drawLit(pen, scene, x, y, wire, radius, share);
  const mark = (t, s, width) => {
    pen.beginPath();
    pen.arc(x(t), y(s), radius + 1.5, 0, 7);
    pen.strokeStyle = WAY;
    pen.lineWidth = width;
    pen.stroke();
  };
  if (pointed?.on === "trellis") mark(pointed.t, pointed.r, 1.3);
  if (cell) mark(cell.t, cell.s, 2.6);
  else if (scene.focus === "trellis") mark(scene.frame, 0, 1.3);
  ticks(pen, high + 10, scene);
}

/** A cell into which all three ways lead, the likeliest of them if there are some: [t, s]; or the one selected. */
export function exampleCell({ cell, data, trellis: { states, stateOccupancy } }) {
  if (cell && cell.t > 0) return [cell.t, cell.s];
  let best = [Math.min(1, data.frames - 1), Math.min(1, states.length - 1)], most = -1;
  for (let t = 1; t < data.frames; t++) for (let s = 1; s < states.length; s += 2) {
    const share = waysInto(states, s).length + Math.exp(stateOccupancy[t * states.length + s]);
    if (share > most) [best, most] = [[t, s], share];
  }
  return best;
}

/** A term of the recursion, of the cell above: the way (stay, next, skip) with the disc it comes from, the
 * emission p of the cell itself, or a whole quantity: alpha, beta, ends. */
function drawLit(pen, scene, x, y, wire, radius, share) {
  const { lit, data, trellis: { states } } = scene, [t, s] = exampleCell(scene), S = states.length;
  const halo = (frame, state) => {
    pen.beginPath();
    pen.arc(x(frame), y(state), Math.max(radius, 5) + 2.5, 0, 7);
    pen.strokeStyle = `rgb(${FOUND})`;
    pen.lineWidth = 3;
    pen.stroke();
  };
  const way = waysInto(states, s).find(([, name]) => name === lit);
  if (way && t > 0) {
    wire(t - 1, way[0], s, `rgb(${FOUND})`, 4);
    halo(t - 1, way[0]);
  }
  if (lit === "p" || lit === "sum") halo(t, s);
  if (lit === "sum") for (const [r] of waysInto(states, s)) wire(t - 1, r, s, `rgb(${FOUND})`, 3);
  if (lit === "start") for (const state of [0, 1]) if (state < S) halo(0, state);
  if (lit === "ends") for (const state of [S - 2, S - 1]) if (state >= 0) halo(data.frames - 1, state);
  if (lit === "alpha" || lit === "beta") for (let f = 0; f < data.frames; f++) for (let k = 0; k < S; k++) {
    if ((lit === "alpha") === f <= t && share(f, k) > 0.02) halo(f, k);
  }
}

/** The ways into the cell (alpha) or out of it (beta), each with its name; a cross where none is. */
function drawWays(pen, { data, trellis, view, cell: { t, s }, column }, x, y, wire) {
  const forwards = view === "alpha", other = forwards ? t - 1 : t + 1, { states } = trellis;
  if ((view !== "alpha" && view !== "beta") || other < 0 || other >= data.frames) return;
  const first = Math.min(t, other), found = (forwards ? waysInto : waysFrom)(states, s);
  for (const [r, name] of found) {
    wire(first, forwards ? r : s, forwards ? s : r, WAY, 2);
    if (column <= 60) continue;
    pen.font = "12px sans-serif";
    pen.fillStyle = WAY;
    pen.fillText(name, (x(t) + x(other)) / 2, (y(s) + y(r)) / 2 - 8);
  }
  const beyond = forwards ? s - 2 : s + 2;
  if (s % 2 === 0 || beyond < 1 || beyond >= states.length || found.some(([r]) => r === beyond)) return;
  wire(first, forwards ? beyond : s, forwards ? s : beyond, `rgb(${FOUND})`, 1.6, [3, 4]);
  const [a, b] = [(x(t) + x(other)) / 2, (y(s) + y(beyond)) / 2], d = 4.5;
  pen.lineWidth = 2.4;
  pen.beginPath();
  for (const sign of [1, -1]) {
    pen.moveTo(a - d, b - sign * d);
    pen.lineTo(a + d, b + sign * d);
  }
  pen.stroke();
}
