// Widget "removal": what a network on the plane answers while its hidden nodes are switched off and on.
import {
  button, element, floats, follow, followTheme, keyTarget, number, octets, paintSigned, percent, picture, reach, send,
  signedColour, widget,
} from "./common.js";

const SIDE = 120, ICON = 24, REACH = 2, COLUMNS = 10;

/** Cut the packed arrays: hidden kernel (node by node), biases, and how each node and the start push the margin. */
export function unpackNetwork(flat, n) {
  const kernel = flat.slice(0, 2 * n), biases = flat.slice(2 * n, 3 * n), out = flat.slice(3 * n, 5 * n);
  return { kernel, biases, slopes: biases.map((_, k) => out[n + k] - out[k]), delta: flat[5 * n + 1] - flat[5 * n] };
}

/** What each node adds to the margin at each point, node by node: Float32Array (nodes × points). */
export function marginTerms({ kernel, biases, slopes }, points) {
  const size = points.length / 2, terms = new Float32Array(biases.length * size);
  for (let k = 0; k < biases.length; k++) {
    for (let i = 0; i < size; i++) {
      const sum = kernel[2 * k] * points[2 * i] + kernel[2 * k + 1] * points[2 * i + 1] + biases[k];
      if (sum > 0) terms[k * size + i] = sum * slopes[k];
    }
  }
  return terms;
}

/** Change the margins of mask `from` into those of mask `to`, in place; only nodes that differ take time. */
export function moveMargins(sums, terms, from, to) {
  const size = sums.length;
  for (let k = 0; k * size < terms.length; k++) {
    if (!(((from ^ to) >> k) & 1)) continue;
    const sign = (to >> k) & 1 ? 1 : -1;
    for (let i = 0, start = k * size; i < size; i++) sums[i] += sign * terms[start + i];
  }
  return sums;
}

/** The margin of a masked network at each point; bit k of the mask is node k. */
export const margins = (delta, terms, mask, nodes) =>
  moveMargins(new Float64Array(terms.length / nodes).fill(delta), terms, 0, mask);

/** Mean cross-entropy of margins, labels being 0 or 1. */
export function meanLoss(sums, labels) {
  let total = 0;
  for (let i = 0; i < sums.length; i++) {
    const u = labels[i] ? -sums[i] : sums[i];
    total += Math.max(0, u) + Math.log1p(Math.exp(-Math.abs(u)));
  }
  return total / sums.length;
}

/** The share of masks with a lower loss, from equally spaced quantiles. */
export function shareBelow(quantiles, loss) {
  let low = 0, high = quantiles.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (quantiles[middle] < loss) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return 0;
  if (low === quantiles.length) return 1;
  const [a, b] = [quantiles[low - 1], quantiles[low]];
  return (low - 1 + (b > a ? (loss - a) / (b - a) : 0)) / (quantiles.length - 1);
}

/** Where a loss stands among all masks, from the share of lower ones. */
export const standing = (below) =>
  below < 1e-6 ? "the lowest of all masks" : below > 1 - 1e-6 ? "the highest of all masks"
    : `lower than that of ${percent(1 - below)} of all masks`;

/** A random mask that keeps each node with the given chance. */
export const randomMask = (nodes, chance, random = Math.random) =>
  Array.from({ length: nodes }, (_, k) => (random() < chance ? 2 ** k : 0)).reduce((a, b) => a + b, 0);

/** The centres of side × side fields of the square from −reach to reach, row by row from above, as x, y pairs. */
export function plane(side, extent) {
  const places = new Float32Array(2 * side * side), step = (2 * extent) / side;
  for (let i = 0; i < side * side; i++) {
    places[2 * i] = -extent + step * ((i % side) + 0.5);
    places[2 * i + 1] = extent - step * (Math.floor(i / side) + 0.5);
  }
  return places;
}

