// Widget "templates": a picture against the ten templates of a network without hidden layers.
import {
  argmax, element, floats, follow, followTheme, groupName, paintSigned, percent, picture, reach, send, showScore, softmax,
  widget,
} from "./common.js";
import { easel, equation, pictures, products } from "./drawing.js";

/** The score of each class: its template times the picture (0–255, taken as 0–1), summed, plus its bias. */
export function scores(weights, biases, pixels) {
  return biases.map((bias, k) => {
    let sum = 0;
    for (let i = 0; i < pixels.length; i++) sum += weights[k * pixels.length + i] * pixels[i];
    return sum / 255 + bias;
  });
}

/** One row a class: products in small, a bar for the score, the score and its probability. */
function classRows(data, choose) {
  const group = groupName("template");
  const rows = data.names.map((name, k) => {
    const canvas = picture(data.height, data.width);
    const input = element("input", { type: "radio", name: group, onchange: () => choose(k) });
    const bar = element("span", { class: "bw-bar" });
    const score = element("span", { class: "bw-number" }), share = element("span", { class: "bw-number" });
    const label = element("label", { class: "bw-row" }, input, canvas, element("b", {}, name),
      element("span", { class: "bw-scale", "aria-hidden": "true" }, bar), score, share);
    return { canvas, input, bar, score, share, label };
  });
  const head = element("div", { class: "bw-row bw-head", "aria-hidden": "true" },
    ...["", "class", "", "score", "softmax"].map((text) => element("span", {}, text)));
  const node = element("fieldset", { class: "bw-rows" }, element("legend", { class: "bw-hidden" }, "Template to look at"),
    head, ...rows.map(({ label }) => label));
  return { node, rows };
}

export default { render: widget(({ model, root, signal }) => {
  const data = { ...pictures(model), weights: floats(model.get("weights")), biases: model.get("biases") };
  const limit = reach(data.weights, 0.99); // a few strong weights must not pale all others
  let dark = false;

  const paper = easel(model, data, signal, () => redraw());
  const list = classRows(data, (k) => send(model, { template: k }));
  const sum = equation(data, paper.board);

  root.setAttribute("aria-label", "Templates: draw a digit and see its scores");
  root.append(sum.node, element("div", { class: "bw-tools" }, ...paper.tools, paper.verdict.node), paper.strip, list.node);

  function redraw() {
    const { pixels } = paper;
    const all = scores(data.weights, data.biases, pixels), shares = softmax(all), best = argmax(all);
    const longest = Math.max(10, ...all.map(Math.abs));
    const chosen = data.names[model.get("template")] ? model.get("template") : 0;
    list.rows.forEach((row, k) => {
      paintSigned(row.canvas, products(data.weights, k, pixels), limit, dark);
      showScore(row, all[k], shares[k], longest, k === best, k === chosen);
    });
    const name = `template of ${data.names[chosen]}`;
    sum.show({ weights: data.weights, k: chosen, pixels, name, bias: data.biases[chosen], limit, dark });
    paper.verdict.tell(best, percent(shares[best]));
  }

  follow(model, ["digit", "drawing"], signal, paper.update);
  follow(model, ["template"], signal, redraw);
  followTheme(root, signal, (isDark) => {
    dark = isDark;
    redraw();
  });
}) };
