// Relevance in the page: a small convolutional network, forwards, and the rules of lib/relevance.py that lead back through it.

/** Cut the packed weights: each step of the plan that has them gets its `kernel` and its `bias`. */
export function unpackPlan(plan, flat) {
  let start = 0;
  const cut = (size) => Float64Array.from(flat.slice(start, start += size));
  return plan.map((step) => {
    if (step.kind !== "product") return step;
    const kernel = cut(step.size[0] * step.size[1] * step.shape[2] * step.out[2]);
    return { ...step, kernel, bias: cut(step.out[2]) };
  });
}

const size = ([height, width, channels]) => height * width * channels;

/** Call `visit(input place, kernel place, output place)` for each input channel under each window of a product. */
function eachWindow({ shape, out, size: [rows, columns] }, visit) {
  const [, width, channels] = shape, [high, wide, units] = out;
  for (let y = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) {
          const from = ((y + i) * width + x + j) * channels, weights = (i * columns + j) * channels * units;
          for (let c = 0; c < channels; c++) visit(from + c, weights + c * units, (y * wide + x) * units);
        }
      }
    }
  }
}

/** A product without its bias: every window times the kernel (rows × columns × channels × units).  Dense is one window. */
export function apply(step, a, kernel) {
  const b = new Float64Array(size(step.out)), units = step.out[2];
  eachWindow(step, (from, weights, to) => {
    const value = a[from];
    if (value === 0) return;
    for (let u = 0; u < units; u++) b[to + u] += value * kernel[weights + u];
  });
  return b;
}

/** The transpose of `apply`: what each output hands back to the inputs that it was made of. */
export function back(step, r, kernel) {
  const result = new Float64Array(size(step.shape)), units = step.out[2];
  eachWindow(step, (from, weights, to) => {
    let sum = 0;
    for (let u = 0; u < units; u++) sum += r[to + u] * kernel[weights + u];
    result[from] += sum;
  });
  return result;
}

const scaled = (step) => ({
  apply: (a, kernel) => a.map((value) => value * kernel),
  back: (r, kernel) => r.map((value) => value * kernel),
  kernel: step.factor, map: (f) => f(step.factor), bias: null,
});

const weighted = (step) => ({
  apply: (a, kernel) => apply(step, a, kernel),
  back: (r, kernel) => back(step, r, kernel),
  kernel: step.kernel, map: (f) => step.kernel.map(f), bias: step.bias,
});

/** A product or a scaling as a pair of linear maps with one kernel. */
const linear = (step) => (step.kind === "scale" ? scaled(step) : weighted(step));

const plus = (b, bias) => (bias ? b.map((value, k) => value + bias[k % bias.length]) : b);

/** The places of each window of a pooling step: call `visit(places, output place)`. */
function eachPool({ shape, out, size: [rows, columns] }, visit) {
  const places = new Array(rows * columns);
  for (let k = 0; k < size(out); k++) {
    const c = k % out[2], x = Math.floor(k / out[2]) % out[1], y = Math.floor(k / out[2] / out[1]);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) places[i * columns + j] = ((y * rows + i) * shape[1] + x * columns + j) * shape[2] + c;
    }
    visit(places, k);
  }
}

function pooled(step, a) {
  const b = new Float64Array(size(step.out));
  eachPool(step, (places, k) => { b[k] = Math.max(...places.map((place) => a[place])); });
  return b;
}

/** The values before each step and after the last one. */
export function forward(steps, x) {
  const values = [Float64Array.from(x)];
  for (const step of steps) {
    const a = values[values.length - 1];
    if (step.kind === "relu") values.push(a.map((value) => Math.max(0, value)));
    else if (step.kind === "maximum") values.push(pooled(step, a));
    else {
      const { apply: forwards, kernel, bias } = linear(step);
      values.push(plus(forwards(a, kernel), bias));
    }
  }
  return values;
}

const ratio = (r, b, epsilon) => r.map((value, k) => {
  const blip = b[k] + (b[k] >= 0 ? epsilon : -epsilon);
  return blip === 0 ? 0 : value / blip;
});

const times = (a, b) => a.map((value, k) => value * b[k]);

const toBiases = (bias, s) => (bias ? s.reduce((sum, value, k) => sum + value * bias[k % bias.length], 0) : 0);

const byGradient = (map, a, b, r) => [map.back(r, map.kernel), toBiases(map.bias, r)];

function normalized(map, a, b, r, rules) {
  const s = ratio(r, b, rules.epsilon);
  return [times(a, map.back(s, map.kernel)), toBiases(map.bias, s)];
}

function lifted(map, a, b, r, rules) {
  const lift = (w) => w + rules.gamma * Math.max(0, w), kernel = map.map(lift), bias = map.bias?.map(lift);
  const s = ratio(r, plus(map.apply(a, kernel), bias), rules.epsilon);
  return [times(a, map.back(s, kernel)), toBiases(bias, s)];
}