/** Call `turn(k, on)` for the node that is pressed and for those that the pointer meets on its way, and `done` at the end. */
function dragOver(frame, signal, isOn, turn, done) {
  const numberOf = (target) => {
    const node = target?.closest?.("[data-node]");
    return node && frame.contains(node) ? Number(node.dataset.node) : null;
  };
  let way = null; // what the press made of its first node
  frame.addEventListener("pointerdown", (event) => {
    const k = numberOf(event.target);
    if (k === null || event.button > 0) return;
    way = !isOn(k);
    turn(k, way);
    if (event.target.hasPointerCapture(event.pointerId)) event.target.releasePointerCapture(event.pointerId);
  }, { signal });
  frame.addEventListener("pointermove", (event) => {
    const k = way === null ? null : numberOf(document.elementFromPoint(event.clientX, event.clientY));
    if (k !== null) turn(k, way);
  }, { signal });
  const end = () => {
    if (way !== null) done();
    way = null;
  };
  for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, end, { signal });
  frame.addEventListener("click", (event) => { // keys and screen readers click without a pointer
    const k = numberOf(event.target);
    if (k === null || event.detail > 0) return;
    turn(k, !isOn(k));
    done();
  }, { signal });
}

/** One of the nodes in the tab order; arrow keys walk among them, and the one that is focused otherwise is the next start. */
function walkWithKeys(frame, nodes, signal) {
  let held = 0;
  nodes.forEach((node, k) => {
    node.tabIndex = k ? -1 : 0;
    node.addEventListener("focus", () => {
      nodes[held].tabIndex = -1;
      node.tabIndex = 0;
      held = k;
    }, { signal });
  });
  frame.addEventListener("keydown", (event) => {
    const rows = Math.ceil(nodes.length / COLUMNS);
    const target = keyTarget(event.key, Math.floor(held / COLUMNS), held % COLUMNS, rows, Math.min(COLUMNS, nodes.length));
    if (!target) return;
    event.preventDefault();
    nodes[Math.min(nodes.length - 1, target[0] * COLUMNS + target[1])].focus();
  }, { signal });
}

/** The nodes as buttons with a small map each; a press that moves on takes the nodes on its way along, and ends in `done`. */
function nodeButtons(data, signal, get, set, done) {
  const icons = marginTerms(data.net, plane(ICON, 1)), size = ICON * ICON, limit = reach(icons, 0.98);
  const canvases = Array.from({ length: data.nodes }, () => picture(ICON, ICON));
  const nodes = canvases.map((canvas, k) =>
    element("button", { type: "button", class: "bw-node", "aria-label": `Node ${k}`, "data-node": k }, canvas, String(k)));
  const frame = element("div", { class: "bw-nodes", role: "group", "aria-label": "Nodes, pressed ones are on" }, ...nodes);
  const isOn = (k) => Boolean((get() >> k) & 1);
  const turn = (k, on) => {
    nodes[k].focus({ preventScroll: true });
    set(on ? get() | (1 << k) : get() & ~(1 << k));
  };
  dragOver(frame, signal, isOn, turn, done);
  walkWithKeys(frame, nodes, signal);
  const paint = (dark) => canvases.forEach((canvas, k) =>
    paintSigned(canvas, icons.subarray(k * size, (k + 1) * size), limit, dark));
  const show = (mask) => nodes.forEach((node, k) => {
    const on = String(Boolean((mask >> k) & 1));
    if (node.getAttribute("aria-pressed") !== on) node.setAttribute("aria-pressed", on);
  });
  return { frame, paint, show };
}

/** The histogram of the logarithm of all losses, with a mark for the current one. */
function histogram(counts, quantiles) {
  const top = Math.max(...counts), [low, high] = [quantiles[0], quantiles[quantiles.length - 1]].map(Math.log);
  const place = (loss) => Math.min(100, Math.max(0, (100 * (Math.log(loss) - low)) / (high - low)));
  const mark = element("span", { class: "bw-mark" });
  const ticks = [0.03, 0.1, 0.3, 1, 3, 10].filter((loss) => Math.log(loss) > low && Math.log(loss) < high);
  const node = element("div", { class: "bw-histogram", "aria-hidden": "true" },
    ...counts.map((count) => element("span", { class: "bw-column", style: `height:${(100 * count) / top}%` })), mark,
    ...ticks.map((loss) => element("span", { class: "bw-tick", style: `left:${place(loss)}%` }, String(loss))));
  return { node, show: (loss) => { mark.style.left = `${place(loss)}%`; } };
}

const STEPS_PER_UNIT = 32, HALF = 256; // the table of colours reaches from margin −8 to 8

