// A page without a browser: as much of one as explorers need to draw themselves, and a list of what they drew.
// Reads [{ code, state, moves: [[slider, "min" or "max"], ...] }] as JSON, one explorer each; writes for each
// [what is drawn at first, then after each move]: { canvases, symbols, sliders, state }.
import { readFileSync } from "node:fs";

const idle = () => {};
const WIDE = 700, HIGH = 300;

/** A pen that writes down its rectangles and words, and keeps the matrix that was painted last. */
function penOf(canvas) {
  const has = { globalAlpha: 1, fillStyle: "#000" };
  const can = {
    fillRect(x, y, w, h) { canvas.drawn.rects.push([x, y, w, h, String(has.fillStyle), has.globalAlpha]); },
    fillText(text, x, y) { canvas.drawn.texts.push([text, x, y]); },
    createImageData: (width, height) => ({ width, height, data: new Uint8ClampedArray(4 * width * height) }),
    putImageData({ width, height, data }) { canvas.drawn.matrix = { width, height, sums: Array.from({ length: width * height }, (_, i) => data[4 * i] + data[4 * i + 1] + data[4 * i + 2]) }; },
    measureText: () => ({ width: 10 }),
  };
  return new Proxy(has, { get: (_, name) => can[name] ?? has[name] ?? idle, set: (_, name, value) => { has[name] = value; return true; } });
}

class Element extends EventTarget {
  constructor(tag) {
    super();
    Object.assign(this, { tag, childNodes: [], parentElement: null, attributes: {}, dataset: {}, isConnected: true, text: "", value: "", drawn: { rects: [], texts: [], matrix: null } });
    const properties = {};
    this.style = new Proxy(properties, { get: (_, name) => ({ setProperty(key, value) { properties[key] = value; }, getPropertyValue: (key) => properties[key] ?? "" })[name] ?? properties[name] ?? "", set: (_, name, value) => { properties[name] = value; return true; } });
    const names = () => new Set(this.className.split(" ").filter(Boolean)), keep = (set) => { this.className = [...set].join(" "); };
    this.classList = {
      add: (...added) => keep([...names(), ...added]),
      remove: (...gone) => keep([...names()].filter((name) => !gone.includes(name))),
      contains: (name) => names().has(name),
      toggle: (name, on = !names().has(name)) => (on ? this.classList.add(name) : this.classList.remove(name)),
    };
    for (const side of ["Width", "Height"]) for (const kind of ["client", "offset", "scroll"]) this[kind + side] = side === "Width" ? WIDE : HIGH;
  }
  get width() { return this.across ?? WIDE; }
  set width(columns) { Object.assign(this.drawn, { rects: [], texts: [] }); this.across = columns; } // it wipes a canvas
  get height() { return this.down ?? HIGH; }
  set height(rows) { this.down = rows; }
  get className() { return this.attributes.class ?? ""; }
  set className(names) { this.attributes.class = names; }
  setAttribute(name, value) { this.attributes[name] = String(value); if (name === "value") this.value = value; if (name.startsWith("data-")) this.dataset[name.slice(5)] = String(value); }
  getAttribute(name) { return this.attributes[name] ?? null; }
  get max() { return this.attributes.max; }
  set max(most) { this.attributes.max = String(most); }
  removeAttribute(name) { delete this.attributes[name]; }
  get textContent() { return this.text + this.childNodes.map((node) => node.textContent).join(""); }
  set textContent(text) { this.childNodes = []; this.text = String(text); }
  get children() { return this.childNodes.filter((node) => node.tag); }
  get childElementCount() { return this.children.length; }
  get firstChild() { return this.childNodes[0] ?? null; }
  get lastChild() { return this.childNodes.at(-1) ?? null; }
  put(at, nodes) {
    for (const node of nodes) node.remove?.();
    this.childNodes.splice(at, 0, ...nodes.map((node) => (node instanceof Element ? Object.assign(node, { parentElement: this }) : { textContent: String(node) })));
  }
  append(...nodes) { this.put(this.childNodes.length, nodes); }
  prepend(...nodes) { this.put(0, nodes); }
  replaceChildren(...nodes) { this.text = ""; this.childNodes = []; this.append(...nodes); }
  after(...nodes) { this.parentElement.put(this.parentElement.childNodes.indexOf(this) + 1, nodes); }
  before(...nodes) { this.parentElement.put(this.parentElement.childNodes.indexOf(this), nodes); }
  remove() { if (this.parentElement) this.parentElement.childNodes = this.parentElement.childNodes.filter((node) => node !== this); this.parentElement = null; }
  *all() { for (const node of this.children) { yield node; yield* node.all(); } }
  querySelectorAll(selector) { // of a class, a tag, or an attribute
    const [, name, value] = /^\[([\w-]+)=?"?(.*?)"?\]$/.exec(selector) ?? [];
    const fits = (node) => (name ? name in node.attributes && (!value || node.attributes[name] === value) : selector.startsWith(".") ? node.classList.contains(selector.slice(1)) : node.tag === selector);
    return [...this.all()].filter(fits);
  }
  querySelector(selector) { return this.querySelectorAll(selector)[0] ?? null; }
  closest() { return null; }
  contains(node) { return node === this || [...this.all()].includes(node); }
  matches() { return false; }
  focus() {}
  getBoundingClientRect() { return { x: 0, y: 0, left: 0, top: 0, right: WIDE, bottom: HIGH, width: WIDE, height: HIGH }; }
  getContext() { return (this.pen ??= penOf(this)); }
}

