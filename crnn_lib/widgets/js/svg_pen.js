// A pen that draws SVG where a canvas would have pixels: the part of its context that drawings here use.
import { svg } from "./common.js";

/** Returns node, size after it was opened, and open(wide, high), which gives the pen. */
export function svgPen() {
  const node = svg("svg"), made = { node, size: [0, 0], open };
  let group = node, path = [], dashes = [], clips = 0;
  const n = (value) => Number(value.toFixed(2));
  const key = Math.random().toString(36).slice(2, 8);
  const add = (tag, attributes, ...children) => group.append(svg(tag, attributes, ...children));
  const anchors = { center: "middle", left: "start", right: "end", start: "start", end: "end" };
  const word = (text, x, y, look) => {
    const [, weight = "400", size, family] = /^(\d+ )?([\d.]+px) (.+)$/.exec(pen.font);
    add("text", { x: n(x), y: n(y), "font-family": family, "font-size": size, "font-weight": weight.trim(), "text-anchor": anchors[pen.textAlign], "dominant-baseline": "central", ...look }, text);
  };
  const pen = {
    fillStyle: "#000", strokeStyle: "#000", lineWidth: 1, font: "10px sans-serif", textAlign: "center", textBaseline: "middle", lineCap: "round", lineJoin: "round", imageSmoothingQuality: "high",
    beginPath() { path = []; },
    moveTo(x, y) { path.push(`M${n(x)} ${n(y)}`); },
    lineTo(x, y) { path.push(`L${n(x)} ${n(y)}`); },
    closePath() { path.push("Z"); },
    // whole circles only: there are no others here
    arc(x, y, r) { path.push(`M${n(x - r)} ${n(y)}a${n(r)} ${n(r)} 0 1 0 ${n(2 * r)} 0a${n(r)} ${n(r)} 0 1 0 ${n(-2 * r)} 0Z`); },
    roundRect(x, y, w, h, r) { path.push(`M${n(x + r)} ${n(y)}h${n(w - 2 * r)}a${r} ${r} 0 0 1 ${r} ${r}v${n(h - 2 * r)}a${r} ${r} 0 0 1 ${-r} ${r}h${n(2 * r - w)}a${r} ${r} 0 0 1 ${-r} ${-r}v${n(2 * r - h)}a${r} ${r} 0 0 1 ${r} ${-r}Z`); },
    fill() { add("path", { d: path.join(""), fill: pen.fillStyle }); },
    stroke() { add("path", { d: path.join(""), fill: "none", stroke: pen.strokeStyle, "stroke-width": pen.lineWidth, "stroke-linecap": pen.lineCap, "stroke-linejoin": pen.lineJoin, ...(dashes.length ? { "stroke-dasharray": dashes.join(" ") } : {}) }); },
    setLineDash(list) { dashes = list; },
    fillRect(x, y, w, h) { add("rect", { x: n(x), y: n(y), width: n(w), height: n(h), fill: pen.fillStyle }); },
    strokeRect(x, y, w, h) { add("rect", { x: n(x), y: n(y), width: n(w), height: n(h), fill: "none", stroke: pen.strokeStyle, "stroke-width": pen.lineWidth }); },
    fillText(text, x, y) { word(text, x, y, { fill: pen.fillStyle }); },
    strokeText(text, x, y) { word(text, x, y, { fill: "none", stroke: pen.strokeStyle, "stroke-width": pen.lineWidth, "stroke-linejoin": "round" }); },
    drawImage(source, x, y, w, h) { add("image", { x: n(x), y: n(y), width: n(w), height: n(h), href: source.toDataURL(), preserveAspectRatio: "none" }); },
    save() {},
    restore() { group = node; },
    clip() {
      const id = `clip-${key}-${clips++}`;
      add("clipPath", { id }, svg("path", { d: path.join("") }));
      const inner = svg("g", { "clip-path": `url(#${id})` });
      group.append(inner);
      group = inner;
    },
  };
  function open(wide, high) {
    made.size = [wide, high];
    for (const [name, value] of Object.entries({ width: wide, height: high, viewBox: `0 0 ${wide} ${high}` })) node.setAttribute(name, value);
    return pen;
  }
  return made;
}