/** Draw margins as certainty, red for class 1 and blue for class 0, from a table of colours. */
function paintCertainty(context, image, sums, table) {
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < sums.length; i++) {
    pixels[i] = table[Math.max(0, Math.min(2 * HALF, (STEPS_PER_UNIT * sums[i] + HALF) | 0))];
  }
  context.putImageData(image, 0, 0);
}

const colourTable = (dark) => Uint32Array.from({ length: 2 * HALF + 1 }, (_, k) => {
  const [red, green, blue] = signedColour(Math.tanh((k - HALF) / STEPS_PER_UNIT / 2), 1, dark);
  return (255 << 24) | (blue << 16) | (green << 8) | red;
});

export default { render: widget(({ model, root, signal }) => {
  const nodes = model.get("nodes"), net = unpackNetwork(floats(model.get("weights")), nodes);
  const data = { nodes, net }, full = 2 ** nodes - 1;
  const labels = octets(model.get("labels")), quantiles = floats(model.get("quantiles"));
  const onPoints = marginTerms(net, floats(model.get("points"))), onPlane = marginTerms(net, plane(SIDE, REACH));
  const [inside, outside] = model.get("classes");
  let table = colourTable(false);

  const map = picture(SIDE, SIDE, "map"), context = map.getContext("2d"), image = context.createImageData(SIDE, SIDE);
  const share = (100 * model.get("radius")) / REACH;
  const ring = element("span", { class: "bw-ring", style: `width:${share}%;height:${share}%` });
  const current = () => (model.get("mask") >= 0 && model.get("mask") <= full ? model.get("mask") : full);
  const set = (mask) => { if (mask !== current()) send(model, { mask }); };
  const preview = (mask) => { if (mask !== current()) model.set("mask", mask); }; // the link follows when the hand lets go
  const list = nodeButtons(data, signal, current, preview, () => model.save_changes());
  const bars = histogram(model.get("counts"), quantiles);
  const verdict = element("p", { class: "bw-verdict", "aria-live": "polite" });
  const chance = element("input", { type: "range", min: 0, max: 1, step: 0.05, oninput: () => send(model, { chance: Number(chance.value) }) });
  const shown = element("output", {});

  root.setAttribute("aria-label", "Node removal: switch the nodes of a network off and on");
  root.append(
    element("div", { class: "bw-columns bw-even" },
      element("div", {},
        element("div", { class: "bw-map" }, map, ring),
        element("p", { class: "bw-key" }, element("b", { class: "bw-minus-text" }, inside), " to ",
          element("b", { class: "bw-plus-text" }, outside), ", on the square from −2 to 2; the ring is the true boundary")),
      element("div", {}, list.frame,
        element("div", { class: "bw-tools" }, button("All on", () => set(full)), button("Reverse", () => set(full ^ current())),
          button("Random", () => set(randomMask(nodes, model.get("chance")))),
          element("label", {}, "keeping ", chance, shown)),
        verdict, bars.node, element("p", { class: "bw-key" }, `loss of all ${(full + 1).toLocaleString("en")} masks`))),
  );

  let drawn = current();
  const planeMargins = margins(net.delta, onPlane, drawn, nodes), pointMargins = margins(net.delta, onPoints, drawn, nodes);

  function redraw() {
    const mask = current();
    paintCertainty(context, image, moveMargins(planeMargins, onPlane, drawn, mask), table);
    const loss = meanLoss(moveMargins(pointMargins, onPoints, drawn, mask), labels), below = shareBelow(quantiles, loss);
    drawn = mask;
    list.show(mask);
    bars.show(loss);
    const on = Array.from({ length: nodes }, (_, k) => (mask >> k) & 1).reduce((a, b) => a + b, 0);
    const text = `${on} of ${nodes} nodes on, loss ${number(loss, 3)}: ${standing(below)}.`;
    if (verdict.textContent !== text) verdict.textContent = text;
    map.setAttribute("aria-label", `Map of the network's answers with ${on} of ${nodes} nodes on`);
  }

  const showChance = () => {
    chance.value = model.get("chance");
    shown.textContent = ` ${Math.round(100 * model.get("chance"))}%`;
  };
  follow(model, ["mask"], signal, redraw);
  follow(model, ["chance"], signal, showChance);
  showChance();
  followTheme(root, signal, (dark) => {
    table = colourTable(dark);
    list.paint(dark);
    redraw();
  });
}) };
