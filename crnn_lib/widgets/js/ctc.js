// CTC for one line and one label, as crnn_lib.ctc has it: log space, the blank anywhere.
// A line is { frames: T, classes: C, logProbs: Float64Array of T * C }. A label is an array of class indices.

const NEVER = -Infinity;

/** log(sum(exp(x))) of a few numbers. */
export function logSum(...values) {
  const most = Math.max(...values);
  if (most === NEVER) return NEVER;
  return most + Math.log(values.reduce((sum, v) => sum + Math.exp(v - most), 0));
}

/** The label with a blank before, between and after its characters: S = 2L + 1 states. */
export function statesOf(label, blank) {
  return [blank, ...label.flatMap((c) => [c, blank])];
}

/** May state s be entered from s - 2, past the blank between them? */
export function maySkip(states, s) {
  return s % 2 === 1 && s >= 3 && states[s] !== states[s - 2];
}

/** The states from which s can be entered: [[state, name]]. */
export function waysInto(states, s) {
  const ways = [[s, "stay"]];
  if (s >= 1) ways.push([s - 1, "next"]);
  if (maySkip(states, s)) ways.push([s - 2, "skip"]);
  return ways;
}

/** The states that can follow s. */
export function waysFrom(states, s) {
  const ways = [[s, "stay"]];
  if (s + 1 < states.length) ways.push([s + 1, "next"]);
  if (s + 2 < states.length && maySkip(states, s + 2)) ways.push([s + 2, "skip"]);
  return ways;
}

/** What forward-backward finds out. alpha includes the emission of its frame, beta does not, so
 * alpha + beta - logProb is the posterior of a state: stateOccupancy (T x S); occupancy (T x C) is
 * the same for classes. gradient (T x C) is d loss / d logits: exp(logProbs) - exp(occupancy). */
export function forwardBackward({ frames, classes, logProbs }, label, blank) {
  const states = statesOf(label, blank), S = states.length, T = frames;
  const emitted = (t, s) => logProbs[t * classes + states[s]];
  const alpha = new Float64Array(T * S).fill(NEVER), beta = new Float64Array(T * S).fill(NEVER);
  for (let s = 0; s < Math.min(2, S); s++) alpha[s] = emitted(0, s);
  for (let t = 1; t < T; t++) for (let s = 0; s < S; s++) {
    alpha[t * S + s] = logSum(...waysInto(states, s).map(([r]) => alpha[(t - 1) * S + r])) + emitted(t, s);
  }
  for (let s = Math.max(0, S - 2); s < S; s++) beta[(T - 1) * S + s] = 0;
  for (let t = T - 2; t >= 0; t--) for (let s = 0; s < S; s++) {
    beta[t * S + s] = logSum(...waysFrom(states, s).map(([r]) => beta[(t + 1) * S + r] + emitted(t + 1, r)));
  }
  const last = [...alpha.subarray((T - 1) * S + Math.max(0, S - 2))];
  const logProb = logSum(...last);
  const base = logProb > NEVER ? logProb : 0;
  const stateOccupancy = alpha.map((a, i) => a + beta[i] - base);
  const occupancy = new Float64Array(T * classes).fill(NEVER);
  for (let t = 0; t < T; t++) for (let s = 0; s < S; s++) {
    const i = t * classes + states[s];
    occupancy[i] = logSum(occupancy[i], stateOccupancy[t * S + s]);
  }
  // torch's loss of an impossible label is inf, and its gradient 0
  const gradient = logProbs.map((p, i) => (logProb > NEVER ? Math.exp(p) - Math.exp(occupancy[i]) : 0));
  return { states, alpha, beta, stateOccupancy, occupancy, gradient, logProb };
}

/** Share of the probability on each step of the trellis, as { t, from, to, share }: a step goes
 * from frame t to t + 1. With a cell { t, s }, the shares of what passes through that cell alone. */
export function flows({ frames, classes, logProbs }, trellis, cell = null) {
  const { states, alpha, beta, logProb } = trellis, S = states.length;
  const emitted = (t, s) => logProbs[t * classes + states[s]];
  let into = alpha, onwards = beta, before = logProb, after = logProb;
  if (cell) { // it is the end of all that comes before, and the start of all that comes after
    const here = cell.t * S + cell.s;
    [before, after] = [alpha[here], beta[here]];
    [into, onwards] = [alpha.slice(), beta.slice()];
    into.fill(NEVER, cell.t * S);
    onwards.fill(NEVER, 0, (cell.t + 1) * S);
    into[here] = onwards[here] = 0;
    for (let t = cell.t - 1; t >= 0; t--) for (let s = 0; s < S; s++) {
      onwards[t * S + s] = logSum(...waysFrom(states, s).map(([r]) => onwards[(t + 1) * S + r] + emitted(t + 1, r)));
    }
    for (let t = cell.t + 1; t < frames; t++) for (let s = 0; s < S; s++) {
      into[t * S + s] = logSum(...waysInto(states, s).map(([r]) => into[(t - 1) * S + r])) + emitted(t, s);
    }
  }
  const found = [];
  for (let t = 0; t + 1 < frames; t++) for (let s = 0; s < S; s++) for (const [r] of waysFrom(states, s)) {
    const whole = cell && t < cell.t ? before : after;
    const share = Math.exp(into[t * S + s] + emitted(t + 1, r) + onwards[(t + 1) * S + r] - whole);
    if (share > 0) found.push({ t, from: s, to: r, share }); // not where the whole is 0: that is NaN
  }
  return found;
}

/** Every alignment of T frames that collapses to the label, by walking the trellis: an array of
 * { path: states, classes, logProb }. The definition of the label's probability; for small T. */
export function bruteForce({ frames, classes, logProbs }, label, blank) {
  const states = statesOf(label, blank), S = states.length, found = [];
  const walk = (path, logProb) => {
    const t = path.length, s = path[t - 1];
    if (t === frames) {
      if (s >= S - 2) found.push({ path, classes: path.map((state) => states[state]), logProb });
      return;
    }
    for (const [r] of waysFrom(states, s)) walk([...path, r], logProb + logProbs[t * classes + states[r]]);
  };
  for (let s = 0; s < Math.min(2, S); s++) walk([s], logProbs[states[s]]);
  return found;
}

/** Log-probabilities with one probability of one frame set; the others of the frame share the rest
 * as they did before. */
export function withProbability({ frames, classes, logProbs }, t, c, probability) {
  const changed = logProbs.slice(), old = Math.exp(logProbs[t * classes + c]);
  const rest = 1 - old;
  for (let k = 0; k < classes; k++) {
    const i = t * classes + k;
    if (k === c) changed[i] = Math.log(probability);
    else if (rest > 1e-12) changed[i] = logProbs[i] + Math.log(1 - probability) - Math.log(rest);
    else changed[i] = Math.log((1 - probability) / (classes - 1)); // nothing to share: equal parts
  }
  return { frames, classes, logProbs: changed };
}

/** One step down the gradient: the logits move against it, and a softmax follows. */
export function nudged({ frames, classes, logProbs }, gradient, rate) {
  const changed = logProbs.map((p, i) => p - rate * gradient[i]);
  for (let t = 0; t < frames; t++) {
    const frame = changed.subarray(t * classes, (t + 1) * classes);
    const whole = logSum(...frame);
    frame.forEach((p, c) => { frame[c] = p - whole; });
  }
  return { frames, classes, logProbs: changed };
}
