// What widgets with a drawing board share: the board, the pictures to pick from, and a picture times a filter.
import { button, element, groupName, number, octets, paintGrey, paintSigned, picture, send } from "./common.js";

/** Filter `k` times the picture, pixel by pixel. */
export const products = (weights, k, pixels) =>
  Float32Array.from(pixels, (pixel, i) => (weights[k * pixels.length + i] * pixel) / 255);

/** What the positive and the negative products add up to: [adds, cancels]. */
export function balance(values) {
  let adds = 0, cancels = 0;
  for (const value of values) {
    if (value > 0) adds += value;
    else cancels += value;
  }
  return [adds, cancels];
}

const LEVEL = 17; // 255 / 15: a drawn pixel has 16 levels

/** Pixels as text for a link: 16 levels, two pixels a byte, base64url. */
export function pack(pixels) {
  let bytes = "";
  for (let i = 0; i < pixels.length; i += 2) {
    const high = Math.round(pixels[i] / LEVEL), low = Math.round((pixels[i + 1] ?? 0) / LEVEL);
    bytes += String.fromCharCode((high << 4) | low);
  }
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The `n` pixels that `pack` wrote; text that is no drawing gives a blank picture. */
export function unpack(text, n) {
  const pixels = new Uint8Array(n);
  let bytes = "";
  try {
    bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return pixels;
  }
  for (let i = 0; i < n && i >> 1 < bytes.length; i++) {
    const byte = bytes.charCodeAt(i >> 1);
    pixels[i] = LEVEL * (i % 2 ? byte & 15 : byte >> 4);
  }
  return pixels;
}

/** Draw a soft line from (x0, y0) to (x1, y1), in pixels, as wide as an MNIST stroke. */
export function stroke(pixels, width, x0, y0, x1, y1) {
  const steps = Math.max(1, Math.ceil(2 * Math.hypot(x1 - x0, y1 - y0)));
  for (let s = 0; s <= steps; s++) stamp(pixels, width, x0 + ((x1 - x0) * s) / steps, y0 + ((y1 - y0) * s) / steps);
}

function stamp(pixels, width, x, y) {
  const height = pixels.length / width;
  for (let row = Math.max(0, Math.floor(y - 2)); row <= Math.min(height - 1, y + 2); row++) {
    for (let column = Math.max(0, Math.floor(x - 2)); column <= Math.min(width - 1, x + 2); column++) {
      const ink = Math.min(1, Math.max(0, 1.8 - Math.hypot(column + 0.5 - x, row + 0.5 - y)));
      const i = row * width + column;
      pixels[i] = Math.max(pixels[i], LEVEL * Math.round(15 * ink));
    }
  }
}

/** The picture moved by whole pixels so that its centre of mass is in the middle, as MNIST's digits are. */
export function centred(pixels, width) {
  let mass = 0, x = 0, y = 0;
  pixels.forEach((ink, i) => {
    mass += ink;
    x += ink * (i % width);
    y += ink * Math.floor(i / width);
  });
  if (mass === 0) return pixels;
  const height = pixels.length / width;
  const right = Math.round((width - 1) / 2 - x / mass), down = Math.round((height - 1) / 2 - y / mass);
  const moved = new Uint8Array(pixels.length);
  pixels.forEach((ink, i) => {
    const column = (i % width) + right, row = Math.floor(i / width) + down;
    if (column >= 0 && column < width && row >= 0 && row < height) moved[row * width + column] = ink;
  });
  return moved;
}

/** The pictures of a model, decoded. */
export function pictures(model) {
  const [height, width] = model.get("size");
  const images = octets(model.get("images"));
  return {
    height, width, names: model.get("names"), labels: model.get("labels"),
    image: (k) => images.slice(k * height * width, (k + 1) * height * width),
  };
}

/** The picked picture, −1 for the drawing; a link may name a picture that is not there. */
const picked = (model, data) => (model.get("digit") in data.labels ? model.get("digit") : -1);

function shownPixels(model, data) {
  const digit = picked(model, data);
  return digit >= 0 ? data.image(digit) : unpack(model.get("drawing"), data.height * data.width);
}

/** Board, strip of pictures and tools that share one picture; `changed` hears when it is another. */
export function easel(model, data, signal, changed) {
  const self = { pixels: shownPixels(model, data) };
  const show = (pixels) => {
    self.pixels = pixels;
    paintGrey(paper.canvas, pixels);
    changed();
  };
  const drawn = (pixels, done) => {
    show(pixels);
    if (done) send(model, { drawing: pack(pixels), digit: -1 });
  };
  const start = () => (picked(model, data) >= 0 ? unpack(pack(self.pixels), self.pixels.length) : self.pixels);
  const paper = board(data, signal, start, drawn);
  const strip = picker(data, (digit) => send(model, { digit }));
  self.board = element("figure", {}, paper.node, element("figcaption", {}, "picture"));
  self.strip = strip.node;
  self.tools = [
    button("Clear", () => drawn(new Uint8Array(self.pixels.length), true)),
    button("Centre", () => drawn(centred(self.pixels, data.width), true)),
    button("Random digit", () => send(model, { digit: Math.floor(Math.random() * data.labels.length) })),
  ];
  self.update = () => {
    strip.show(picked(model, data));
    show(shownPixels(model, data));
  };
  self.verdict = verdict(model, data, self);
  strip.show(picked(model, data));
  paintGrey(paper.canvas, self.pixels);
  return self;
}

/** A line that says what the network answers, to readers of the screen and to screen readers. */
function verdict(model, data, self) {
  const node = element("p", { class: "bw-verdict", "aria-live": "polite" });
  const tell = (best, share) => {
    const digit = picked(model, data);
    const empty = digit < 0 && self.pixels.every((ink) => ink === 0);
    const says = `The network says ${data.names[best]} (${share})`;
    const text = empty ? "A blank picture: only the biases speak."
      : digit < 0 ? `${says}.` : `${says}; the label is ${data.names[data.labels[digit]]}.`;
    if (node.textContent !== text) node.textContent = text;
    node.classList.toggle("bw-wrong", digit >= 0 && data.labels[digit] !== best);
  };
  return { node, tell };
}

/** The drawing board: pointer and keyboard draw on it; `drawn(pixels, done)` hears of every change. */
function board(data, signal, current, drawn) {
  const canvas = picture(data.height, data.width, "");
  canvas.removeAttribute("aria-hidden");
  const cursor = element("span", { class: "bw-cursor", "aria-hidden": "true" });
  const node = element(
    "div",
    {
      class: "bw-board", tabindex: "0", role: "application",
      "aria-label": "Drawing board. Arrow keys move the pen, Space puts it down and lifts it, Delete clears.",
    },
    canvas, cursor,
  );
  const pen = { x: data.width / 2, y: data.height / 2, down: false };
  const to = (x, y, draw) => {
    const pixels = current();
    if (draw) stroke(pixels, data.width, pen.x, pen.y, x, y);
    Object.assign(pen, { x, y });
    cursor.style.left = `${(100 * x) / data.width}%`;
    cursor.style.top = `${(100 * y) / data.height}%`;
    cursor.classList.toggle("bw-down", pen.down);
    if (draw) drawn(pixels, false);
  };
  to(pen.x, pen.y, false);
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * data.width, ((event.clientY - box.top) / box.height) * data.height];
  };
  let pointer = null;
  const end = (event) => {
    if (event.pointerId !== pointer) return;
    pointer = null;
    drawn(current(), true);
  };
  node.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button > 0) return;
    pointer = event.pointerId;
    node.setPointerCapture(pointer);
    [pen.x, pen.y] = place(event);
    to(pen.x, pen.y, true);
  }, { signal });
  node.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const point of events.length ? events : [event]) to(...place(point), true);
  }, { signal });
  for (const name of ["pointerup", "pointercancel"]) node.addEventListener(name, end, { signal });
  node.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (step) {
      const clamp = (value, n) => Math.min(n - 0.5, Math.max(0.5, value));
      to(clamp(pen.x + step[0], data.width), clamp(pen.y + step[1], data.height), pen.down);
      if (pen.down) drawn(current(), true);
    } else if (event.key === " " || event.key === "Enter") {
      pen.down = !pen.down;
      to(pen.x, pen.y, pen.down);
      drawn(current(), true);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      pen.down = false;
      drawn(new Uint8Array(data.width * data.height), true);
    } else return;
    event.preventDefault();
  }, { signal });
  return { node, canvas };
}

