// What the book's widgets share: reading arrays, drawing them, the page's theme, and the keyboard.

/** Values of a Bytes trait (a DataView) as unsigned bytes. */
export const octets = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** Values of a Bytes trait that holds little-endian float32. */
export const floats = (view) => new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

/** Probabilities of the classes, from their scores. */
export function softmax(scores) {
  const top = Math.max(...scores);
  const powers = Array.from(scores, (score) => Math.exp(score - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** Index of the largest value; the first of equals. */
export const argmax = (values) => values.reduce((best, value, k) => (value > values[best] ? k : best), 0);

/** The value that a share of the absolute values stays below; 1e-9 at the least, so that it can be divided by. */
export function reach(values, share) {
  const sorted = Float32Array.from(values, Math.abs).sort();
  return Math.max(1e-9, sorted[Math.floor(share * (sorted.length - 1))]);
}

/** A number for readers: fixed decimals, and a true minus sign, but none before a zero. */
export const number = (value, decimals = 1) => value.toFixed(decimals).replace(/^-(?=.*[1-9])/, "−").replace(/^-/, "");

/** A probability for readers, as a percentage. */
export const percent = (p) => `${p > 0.9995 || p < 0.0005 ? (100 * p).toFixed(0) : (100 * p).toFixed(1)}%`;

/** Make an HTML element: attributes starting with "on" are listeners, children are nodes or text. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** A button that calls `action`. */
export const button = (text, action) => element("button", { type: "button", class: "bw-button", onclick: action }, text);

/** A name for a group of radio buttons that no other widget on the page has. */
export const groupName = (word) => `${word}-${crypto.getRandomValues(new Uint32Array(1))[0]}`;

/** Show a class's score in its row: a signed bar as a share of `longest`, the number, the probability, and its marks. */
export function showScore(row, score, share, longest, isBest, isChosen) {
  const width = (50 * Math.abs(score)) / longest;
  row.bar.style.cssText = `width:${width}%;left:${score < 0 ? 50 - width : 50}%`;
  row.bar.classList.toggle("bw-minus", score < 0);
  row.score.textContent = number(score);
  row.share.textContent = percent(share);
  row.label.classList.toggle("bw-best", isBest);
  row.input.checked = isChosen;
}

/** A canvas that shows height × width values; `label` describes it, and without one it is decoration. */
export function picture(height, width, label) {
  const role = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
  return element("canvas", { class: "bw-picture", height, width, ...role });
}

/** The picture files of a list of Bytes traits, ready to draw from. */
export const bitmaps = (sprites) => Promise.all(sprites.map((view) => createImageBitmap(new Blob([octets(view)]))));

/** A canvas with one tile of a sprite that has `columns` tiles a row; blank while there is no sprite yet. */
export function tilePicture(sheet, tile, columns, [height, width], label) {
  const canvas = picture(height, width, label);
  if (sheet) {
    const [x, y] = [(tile % columns) * width, Math.floor(tile / columns) * height];
    canvas.getContext("2d").drawImage(sheet, x, y, width, height, 0, 0, width, height);
  }
  return canvas;
}

const LIGHT = [[33, 102, 172], [103, 169, 207], [255, 255, 255], [239, 138, 98], [178, 24, 43]];
const DARK = [[140, 200, 255], [52, 112, 178], [24, 27, 32], [196, 82, 56], [255, 176, 140]];

/** Colour of a signed value: blue for −limit, red for +limit, and the page's own ground for zero. */
export function signedColour(value, limit, dark) {
  const stops = dark ? DARK : LIGHT;
  const place = Math.min(4, Math.max(0, 2 + (2 * value) / limit));
  const k = Math.min(3, Math.floor(place));
  return stops[k].map((from, channel) => Math.round(from + (place - k) * (stops[k + 1][channel] - from)));
}

function paint(canvas, n, colourOf) {
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  for (let i = 0; i < n; i++) {
    const [red, green, blue] = colourOf(i);
    pixels.data.set([red, green, blue, 255], 4 * i);
  }
  context.putImageData(pixels, 0, 0);
}

/** Draw signed values around the theme's zero colour. */
export const paintSigned = (canvas, values, limit, dark) =>
  paint(canvas, values.length, (i) => signedColour(values[i], limit, dark));

/** Draw grey levels 0–255. */
export const paintGrey = (canvas, values) => paint(canvas, values.length, (i) => [values[i], values[i], values[i]]);

/** Whether the page is dark: the book's theme, JupyterLab's, Colab's, or the system's. */
export function isDark() {
  const { dataset } = document.documentElement;
  if (dataset.theme) return dataset.theme === "dark";
  if (document.body.dataset.jpThemeLight) return document.body.dataset.jpThemeLight === "false";
  if (document.documentElement.getAttribute("theme")) return document.documentElement.getAttribute("theme") === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Give `root` the class of the theme, and call `redraw(dark)` now and whenever the theme changes. */
export function followTheme(root, signal, redraw) {
  const update = () => {
    root.classList.toggle("bw-dark", isDark());
    redraw(isDark());
  };
  const observer = new MutationObserver(update);
  for (const node of [document.documentElement, document.body]) {
    observer.observe(node, { attributeFilter: ["data-theme", "data-jp-theme-light", "theme"] });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", update, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
  update();
}

/** Call `handler` when any of the model's named traits changes, until the signal aborts. */
export function follow(model, names, signal, handler) {
  for (const name of names) {
    model.on(`change:${name}`, handler);
    signal.addEventListener("abort", () => model.off(`change:${name}`, handler));
  }
}

/** Set traits on the model, here and in a kernel if there is one. */
export function send(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

const STEPS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };

/** Where an arrow key, Home or End leads from (row, column) in a table; null for other keys. */
export function keyTarget(key, row, column, rows, columns) {
  if (key === "Home") return [row, 0];
  if (key === "End") return [row, columns - 1];
  if (!STEPS[key]) return null;
  const clamp = (value, n) => Math.min(n - 1, Math.max(0, value));
  return [clamp(row + STEPS[key][0], rows), clamp(column + STEPS[key][1], columns)];
}

/** Build a widget: its root, a line on what to try, and a clean end of everything that listens. */
export function widget(build) {
  return ({ model, el }) => {
    const controller = new AbortController();
    const root = element("div", { class: "bw-widget", role: "group" });
    build({ model, root, signal: controller.signal });
    root.append(element("p", { class: "bw-hint" }, model.get("hint")));
    el.append(root);
    return () => controller.abort();
  };
}
