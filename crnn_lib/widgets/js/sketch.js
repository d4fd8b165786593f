// A sheet to write on, with mouse, pen, finger or keys: strokes in units of a sheet 720 wide, 300 high.
import { focusable, keys, make } from "./common.js";

const SHEET_WIDE = 720, SHEET_HIGH = 300, KEY_STEP = 8, NEXT_TO = 2; // units
const within = (x, high) => Math.min(high, Math.max(0, x));

/** A sheet: { node, draw(colour), set(strokes), strokes(), writing(), undo(), clear() }. `strokes()` has the stroke under
 * way, too. changed(done) is called at each new point, and with true when a stroke is finished; touched() before
 * the first. colourOf(points), if given, is the colour of the stroke with these points: one, or a function of x. */
export function createSketch({ label, width = 14, changed, touched = () => {}, colourOf = null }) {
  const canvas = focusable(make("canvas", { role: "application", class: "sheet-ink", "aria-roledescription": "drawing area" }), label);
  const node = make("div", { class: "sketch" }, canvas);
  let strokes = [], current = null, pointer = null, cursor = [60, 60], byKeys = false;
  const held = new Set();
  canvas.style.touchAction = "none";

  const all = () => (current ? [...strokes, current] : strokes);
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [within(((event.clientX - box.left) * SHEET_WIDE) / box.width, SHEET_WIDE), within(((event.clientY - box.top) * SHEET_HIGH) / box.height, SHEET_HIGH)];
  };
  const round = ([x, y]) => [Math.round(10 * x) / 10, Math.round(10 * y) / 10];
  function begin(at) {
    touched();
    current = { points: [round(at)], width, erase: false };
    changed(false);
  }
  function go(at, least = NEXT_TO) {
    const [x, y] = current.points.at(-1);
    if (Math.hypot(at[0] - x, at[1] - y) < least) return;
    current.points.push(round(at));
    changed(false);
  }
  function finish() {
    if (!current) return;
    strokes = [...strokes, current];
    current = null;
    changed(true);
  }
  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return;
    finish();
    byKeys = false;
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    begin(place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer || !current) return;
    for (const each of event.getCoalescedEvents?.() ?? []) go(place(each));
    go(place(event));
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    canvas.addEventListener(end, (event) => {
      if (event.pointerId !== pointer) return;
      pointer = null;
      finish();
    });
  }
  const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const step = (event) => {
    held.add(event.key);
    byKeys = true;
    for (const key of held) cursor = [within(cursor[0] + KEY_STEP * WAYS[key][0], SHEET_WIDE), within(cursor[1] + KEY_STEP * WAYS[key][1], SHEET_HIGH)];
    if (current) go(cursor, 0.1);
    else draw();
  };
  canvas.addEventListener("keyup", (event) => held.delete(event.key));
  canvas.addEventListener("focus", () => { byKeys = canvas.matches(":focus-visible"); touched(); draw(); });
  canvas.addEventListener("blur", () => { held.clear(); if (pointer === null) finish(); draw(); });
  const undo = () => {
    if (current) current = null;
    else strokes = strokes.slice(0, -1);
    changed(true);
  };
  keys(canvas, {
    ...Object.fromEntries(Object.keys(WAYS).map((key) => [key, step])),
    " ": () => { byKeys = true; if (current) finish(); else begin(cursor); },
    Backspace: undo, Delete: undo,
    Escape: () => { current = null; changed(true); },
  });

  function draw() {
    const wide = Math.round(canvas.clientWidth * devicePixelRatio), zoom = wide / SHEET_WIDE;
    if (!wide) return;
    const high = Math.round(SHEET_HIGH * zoom), context = canvas.getContext("2d");
    if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high]; // this also wipes it
    else context.clearRect(0, 0, wide, high);
    context.lineCap = context.lineJoin = "round";
    for (const { points, width: thick } of all()) {
      context.lineWidth = thick * zoom;
      const at = points.map(([x, y]) => [x * zoom, y * zoom]);
      if (at.length === 1) at.push(at[0]);
      // from middle to middle of its pieces, round the corners where the hand went round them
      const middle = (k) => [(at[k][0] + at[k - 1][0]) / 2, (at[k][1] + at[k - 1][1]) / 2];
      const colour = colourOf?.(points) ?? "#1c1c22", several = typeof colour === "function";
      context.beginPath();
      for (let k = 1; k <= at.length; k++) {
        if (several) context.beginPath();
        if (several || k === 1) context.moveTo(...(k === 1 ? at[0] : middle(k - 1)));
        context.quadraticCurveTo(...at[k - 1], ...(k === at.length ? at.at(-1) : middle(k)));
        context.strokeStyle = several ? colour(points[Math.min(k, points.length) - 1][0]) : colour;
        if (several || k === at.length) context.stroke();
      }
    }
    if (byKeys && canvas.matches(":focus")) {
      context.strokeStyle = "#b3293e";
      context.lineWidth = 3 * zoom;
      context.beginPath();
      context.arc(cursor[0] * zoom, cursor[1] * zoom, 12 * zoom, 0, 7);
      context.stroke();
    }
  }
  return { node, draw, undo, strokes: all, writing: () => Boolean(current), set(given) { strokes = given; }, clear() { strokes = []; current = null; changed(true); } };
}
