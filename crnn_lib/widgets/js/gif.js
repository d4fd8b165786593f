// Moving pictures as GIF 89a: 256 colours for all pictures together, each stored where it differs from the
// one before, in the variable-length codes of Lempel, Ziv and Welch.
import { make } from "./common.js";

const COLOURS = 256, CLEAR = 256, END = 257, MOST_CODES = 4096;
const twoBytes = (n) => [n & 255, n >> 8];
const letters = (words) => [...words].map((c) => c.charCodeAt(0));
const keyOf = (data, k) => ((data[k] >> 3) << 10) | ((data[k + 1] >> 3) << 5) | (data[k + 2] >> 3); // 15 bits

/** Bytes of a GIF that repeats for ever, from pictures { data, delay }: RGBA as ImageData has it, all of one
 * size and opaque, and hundredths of a second. `rest`, if given, is awaited between pictures. */
export async function encodeGif(width, height, pictures, rest = () => null) {
  const { colours, indexOf } = palette(pictures);
  const bytes = [...letters("GIF89a"), ...twoBytes(width), ...twoBytes(height), 0xf7, 0, 0];
  for (let c = 0; c < COLOURS; c++) bytes.push(...(colours[c] ?? [0, 0, 0]));
  bytes.push(0x21, 0xff, 11, ...letters("NETSCAPE2.0"), 3, 1, 0, 0, 0);
  let before = null;
  for (const { data, delay } of pictures) {
    const indices = new Uint8Array(width * height);
    for (let k = 0; k < indices.length; k++) indices[k] = indexOf[keyOf(data, 4 * k)];
    const [left, top, right, bottom] = changed(indices, before, width, height);
    bytes.push(0x21, 0xf9, 4, 4, ...twoBytes(delay), 0, 0); // what stood there before stays
    bytes.push(0x2c, ...twoBytes(left), ...twoBytes(top), ...twoBytes(right - left), ...twoBytes(bottom - top), 0, 8);
    const part = new Uint8Array((right - left) * (bottom - top));
    for (let y = top; y < bottom; y++) part.set(indices.subarray(y * width + left, y * width + right), (y - top) * (right - left));
    const codes = compress(part);
    for (let k = 0; k < codes.length; k += 255) {
      const block = codes.slice(k, k + 255);
      bytes.push(block.length, ...block);
    }
    bytes.push(0);
    before = indices;
    await rest();
  }
  bytes.push(0x3b);
  return Uint8Array.from(bytes);
}

/** Offer pictures as a file: see encodeGif. The page stays alive meanwhile. */
export async function saveGif(width, height, pictures, name) {
  const bytes = await encodeGif(width, height, pictures, () => new Promise((go) => { setTimeout(go); }));
  const url = URL.createObjectURL(new Blob([bytes], { type: "image/gif" }));
  make("a", { href: url, download: `${name}.gif` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // the browser has taken it by then
}

/** The box of what differs: [left, top, right, bottom], a pixel at least. */
function changed(now, before, width, height) {
  if (!before) return [0, 0, width, height];
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let k = 0; k < now.length; k++) {
    if (now[k] === before[k]) continue;
    const x = k % width, y = (k - x) / width;
    [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x + 1), Math.min(top, y), y + 1];
  }
  return right ? [left, top, right, bottom] : [0, 0, 1, 1];
}

/** Numbers below 256 as a stream of codes of 9 to 12 bits (Welch 1984), as GIF packs them. */
export function compress(numbers) {
  const bytes = [];
  let held = 0, bits = 0, size = 9, next = END + 1, known = new Map();
  const put = (code) => {
    held |= code << bits;
    for (bits += size; bits >= 8; bits -= 8) {
      bytes.push(held & 255);
      held >>>= 8;
    }
  };
  put(CLEAR);
  let prefix = numbers[0];
  for (let k = 1; k < numbers.length; k++) {
    const longer = (prefix << 8) | numbers[k], code = known.get(longer);
    if (code !== undefined) {
      prefix = code;
      continue;
    }
    put(prefix);
    if (next === MOST_CODES) { // the table is full: begin anew
      put(CLEAR);
      [size, next, known] = [9, END + 1, new Map()];
    } else {
      if (next === 1 << size) size += 1;
      known.set(longer, next++);
    }
    prefix = numbers[k];
  }
  put(prefix);
  put(END);
  if (bits) bytes.push(held & 255);
  return bytes;
}

/** 256 colours by median cut (Heckbert 1982), and which of them stands for each of 32 x 32 x 32. */
function palette(pictures) {
  const counts = new Float64Array(1 << 15), sums = new Float64Array(3 << 15);
  for (const { data } of pictures) for (let k = 0; k < data.length; k += 4) {
    const key = keyOf(data, k);
    counts[key] += 1;
    for (let part = 0; part < 3; part++) sums[3 * key + part] += data[k + part];
  }
  const part = (key, which) => (key >> (10 - 5 * which)) & 31;
  const boxOf = (keys) => {
    const ranges = [0, 1, 2].map((which) => {
      const values = keys.map((key) => part(key, which));
      return Math.max(...values) - Math.min(...values);
    });
    const most = Math.max(...ranges), weight = keys.reduce((sum, key) => sum + counts[key], 0);
    return { keys, widest: ranges.indexOf(most), size: most * Math.sqrt(weight), weight };
  };
  const boxes = [boxOf([...counts.keys()].filter((key) => counts[key]))];
  while (boxes.length < COLOURS) {
    const largest = boxes.reduce((a, b) => (b.size > a.size ? b : a));
    if (!largest.size) break; // each has a colour of its own
    const keys = largest.keys.sort((a, b) => part(a, largest.widest) - part(b, largest.widest));
    let at = 1;
    for (let sum = counts[keys[0]]; at < keys.length - 1 && sum + counts[keys[at]] / 2 < largest.weight / 2; at++) sum += counts[keys[at]];
    boxes.splice(boxes.indexOf(largest), 1, boxOf(keys.slice(0, at)), boxOf(keys.slice(at)));
  }
  const indexOf = new Uint8Array(1 << 15);
  const colours = boxes.map(({ keys, weight }, c) => {
    for (const key of keys) indexOf[key] = c;
    return [0, 1, 2].map((which) => Math.round(keys.reduce((sum, key) => sum + sums[3 * key + which], 0) / weight));
  });
  return { colours, indexOf };
}
