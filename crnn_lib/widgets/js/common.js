// What all explorers share: elements, themes, keys, pointers, colours, arrays.

const CIVIDIS = [
  [0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 92, 109], [112, 113, 115],
  [138, 134, 120], [165, 156, 116], [195, 179, 105], [225, 204, 85], [254, 232, 56],
];

/** The colour of a value in [0, 1], as [red, green, blue]. */
export function cividis(value) {
  const place = Math.min(1, Math.max(0, value)) * (CIVIDIS.length - 1);
  const i = Math.min(Math.floor(place), CIVIDIS.length - 2);
  return CIVIDIS[i].map((low, k) => Math.round(low + (place - i) * (CIVIDIS[i + 1][k] - low)));
}

/** Bytes, and little-endian float32, from base64 text. */
export function decodeBytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

export function decodeFloats(text) {
  return new Float32Array(decodeBytes(text).buffer);
}

/** An element with attributes (those that are functions are listeners) and children. */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** Make a node one that can have the focus. JupyterLab's shortcuts (a, b, d d) must not reach what
 * is typed there; it looks for the attribute on the node itself, not on an ancestor. */
export function focusable(node, label, tabindex = 0) {
  node.setAttribute("data-lm-suppress-shortcuts", "true");
  node.setAttribute("tabindex", tabindex);
  if (label) node.setAttribute("aria-label", label);
  return node;
}

export function button(text, label, click) {
  const act = (event) => { if (event.currentTarget.getAttribute("aria-disabled") !== "true") click(event); };
  return focusable(make("button", { type: "button", click: act }, text), label);
}

/** Let a button act, or not. It keeps the focus either way: a button with `disabled` would lose it,
 * and the next key would go to the notebook. */
export function enable(node, yes) {
  node.setAttribute("aria-disabled", String(!yes));
}

