// The fusion explorer: ten candidates, three terms each, and two knobs that rank them anew.

import { button, choice, decodeBytes, drag, focusable, ink, keys, make, mount, paint, signed, slider, svg } from "./common.js";

const MOST = 2, STEP = 0.05; // of the weight
const LEAST_BONUS = -2, MOST_BONUS = 4, BONUS_STEP = 0.1;
const DEPTH = 8; // how far behind the best the chart reaches
const SAMPLES = 160;
const SHOWN = 6; // candidates under the ink
const HIGH = 150; // pixels of the chart
const APART = 15; // pixels between two names of curves

/** The three terms added up. What the language forbids stays forbidden at any weight. */
export function fusedScore({ text, network, language }, weight, bonus) {
  return language === null ? -Infinity : network + weight * language + bonus * text.length;
}

/** The candidates with their scores, the best first; of equals, the one that was first. */
export function ranked(candidates, weight, bonus) {
  const scored = candidates.map((candidate, place) => ({ ...candidate, place, score: fusedScore(candidate, weight, bonus) }));
  const key = (score) => (score === -Infinity ? score : Math.round(score * 1e9));
  return scored.sort((a, b) => (key(a.score) === key(b.score) ? a.place - b.place : key(b.score) - key(a.score)));
}

/** Who leads over which weights: [{ text, from, to }]; nobody where all are forbidden. */
export function leaders(candidates, bonus) {
  const found = [];
  for (let i = 0; i <= SAMPLES; i++) {
    const weight = (MOST * i) / SAMPLES, [best] = ranked(candidates, weight, bonus);
    if (!best || best.score === -Infinity) continue;
    if (found.at(-1)?.text === best.text) found.at(-1).to = weight;
    else found.push({ text: best.text, from: weight, to: weight });
  }
  return found;
}

const minus = (text) => text.replace("-", "−");
const fixed = (x, digits = 2) => (x === -Infinity ? "−∞" : minus((Math.abs(x) < 0.005 ? 0 : x).toFixed(digits)));

