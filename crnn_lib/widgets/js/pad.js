// DrawingPad: write with mouse, pen, finger or keys; a network reads it, in Python or, without a kernel,
// in the page, and the answer stands under the ink.
import { announce, button, choice, cividis, decodeBytes, enable, focusable, keys, make, mount, paint, slider } from "./common.js";
import { createReader } from "./reading.js";
import { rowsOf } from "./rows.js";

const INKED = "#1c1c22", UNIT = 8, FINELY = 2; // the ink's colour; steps of the keyboard's cursor
const NEAR = 2; // units; a point nearer to the last one says nothing new
const WIDER = 2.4; // the eraser is that much wider than the pen
const MANY = 16, SEEN = 13; // of more classes those alone are shown that reach so much of 255
const EVERY = 16; // ms at least between two readings in the page: one for each frame of a screen
const PATIENCE = 5000, MOST_SIDE = 1600; // ms until the kernel counts as busy; pixels of a photo that is sent
const between = (x, low, high) => Math.min(high, Math.max(low, x));
const inPercent = (p) => (p > 0.995 && p < 1 ? "> 99 %" : p < 0.01 ? "< 1 %" : `${Math.round(100 * p)} %`);
const howSure = (p) => (p >= 0.9 ? "sure" : p >= 0.6 ? "fairly sure" : "unsure");

/** A stroke on a canvas, round the corners where the hand went round them. */
function trace(context, { points, width, erase }, zoom) {
  context.globalCompositeOperation = erase ? "destination-out" : "source-over";
  context.lineWidth = width * zoom;
  context.beginPath();
  const at = points.map(([x, y]) => [x * zoom, y * zoom]);
  context.moveTo(...at[0]);
  for (let i = 1; i < at.length - 1; i++) {
    context.quadraticCurveTo(...at[i], (at[i][0] + at[i + 1][0]) / 2, (at[i][1] + at[i + 1][1]) / 2);
  }
  context.lineTo(...at[at.length - 1]); // of a single point: a dot
  context.stroke();
}

/** An image file as base64 text of a JPEG that is small enough to be sent, upright. */
async function shrunkPhoto(file) {
  const image = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, MOST_SIDE / Math.max(image.width, image.height));
  const canvas = make("canvas", { width: Math.max(1, Math.round(scale * image.width)), height: Math.max(1, Math.round(scale * image.height)) });
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // under what is transparent
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.92).split(",")[1];
}