class Observer { observe() {} disconnect() {} }
const root = new Element("html");
Object.assign(globalThis, {
  document: Object.assign(new EventTarget(), { createElement: (tag) => new Element(tag), createElementNS: (_, tag) => new Element(tag), documentElement: root, body: root, activeElement: null, querySelectorAll: () => [] }),
  window: globalThis, innerWidth: 1280, innerHeight: 900, devicePixelRatio: 1,
  location: { protocol: "about:", hash: "" }, addEventListener: idle, removeEventListener: idle,
  matchMedia: () => ({ matches: true, addEventListener: idle, removeEventListener: idle }), // nothing plays by itself
  getComputedStyle: () => ({ getPropertyValue: () => "#808080", columnGap: "8px", backgroundColor: "rgb(255, 255, 255)" }),
  MutationObserver: Observer, ResizeObserver: Observer, IntersectionObserver: Observer,
  ImageData: class { constructor(width, height) { Object.assign(this, { width, height, data: new Uint8ClampedArray(4 * width * height) }); } },
});

const staticModel = new Function(`${readFileSync(process.argv[2], "utf8")}; return staticModel;`)();
const settled = () => new Promise((go) => { setTimeout(go); });
process.on("uncaughtException", ({ stack }) => { // without the module, which is its own address
  console.error(stack.replaceAll(/data:text[^:]*:?[^:)]{99,}/g, "the explorer"));
  process.exit(1);
});
const seen = [];
for (const { code, state, moves } of JSON.parse(readFileSync(0, "utf8"))) {
  const { render } = (await import(`data:text/javascript;base64,${Buffer.from(code).toString("base64")}`)).default;
  const el = new Element("div"), model = staticModel(state);
  const dispose = render({ model, el });
  const sliders = () => el.querySelectorAll("input").filter((node) => node.attributes.type === "range");
  const look = () => ({
    canvases: el.querySelectorAll("canvas").map(({ drawn, className }) => ({ ...drawn, class: className })),
    symbols: [...el.all()].filter((node) => /\b(symbols|names)\b/.test(node.className)).map((node) => node.children.map((name) => name.textContent)),
    sliders: Object.fromEntries(sliders().map((node) => [node.attributes["aria-label"], { said: node.attributes["aria-valuetext"], at: Number(node.value) }])),
    state: Object.fromEntries(Object.entries(state).filter(([, value]) => typeof value === "number")),
  });
  await settled();
  const looks = [look()];
  for (const [name, end] of moves) {
    const input = sliders().find((node) => node.attributes["aria-label"] === name);
    input.value = input.attributes[end]; // as far to the left, or to the right, as it goes
    input.dispatchEvent(new Event("input"));
    await settled();
    looks.push(look());
  }
  dispose();
  seen.push(looks);
}
process.stdout.write(JSON.stringify(seen), () => process.exit(0)); // timers of explorers would go on
