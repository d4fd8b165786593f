// A network that reads in the page: no kernel, no server, nothing leaves the page.
//
//   const root = globalThis.crnnReading;          // where a book keeps its networks; undefined elsewhere
//   const read = await createReader({ root });    // loads the runtime and the network, once for a page
//   const reading = await read(strokes);          // null where no ink is
//
// createReader({ root, network = "crnn-photos", marks = "drop" }): rejects with an Error where a
// file is missing or WebAssembly is not there. `read.symbols` and `read.blank` are the classes'.
// read(strokes), or read(picture) with { rows, columns, values } as pad_ink.js has it, resolves to
//   image       { rows, columns, values } the line that the network saw, ink bright on black
//   left, scale where its column 0 stands on the pad, and units of the pad per column (0 and 1 of a picture)
//   features    { channels, rows, values: Float32Array of frames * channels * rows } what the recurrence reads
//   frames, classes, logProbs   the lattice: Float64Array of frames * classes, as ctc.js takes it
//   symbols, blank              what each class stands for; the blank's is "-"
//   edges       frames + 1 borders of the frames, in columns of the image
//   path        the most probable class of each frame
//   label, text what the path collapses to
//   spans       [{ label, character, start, end, logProb, ink: [from, to] }] a run of the path for each
//               character: its frames, the sum of its log-probabilities, and the columns its ink takes
//   logProb, confidence         of the text, over all of its alignments
//   seconds     that it took
// Calls that come while one runs wait for it. With marks = "drop", points, commas, slashes and dashes
// count as blank, as crnn_lib.models.fold_marks has it; with "keep" they are characters.
import { decodeBytes } from "./common.js";
import { forwardBackward, logSum } from "./ctc.js";
import { divideInk, networkLine } from "./pad_ink.js";

const DROPPED = ".,/-"; // marks
const loading = new Map(); // address -> promise: each file is fetched once

/** Run a file of the book. A classic script: from a disk, a page may load nothing else. */
function runFile(address) {
  if (!loading.has(address)) {
    loading.set(address, new Promise((done, fail) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = done;
      script.onerror = () => { loading.delete(address); fail(new Error(`${address} cannot be loaded`)); };
      document.head.append(script);
    }));
  }
  return loading.get(address);
}

/** Bytes from the base64 text of their gzip archive. */
async function unpacked(text) {
  const stream = new Blob([decodeBytes(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The runtime, ready: its program is handed over as bytes, so that no page has to fetch it. */
let started = null;
function startRuntime(root) {
  started ??= (async () => {
    await runFile(`${root}runtime.js`);
    const { ort, crnnRuntime } = globalThis;
    ort.env.wasm.numThreads = 1; // more need headers that a disk does not send
    ort.env.wasm.wasmBinary = (await unpacked(crnnRuntime.program)).buffer;
    const glue = new Blob([await unpacked(crnnRuntime.glue)], { type: "text/javascript" });
    ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(glue) };
    delete globalThis.crnnRuntime;
    return ort;
  })();
  return started.catch((error) => { started = null; throw error; });
}

/** A lattice in which marks count as blank, and the classes that stay. */
export function foldMarks({ frames, classes, logProbs }, symbols, blank, marks = DROPPED) {
  const goes = symbols.map((symbol, c) => c !== blank && marks.includes(symbol));
  if (!goes.includes(true)) return { frames, classes, logProbs, symbols, blank };
  const stays = symbols.map((_, c) => c).filter((c) => !goes[c]);
  const folded = new Float64Array(frames * stays.length);
  for (let t = 0; t < frames; t++) stays.forEach((c, k) => {
    const own = logProbs[t * classes + c];
    folded[t * stays.length + k] = c === blank ? logSum(own, ...symbols.flatMap((_, m) => (goes[m] ? [logProbs[t * classes + m]] : []))) : own;
  });
  return { frames, classes: stays.length, logProbs: folded, symbols: stays.map((c) => symbols[c]), blank: stays.indexOf(blank) };
}

/** What a lattice says along its most probable path: path, label, text, spans, logProb, confidence. */
export function readBestPath({ frames, classes, logProbs, symbols, blank }) {
  const path = [], spans = [];
  for (let t = 0; t < frames; t++) {
    let best = 0;
    for (let c = 1; c < classes; c++) if (logProbs[t * classes + c] > logProbs[t * classes + best]) best = c;
    const p = logProbs[t * classes + best], last = spans.at(-1);
    if (best !== blank && path.at(-1) === best) Object.assign(last, { end: t + 1, logProb: last.logProb + p });
    else if (best !== blank) spans.push({ label: best, character: symbols[best], start: t, end: t + 1, logProb: p });
    path.push(best);
  }
  const label = spans.map((span) => span.label);
  const { logProb } = forwardBackward({ frames, classes, logProbs }, label, blank);
  return { path, label, text: spans.map((span) => span.character).join(""), spans, logProb, confidence: Math.exp(logProb) };
}

export async function createReader({ root, network = "crnn-photos", marks = "drop" }) {
  const [ort] = await Promise.all([startRuntime(root), runFile(`${root}${network}.js`)]);
  const { weights, story } = globalThis.crnnNetworks[network]; // story: as crnn_lib.models.export_onnx writes it
  const session = await ort.InferenceSession.create(await unpacked(weights), { executionProviders: ["wasm"] });
  const { height } = story.config;
  const classesOf = (lattice) => (marks === "drop" ? foldMarks(lattice, story.symbols, story.blank) : { ...lattice, symbols: story.symbols, blank: story.blank });
  let before = Promise.resolve();

  async function readLine(line) {
    const began = performance.now(), { rows, columns, values } = line;
    const images = new ort.Tensor("float32", values, [1, 1, rows, columns]);
    const widths = new ort.Tensor("int64", BigInt64Array.of(BigInt(columns)), [1]);
    const found = await session.run({ images, widths });
    const [, frames, classes] = found.log_probs.dims;
    const lattice = classesOf({ frames, classes, logProbs: Float64Array.from(found.log_probs.data) });
    const edges = Array.from({ length: frames + 1 }, (_, t) => story.frames.first + story.frames.step * t);
    const best = readBestPath(lattice);
    const image = { rows, columns, values };
    const extents = divideInk(image, best.spans.map(({ start, end }) => (edges[start] + edges[end]) / 2));
    best.spans.forEach((span, k) => { span.ink = extents[k]; });
    const channels = story.config.channels?.at(-1) ?? 1;
    const features = { channels, rows: found.features.dims[2] / channels, values: found.features.data };
    return { image, left: line.left ?? 0, scale: line.scale ?? 1, features, ...lattice, edges, ...best, seconds: (performance.now() - began) / 1000 };
  }

  const { symbols, blank } = classesOf({ frames: 0, classes: story.symbols.length, logProbs: new Float64Array(0) });
  const read = (given) => {
    const run = async () => {
      const began = performance.now();
      const line = Array.isArray(given) ? networkLine(given, height) : given;
      return line && { ...(await readLine(line)), seconds: (performance.now() - began) / 1000 };
    };
    const reading = before.then(run);
    before = reading.catch(() => {});
    return reading;
  };
  return Object.assign(read, { symbols, blank, height });
}