const above = (value) => Math.max(0, value), below = (value) => Math.min(0, value);

function alphaBeta(map, a, b, r, rules) {
  let result = new Float64Array(a.length), share = 0;
  for (const [factor, same, other] of [[rules.alpha, above, below], [1 - rules.alpha, below, above]]) {
    if (factor === 0) continue;
    const [ups, downs] = [a.map(above), a.map(below)], [withUps, withDowns] = [map.map(same), map.map(other)];
    const bias = map.bias?.map(same), first = map.apply(ups, withUps), second = map.apply(downs, withDowns);
    const sums = plus(first.map((value, k) => value + second[k]), bias);
    const s = r.map((value, k) => (sums[k] === 0 ? 0 : (factor * value) / sums[k]));
    const [p, q] = [map.back(s, withUps), map.back(s, withDowns)];
    result = result.map((value, k) => value + ups[k] * p[k] + downs[k] * q[k]);
    share += toBiases(bias, s);
  }
  return [result, share];
}

const PRODUCTS = { gradient: byGradient, normalized, gamma: lifted, alpha_beta: alphaBeta };

const NONLINEARITIES = {
  ignore: (a, r) => r, gradient: (a, r) => (a > 0 ? r : 0), slope: (a, r) => (a > 0 ? r : 0), repeat: (a, r) => Math.max(0, r),
};

function toWinner(step, a, r) {
  const result = new Float64Array(a.length);
  eachPool(step, (places, k) => {
    result[places.reduce((best, place) => (a[place] > a[best] ? place : best))] += r[k];
  });
  return result;
}

/** The shares of a window's values in their maximum: of the positive ones by value, of negative ones by inverse. */
export function radialShares(values) {
  const top = Math.max(...values);
  const weights = values.map((value) => (top > 0 ? Math.max(0, value) : top < 0 ? 1 / value : Number(value === 0)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

function radial(step, a, r) {
  const result = new Float64Array(a.length);
  eachPool(step, (places, k) => {
    radialShares(places.map((place) => a[place])).forEach((share, j) => { result[places[j]] += share * r[k]; });
  });
  return result;
}

const start = (scores, target) => scores.map((score, k) => (k === target ? score : 0));

const total = (values) => values.reduce((sum, value) => sum + value, 0);

/** Relevance of one picture, back from a class's score.  `sums` and `shares` have one number a step: what reaches its
 * input, and what its biases take; `sums` ends in the start value. */
export function explain(steps, x, target, rules) {
  const values = forward(steps, x), scores = values[steps.length];
  let r = start(scores, target);
  const sums = [total(r)], shares = [];
  for (let k = steps.length - 1; k >= 0; k--) {
    const step = steps[k], a = values[k];
    let share = 0;
    if (step.kind === "relu") r = r.map((value, i) => NONLINEARITIES[rules.nonlinearity](a[i], value));
    else if (step.kind === "maximum") r = (rules.maximum === "radial" ? radial : toWinner)(step, a, r);
    else [r, share] = PRODUCTS[rules.matmul](linear(step), a, values[k + 1], r, rules);
    sums.unshift(total(r));
    shares.unshift(share);
  }
  return { input: r, sums, shares, scores };
}

function differenceOfMaximum(step, [a, other], [b, top], r, difference) {
  const rose = toWinner(step, a, r.map((value, k) => (b[k] >= top[k] ? value : 0)));
  const fell = toWinner(step, other, r.map((value, k) => (b[k] < top[k] ? value : 0)));
  return rose.map((value, k) => (difference[k] === 0 ? 0 : (value + fell[k]) / difference[k]));
}

/** The same for the difference of two pictures' scores: the LRP set, ε = 0, on the differences of all values. */
export function explainDifference(steps, x, baseline, target) {
  const values = forward(steps, x), others = forward(steps, baseline);
  const differences = values.map((a, k) => a.map((value, i) => value - others[k][i]));
  let q = differences[steps.length].map((_, k) => Number(k === target));
  const sums = [total(times(q, differences[steps.length]))];
  for (let k = steps.length - 1; k >= 0; k--) {
    const step = steps[k], difference = differences[k], after = differences[k + 1];
    if (step.kind === "relu") {
      q = q.map((value, i) => value * (difference[i] === 0 ? Number(values[k][i] > 0) : after[i] / difference[i]));
    } else if (step.kind === "maximum") {
      q = differenceOfMaximum(step, [values[k], others[k]], [values[k + 1], others[k + 1]], times(q, after), difference);
    } else {
      const map = linear(step);
      q = map.back(q, map.kernel);
    }
    sums.unshift(total(times(q, difference)));
  }
  return { input: times(q, differences[0]), sums, shares: steps.map(() => 0), scores: values[steps.length] };
}
