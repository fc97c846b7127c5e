// Widget "hidden": a digit on its way through the hidden units into the class scores.
import {
  argmax, button, element, floats, follow, followTheme, groupName, number, paintSigned, percent, picture, reach, send, softmax,
  widget,
} from "./common.js";
import { easel, equation, pictures } from "./drawing.js";

/** Cut network `k` out of the packed weights: filters (unit by unit), biases, bars (class by class), class biases. */
export function network(weights, k, inputs, units, classes) {
  const sizes = [inputs * units, units, units * classes, classes];
  let start = k * sizes.reduce((a, b) => a + b);
  const [filters, biases, bars, classBiases] = sizes.map((size) => weights.slice(start, start += size));
  return { filters, biases, bars, classBiases };
}

/** What each hidden unit passes on: its weighted sum of the picture (0–255, taken as 0–1), where positive. */
export function activations({ filters, biases }, pixels) {
  return Array.from(biases, (bias, k) => {
    let sum = 0;
    for (let i = 0; i < pixels.length; i++) sum += filters[k * pixels.length + i] * pixels[i];
    return Math.max(0, sum / 255 + bias);
  });
}

/** What each unit adds to each class's score, classes × units; units in the bit mask `off` add nothing. */
export function contributions({ bars, classBiases }, active, off) {
  const n = active.length;
  return Array.from(classBiases, (_, c) => active.map((value, k) => ((off >> k) & 1 ? 0 : value * bars[c * n + k])));
}

/** The score of each class: its contributions and its bias. */
export const scores = ({ classBiases }, parts) =>
  parts.map((row, c) => row.reduce((sum, value) => sum + value, classBiases[c]));

/** Name of a unit. */
export const letter = (k) => String.fromCharCode(97 + k);

/** One row spelled out: what speaks for the class, what against, and the three loudest units. */
export function describe(name, row, bias, score) {
  const sum = (sign) => row.reduce((total, value) => total + Math.max(0, sign * value), 0);
  const loud = row.map((value, k) => [k, value]).filter(([, value]) => value !== 0)
    .sort(([, a], [, b]) => Math.abs(b) - Math.abs(a)).slice(0, 3)
    .map(([k, value]) => `${letter(k)} (${value > 0 ? "+" : ""}${number(value)})`);
  const total = `${name}: ${number(sum(1))} for, ${number(sum(-1))} against, bias ${number(bias)}: score ${number(score)}.`;
  return loud.length ? `${total} Loudest: ${loud.join(", ")}.` : total;
}

/** The heads of the units' columns: filter, activation, and a box to switch the unit off. */
function unitHeads(data, look, toggle) {
  const group = groupName("unit");
  return Array.from({ length: data.units }, (_, k) => {
    const canvas = picture(data.height, data.width);
    const input = element("input", { type: "radio", name: group, "aria-label": `Look at unit ${letter(k)}`, onchange: () => look(k) });
    const box = element("input", { type: "checkbox", "aria-label": `Unit ${letter(k)} on`, onchange: () => toggle(k) });
    const value = element("span", { class: "bw-number" });
    const cell = element("th", { scope: "col" }, element("label", { class: "bw-filter" }, input, canvas, letter(k)), value,
      element("label", { class: "bw-switch" }, box));
    return { canvas, input, box, value, cell };
  });
}

/** The rows of the classes: a signed bar for each unit and for the bias, the score and its probability. */
function classRows(data, choose) {
  const group = groupName("target");
  return data.names.map((name, c) => {
    const input = element("input", { type: "radio", name: group, onchange: () => choose(c) });
    const bars = Array.from({ length: data.units + 1 }, () => element("span", { class: "bw-bar" }));
    const score = element("td", { class: "bw-number" }), share = element("td", { class: "bw-number" });
    const node = element("tr", { onclick: () => choose(c) },
      element("th", { scope: "row" }, element("label", {}, input, name)),
      ...bars.map((bar) => element("td", { "aria-hidden": "true" }, bar)), score, share);
    return { input, bars, score, share, node };
  });
}

function drawBar(bar, value, longest) {
  const height = (50 * Math.min(Math.abs(value), longest)) / longest;
  bar.style.cssText = value < 0 ? `top:50%;height:${height}%` : `bottom:50%;height:${height}%`;
  bar.classList.toggle("bw-minus", value < 0);
}

