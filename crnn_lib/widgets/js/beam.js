// The beam explorer: prefixes grow, merge and die, frame by frame.

import { button, choice, cividis, decodeFloats, drag, enable, focusable, keys, make, mount, paint, signed, slider } from "./common.js";
import { forwardBackward } from "./ctc.js";
import { beamSteps, bestPathLabel } from "./prefixes.js";

const DYING = 5; // how many of those that die are shown
const WIDEST = 16;
const HEADS = [["rank", "rank"], ["prefix", "label"], ["share", "bars"], ["ends in a blank", "number"],
  ["in its last character", "number"], ["together", "number total"], ["comes from", "comes"]];

const share = (logProb) => {
  const p = Math.exp(logProb);
  return p === 0 ? "0" : p < 0.001 ? p.toExponential(1).replace("e-", "e−") : p.toFixed(p < 0.1 ? 4 : 3);
};
const many = (n, one, more = `${one}s`) => `${n} ${n === 1 ? one : more}`;

function render({ model, el }) {
  const view = mount({ model, el }, "beam", "Beam explorer: the prefixes of a beam search, frame by frame");
  const line = () => model.get("lines")[model.get("line")];
  const symbols = () => line().symbols;
  const lattice = () => {
    const logProbs = Float64Array.from(decodeFloats(line().encoded)), classes = symbols().length;
    return { frames: logProbs.length / classes, classes, logProbs };
  };
  const spell = (label) => label.map((c) => symbols()[c]).join("");
  const quoted = (label) => (label.length ? spell(label) : "nothing");
  const go = (frame) => view.change({ frame: Math.min(lattice().frames, Math.max(0, frame)) });

  const lines = choice("line", model.get("lines").map(({ name }, i) => [i, name]), (i) => view.change({ line: i, frame: 1 }));
  const note = make("p", { class: "soft" });
  const widths = slider("beam width", { min: 1, max: WIDEST, change: (width) => view.change({ width }) });
  const read = slider("frames read", { change: go });
  const back = button("‹", "one frame back", () => go(model.get("frame") - 1));
  const on = button("›", "one frame on", () => go(model.get("frame") + 1));
  const canvas = make("canvas", { "aria-hidden": "true" });
  const names = make("div", { class: "names mono", "aria-hidden": "true" });
  const unread = make("div", { class: "unread" });
  const now = make("div", { class: "now" });
  const heat = focusable(make("div", { class: "heat", role: "slider", "aria-valuemin": 0 }, canvas, unread, now), "frames read, on the posteriors; up and down change the width of the beam");
  const heading = make("h4");
  const table = make("div", { class: "prefixes", role: "table", "aria-label": "prefixes after this frame" });
  const others = make("p", { class: "soft" });
  const verdict = make("p", { class: "verdict" });
  view.root.append(make("div", { class: "row" }, lines.node), note,
    make("div", { class: "row tools" }, widths.node, make("div", { class: "row grow" }, back, read.node, on)),
    make("div", { class: "posteriors" }, names, heat), heading, table, others, verdict, view.status);
  drag(heat, (x) => go(Math.floor(x * lattice().frames) + 1));
  keys(heat, {
    ArrowRight: () => go(model.get("frame") + 1), ArrowLeft: () => go(model.get("frame") - 1),
    Home: () => go(0), End: () => go(lattice().frames),
    ArrowUp: () => view.change({ width: Math.min(WIDEST, model.get("width") + 1) }),
    ArrowDown: () => view.change({ width: Math.max(1, model.get("width") - 1) }),
  });

  function drawPosteriors() {
    const { frames, classes, logProbs } = lattice();
    paint(canvas, frames, classes, (t, c) => cividis(Math.exp(logProbs[t * classes + c])));
    names.replaceChildren(...symbols().map((symbol, c) => make("span", {}, c === line().blank ? "–" : symbol)));
    heat.parentElement.style.setProperty("--classes", classes);
  }

  function row({ label, atBlank, atChar, total, ways, kept }, place, most) {
    const comes = ways.map(({ from, c }) => (c === null ? "stays" : `${from.length ? spell(from) : "∅"} + ${symbols()[c]}`));
    const text = label.length ? [spell(label.slice(0, -1)), make("b", {}, symbols()[label.at(-1)])] : ["∅"];
    const bar = make("span", { class: "bar" }, make("i", { class: "blank", style: `--p:${Math.exp(atBlank - most)}` }),
      make("i", { class: "char", style: `--p:${Math.exp(atChar - most)}` }));
    const cell = (name, ...children) => make("span", { class: name, role: "cell" }, ...children);
    return make("div", { class: kept ? "prefix" : "prefix dies", role: "row" },
      cell("rank", ...(kept ? [String(place + 1)] : signed("✗", "dies"))), cell("label mono", ...text), cell("bars", bar),
      cell("number", share(atBlank)), cell("number", share(atChar)), cell("number total", share(total)),
      cell(comes.length > 1 ? "comes merged" : "comes", comes.join("  ⋈  ")));
  }

  function drawBeam() {
    const { frames, classes, logProbs } = lattice(), width = model.get("width"), blank = line().blank;
    const frame = Math.min(model.get("frame"), frames), steps = beamSteps({ frames, classes, logProbs }, blank, width);
    const step = steps[frame], kept = step.filter((p) => p.kept), dead = step.length - kept.length;
    lines.set(model.get("line"));
    note.textContent = line().note;
    widths.set(width);
    read.set(frame, `${frame} of ${frames}`, frames);
    enable(back, frame > 0);
    enable(on, frame < frames);
    heat.setAttribute("aria-valuemax", frames);
    heat.setAttribute("aria-valuenow", frame);
    heat.setAttribute("aria-valuetext", `${frame} of ${frames} frames read`);
    unread.style.left = `${(100 * frame) / frames}%`;
    now.style.left = `${(100 * Math.max(0, frame - 1)) / frames}%`;
    now.style.width = frame ? `${100 / frames}%` : "0";
    heading.replaceChildren(frame ? `After frame ${frame - 1}` : "Before the first frame",
      make("small", {}, `${many(kept.length, "prefix", "prefixes")} kept, ${dead} ${dead === 1 ? "dies" : "die"}`));
    const shown = step.slice(0, kept.length + DYING), most = step[0].total, head = make("div", { class: "prefix head", role: "row" });
    head.append(...HEADS.map(([name, kind]) => make("span", { role: "columnheader", class: kind },
      ["rank", "bars"].includes(kind) ? make("span", { class: "unseen" }, name) : name))); // the eye needs no word for these
    table.replaceChildren(head, ...shown.map((prefix, place) => row(prefix, place, most)));
    others.textContent = step.length > shown.length ? `… and ${step.length - shown.length} more that die` : "";
    const greedy = bestPathLabel({ classes, logProbs }, blank, frame), best = kept[0];
    const differs = spell(greedy) !== spell(best.label);
    const merges = kept.filter((p) => p.ways.length > 1).length;
    verdict.replaceChildren(make("span", {}, "best path so far: ", make("span", { class: "mono" }, greedy.length ? spell(greedy) : "∅")),
      make("span", { class: differs ? "differs" : "" }, differs ? "   ≠   " : "   =   "),
      make("span", {}, "best of the beam: ", make("span", { class: "mono" }, best.label.length ? spell(best.label) : "∅")));
    if (frame === frames) {
      const truth = forwardBackward({ frames, classes, logProbs }, best.label, blank).logProb;
      verdict.append(make("span", { class: "soft" }, `   The beam has seen ${share(best.total)} of its ${share(truth)}.`));
    }
    view.say(frame ? `After frame ${frame - 1}: ${many(kept.length, "prefix", "prefixes")} kept, ${dead} died, ${merges} of the kept merged. `
      + `Best: ${quoted(best.label)}, ${share(best.total)}. Best path: ${quoted(greedy)}.` : "No frame read: the empty prefix has all of the probability.");
  }

  view.listen(["lines", "line"], drawPosteriors);
  view.listen(["lines", "line", "width", "frame"], drawBeam);
  return () => view.dispose();
}

export default { render };