function render({ model, el }) {
  const symbolsOf = model.get("symbols"), blank = model.get("blank"); // of the classes
  const letters = symbolsOf.some((symbol) => symbol.toLowerCase() !== symbol.toUpperCase());
  const address = { get: { revision: () => undefined } }; // it counts, and says nothing about what is written
  const view = mount({ model, el }, "pad", `Drawing pad: write ${letters ? "words" : "digits"}, and a network reads them`, address);
  const { root } = view;
  const WIDE = 720, HIGH = 300;
  const alive = Boolean(model.widget_manager); // an exported page has none, and no kernel
  const network = model.get("network"), shelf = globalThis.crnnReading; // a book keeps some
  let here = !alive && Boolean(network && shelf); // the page reads by itself
  let strokes = model.get("strokes"), history = [], current = null, pointer = null; // what was there before; what is being drawn, by which pointer
  let erasing = false, cursor = [60, 60], byKeys = false, frame = -1, waiting = null, late = false, sent = model.get("revision");
  let notice = ""; // news that stays until the next deed
  const held = new Set(); // arrow keys that are down

  // The sheet ------------------------------------------------------------------------------------
  const ink = make("canvas", { role: "application", class: "ink", "aria-roledescription": "drawing area" });
  focusable(ink, "Writing area. Arrow keys move the cursor, Shift with them finely. Space puts the pen down and lifts it, E changes to the eraser, Backspace undoes.");
  const invitation = make("div", { class: "invitation", "aria-hidden": "true" }, make("b", {}, `Write a ${letters ? "word" : "number"} here`), make("span", {}, "mouse, pen, finger, or arrow keys and Space"));
  const bands = make("div", { class: "bands", "aria-hidden": "true" });
  const photo = make("img", { class: "photo", alt: "the photo on the pad" });
  const ring = make("div", { class: "ring", "aria-hidden": "true" });
  const sheet = make("div", { class: "sheet" }, photo, bands, invitation, ink, ring);
  const marks = make("div", { class: "marks", "aria-hidden": "true" });
  const heat = make("canvas", { "aria-hidden": "true" });
  const playhead = make("div", { class: "playhead" });
  const lattice = focusable(make("div", { class: "heat", role: "slider", "aria-valuemin": 0 }, heat, playhead), "frame of the posteriors");
  const symbols = make("div", { class: "symbols", "aria-hidden": "true" });
  const name = (symbol) => symbol === " " ? "␣" : symbol;
  let rows = symbolsOf.length > MANY ? [] : rowsOf(symbolsOf.length, blank); // the classes that are shown
  const nameRows = () => symbols.replaceChildren(...rows.map((c) => make("span", {}, name(symbolsOf[c]))));
  nameRows();
  const hint = make("span", {});

  // Controls -------------------------------------------------------------------------------------
  const tool = choice("Tool", [["pen", "pen"], ["eraser", "eraser"]], (value) => { erasing = value === "eraser"; draw(); });
  const width = slider("width", { min: 4, max: 24, change: (value) => { view.change({ pen: value }); } });
  const undo = button("↶ Undo", "undo the last stroke", () => takeBack());
  const clear = button("Clear", "clear the pad", () => { if (strokes.length || model.get("photo")) put([], ""); });
  const file = focusable(make("input", { type: "file", accept: "image/*", class: "file" }), "a photo or image file", -1);
  const choose = button("Read a photo…", "read a photo or image file", () => file.click());
  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    file.value = ""; // so that the same file can be chosen again
    if (!chosen) return;
    try {
      put([], await shrunkPhoto(chosen));
    } catch {
      tell(`This browser cannot open ${chosen.name}. Choose a JPEG or PNG file.`);
    }
  });

  // The answer -----------------------------------------------------------------------------------
  const read = make("div", { class: "read mono" });
  const meter = make("i");
  const sureness = make("div", { class: "sureness" });
  const took = make("div", { class: "took soft" });
  const answer = make("div", { class: "answer" }, make("div", { class: "soft" }, "The network reads"), read, make("div", { class: "meter" }, meter), sureness, took);
  const truth = focusable(make("input", { type: "text", size: 12, inputmode: letters ? "text" : "numeric", autocomplete: "off", spellcheck: "false", maxlength: 40, placeholder: letters ? "hand" : "55207" }), "what is written on the pad");
  const save = button("Save to my test set", "save to my test set", () => keep());
  const kept = make("span", { class: "kept", role: "status", "aria-live": "polite" });
  truth.addEventListener("input", () => controls());
  keys(truth, { Enter: () => keep() });
  const nobody = make("p", { class: "nobody", role: "note" });

  root.append(
    nobody,
    make("div", { class: "row tools" }, tool.node, width.node, make("span", { class: "grow" }), undo, clear, choose, file),
    make("div", { class: "columns" },
      sheet, answer, marks, symbols, lattice,
      make("div", { class: "caption" }, make("b", {}, "Posteriors"), hint)),
    view.status,
    make("div", { class: "row saving" }, make("label", { class: "row" }, make("span", {}, "What did you write?"), truth), save, kept),
  );

  // Reading in the page --------------------------------------------------------------------------
  let reader = null, awake = false, busy = false, again = false, pause = null;
  /** Begin to load the network; until it is there, what is written waits. */
  function wake() {
    if (!here || reader) return;
    reader = createReader({ root: shelf, network });
    reader.then(() => { awake = true; }, () => {
      here = false;
      hereOrNobody();
      tell("The network could not be loaded; nobody reads here.");
    });
  }
  // Points that were put down, and sheets on which something was taken away. A stroke that ends changes neither:
  // what was read of it while it was drawn is still so.
  let points = 0, sheets = 0, known = -1; // known: so many points had been put down when the answer was read
  /** Read what is on the pad, the stroke under way included: one reading at a time, the last one counts. */
  async function readHere() {
    if (!here) return;
    wake();
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    again = false;
    const sheetThen = sheets;
    let answer, pointsThen;
    try {
      const read = await reader, written = current ? [...strokes, current] : strokes;
      pointsThen = points;
      const reading = written.length ? await read(written) : null;
      answer = reading ? describeReading(reading) : { text: "", error: "" };
    } catch (error) {
      answer = here ? { text: "", error: `Reading failed. ${error.message}` } : null;
    }
    if (sheetThen !== sheets) again = true; // it belongs to ink that is gone
    else if (answer && root.isConnected) {
      known = pointsThen;
      view.change({ answer: { ...answer, revision: model.get("revision") } });
      again = points > known;
    }
    pause = setTimeout(() => { // the hand goes before: its points come in meanwhile
      busy = false;
      if (again) readHere();
    }, Math.max(EVERY - 1000 * (answer?.seconds ?? 0), 4));
  }
  /** A reading as Python would send it. */
  function describeReading({ text, confidence, spans, frames, edges, logProbs, left, scale, seconds }) {
    const place = (column) => left + scale * column;
    const levels = Array.from(logProbs, (p) => Math.round(255 * Math.exp(p)));
    return {
      text, error: "", refused: false, sure: confidence, frames, seconds,
      left: place(edges[0]), right: place(edges.at(-1)), probs: btoa(String.fromCharCode(...levels)),
      marks: spans.map(({ character, ink: [from, to], logProb }) => ({ text: character, start: place(from), end: place(to), sure: Math.exp(logProb) })),
    };
  }

  // What changes ---------------------------------------------------------------------------------
  function tell(text) {
    notice = text;
    draw();
  }
  function send(values) {
    notice = "";
    sent = model.get("revision") + 1;
    late = false;
    clearTimeout(waiting);
    if (alive) waiting = setTimeout(() => { late = true; draw(); }, PATIENCE);
    announce(kept, "");
    frame = -1;
    const isRead = here && known === points; // all of it, while it was drawn
    view.change({ ...values, revision: sent, ...(isRead && { answer: { ...model.get("answer"), revision: sent } }) });
    draw();
    if (!isRead) readHere();
  }
  /** What is on the pad from now on; `gone` says that it is not only more than before. */
  function put(next, picture = model.get("photo"), gone = true) {
    history.push([strokes, model.get("photo")]);
    strokes = next;
    if (gone) takenAway();
    send({ strokes, photo: picture });
  }
  function takenAway() {
    sheets += 1;
    known = -1;
  }
  function drop() { // the stroke under way
    current = null;
    takenAway();
    draw();
    readHere();
  }
  function takeBack() {
    if (current) return drop();
    if (!history.length) return;
    const [before, picture] = history.pop();
    strokes = before;
    takenAway();
    send({ strokes, photo: picture });
  }
  const start = (x, y, erase = erasing) => {
    if (model.get("photo")) {
      tell("A photo is on the pad. Clear it to write.");
      return false;
    }
    notice = "";
    const pen = model.get("pen");
    current = { points: [[x, y]], width: erase ? WIDER * pen : pen, erase };
    points += 1;
    readHere();
    return true;
  };
  const go = (x, y, least = NEAR) => {
    const [u, v] = current.points[current.points.length - 1];
    if (Math.hypot(x - u, y - v) >= least) {
      current.points.push([Math.round(10 * x) / 10, Math.round(10 * y) / 10]);
      points += 1;
      readHere();
    }
  };
  const finish = () => {
    if (!current) return;
    const done = current;
    current = null;
    if (done.erase && !strokes.length) draw();
    else put([...strokes, done], undefined, false);
  };
  function keep() {
    if (save.getAttribute("aria-disabled") === "true") return; // Enter in the text field
    view.change({ wish: { text: truth.value, count: (model.get("wish").count ?? 0) + 1 } });
  }

  // Pointers and keys ----------------------------------------------------------------------------
  const spotOf = (event, box = ink.getBoundingClientRect()) => {
    return [between(((event.clientX - box.left) * WIDE) / box.width, 0, WIDE), between(((event.clientY - box.top) * HIGH) / box.height, 0, HIGH)];
  };
  ink.addEventListener("pointerdown", (event) => {
    if (pointer !== null || (event.button !== 0 && event.button !== 5)) return; // 5: the pen's other end
    if (current) finish(); // begun with keys
    byKeys = false;
    if (!start(...spotOf(event), erasing || event.button === 5)) return;
    pointer = event.pointerId;
    ink.setPointerCapture(pointer);
    draw();
  });
  ink.addEventListener("pointermove", (event) => {
    const box = ink.getBoundingClientRect(); // asked for once: to answer, the browser lays the page out
    cursor = spotOf(event, box);
    byKeys = false;
    if (event.pointerId === pointer && current) {
      for (const each of event.getCoalescedEvents?.() ?? []) go(...spotOf(each, box));
      go(...cursor);
      drawInk();
      drawRing();
    } else draw();
  });
  ink.addEventListener("pointerup", (event) => {
    if (event.pointerId !== pointer) return;
    pointer = null;
    finish();
  });
  for (const lost of ["pointercancel", "lostpointercapture"]) {
    ink.addEventListener(lost, (event) => {
      if (event.pointerId !== pointer) return;
      pointer = null;
      finish();
    });
  }
  for (const touch of ["pointerdown", "focus"]) ink.addEventListener(touch, wake, { once: true }); // not before
  ink.addEventListener("pointerleave", () => { if (!byKeys) draw(); });

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const press = (event) => {
    held.add(event.key);
    byKeys = true;
    const step = event.shiftKey ? FINELY : UNIT;
    for (const key of held) {
      cursor = [between(cursor[0] + step * ARROWS[key][0], 0, WIDE), between(cursor[1] + step * ARROWS[key][1], 0, HIGH)];
    }
    if (current) go(...cursor, 0.1);
    draw();
  };
  ink.addEventListener("keyup", (event) => held.delete(event.key));
  ink.addEventListener("blur", () => { held.clear(); if (pointer === null) finish(); draw(); });
  ink.addEventListener("focus", () => { byKeys = ink.matches(":focus-visible"); draw(); });
  const swap = () => {
    finish();
    erasing = !erasing;
    tell(erasing ? "Eraser." : "Pen.");
  };
  keys(ink, {
    ...Object.fromEntries(Object.keys(ARROWS).map((key) => [key, press])),
    " ": () => {
      byKeys = true;
      if (current) finish();
      else if (start(...cursor)) tell(erasing ? "Eraser down." : "Pen down.");
      draw();
    },
    e: swap, E: swap,
    Escape: () => drop(),
    Backspace: () => takeBack(), Delete: () => takeBack(),
  });
  root.addEventListener("keydown", (event) => {
    if (event.key !== "z" || !(event.ctrlKey || event.metaKey) || event.target === truth) return;
    event.preventDefault();
    event.stopPropagation();
    takeBack();
  });

  const point = (t) => {
    const said = model.get("answer");
    if (!fresh() || !said.frames) return;
    frame = between(t, 0, said.frames - 1);
    notice = "";
    draw();
  };
  const pointAt = (event) => {
    const box = heat.getBoundingClientRect();
    point(Math.floor(((event.clientX - box.left) / box.width) * model.get("answer").frames));
  };
  lattice.addEventListener("pointermove", pointAt);
  lattice.addEventListener("pointerdown", pointAt);
  keys(lattice, {
    ArrowLeft: () => point(Math.max(frame, 0) - 1), ArrowRight: () => point(frame + 1),
    ArrowDown: () => point(Math.max(frame, 0) - 1), ArrowUp: () => point(frame + 1),
    Home: () => point(0), End: () => point(Infinity), Escape: () => { frame = -1; draw(); },
  });

  // What is seen and said ------------------------------------------------------------------------
  const fresh = () => model.get("answer").revision === sent;
  const empty = () => !strokes.length && !model.get("photo") && !current;
  let shownPhoto = "", painted = null, levels = null;
  let arranged = "", drawn = []; // what controls and answer were drawn from: what is the same is not touched

  function controls() {
    const something = strokes.length > 0 || Boolean(model.get("photo")), named = Boolean(truth.value.trim());
    const asked = [erasing, model.get("pen"), something, history.length > 0 || Boolean(current), named].join();
    if (asked === arranged) return;
    arranged = asked;
    tool.set(erasing ? "eraser" : "pen");
    width.set(model.get("pen"));
    enable(undo, history.length > 0 || Boolean(current));
    enable(clear, something);
    enable(choose, alive);
    enable(save, alive && something && named);
    truth.disabled = !alive;
  }

  const dry = make("canvas"); // the strokes that are finished: only the one under way is drawn each time
  let dried = null;
  function wipe(canvas, wide) {
    const high = Math.round((wide * HIGH) / WIDE), context = canvas.getContext("2d");
    if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
    else {
      context.globalCompositeOperation = "source-over";
      context.clearRect(0, 0, wide, high);
    }
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = INKED;
    return context;
  }
  let inkWide = 0; // in CSS pixels; the observer below knows it without a layout
  function drawInk() {
    const wide = Math.round(inkWide * devicePixelRatio);
    if (!wide) return;
    if (dried !== strokes || dry.width !== wide) {
      const context = wipe(dry, wide);
      for (const stroke of strokes) trace(context, stroke, wide / WIDE);
      dried = strokes;
    }
    const context = wipe(ink, wide);
    context.drawImage(dry, 0, 0);
    if (current) trace(context, current, wide / WIDE);
  }

  function drawAnswer() {
    const said = model.get("answer"), now = fresh() && !empty();
    const shown = now && !said.error && said.marks ? said : null, old = !fresh() && !empty() && (alive || here);
    const asked = [said, shown, old, here, frame];
    if (asked.every((value, k) => value === drawn[k]) && drawn.length) return;
    drawn = asked;
    root.classList.toggle("stale", old);
    if (old) return; // the old answer fades until the new one comes
    announce(read, shown ? (shown.refused ? "refused" : shown.text || "nothing") : "–");
    read.classList.toggle("long", shown?.refused || (shown?.text.length ?? 0) > 6);
    read.classList.toggle("none", !shown?.text || shown.refused);
    read.classList.toggle("doubtful", Boolean(shown) && shown.sure < 0.6);
    meter.style.width = `${100 * (shown?.sure ?? 0)}%`;
    announce(sureness, shown ? `${howSure(shown.sure)}: ${inPercent(shown.sure)}` : "");
    announce(took, shown ? `in ${Math.max(1, Math.round(1000 * said.seconds))} ms` : "");
    drawMarks(shown?.marks ?? []);
    root.classList.toggle("answered", Boolean(shown));
    const frames = shown?.frames ?? 0, aria = { disabled: !frames, valuemax: Math.max(frames - 1, 0), valuenow: Math.max(frame, 0) };
    for (const [name, value] of Object.entries(aria)) lattice.setAttribute(`aria-${name}`, value);
    if (!shown) {
      lattice.setAttribute("aria-valuetext", "nothing is read yet");
      announce(hint, `${here ? "While you write" : "After each stroke"}: how likely each character is, in each frame.`);
      return;
    }
    const classes = symbolsOf.length;
    if (painted !== said) { // once for each reading, even if it says the same as the one before
      painted = said;
      levels = decodeBytes(shown.probs);
      rows = rowsOf(classes, blank);
      if (classes > MANY) {
        const reached = rows.map((c) => levels.some((level, k) => k % classes === c && level >= SEEN));
        rows = rows.filter((c) => c === blank || reached[c]);
      }
      if (rows.length !== symbols.childElementCount || classes > MANY) nameRows();
      paint(heat, shown.frames, rows.length, (t, k) => cividis(levels[t * classes + rows[k]] / 255));
    }
    const some = rows.length < classes ? `, ${rows.length} of ${classes} classes: those that reach 5 %` : `, ${classes} classes`;
    announce(hint, `${shown.frames} frames${some}; “${symbolsOf[blank]}” is the blank. Bright is likely.`);
    heat.style.left = `${(100 * shown.left) / WIDE}%`;
    heat.style.width = `${(100 * (shown.right - shown.left)) / WIDE}%`;
    lattice.style.setProperty("--classes", rows.length);
    lattice.setAttribute("aria-valuetext", frame < 0 ? `none of ${frames} frames` : ofFrame(shown));
    playhead.hidden = frame < 0;
    const step = (shown.right - shown.left) / shown.frames;
    playhead.style.left = `${(100 * (shown.left + step * Math.max(frame, 0))) / WIDE}%`;
    playhead.style.width = `${(100 * step) / WIDE}%`;
  }

  /** The characters under the ink, and the bands behind it. Nodes stay while their number does: to move one
   * is cheaper than to make one, many times a second. */
  function drawMarks(all) {
    if (marks.childElementCount !== all.length) {
      marks.replaceChildren(...all.map(() => make("div", {}, make("b"), make("small"))));
      bands.replaceChildren(...all.map(() => make("div")));
    }
    all.forEach(({ text, sure, start: from, end: to }, k) => {
      const mark = marks.children[k], band = bands.children[k];
      mark.className = `mark${sure < 0.6 ? " doubtful" : ""}`;
      mark.style.cssText = band.style.cssText = `left:${(100 * from) / WIDE}%;width:${(100 * (to - from)) / WIDE}%`;
      announce(mark.firstChild, name(text));
      announce(mark.lastChild, inPercent(sure));
    });
  }

  function ofFrame({ frames }) {
    const classes = symbolsOf.length;
    const best = symbolsOf.map((symbol, c) => [levels[frame * classes + c] / 255, c === blank ? "blank" : symbol])
      .sort((a, b) => b[0] - a[0]).slice(0, 3).filter(([p], i) => !i || p >= 0.01);
    return `Frame ${frame} of ${frames}: ${best.map(([p, name]) => `${name} ${inPercent(p)}`).join(", ")}.`;
  }

  function words() {
    const said = model.get("answer");
    if (notice) return notice;
    if (empty()) return "";
    if (current) return null; // what was said last stays
    if (here && !fresh()) return awake ? null : "The network is being loaded.";
    if (!alive && !fresh()) return "Nobody reads here: no Python kernel runs on this page.";
    if (!fresh()) return late ? "No answer from Python. The kernel is busy with another cell, or not running." : null;
    if (said.error) return said.error;
    if (said.refused && frame < 0) return `The reader refuses: ${said.text || "nothing"} has only the probability ${inPercent(said.sure)}.`;
    if (!said.text && frame < 0) return "The network reads nothing here.";
    if (frame >= 0 && levels) return ofFrame(said);
    return `Read as ${said.text}, ${howSure(said.sure)}: probability ${inPercent(said.sure)}.`;
  }

  function draw() {
    if (!root.isConnected) return;
    const picture = model.get("photo");
    if (shownPhoto !== picture) {
      shownPhoto = picture;
      if (picture) photo.src = `data:image;base64,${picture}`;
      else photo.removeAttribute("src");
    }
    photo.hidden = !picture;
    invitation.hidden = !empty() || (byKeys && ink.matches(":focus"));
    drawInk();
    drawAnswer();
    controls();
    drawRing();
    ink.classList.toggle("erasing", erasing);
    const said = words();
    if (said !== null) view.say(said);
  }
  function drawRing() {
    ring.hidden = !(byKeys ? ink.matches(":focus") : erasing && ink.matches(":hover"));
    if (ring.hidden) return;
    const size = erasing ? WIDER * model.get("pen") : model.get("pen");
    ring.style.cssText = `left:${(100 * cursor[0]) / WIDE}%;top:${(100 * cursor[1]) / HIGH}%;width:${(100 * size) / WIDE}%`;
    ring.className = `ring ${current ? "down" : ""} ${byKeys ? "keyed" : ""}`;
  }

  function hereOrNobody() {
    nobody.hidden = alive || here;
    root.classList.toggle("here", here); // nothing can be saved, and no photo read
  }
  nobody.append(make("b", {}, "No Python kernel runs on this page, so nobody reads here. "), "You can still write. To have it read, open the notebook in JupyterLab or Colab.");
  hereOrNobody();
  view.listen(["strokes", "photo", "pen"], () => {
    strokes = model.get("strokes"); // set by Python, or by us
    draw();
  });
  view.listen(["answer"], () => { if (fresh()) clearTimeout(waiting); draw(); });
  view.listen(["saved", "wish"], () => {
    const { done, words: reply = "", count } = model.get("saved");
    if (count !== model.get("wish").count) return;
    kept.textContent = reply;
    kept.classList.toggle("bad", !done);
    if (done) truth.value = "";
    controls();
  });
  const resized = new ResizeObserver(([{ contentRect }]) => {
    inkWide = contentRect.width; // of the sheet, whose border it leaves out, as the ink does
    draw();
  });
  resized.observe(sheet);
  return () => {
    clearTimeout(waiting);
    clearTimeout(pause);
    resized.disconnect();
    view.dispose();
  };
}

export default { render };