/** Change the text of a live readout; what stays the same is not read out again. */
export function announce(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A sign for the eye, and its word for a screen reader. */
export function signed(sign, word) {
  return sign ? [make("span", { "aria-hidden": "true" }, sign), make("span", { class: "unseen" }, word)] : [];
}

/** Whether the reader has asked the system for less motion: then nothing plays by itself. */
export function lessMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** A slider with its name and value: { node, input, set(value, text, max) }. `text` is what is
 * shown and spoken. */
export function slider(name, { min = 0, max = 1, step = 1, change }) {
  const input = focusable(make("input", { type: "range", min, max, step }), name);
  const value = make("span", { class: "value", "aria-hidden": "true" }); // the input says it
  const node = make("label", { class: "slider" }, make("span", {}, name), input, value);
  input.addEventListener("input", () => change(Number(input.value)));
  return {
    node,
    input,
    set(number, text = String(number), most = Number(input.max)) {
      input.max = most;
      input.value = number;
      value.textContent = text;
      input.setAttribute("aria-valuetext", text);
    },
  };
}

/** A switch between few choices: { node, set(value) }. Choices are [value, text]. */
export function choice(name, choices, change) {
  const group = `crnn-${Math.random().toString(36).slice(2)}`; // radios of one name exclude each other
  const inputs = choices.map(([value, text]) => {
    const input = focusable(make("input", { type: "radio", name: group, value }), text);
    input.addEventListener("change", () => change(value));
    return [value, input, make("label", {}, input, make("span", {}, text))];
  });
  const node = make("div", { class: "choice", role: "radiogroup", "aria-label": name },
    make("span", { class: "name" }, name), ...inputs.map(([, , label]) => label));
  return { node, set(value) { for (const [v, input] of inputs) input.checked = v === value; } };
}

/** Call what belongs to a key, and keep the key from the page. */
export function keys(node, table) {
  node.addEventListener("keydown", (event) => {
    const act = table[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act(event);
  });
}

/** Follow mouse, pen or finger from press to release: at(x, y), in [0, 1] of the node's box. */
export function drag(node, at) {
  node.style.touchAction = "none";
  node.style.cursor = "pointer";
  const tell = (event) => {
    const box = node.getBoundingClientRect();
    at((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  node.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    node.setPointerCapture(event.pointerId);
    tell(event);
  });
  node.addEventListener("pointermove", (event) => {
    if (node.hasPointerCapture(event.pointerId)) tell(event);
  });
}

/** Draw a matrix, one pixel per value, rows from above; CSS scales the canvas. */
export function paint(canvas, columns, rows, colour) {
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let i = 0; i < columns * rows; i++) {
    const [red, green, blue] = colour(i % columns, Math.floor(i / columns));
    image.data.set([red, green, blue, 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
}

/** Ink (0 to 1) on paper, as figures have it: dark on light in either theme. */
export function ink(value) {
  return [246, 244, 238].map((paper, k) => Math.round(paper + value * ([28, 28, 34][k] - paper)));
}

/** Dark or light, by what is really behind the node: every host has its own way to say it. */
function themeBehind(node) {
  for (let n = node.parentElement; n; n = n.parentElement) {
    const [red, green, blue, alpha = 1] = getComputedStyle(n).backgroundColor.match(/[\d.]+/g).map(Number);
    if (alpha > 0.5) return 0.3 * red + 0.6 * green + 0.1 * blue < 110 ? "dark" : "light";
  }
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** Offer an SVG as a file. */
export function saveSvg(picture, name) {
  picture.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const url = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(picture)], { type: "image/svg+xml" }));
  make("a", { href: url, download: `${name}.svg` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // the browser has taken it by then
}

/** What the end of an address asks of an explorer: #beam?width=2&frame=14 is { name: "beam", place: 1,
 * asked: [["width", "2"], ["frame", "14"]] }; #beam-2?... is the second one of the page. Null for other ends. */
export function readAddress(hash) {
  const found = /^#([a-z]+)(?:-(\d+))?\?(.*)$/.exec(hash);
  return found && { name: found[1], place: Number(found[2] ?? 1), asked: [...new URLSearchParams(found[3])] };
}

/** Tie an explorer to links in the text and, on a page without a kernel, to the page's address.
 *
 * A link whose end is an address as above sets the traits that it names; so does the page's own. What a
 * reader does is written into the address of the page, which can then be sent to somebody. */
function bind(model, root, name, { set = {}, get = {}, hover = null }) {
  const page = () => root.closest(".jp-Notebook, .jp-NotebookPanel") ?? document; // several may be open in JupyterLab
  // a frame without an address of its own, as in a deck of slides, has none to write to
  const mayWrite = () => model.scalars && page() === document && location.protocol !== "about:";
  const place = () => [...page().querySelectorAll(`.crnn-explorer.${name}`)].indexOf(root) + 1;
  const first = Object.fromEntries((model.scalars?.() ?? []).map((trait) => [trait, model.get(trait)]));
  const parse = (trait, text) => {
    const now = model.get(trait);
    if (typeof now === "number") return Number.isNaN(Number(text)) ? now : Number(text);
    return typeof now === "boolean" ? text === "true" : text;
  };
  function follow(hash) {
    const address = readAddress(hash);
    if (!address || address.name !== name || address.place !== place()) return false;
    const values = {};
    const asked = [...address.asked].sort(([a], [b]) => Boolean(set[b]) - Boolean(set[a])); // a line before what is changed on it
    for (const [trait, text] of asked) {
      if (set[trait]) Object.assign(values, set[trait](text));
      else if (model.get(trait) !== undefined) values[trait] = parse(trait, text);
    }
    for (const [trait, value] of Object.entries(values)) if (value !== -1 || model.get(trait) < 0) model.set(trait, value);
    model.save_changes();
    const box = root.getBoundingClientRect();
    if (box.top < 0 || box.bottom > innerHeight) root.scrollIntoView({ block: box.height < innerHeight ? "center" : "start" });
    return true;
  }
  const clicked = (event) => {
    const link = event.target.closest?.("a[href*='#']");
    if (!link || (page() !== document && !page().contains(link)) || !follow(link.hash)) return;
    event.preventDefault();
    event.stopPropagation();
    if (mayWrite()) history.replaceState(history.state, "", link.hash);
  };
  const moved = () => follow(location.hash);
  const pointed = (event) => { // at a link: it shows what it is about before it is followed
    const link = event.target.closest?.("a[href*='#']"), address = link && readAddress(link.hash);
    if (!address || address.name !== name || address.place !== place() || (page() !== document && !page().contains(link))) return;
    hover(["pointerover", "focusin"].includes(event.type) ? address.asked : []);
  };
  const pointing = hover ? ["pointerover", "pointerout", "focusin", "focusout"] : [];
  for (const type of pointing) document.addEventListener(type, pointed, true);
  document.addEventListener("click", clicked, true);
  addEventListener("hashchange", moved);
  if (model.scalars) queueMicrotask(moved); // once the explorer has been drawn
  let due = null;
  return {
    write() {
      if (!mayWrite()) return;
      clearTimeout(due);
      due = setTimeout(() => { // not at each step of a slider: browsers count them
        const asked = new URLSearchParams();
        for (const [trait, was] of Object.entries(first)) {
          const now = model.get(trait), shown = get[trait] ? get[trait]() : now;
          if (now !== was && now !== null && shown !== undefined) asked.set(trait, shown);
        }
        const at = place() > 1 ? `-${place()}` : "";
        history.replaceState(history.state, "", `#${name}${at}?${asked}`);
      }, 250);
    },
    dispose() {
      clearTimeout(due);
      document.removeEventListener("click", clicked, true);
      for (const type of pointing) document.removeEventListener(type, pointed, true);
      removeEventListener("hashchange", moved);
    },
  };
}

/** Put an explorer into `el`.
 *
 * Returns root; say(text) for the live readout; listen(names, redraw), which calls redraw once now
 * and once after each change of the named traits; change(values), which sets traits here and in
 * Python; and dispose(), which a module's render returns. In `address`, set and get say how a trait
 * stands in an address where it does not stand there as it is: set turns its text into traits. hover is told
 * what a link asks while somebody points at it. */
export function mount({ model, el }, name, label, address = {}) {
  const status = make("p", { class: "status", role: "status", "aria-live": "polite" });
  const root = make("div", { class: `crnn-explorer ${name}`, role: "group", "aria-label": label });
  el.append(root);
  const heard = [];
  const setTheme = () => { if (root.isConnected) root.dataset.theme = themeBehind(root); };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", setTheme);
  const hosts = new MutationObserver(setTheme);
  for (const host of [document.documentElement, document.body]) hosts.observe(host, { attributes: true });
  const laidOut = new ResizeObserver(setTheme); // a notebook attaches `el` after this
  laidOut.observe(root);
  setTheme();
  const bound = bind(model, root, name, address);
  return {
    root,
    status,
    say(text) { announce(status, text); },
    listen(names, redraw) {
      let due = false;
      const later = () => {
        if (due) return;
        due = true;
        queueMicrotask(() => { due = false; redraw(); }); // several traits, one drawing
      };
      for (const trait of names) {
        model.on(`change:${trait}`, later);
        heard.push([`change:${trait}`, later]);
      }
      redraw();
    },
    change(values) {
      for (const [trait, value] of Object.entries(values)) model.set(trait, value);
      model.save_changes();
      bound.write();
    },
    dispose() {
      bound.dispose();
      for (const [event, f] of heard) model.off(event, f);
      dark.removeEventListener("change", setTheme);
      hosts.disconnect();
      laidOut.disconnect();
      root.remove();
    },
  };
}