function render({ model, el }) {
  const view = mount({ model, el }, "fusion", "Fusion explorer: network and language, weighed against each other", {
    set: { line: (name) => ({ line: model.get("lines").findIndex((l) => l.name === name) }) },
    get: { line: () => line().name },
  });
  const line = () => model.get("lines")[model.get("line")];
  const within = (x, low, high, step) => Number((Math.round(Math.min(high, Math.max(low, x)) / step) * step).toFixed(4));
  const setWeight = (x) => view.change({ weight: within(x, 0, MOST, STEP) });
  const setBonus = (x) => view.change({ bonus: within(x, LEAST_BONUS, MOST_BONUS, BONUS_STEP) });

  const lines = choice("line", model.get("lines").map(({ name }, i) => [i, name]), (i) => view.change({ line: i, weight: 0, bonus: 0 }));
  const note = make("p", { class: "soft" });
  const weights = slider("language weight", { min: 0, max: MOST, step: STEP, change: setWeight });
  const bonuses = slider("bonus per character", { min: LEAST_BONUS, max: MOST_BONUS, step: BONUS_STEP, change: setBonus });
  const curves = svg("svg", { viewBox: `0 0 ${MOST} ${DEPTH}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const reigns = make("div", { class: "reigns mono", "aria-hidden": "true" });
  const marker = make("div", { class: "marker" });
  const depths = make("div", { class: "depths", "aria-hidden": "true" }, make("span", {}, "0"), make("span", {}, `−${DEPTH / 2}`), make("span", {}, `−${DEPTH}`));
  const namesLeft = make("div", { class: "names left mono", "aria-hidden": "true" }), namesRight = make("div", { class: "names right mono", "aria-hidden": "true" });
  const strip = make("canvas", { "aria-hidden": "true" });
  const paper = make("div", { class: "paper" }, strip);
  const prices = make("div", { class: "prices", "aria-hidden": "true" }); // the table says it to ears
  const key = make("p", { class: "key soft" },
    ...[["network", "network"], ["language", "+ weight × language"], ["bonus", "− bonus"]].map(([kind, words]) => make("span", { class: "entry" }, make("i", { class: kind }), words)),
    make("span", { class: "unit" }, "A price in −log P: the cheapest is read."));
  let open = false;
  const more = button("All in numbers", "All in numbers: ten candidates, three terms each", () => { open = !open; draw(); });
  const chart = focusable(make("div", { class: "chart", role: "slider", "aria-valuemin": 0, "aria-valuemax": MOST }, curves, marker), "language weight, on the chart; up and down change the bonus");
  const axis = make("div", { class: "axis soft", "aria-hidden": "true" }, make("span", {}, "0"), make("span", {}, "language weight"), make("span", {}, String(MOST)));
  const table = make("div", { class: "candidates", role: "table", "aria-label": "candidates, the best first" });
  view.root.append(make("div", { class: "row" }, lines.node), note, make("div", { class: "row knobs" }, weights.node, bonuses.node),
    make("div", { class: "sheet" }, paper, prices), key, view.status,
    make("div", { class: "picture" }, reigns, depths, namesLeft, chart, namesRight, axis), make("div", { class: "row" }, more), table);
  drag(chart, (x) => setWeight(MOST * x));
  keys(chart, {
    ArrowRight: () => setWeight(model.get("weight") + STEP), ArrowLeft: () => setWeight(model.get("weight") - STEP),
    ArrowUp: () => setBonus(model.get("bonus") + BONUS_STEP), ArrowDown: () => setBonus(model.get("bonus") - BONUS_STEP),
    Home: () => setWeight(0), End: () => setWeight(MOST),
  });

  function drawChart(best) {
    const { candidates, truth } = line(), bonus = model.get("bonus");
    const allowed = candidates.filter(({ language }) => language !== null);
    const paths = allowed.map((candidate) => {
      const points = Array.from({ length: SAMPLES + 1 }, (_, i) => {
        const weight = (MOST * i) / SAMPLES, top = Math.max(...allowed.map((c) => fusedScore(c, weight, bonus)));
        return `${weight},${Math.min(DEPTH + 1, top - fusedScore(candidate, weight, bonus)).toFixed(4)}`;
      });
      const kind = candidate.text === best?.text ? "best" : candidate.text === truth ? "truth" : "";
      return svg("polyline", { class: kind, points: points.join(" ") });
    });
    const above = (path) => ["", "truth", "best"].indexOf(path.getAttribute("class"));
    curves.replaceChildren(...paths.sort((one, other) => above(one) - above(other)));
    reigns.replaceChildren(...leaders(candidates, bonus).filter(({ text, from, to }) => ((to - from) / MOST) * (chart.clientWidth || 600) > 9 * text.length + 22).map(({ text, from, to }) =>
      make("span", { class: text === best?.text ? "now" : "", style: `left:${(100 * from) / MOST}%;width:${(100 * (to - from)) / MOST}%` },
        text === truth ? `${text} ✓` : text || "∅")));
    marker.style.left = `${(100 * model.get("weight")) / MOST}%`;
    // each curve has its name where it leaves the chart, on the right if it is still there
    const behind = (candidate, weight) => Math.max(...allowed.map((c) => fusedScore(c, weight, bonus))) - fusedScore(candidate, weight, bonus);
    for (const [box, weight, fits] of [[namesRight, MOST, () => true], [namesLeft, 0, (c) => behind(c, MOST) > DEPTH]]) {
      const seen = allowed.filter((c) => behind(c, weight) <= DEPTH && fits(c)).sort((a, b) => behind(a, weight) - behind(b, weight));
      let last = -APART;
      box.replaceChildren(...seen.flatMap((c) => {
        const y = Math.max((behind(c, weight) / DEPTH) * HIGH, last + APART);
        if (y > HIGH + 6) return [];
        last = y;
        return make("span", { class: c.text === best?.text ? "best" : c.text === truth ? "truth" : "", style: `top:${y}px` }, c.text || "∅");
      }));
    }
  }

  function drawPaper() {
    const { image, rows, span = [0, 1], frames } = line();
    paper.hidden = !image;
    if (!image) return;
    const pixels = decodeBytes(image), wide = pixels.length / rows;
    paint(strip, wide, rows, (x, y) => ink(pixels[y * wide + x] / 255));
    strip.style.left = `${(100 * span[0]) / frames}%`;
    strip.style.width = `${(100 * (span[1] - span[0])) / frames}%`;
  }

  /** The first candidates, their characters under the ink that they were read from, and what each costs. */
  function drawPrices(order, best) {
    const { frames, truth } = line(), weight = model.get("weight"), bonus = model.get("bonus"), shown = order.slice(0, SHOWN);
    const terms = shown.map(({ text, network, language }) => ({ network: -network, language: language === null ? 0 : -weight * language, bonus: bonus * text.length }));
    const ends = terms.flatMap(({ network, language, bonus: given }) => [0, network + language, network + language - given]);
    const low = Math.min(...ends), most = Math.max(...ends) - low || 1, at = (value) => `${(100 * (value - low)) / most}%`;
    prices.style.setProperty("--zero", at(0));
    prices.replaceChildren(...shown.map((candidate, place) => {
      const { text, language, middles, score } = candidate, { network, language: adds, bonus: given } = terms[place], sum = network + adds;
      const same = (c, middle) => best && [...best.text].some((other, i) => other === c && Math.abs(best.middles[i] - middle) < 2);
      const letters = [...text].map((c, i) => make("span", { class: place && !same(c, middles[i]) ? "other" : "", style: `left:${(100 * middles[i]) / frames}%` }, c));
      if (!letters.length) letters.push(make("span", { style: "left:50%" }, "∅"));
      const part = (kind, from, to) => make("i", { class: kind, style: `left:${at(Math.min(from, to))};width:${(100 * Math.abs(to - from)) / most}%` });
      const bars = language === null ? [make("em", {}, "forbidden")] : [part("network", 0, network), part("language", network, sum), ...(given ? [part(given > 0 ? "bonus" : "malus", sum, sum - given)] : []),
        make("b", { class: "end", style: `left:${at(sum - given)}` })];
      return make("div", { class: `price${language === null ? " never" : best && text === best.text ? " best" : ""}` }, make("div", { class: "letters mono" }, ...letters),
        make("span", { class: "tick" }, text === truth ? "✓" : ""), make("div", { class: "bars" }, ...bars), make("span", { class: "sum mono" }, language === null ? "" : fixed(-score, 1)));
    }));
  }

  function row(candidate, place, best, truth) {
    const weight = model.get("weight"), bonus = model.get("bonus"), never = candidate.language === null;
    const moved = candidate.place - place, cell = (name, ...children) => make("span", { class: name, role: "cell" }, ...children);
    const share = never ? 0 : Math.exp(candidate.score - best.score);
    const text = make("span", { class: "mono" }, candidate.text || "∅");
    const mark = candidate.text === truth ? make("b", { class: "true" }, " ✓") : "";
    const change = moved > 0 ? signed(`▲${moved}`, `up ${moved}`) : moved < 0 ? signed(`▼${-moved}`, `down ${-moved}`) : [];
    return make("div", { class: never ? "candidate never" : place ? "candidate" : "candidate best", role: "row" },
      cell("rank", String(place + 1)), cell("moved", ...change), cell("text", text, mark), cell("number", fixed(candidate.network)),
      cell("number", never ? "forbidden" : fixed(weight * candidate.language)), cell("number", fixed(bonus * candidate.text.length)),
      cell("number total", fixed(candidate.score)), cell("bar", make("i", { style: `--p:${share}` })));
  }

  function draw() {
    const { candidates, truth, note: words } = line(), weight = model.get("weight"), bonus = model.get("bonus");
    const order = ranked(candidates, weight, bonus), best = order[0]?.score > -Infinity ? order[0] : null;
    lines.set(model.get("line"));
    note.textContent = words;
    weights.set(weight, weight.toFixed(2));
    bonuses.set(bonus, minus(bonus.toFixed(1)));
    chart.setAttribute("aria-valuenow", weight);
    chart.setAttribute("aria-valuetext", weight.toFixed(2));
    drawChart(best);
    drawPrices(order, best);
    const names = ["rank", "moved", "text", "network", "+ weight × language", "+ bonus × length", "= score", "beside the best"];
    const kinds = ["rank", "moved", "text", "number", "number", "number", "number total", "bar"];
    const head = make("div", { class: "candidate head", role: "row" }, ...names.map((name, i) =>
      make("span", { role: "columnheader", class: kinds[i] }, i ? name : make("span", { class: "unseen" }, name))));
    table.replaceChildren(head, ...order.map((candidate, place) => row(candidate, place, best ?? order[0], truth)));
    table.hidden = !open;
    more.setAttribute("aria-expanded", String(open));
    if (!best) return view.say("The language forbids all candidates.");
    const rival = order[1]?.score > -Infinity ? ` Next: ${order[1].text || "nothing"}, ${fixed(best.score - order[1].score)} behind.` : "";
    const right = !truth ? "" : best.text === truth ? ", which is right" : `, which is wrong: the line says ${truth}`;
    return view.say(`Weight ${weight.toFixed(2)}, bonus ${minus(bonus.toFixed(1))}: ${best.text || "nothing"}${right}.${rival}`);
  }

  view.listen(["lines", "line"], drawPaper);
  view.listen(["lines", "line", "weight", "bonus"], draw);
  return () => view.dispose();
}

export default { render };