/** A strip of pictures to pick from, as radio buttons. */
function picker(data, pick) {
  const group = groupName("digit");
  const inputs = data.labels.map((label, k) => {
    const canvas = picture(data.height, data.width);
    paintGrey(canvas, data.image(k));
    const title = `Test picture ${k + 1}: ${data.names[label]}`;
    const input = element("input", { type: "radio", name: group, "aria-label": title, onchange: () => pick(k) });
    return { input, tile: element("label", { class: "bw-tile", title }, input, canvas) };
  });
  const node = element("fieldset", { class: "bw-strip" }, element("legend", { class: "bw-hidden" }, "Test pictures"),
    ...inputs.map(({ tile }) => tile));
  const show = (digit) => inputs.forEach(({ input }, k) => { input.checked = k === digit; });
  return { node, show };
}

/** A filter and its products with the picture, side by side with the board: picture × filter = products. */
export function equation(data, board) {
  const panel = () => {
    const canvas = picture(data.height, data.width, " "), caption = element("figcaption");
    return { canvas, caption, node: element("figure", {}, canvas, caption) };
  };
  const filter = panel(), product = panel();
  const sign = (text) => element("span", { class: "bw-sign", "aria-hidden": "true" }, text);
  const node = element("div", { class: "bw-sum" }, board, sign("×"), filter.node, sign("="), product.node);
  const show = ({ weights, k, pixels, name, bias, limit, dark }) => {
    const values = products(weights, k, pixels), [adds, cancels] = balance(values), sum = number(adds + cancels + bias);
    paintSigned(filter.canvas, weights.subarray(k * pixels.length, (k + 1) * pixels.length), limit, dark);
    paintSigned(product.canvas, values, limit, dark);
    filter.caption.textContent = name;
    product.caption.textContent =
      `${number(adds)} red − ${number(-cancels)} blue ${bias < 0 ? "−" : "+"} ${number(Math.abs(bias))} bias = ${sum}`;
    filter.canvas.setAttribute("aria-label", `${name}: red weights add, blue weights subtract`);
    product.canvas.setAttribute("aria-label",
      `products with the ${name}: positive ones add up to ${number(adds)}, negative ones to ${number(cancels)}`);
  };
  return { node, show };
}
