// Widget "relevance": where a network's answer comes from, by the rules that the reader chooses.
import {
  argmax, button, element, floats, follow, followTheme, groupName, number, paintGrey, paintSigned, percent, picture, reach,
  send, showScore, softmax, widget,
} from "./common.js";
import { easel, pictures } from "./drawing.js";
import { explain, explainDifference, forward, unpackPlan } from "./propagation.js";

const SETS = { // name: [matmul, α, nonlinearity, maximum]
  LRP: ["normalized", 1, "ignore", "gradient"], gradient: ["gradient", 1, "gradient", "gradient"],
  deconvolution: ["gradient", 1, "repeat", "gradient"], slope: ["gradient", 1, "slope", "gradient"],
  "z⁺": ["alpha_beta", 1, "ignore", "gradient"], gamma: ["gamma", 1, "ignore", "gradient"],
};
const PRODUCT_RULES = {
  gradient: ["gradient", 1], normalized: ["normalized", 1], gamma: ["gamma", 1], "α = 1, β = 0 (z⁺)": ["alpha_beta", 1],
  "α = 2, β = 1": ["alpha_beta", 2],
};
const NONE = -2, BLACK = -1;

/** The name of a choice of rules, or null when it has none. */
export function setName(choice) {
  return Object.keys(SETS).find((name) => SETS[name].every((value, k) => value === choice[k])) ?? null;
}

/** One sentence on where the score went. */
export function account(what, score, pixels, biases, absorbed) {
  const rest = score - pixels - biases, near = Math.abs(rest) < 0.005 * Math.max(1, Math.abs(score));
  const parts = `${number(pixels, 2)} at the pixels`;
  if (absorbed) return `${what}: ${number(score, 2)}: ${parts}; ${number(score - pixels, 2)} was dropped on the way.`;
  if (near) return `${what}: ${number(score, 2)} = ${parts} + ${number(biases, 2)} at the biases: nothing is lost.`;
  return `${what}: ${number(score, 2)}, but ${parts} and ${number(biases, 2)} at the biases: this choice does not conserve.`;
}

/** A select of named choices; `choose` hears the chosen name. */
function selector(label, names, choose) {
  const options = names.map((name) => element("option", { value: name }, name));
  const select = element("select", { onchange: () => choose(select.value) }, ...options);
  return { select, node: element("label", {}, `${label} `, select) };
}

/** The classes as radio buttons with a bar for the score, to choose the one that is explained. */
function classRows(data, choose) {
  const group = groupName("target");
  const rows = data.names.map((name, k) => {
    const input = element("input", { type: "radio", name: group, onchange: () => choose(k) });
    const bar = element("span", { class: "bw-bar" });
    const score = element("span", { class: "bw-number" }), share = element("span", { class: "bw-number" });
    const label = element("label", { class: "bw-row bw-plain" }, input, element("b", {}, name),
      element("span", { class: "bw-scale", "aria-hidden": "true" }, bar), score, share);
    return { input, bar, score, share, label };
  });
  const head = element("div", { class: "bw-row bw-plain bw-head", "aria-hidden": "true" },
    ...["class", "", "score", "softmax"].map((text) => element("span", {}, text)));
  const node = element("fieldset", { class: "bw-rows" }, element("legend", { class: "bw-hidden" }, "Class to explain"),
    head, ...rows.map(({ label }) => label));
  return { node, rows };
}

/** The meter: for each layer what reaches it, and what biases have taken by then. */
function meter(labels) {
  const rows = labels.map((label) => {
    const bar = element("span", { class: "bw-bar" }), taken = element("span", { class: "bw-bar bw-taken" });
    const sum = element("td", { class: "bw-number" }), bias = element("td", { class: "bw-number" });
    const node = element("tr", {}, element("th", { scope: "row" }, label),
      element("td", { "aria-hidden": "true" }, element("span", { class: "bw-scale bw-left" }, bar, taken)), sum, bias);
    return { bar, taken, sum, bias, node };
  });
  const heads = ["layer", "", "reaches it", "biases so far"].map((text) => element("th", { scope: "col" }, text));
  const node = element("table", { class: "bw-meter", "aria-label": "Sum of the relevance at each layer" },
    element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows.map((row) => row.node)));
  return { node, rows };
}