export default { render: widget(({ model, root, signal }) => {
  const data = { ...pictures(model), units: model.get("units") }, titles = model.get("titles");
  const all = floats(model.get("weights"));
  const within = (trait, n) => (model.get(trait) >= 0 && model.get(trait) < n ? model.get(trait) : 0);
  let net, limit, dark = false;
  const load = () => {
    net = network(all, Math.max(0, titles.indexOf(model.get("network"))), data.height * data.width, data.units, data.names.length);
    limit = reach(net.filters, 0.99); // a few strong weights must not pale all others
  };
  load();

  const paper = easel(model, data, signal, () => redraw());
  const sum = equation(data, paper.board);
  const chooser = element("select", { onchange: () => send(model, { network: chooser.value, off: 0 }) },
    ...titles.map((title) => element("option", { value: title }, title)));
  const heads = unitHeads(data, (unit) => send(model, { unit }), (k) => send(model, { off: model.get("off") ^ (1 << k) }));
  const rows = classRows(data, (target) => send(model, { target }));
  const spelled = element("p", { "aria-live": "polite" });
  const plain = (text) => element("th", { scope: "col", class: "bw-number" }, text);

  root.setAttribute("aria-label", "Hidden units: draw a digit and follow it into the scores");
  root.append(sum.node,
    element("div", { class: "bw-tools" }, element("label", {}, "Network ", chooser), ...paper.tools,
      button("All units on", () => send(model, { off: 0 })), paper.verdict.node),
    paper.strip,
    element("table", { class: "bw-mix" },
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, element("span", { class: "bw-hidden" }, "class")),
        ...heads.map(({ cell }) => cell), plain("bias"), plain("score"), plain("softmax"))),
      element("tbody", {}, ...rows.map(({ node }) => node))),
    spelled);

  function redraw() {
    const { pixels } = paper, off = within("off", 2 ** data.units);
    const active = activations(net, pixels), parts = contributions(net, active, off);
    const totals = scores(net, parts), shares = softmax(totals), best = argmax(totals);
    drawRows(parts, totals, shares, best);
    heads.forEach((head, k) => {
      const on = !((off >> k) & 1);
      head.value.textContent = on ? number(active[k]) : "off";
      head.box.checked = on;
      head.cell.classList.toggle("bw-off", !on);
    });
    drawUnit(pixels);
    paper.verdict.tell(best, percent(shares[best]));
  }

  function drawRows(parts, totals, shares, best) {
    const longest = Math.max(3, ...parts.flat().map(Math.abs)), target = within("target", data.names.length);
    rows.forEach((row, c) => {
      [...parts[c], net.classBiases[c]].forEach((value, k) => drawBar(row.bars[k], value, longest));
      row.score.textContent = number(totals[c]);
      row.share.textContent = percent(shares[c]);
      row.node.classList.toggle("bw-best", c === best);
      row.node.classList.toggle("bw-chosen", c === target);
      row.input.checked = c === target;
    });
    const text = describe(data.names[target], parts[target], net.classBiases[target], totals[target]);
    if (spelled.textContent !== text) spelled.textContent = text;
  }

  function drawUnit(pixels) {
    const k = within("unit", data.units);
    heads.forEach((head, j) => { head.input.checked = j === k; });
    sum.show({ weights: net.filters, k, pixels, name: `filter of unit ${letter(k)}`, bias: net.biases[k], limit, dark });
  }

  function drawFilters() {
    const n = data.height * data.width;
    heads.forEach(({ canvas }, k) => paintSigned(canvas, net.filters.subarray(k * n, (k + 1) * n), limit, dark));
    chooser.value = titles.includes(model.get("network")) ? model.get("network") : titles[0];
  }

  follow(model, ["digit", "drawing"], signal, paper.update);
  follow(model, ["unit", "target", "off"], signal, redraw);
  follow(model, ["network"], signal, () => {
    load();
    drawFilters();
    redraw();
  });
  followTheme(root, signal, (isDark) => {
    dark = isDark;
    drawFilters();
    redraw();
  });
}) };
