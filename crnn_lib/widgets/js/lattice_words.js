// What the lattice explorer says: numbers and sentences.
import { logSum, maySkip, waysFrom, waysInto } from "./ctc.js";

/** A probability for people: 0.97, 0.000179, 3.2·10⁻⁹. */
export function say(p) {
  if (p === 0) return "0";
  if (p >= 0.9995 && p < 1) return p > 0.999999 ? "1" : p.toPrecision(6).replace(/0+$/, "");
  if (p >= 1e-4) return String(Number(p.toPrecision(3)));
  return inPowers(p);
}

/** 3.2·10⁻⁹ */
export function inPowers(x) {
  const [digits, power] = (typeof x === "string" ? x : x.toExponential(1)).split("e");
  return `${digits}·10${[...String(Number(power))].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]).join("")}`;
}

/** The same from its logarithm, however small it is. */
export function sayLog(logarithm) {
  if (logarithm === -Infinity || logarithm > -690) return say(Math.exp(logarithm));
  const power = Math.floor(logarithm / Math.LN10), digits = Math.exp(logarithm - power * Math.LN10);
  return inPowers(`${digits.toFixed(1)}e${power}`);
}

/** A share for people: 38 %. */
export function percent(share) {
  if (share === 0) return "0\u00a0%";
  if (share < 1e-4) return "less than 0.01\u00a0%";
  if (share < 0.1) return `${Number((100 * share).toPrecision(2))}\u00a0%`;
  return share > 0.9995 && share < 1 - 1e-9 ? "more than 99.9\u00a0%" : `${Number((100 * share).toPrecision(3))}\u00a0%`;
}

/** A sentence begins with a capital. */
export const sentence = (words) => words[0].toUpperCase() + words.slice(1);

/** What there is to say about a line, a label and their trellis. `line` has symbols and blank. */
export function wordsOf({ symbols, blank }, data, trellis) {
  const { states, alpha, beta } = trellis, S = states.length, T = data.frames;
  const posterior = (t, s) => Math.exp(data.logProbs[t * data.classes + states[s]]);
  const at = (values, t, s) => values[t * S + s]; // a logarithm
  const nameOf = (s) => (s % 2 ? `“${symbols[states[s]]}”` : "blank");
  const whole = sayLog(trellis.logProb);

  /** Why state s cannot be entered past the blank before it. */
  function noSkip(s) {
    if (s % 2 === 0 || s < 3 || s >= S || maySkip(states, s)) return "";
    return ` No skip: ${nameOf(s)} follows ${nameOf(s - 2)}, and only the blank keeps them apart.`;
  }

  /** The numbers that are added up to the label's probability. */
  const ends = [S - 2, S - 1].filter((s) => s >= 0).map((s) => sayLog(at(alpha, T - 1, s))).join(" + ");

  function ofAlpha(t, s, passes) {
    const value = sayLog(at(alpha, t, s));
    if (t === 0) return s < 2 ? `α = p = ${value}. A way starts in the blank or in the first character. ${passes}` : "α = 0. No way starts so far down.";
    const ways = waysInto(states, s).map(([r, name]) => [at(alpha, t - 1, r), name]);
    const sum = logSum(...ways.map(([a]) => a));
    const last = t === T - 1 && s >= S - 2 ? `At the end, the last α add up to P: ${ends} = ${whole}.` : passes;
    return `α = p × (${ways.map(([a, name]) => `${sayLog(a)} ${name}`).join(" + ")}) = ${say(posterior(t, s))} × ${sayLog(sum)} = ${value}.${noSkip(s)} ${last}`;
  }

  function ofBeta(t, s, passes) {
    if (t === T - 1) return s >= S - 2 ? `β = 1. A way may end here. ${passes}` : "β = 0. No way ends before the last character.";
    const ways = waysFrom(states, s).map(([r, name]) => `${say(posterior(t + 1, r))} × ${sayLog(at(beta, t + 1, r))} ${name}`);
    return `β = ${ways.join(" + ")} = ${sayLog(at(beta, t, s))}: p × β of each state that may follow.${s % 2 ? noSkip(s + 2) : ""} ${passes}`;
  }

  return {
    ends,
    /** One cell of the trellis, in one of the views; `known` frames of a recursion are there. */
    ofState(view, known, t, s) {
      const here = percent(Math.exp(at(trellis.stateOccupancy, t, s))), passes = `${sentence(here)} of the probability passes here.`;
      const where = `Frame ${t}, ${nameOf(s)}: `;
      if (view === "posterior") return `${where}the network gives it ${say(posterior(t, s))}. ${passes}`;
      if (view === "gamma") {
        return `${where}${here} of the probability passes here. α × β = ${sayLog(at(alpha, t, s))} × ${sayLog(at(beta, t, s))} = ${sayLog(at(alpha, t, s) + at(beta, t, s))}, of ${whole}.`;
      }
      if (view === "alpha" ? t >= known : t < T - known) return `${where}not computed yet. Step computes the frame ${view === "alpha" ? "after" : "before"} the last one.`;
      return where + (view === "alpha" ? ofAlpha : ofBeta)(t, s, passes);
    },
    /** One posterior. */
    ofClass(t, c) {
      const i = t * data.classes + c, pull = trellis.gradient[i], share = Math.exp(trellis.occupancy[i]);
      const way = Math.abs(pull) < 5e-4 ? "The gradient leaves it alone."
        : `Gradient p − γ = ${pull > 0 ? "" : "−"}${say(Math.abs(pull))}: a nudge ${pull > 0 ? "lowers" : "raises"} it.`;
      const name = c === blank ? "the blank" : `“${symbols[c]}”`;
      return `Frame ${t}: ${name} has p = ${say(Math.exp(data.logProbs[i]))}; ${percent(share)} of the label's probability uses it here. ${way}`;
    },
  };
}