function place(bar, from, to, longest) {
  const [low, high] = [Math.min(from, to), Math.max(from, to)].map((value) => 25 + (62.5 * value) / longest);
  bar.style.cssText = `left:${Math.max(0, Math.min(100, low))}%;right:${Math.max(0, Math.min(100, 100 - high))}%`;
}

/** Layers from the score back to the pixels, as [name, number of the step whose input or output it is]. */
function stations(plan) {
  const named = plan.map((step, k) => [step.label, k + 1]).filter(([label], k) => label && plan[k].kind !== "scale");
  return [...named.reverse().map(([label, k], first) => [first ? label : "score", k]), ["pixels", 0]];
}

export default { render: widget(({ model, root, signal }) => {
  const data = pictures(model), plan = model.get("plan"), steps = unpackPlan(plan, floats(model.get("weights")));
  const blank = new Uint8Array(data.height * data.width), stops = stations(plan);
  let dark = false;

  const paper = easel(model, data, signal, () => redraw());
  const panel = (text) => {
    const canvas = picture(data.height, data.width, text), caption = element("figcaption", {}, text);
    return { canvas, caption, node: element("figure", {}, canvas, caption) };
  };
  const map = panel("relevance"), other = panel("compared with");
  const names = Object.keys(PRODUCT_RULES);
  const preset = selector("Set", [...Object.keys(SETS), "own choice"], (name) => {
    if (!SETS[name]) return showChoice();
    const [matmul, alpha, nonlinearity, maximum] = SETS[name];
    return send(model, { matmul, alpha, nonlinearity, maximum });
  });
  const product = selector("Products", names, (name) => {
    const [matmul, alpha] = PRODUCT_RULES[name];
    send(model, { matmul, alpha });
  });
  const nonlinearity = selector("Nonlinearities", ["ignore", "gradient", "slope", "repeat"], (name) => send(model, { nonlinearity: name }));
  const maximum = selector("Maxima", ["gradient", "radial"], (name) => send(model, { maximum: name }));
  const biases = selector("Biases", ["blame", "absorb"], (name) => send(model, { bias: name }));
  const compared = element("select", { onchange: () => send(model, { baseline: Number(compared.value), swapped: false }) },
    element("option", { value: NONE }, "nothing"), element("option", { value: BLACK }, "a black picture"),
    ...data.labels.map((label, k) => element("option", { value: k }, `picture ${k + 1}: ${data.names[label]}`)));
  const swap = button("Swap the two", () => send(model, { swapped: !model.get("swapped") }));
  const auto = button("Network's own answer", () => send(model, { target: -1 }));
  const list = classRows(data, (target) => send(model, { target })), gauge = meter(stops.map(([label]) => label));
  const sentence = element("p", { "aria-live": "polite" });

  root.setAttribute("aria-label", "Relevance: where the network's answer comes from");
  root.append(
    element("div", { class: "bw-sum" }, paper.board, map.node, other.node),
    element("div", { class: "bw-tools" }, ...paper.tools, paper.verdict.node), paper.strip,
    element("div", { class: "bw-tools" }, preset.node, product.node, nonlinearity.node, maximum.node, biases.node),
    element("div", { class: "bw-tools" }, element("label", {}, "Compare with ", compared), swap),
    element("div", { class: "bw-columns bw-even" }, element("div", {}, list.node, element("div", { class: "bw-tools" }, auto)),
      element("div", {}, gauge.node, sentence)),
  );

  const choice = () => ["matmul", "alpha", "nonlinearity", "maximum"].map((name) => model.get(name));
  const baseline = () => {
    const k = model.get("baseline");
    return k === NONE || k >= data.labels.length ? null : k < 0 ? blank : data.image(k);
  };

  function showChoice() {
    const [matmul, alpha] = choice();
    preset.select.value = setName(choice()) ?? "own choice";
    product.select.value = names.find((name) => PRODUCT_RULES[name][0] === matmul && PRODUCT_RULES[name][1] === alpha) ?? "";
    nonlinearity.select.value = model.get("nonlinearity");
    maximum.select.value = model.get("maximum");
    biases.select.value = model.get("bias");
  }

  /** Relevance of what is shown: of the picture, or of the difference to the picture that it is compared with. */
  function current(pixels, compare) {
    const own = Array.from(forward(steps, pixels)[steps.length]), best = argmax(own);
    const chosen = model.get("target") in data.names ? model.get("target") : best;
    const found = { chosen, scores: own, best, swapped: Boolean(compare && model.get("swapped")) };
    if (compare) {
      const pair = found.swapped ? [compare, pixels] : [pixels, compare];
      return { ...found, ...explainDifference(steps, ...pair, chosen), scores: own };
    }
    const [matmul, alpha, non, max] = choice();
    const rules = { matmul, alpha, nonlinearity: non, maximum: max, epsilon: 1e-6, gamma: 0.25 };
    return { ...found, ...explain(steps, pixels, chosen, rules), scores: own };
  }

  function redraw() {
    const compare = baseline(), found = current(paper.pixels, compare);
    for (const { select } of [preset, product, nonlinearity, maximum, biases]) select.disabled = Boolean(compare);
    compared.value = String(compare ? model.get("baseline") : NONE);
    swap.disabled = !compare;
    swap.setAttribute("aria-pressed", String(found.swapped));
    other.node.hidden = !compare;
    if (compare) paintGrey(other.canvas, compare);
    const shares = softmax(found.scores);
    drawScores(found, shares);
    drawMap(found, compare);
    drawMeter(found, compare);
    paper.verdict.tell(found.best, percent(shares[found.best]));
  }

  function drawScores({ scores, chosen, best }, shares) {
    const longest = Math.max(5, ...scores.map(Math.abs));
    list.rows.forEach((row, k) => showScore(row, scores[k], shares[k], longest, k === best, k === chosen));
  }

  function drawMap({ input, chosen, swapped }, compare) {
    paintSigned(map.canvas, input, reach(input, 0.995), dark);
    const name = data.names[chosen];
    const says = compare ? `score of ${name}: ${swapped ? "comparison − picture" : "picture − comparison"}` : `relevance for ${name}`;
    map.caption.textContent = says;
    map.canvas.setAttribute("aria-label", `${says}: red pixels speak for it, blue ones against`);
  }

  function drawMeter({ sums, shares, chosen }, compare) {
    const score = sums[sums.length - 1], absorbed = !compare && model.get("bias") === "absorb";
    const takenAfter = (k) => (absorbed ? 0 : shares.slice(k).reduce((sum, share) => sum + share, 0));
    gauge.rows.forEach((row, j) => {
      const k = stops[j][1], taken = takenAfter(k), longest = Math.max(1e-9, Math.abs(score));
      place(row.bar, 0, sums[k], longest);
      place(row.taken, sums[k], sums[k] + taken, longest);
      row.bar.classList.toggle("bw-minus", sums[k] < 0);
      row.sum.textContent = number(sums[k], 2);
      row.bias.textContent = absorbed ? "dropped" : number(taken, 2);
    });
    const what = compare ? `Difference of the scores of ${data.names[chosen]}` : `Score of ${data.names[chosen]}`;
    const text = account(what, score, sums[0], takenAfter(0), absorbed);
    if (sentence.textContent !== text) sentence.textContent = text;
  }

  follow(model, ["digit", "drawing"], signal, paper.update);
  follow(model, ["target", "baseline", "swapped"], signal, redraw);
  follow(model, ["matmul", "alpha", "nonlinearity", "maximum", "bias"], signal, () => {
    showChoice();
    redraw();
  });
  showChoice();
  followTheme(root, signal, (isDark) => {
    dark = isDark;
    redraw();
  });
}) };
