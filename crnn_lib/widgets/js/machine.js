// The machine, stage by stage under one's own ink: windows, features, posteriors, path, collapse, text.
// Everything stands on one axis, the columns of the line; each digit has one colour all the way down.
import { button, decodeBytes, decodeFloats, drag, enable, focusable, keys, lessMotion, make, mount } from "./common.js";
import { networkLine, divideInk } from "./pad_ink.js";
import { createReader, readBestPath } from "./reading.js";
import { rowsOf } from "./rows.js";
import { createSketch } from "./sketch.js";

// Six hues that differ for every eye (Okabe and Ito); each is beside the digit's own sign.
const HUES = [[213, 94, 0], [0, 114, 178], [0, 145, 105], [190, 90, 150], [176, 120, 0], [70, 150, 205]];
const READ_EVERY = 16, SWEEP = 90; // ms between readings; ms a frame when the machine shows itself
const GAP = 26; // pixels at the left for the names of rows
const share = (p) => (p > 0.995 && p < 1 ? "> 99 %" : p < 0.01 ? "< 1 %" : `${Math.round(100 * p)} %`);

function render({ model, el }) {
  const view = mount({ model, el }, "machine", "The machine: write a number, and see it become a text");
  const shelf = globalThis.crnnReading, channels = model.get("channels"), field = model.get("field"); // field: first column, end, step
  let reading = null, frame = -1, own = false, reader = null, busy = false, again = false, failed = "", sweep = null;
  let touched = null; // the stage in whose words a frame is told

  // The stages -----------------------------------------------------------------------------------
  const sketch = createSketch({ label: "Write a number here. Arrow keys move the pen, Space puts it down and lifts it, Backspace undoes.", width: 14, changed, touched: wake, colourOf: (points) => colourOf(points) });
  const hint = make("span", { class: "soft" }), said = make("output", { class: "said mono" });
  const undo = button("↶ Undo", "undo the last stroke", () => { if (own) sketch.undo(); });
  const clear = button("Write your own", "Write your own: clears the sheet", () => { own = true; stopSweep(); sketch.clear(); wake(); });
  const stages = [
    ["ink", "Ink", () => `Cut out of the sheet and made ${model.get("height")} pixels high${reading ? `, it is ${reading.image.columns} columns wide` : ""}. Nobody says where a digit ends.`, (t) => inkAt(t)],
    ["windows", "Windows", () => `The network looks through a window ${field[1] - field[0]} columns wide, and moves on by ${field[2]}${reading ? `: ${reading.frames} looks, called frames` : ". Each look is a frame"}. What follows has one place for each.`, (t) => { const [a, b] = windowOf(t); return `the window shows columns ${Math.max(a, 0)} to ${Math.min(b, reading.image.columns) - 1}`; }],
    ["features", "Features", () => `In each frame ${model.get("width")} features answer, some here, some there. These are ${channels.length} of them, upper rows for the upper part of the line. What each of them looks for it has learned by itself.`, (t) => `the strongest of the ${channels.length} here is ${strongest(t)}`],
    ["posteriors", "Posteriors", () => "A memory runs over all frames, from both sides. Then each frame says how probable each digit is, and how probable it is that nothing new is here: that is the blank, “-”.", (t) => likely(t)],
    ["path", "Best path", () => "In each frame the most probable is taken.", (t) => `taken: ${nameOf(reading.path[t])}`],
    ["collapse", "Collapse", () => "The same sign again in the next frame is the same digit: repeats merge. Then the blanks go. That is how a double 5 stays double: a blank stands between.", (t) => { const k = spanAt(t); return k < 0 ? "a blank, which goes" : `digit ${k + 1}, a ${reading.spans[k].character}, of ${framesOf(reading.spans[k])}`; }],
    ["text", "Text", () => (reading ? `It reads ${reading.text || "nothing"}, with probability ${share(reading.confidence)}: all the paths that collapse to this text together.` : "What is left is the text. All the paths that collapse to it together give its probability."), (t) => { const k = spanAt(t); return k < 0 ? "between two digits" : `${reading.spans[k].character}, ${share(Math.exp(reading.spans[k].logProb))} sure`; }],
  ].map(([key, name, sentence, at]) => {
    // no plain names: a page's own style may know them, and hide them
    const canvas = focusable(make("canvas", { role: "slider", class: `of-${key}`, "aria-valuemin": 0 }), `${name}: frame`);
    const words = make("p", {});
    const node = make("section", { class: "stage" }, make("h3", {}, name), words, canvas);
    drag(canvas, (x) => point(frameAt(x), key));
    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect();
      point(frameAt((event.clientX - box.left) / box.width), key);
    });
    const turn = (by) => () => point(frame < 0 && by > 0 ? 0 : Math.max(frame + by, 0), key);
    keys(canvas, { ArrowLeft: turn(-1), ArrowRight: turn(1), ArrowDown: turn(-1), ArrowUp: turn(1), Home: () => point(0, key), End: () => point(Infinity, key), Escape: () => point(-1, key) });
    return { key, name, sentence, at, canvas, words, node };
  });
  view.root.append(
    make("div", { class: "head" }, sketch.node, make("div", { class: "row tools" }, clear, undo, make("span", { class: "grow" }), hint, said)),
    ...stages.map(({ node }) => node), view.status);

  // Where and in which colour -----------------------------------------------------------------------
  const windowOf = (t) => [field[0] + field[2] * t, field[1] + field[2] * t];
  const spanAt = (t) => reading.spans.findIndex(({ start, end }) => start <= t && t < end);
  const hue = (k, strength = 1) => `rgba(${HUES[k % HUES.length].join()},${strength})`;
  const nameOf = (c) => (c === reading.blank ? "the blank" : reading.symbols[c]);
  const low = () => Math.min(0, reading.edges[0]), high = () => Math.max(reading.image.columns, reading.edges.at(-1));
  function colourOf(points) { // of ink on the sheet: of one digit, if nearly all of a stroke is its
    if (!reading?.spans.length) return null;
    const counts = reading.spans.map(() => 0);
    for (const [x] of points) counts[ownerAt(x)] += 1;
    const most = Math.max(...counts);
    return most >= 0.8 * points.length ? hue(counts.indexOf(most)) : (x) => hue(ownerAt(x));
  }
  function ownerAt(x) { // the digit whose ink is nearest
    const column = (x - reading.left) / reading.scale;
    let [owner, least] = [0, Infinity];
    reading.spans.forEach(({ ink: [a, b] }, k) => {
      const gap = Math.max(a - column, column - b, 0);
      if (gap < least) [owner, least] = [k, gap];
    });
    return owner;
  }
  const inkOwner = (column) => reading.spans.findIndex(({ ink: [a, b] }) => a <= column && column < b);
  const framesOf = ({ start, end }) => (end - start > 1 ? `frames ${start} to ${end - 1}` : "this frame alone");
  function inkAt(t) { // whose ink stands over a frame
    const from = reading.edges[t], to = reading.edges[t + 1];
    const over = reading.spans.map(({ ink: [a, b] }) => Math.min(b, to) - Math.max(a, from)), most = Math.max(0, ...over), k = over.indexOf(most);
    return most > 0 ? `ink of digit ${k + 1}, a ${reading.spans[k].character}` : "no ink";
  }
  function likely(t) {
    return reading.symbols.map((symbol, c) => [Math.exp(reading.logProbs[t * reading.classes + c]), c === reading.blank ? "blank" : symbol])
      .sort((a, b) => b[0] - a[0]).slice(0, 3).filter(([p], i) => !i || p >= 0.01).map(([p, name]) => `${name} ${share(p)}`).join(", ");
  }
  function strongest(t) {
    const sums = channels.map((_, k) => { let sum = 0; for (let r = 0; r < reading.rows; r++) sum += reading.chosen(t, k, r); return sum; });
    return `the ${["first", "second", "third", "fourth"][sums.indexOf(Math.max(...sums))]}`;
  }
  function frameAt(x) { // of a share of a picture's width
    if (!reading) return -1;
    const wide = stages[0].canvas.clientWidth, column = low() + ((x * wide - GAP) / (wide - GAP)) * (high() - low());
    return Math.floor((column - reading.edges[0]) / (reading.edges[1] - reading.edges[0]));
  }
  function point(t, key) {
    if (!reading) return;
    stopSweep();
    touched = stages.find((stage) => stage.key === key);
    frame = t === -1 ? -1 : Math.min(reading.frames - 1, Math.max(0, t));
    draw();
  }

  // Reading ----------------------------------------------------------------------------------------
  function take(found) {
    reading = found;
    if (found && frame >= found.frames) frame = found.frames - 1;
    draw();
  }
  /** What the network made of the first line, worked out beforehand: alive before anything is loaded. */
  function example() {
    const { image, logProbs, features, frames, first, step } = model.get("example"), line = networkLine(model.get("strokes"), model.get("height"));
    if (!line) return null;
    const values = Float32Array.from(decodeBytes(image), (v) => v / 255), picture = { ...line, values };
    const symbols = model.get("symbols"), classes = symbols.length, blank = model.get("blank");
    const lattice = { frames, classes, logProbs: Float64Array.from(decodeFloats(logProbs)), symbols, blank };
    const edges = Array.from({ length: frames + 1 }, (_, t) => first + step * t), best = readBestPath(lattice);
    const extents = divideInk(picture, best.spans.map(({ start, end }) => (edges[start] + edges[end]) / 2));
    best.spans.forEach((span, k) => { span.ink = extents[k]; });
    const levels = decodeBytes(features), rows = model.get("rows");
    const chosen = (t, k, r) => levels[(t * channels.length + k) * rows + r] / 255;
    return { image: picture, left: line.left, scale: line.scale, ...lattice, edges, ...best, channels: model.get("width"), rows, chosen };
  }
  function withFeatures(found) {
    const { channels: count, rows, values } = found.features;
    const raw = (t, k, r) => values[(t * count + channels[k]) * rows + r];
    const ends = channels.map((_, k) => { // from silent to its loudest on this line
      let [least, most] = [Infinity, -Infinity];
      for (let t = 0; t < found.frames; t++) for (let r = 0; r < rows; r++) [least, most] = [Math.min(least, raw(t, k, r)), Math.max(most, raw(t, k, r))];
      return [least, Math.max(most - least, 1e-6)];
    });
    return { ...found, channels: count, rows, chosen: (t, k, r) => (raw(t, k, r) - ends[k][0]) / ends[k][1] };
  }
  function wake() {
    if (!shelf || reader || failed) return;
    reader = createReader({ root: shelf, network: model.get("network") });
    reader.then(() => { if (own) read(); }, () => { failed = "The network could not be loaded."; if (own) take(null); });
  }
  async function read() {
    wake();
    if (busy) { again = true; return; }
    if (!reader || failed) { take(null); return; } // what was read before is not what stands there now
    busy = true;
    again = false;
    let took = 0;
    try {
      const network = await reader, strokes = sketch.strokes();
      const found = strokes.length ? await network(strokes) : null;
      took = found ? 1000 * found.seconds : 0;
      if (view.root.isConnected) take(found && sketch.strokes().length ? withFeatures(found) : null);
    } catch (error) {
      failed ||= `Reading failed. ${error.message}`;
      take(null);
    }
    setTimeout(() => { busy = false; if (again) read(); }, Math.max(READ_EVERY - took, 4));
  }
  function changed() {
    if (!own) { // the first stroke takes the example's place
      own = true;
      stopSweep();
      sketch.set([]);
      take(null);
    }
    if (!sketch.strokes().length) take(null); // at once; a reading under way belongs to ink that is gone
    sketch.draw();
    read();
  }

  // Drawing ------------------------------------------------------------------------------------------
  let tint = null; // the theme's colours; asked for once: the answer takes as long as a stage
  function colours() {
    const style = getComputedStyle(view.root);
    return Object.fromEntries(["ink", "soft", "line", "panel", "tile"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  }
  const seen = new Set(); // canvases on the screen: while a hand writes, no others are drawn
  const watching = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) seen[isIntersecting ? "add" : "delete"](target);
    if (sketch.writing()) draw();
  });
  function brush(canvas, rowsHigh) { // a canvas with one axis: x(column), in CSS pixels
    const wide = canvas.clientWidth, zoom = devicePixelRatio;
    const context = canvas.getContext("2d"), size = [Math.round(wide * zoom), Math.round(rowsHigh * zoom)];
    if (canvas.width !== size[0] || canvas.height !== size[1]) {
      canvas.style.height = `${rowsHigh}px`;
      [canvas.width, canvas.height] = size; // this also wipes it
    } else context.clearRect(0, 0, wide, rowsHigh);
    context.setTransform(zoom, 0, 0, zoom, 0, 0);
    context.textAlign = "center";
    context.textBaseline = "middle";
    return { context, x: (column) => GAP + ((column - low()) / (high() - low())) * (wide - GAP), wide, tall: rowsHigh };
  }
  const small = make("canvas"); // the line, a pixel for a pixel
  function drawInkOn({ context, x, tall }, dimmed) {
    const { rows, columns, values } = reading.image, picture = new ImageData(columns, rows);
    for (let j = 0; j < columns; j++) {
      const k = inkOwner(j), colour = k < 0 ? [120, 120, 128] : HUES[k % HUES.length];
      const seen = !dimmed || (j >= dimmed[0] && j < dimmed[1]) ? 255 : 0.15 * 255;
      for (let i = 0; i < rows; i++) picture.data.set([...colour, seen * values[i * columns + j]], 4 * (i * columns + j));
    }
    if (small.width !== columns || small.height !== rows) [small.width, small.height] = [columns, rows];
    small.getContext("2d").putImageData(picture, 0, 0);
    context.imageSmoothingEnabled = false; // its pixels are to be seen
    context.drawImage(small, x(0), 0, x(columns) - x(0), tall);
  }
  const DRAW = {
    ink(one) { drawInkOn(one, null); },
    windows(one, tint) {
      const t = Math.max(frame, 0), [a, b] = windowOf(t), { context, x, tall } = one;
      drawInkOn({ ...one, tall: tall - 14 }, [a, b]);
      for (let k = 0; k < reading.frames; k++) {
        context.fillStyle = k === t ? tint.ink : tint.line;
        context.fillRect(x(reading.edges[k]) + 0.5, tall - 9, x(reading.edges[k + 1]) - x(reading.edges[k]) - 1, 9);
      }
      context.strokeStyle = tint.ink;
      context.lineWidth = 2;
      const left = Math.max(x(a), GAP + 1), right = Math.min(x(b), one.wide - 1);
      context.strokeRect(left, 1, right - left, tall - 16);
    },
    features({ context, x, tall }, tint) {
      const { rows, frames, edges } = reading, band = tall / channels.length;
      channels.forEach((_, k) => {
        context.fillStyle = tint.soft;
        context.fillText("abcd"[k], GAP / 2, band * (k + 0.5));
        for (let t = 0; t < frames; t++) for (let r = 0; r < rows; r++) {
          const owner = spanAt(t), v = Math.min(1, reading.chosen(t, k, r));
          context.fillStyle = tint.panel;
          const box = [x(edges[t]) + 0.5, band * k + 2 + (r * (band - 6)) / rows, x(edges[t + 1]) - x(edges[t]) - 1, (band - 6) / rows - 0.5];
          context.fillRect(...box);
          if (v < 0.02) continue;
          context.globalAlpha = v;
          context.fillStyle = owner < 0 ? tint.soft : hue(owner);
          context.fillRect(...box);
          context.globalAlpha = 1;
        }
      });
    },
    posteriors({ context, x, tall }, tint) {
      const { classes, frames, edges, symbols, blank, logProbs } = reading, order = rowsOf(classes, blank), row = tall / classes;
      order.forEach((c, i) => {
        context.fillStyle = tint.soft;
        context.font = `12px ${MONO}`;
        context.fillText(symbols[c], GAP / 2, row * (i + 0.5));
        for (let t = 0; t < frames; t++) {
          const p = Math.exp(logProbs[t * classes + c]), k = spanAt(t);
          const box = [x(edges[t]) + 0.5, row * i + 0.5, x(edges[t + 1]) - x(edges[t]) - 1, row - 1];
          context.fillStyle = tint.panel;
          context.fillRect(...box);
          context.globalAlpha = p;
          context.fillStyle = k >= 0 && reading.spans[k].label === c ? hue(k) : tint.soft;
          context.fillRect(...box);
          context.globalAlpha = 1;
        }
      });
    },
    path({ context, x, tall }, tint) {
      reading.path.forEach((c, t) => {
        const k = spanAt(t), from = x(reading.edges[t]), to = x(reading.edges[t + 1]);
        context.fillStyle = k < 0 ? tint.panel : hue(k);
        context.fillRect(from + 1, 2, to - from - 2, tall - 4);
        context.fillStyle = k < 0 ? tint.soft : "#fff";
        context.font = `600 ${Math.min(17, (to - from) * 0.9)}px ${MONO}`;
        context.fillText(reading.symbols[c], (from + to) / 2, tall / 2 + 1);
      });
    },
    collapse({ context, x, tall }, tint) {
      reading.spans.forEach(({ start, end, character, ink: [a, b] }, k) => {
        const from = x(reading.edges[start]) + 1, to = x(reading.edges[end]) - 1, middle = x((a + b) / 2), half = 13;
        context.fillStyle = hue(k, 0.25);
        context.beginPath(); // frames flow into one sign
        context.moveTo(from, 0);
        context.lineTo(to, 0);
        context.bezierCurveTo(to, tall * 0.35, middle + half, tall * 0.3, middle + half, tall - 30);
        context.lineTo(middle - half, tall - 30);
        context.bezierCurveTo(middle - half, tall * 0.3, from, tall * 0.35, from, 0);
        context.fill();
        context.fillStyle = hue(k);
        context.fillRect(middle - half, tall - 30, 2 * half, 28);
        context.fillStyle = "#fff";
        context.font = `700 18px ${MONO}`;
        context.fillText(character, middle, tall - 15);
      });
      context.fillStyle = tint.soft;
      context.font = `13px ${MONO}`;
      reading.path.forEach((c, t) => { if (c === reading.blank) context.fillText("-", (x(reading.edges[t]) + x(reading.edges[t + 1])) / 2, 8); });
    },
    text({ context, x, tall, wide }, tint) {
      reading.spans.forEach(({ character, logProb, ink: [a, b] }, k) => {
        const middle = x((a + b) / 2);
        context.fillStyle = hue(k);
        context.fillRect(x(a), 2, x(b) - x(a), 4);
        context.font = `700 44px ${MONO}`;
        context.fillText(character, middle, 36);
        context.fillStyle = tint.soft;
        const narrow = wide < 500; // then every other one stands lower
        context.font = `${narrow ? 10 : 12}px ${MONO}`;
        context.fillText(share(Math.exp(logProb)), middle, tall - (narrow && k % 2 === 0 ? 19 : 7));
      });
    },
  };
  const MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
  function highOf(key, wide) {
    const line = ((wide - GAP) / (high() - low())) * reading.image.rows;
    return { ink: line, windows: line + 14, features: 44 * channels.length, posteriors: 17 * reading.classes, path: 30, collapse: 92, text: 84 }[key];
  }
  function draw() {
    if (!view.root.isConnected) return;
    sketch.draw();
    enable(undo, own && sketch.strokes().length > 0);
    said.textContent = reading ? reading.text || "nothing" : "";
    const written = sketch.strokes().length > 0;
    const silent = failed || (shelf ? "The network is being loaded." : "On this page nobody reads what you write."); // why there is ink and no text
    hint.textContent = own ? failed || (written && !reading ? silent : "") : "A line somebody wrote. Yours takes its place.";
    view.root.classList.toggle("idle", !reading);
    if (!reading) {
      for (const { name, canvas, words, sentence } of stages) {
        words.textContent = sentence();
        canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height); // as high as before: nothing jumps
        canvas.setAttribute("aria-valuetext", `${name}: nothing is read yet`);
      }
      view.say(written ? silent : "The sheet is empty. Write a number.");
      return;
    }
    // a short line must not become a tall one: no pixel of it is larger than seven of the screen
    const most = `${GAP + 7 * (high() - low())}px`;
    if (view.root.style.getPropertyValue("--wide") !== most) view.root.style.setProperty("--wide", most);
    tint ??= colours();
    const wide = stages[0].canvas.clientWidth; // all are as wide
    for (const { key, name, sentence, at, canvas, words } of stages) {
      const text = sentence();
      if (words.textContent !== text) words.textContent = text;
      if (!wide) continue;
      if (!sketch.writing() || seen.has(canvas)) {
        const one = brush(canvas, highOf(key, wide));
        DRAW[key](one, tint);
        if (frame >= 0 && key !== "windows") { // the same frame in every stage
          one.context.strokeStyle = tint.ink;
          one.context.lineWidth = 1.5;
          const from = one.x(reading.edges[frame]);
          one.context.strokeRect(from, 0.75, one.x(reading.edges[frame + 1]) - from, one.tall - 1.5);
        }
      }
      canvas.setAttribute("aria-valuemax", reading.frames - 1);
      canvas.setAttribute("aria-valuenow", Math.max(frame, 0));
      canvas.setAttribute("aria-valuetext", frame < 0 ? `${name}. ${text}` : `Frame ${frame}: ${at(frame)}.`);
    }
    if (sweep === null) view.say(frame < 0 ? `Read as ${reading.text || "nothing"}, probability ${share(reading.confidence)}.` : `Frame ${frame} of ${reading.frames}: ${(touched ?? stages[3]).at(frame)}.`);
  }
  function stopSweep() {
    clearInterval(sweep);
    sweep = null;
  }

  sketch.set(model.get("strokes"));
  reading = example();
  const resized = new ResizeObserver(draw);
  resized.observe(view.root);
  for (const { canvas } of stages) watching.observe(canvas);
  const themed = new MutationObserver(() => { tint = null; draw(); }); // what is drawn has the theme's colours
  themed.observe(view.root, { attributes: true, attributeFilter: ["data-theme"] });
  view.listen(["strokes"], draw);
  if (!lessMotion() && reading) { // once, from left to right: what belongs to what
    sweep = setInterval(() => {
      frame += 1;
      if (frame >= reading.frames) { stopSweep(); frame = -1; }
      draw();
    }, SWEEP);
  }
  return () => {
    stopSweep();
    resized.disconnect();
    watching.disconnect();
    themed.disconnect();
    view.dispose();
  };
}

export default { render };
