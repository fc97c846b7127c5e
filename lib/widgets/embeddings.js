// Widget "embeddings": pictures as points in the plane that travel from layer to layer.
import { bitmaps, button, element, follow, followTheme, groupName, octets, percent, send, tilePicture, widget } from "./common.js";

const COLUMNS = 50, TILE = 14, LEVELS = 4095; // as the Python side packs them
const TRAVEL = 700, PAUSE = 500; // milliseconds
const NEAR = 14, MOVED = 6; // CSS pixels: how far a point may be to be meant; what makes a press a drag
const HALF = 0.06, SHOWN = 20; // of the map: the region that Enter holds; pictures of held points
const METRICS = ["ds", "dd", "cs", "cd", "k-NN", "k-NN loo"];
const TITLES = [
  "mean distance of pairs of one class", "mean distance of pairs of different classes", "mean distance to the class's centroid",
  "mean distance of centroids", "nearest neighbours, the point itself included", "nearest neighbours, the point itself left out",
];
const LIGHT_DOTS = ["#0072b2", "#d55e00", "#007a5a", "#a8437f", "#7a5c00", "#5b3fa8", "#b3001e", "#3d3d3d", "#1b9aaa", "#8a8d00"];
const DARK_DOTS = ["#5ab4f0", "#ff9b57", "#3fd0a2", "#f29acb", "#e0b93f", "#b7a0ff", "#ff7d8a", "#d0d0d0", "#5fdbe8", "#d8da4a"];

/** Coordinates from 0 to 1, packed as 12-bit numbers, two in three bytes. */
export function unpackPlaces(bytes) {
  const places = new Float32Array((2 * bytes.length) / 3);
  for (let i = 0, j = 0; i < bytes.length; i += 3) {
    places[j++] = ((bytes[i] << 4) | (bytes[i + 1] >> 4)) / LEVELS;
    places[j++] = (((bytes[i + 1] & 15) << 8) | bytes[i + 2]) / LEVELS;
  }
  return places;
}

/** The point nearest to (x, y) within a distance; −1 when there is none. */
export function nearest(places, x, y, within) {
  let best = -1, least = within * within;
  for (let i = 0; i < places.length / 2; i++) {
    const square = (places[2 * i] - x) ** 2 + (places[2 * i + 1] - y) ** 2;
    if (square <= least) [best, least] = [i, square];
  }
  return best;
}

/** The nearest point that lies in a direction, within 45 degrees, seen from point `from`; `from` itself when none does. */
export function towards(places, from, dx, dy) {
  let best = from, least = Infinity;
  for (let i = 0; i < places.length / 2; i++) {
    const x = places[2 * i] - places[2 * from], y = places[2 * i + 1] - places[2 * from + 1];
    const along = x * dx + y * dy, across = Math.abs(x * dy - y * dx);
    const cost = along + 2 * across;
    if (along > 0 && across <= along && cost < least) [best, least] = [i, cost];
  }
  return best;
}

/** Row numbers of the points in a rectangle [left, top, right, bottom]. */
export function inside(places, [left, top, right, bottom]) {
  const held = [];
  for (let i = 0; i < places.length / 2; i++) {
    const x = places[2 * i], y = places[2 * i + 1];
    if (left <= x && x <= right && top <= y && y <= bottom) held.push(i);
  }
  return held;
}

/** How many of the points belong to each class. */
export function classCounts(labels, points, classes) {
  const counts = new Array(classes).fill(0);
  for (const i of points) counts[labels[i]] += 1;
  return counts;
}

/** Where each class's name goes, as x, y pairs: the member that lies nearest to the members' medians. */
export function anchors(places, labels, classes) {
  const found = new Float32Array(2 * classes);
  const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
  for (let c = 0; c < classes; c++) {
    const members = [...labels.keys()].filter((i) => labels[i] === c);
    if (!members.length) continue;
    const own = Float32Array.from(members.flatMap((i) => [places[2 * i], places[2 * i + 1]]));
    const middle = [0, 1].map((k) => median(members.map((i) => places[2 * i + k])));
    const best = nearest(own, ...middle, 2);
    found.set([own[2 * best], own[2 * best + 1]], 2 * c);
  }
  return found;
}

/** Places on the way, at a share of the time from 0 to 1; slow at both ends. */
export function onTheWay(from, to, time) {
  const t = time * time * (3 - 2 * time);
  return Float32Array.from(to, (value, i) => from[i] + t * (value - from[i]));
}

const STEP_KEYS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
const none = () => new Array(8).fill(0);
const thousands = (n) => n.toLocaleString("en");

/** What the widget was given, unpacked, and the map that its traits name. */
function unpackModel(model) {
  const [sets, methods, networks, layers, size] = ["sets", "methods", "networks", "layers", "size"].map((name) => model.get(name));
  const places = unpackPlaces(octets(model.get("places"))), labels = octets(model.get("labels"));
  const lists = { data: sets.map(({ title }) => title), method: methods, network: networks, layer: layers };
  const current = () => Object.entries(lists).map(([name, list]) => Math.max(0, list.indexOf(model.get(name))));
  const row = ([, method, network, layer]) => (method * networks.length + network) * layers.length + layer;
  const map = (place) => {
    const start = 2 * size * (place[0] * methods.length * networks.length * layers.length + row(place));
    return places.subarray(start, start + 2 * size);
  };
  return { sets, lists, size, current, row, map, labels: (set) => labels.subarray(set * size, (set + 1) * size) };
}

/** The row numbers that the region of a link or of the reader holds in the data set shown; null when there is none. */
function heldPoints(model, data) {
  const region = model.get("region"), place = region.slice(0, 4);
  const lengths = Object.values(data.lists).map((list) => list.length);
  const known = region.length === 8 && place.every((k, i) => Number.isInteger(k) && k >= 0 && k < lengths[i]);
  if (!known || region[6] <= region[4] || place[0] !== data.current()[0]) return null;
  return inside(data.map(place), region.slice(4));
}

/** A canvas that keeps the resolution of the screen; `redraw` hears when its size changes. */
function sharpCanvas(signal, redraw) {
  const canvas = element("canvas", { class: "bw-points", tabindex: "0", role: "application" });
  const observer = new ResizeObserver(() => {
    const side = Math.round(canvas.clientWidth * devicePixelRatio);
    if (!side || (side === canvas.width && side === canvas.height)) return;
    canvas.width = canvas.height = side;
    redraw();
  });
  observer.observe(canvas);
  signal.addEventListener("abort", () => observer.disconnect());
  return canvas;
}

/** Draw dots of one class, faded or not. */
function dots(context, places, members, radius, colour, alpha) {
  context.globalAlpha = alpha;
  context.fillStyle = colour;
  context.beginPath();
  for (const i of members) {
    const x = places[2 * i] * context.canvas.width, y = places[2 * i + 1] * context.canvas.width;
    context.moveTo(x + radius, y);
    context.arc(x, y, radius, 0, 2 * Math.PI);
  }
  context.fill();
  context.globalAlpha = 1;
}

/** Write the classes' names where they belong, with a rim so that dots do not hide them; push apart those that meet. */
function names(context, texts, at, look) {
  const side = context.canvas.width, height = look.font * 1.1;
  context.font = `700 ${look.font}px system-ui, sans-serif`;
  Object.assign(context, { textAlign: "center", textBaseline: "middle", lineJoin: "round", lineWidth: look.font / 3.5 });
  const taken = [];
  texts.forEach((text, c) => {
    const half = context.measureText(text).width / 2;
    const x = Math.min(side - half - 2, Math.max(half + 2, at[2 * c] * side));
    let y = at[2 * c + 1] * side;
    const meets = (other) => Math.abs(other.x - x) < other.half + half && Math.abs(other.y - y) < 0.99 * height;
    for (let other; (other = taken.find(meets));) y = other.y + height;
    y = Math.min(side - height / 2, Math.max(height / 2, y));
    taken.push({ x, y, half });
    context.strokeStyle = look.ground;
    context.strokeText(text, x, y);
    context.fillStyle = look.text;
    context.fillText(text, x, y);
  });
}

/** Draw the map: dots, those not stressed faded, rings around the held and the shown one, names, and the open brush. */
function drawMap(context, scene, look) {
  const side = context.canvas.width, radius = look.radius;
  context.clearRect(0, 0, side, side);
  for (const stressed of [false, true]) {
    scene.groups.forEach((members, c) => {
      const part = members.filter((i) => scene.isStressed(i) === stressed);
      dots(context, scene.places, part, stressed ? radius : 0.8 * radius, look.colours[c], stressed ? 0.85 : 0.13);
    });
  }
  names(context, scene.names, scene.anchors, look);
  context.strokeStyle = look.text;
  context.lineWidth = look.pixel * 2;
  if (scene.point >= 0) {
    context.beginPath();
    context.arc(scene.places[2 * scene.point] * side, scene.places[2 * scene.point + 1] * side, 2.6 * radius, 0, 2 * Math.PI);
    context.stroke();
  }
  if (scene.brush) {
    const [left, top, right, bottom] = scene.brush.map((share) => share * side);
    context.setLineDash([4 * look.pixel, 3 * look.pixel]);
    context.strokeRect(left, top, right - left, bottom - top);
    context.setLineDash([]);
  }
}

/** Pointers on the map: `over` hears where they are, `chosen` where one was pressed, `brushed` the rectangles. */
function listen(canvas, signal, { over, chosen, brushing, brushed }) {
  let start = null, open = false;
  const share = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top].map((place) => Math.min(1, Math.max(0, place / box.width)));
  };
  const rectangle = ([x, y]) => [Math.min(x, start[0]), Math.min(y, start[1]), Math.max(x, start[0]), Math.max(y, start[1])];
  const on = (name, handler) => canvas.addEventListener(name, handler, { signal });
  on("pointerdown", (event) => {
    if (event.button > 0 || !event.isPrimary) return;
    start = share(event);
    canvas.setPointerCapture(event.pointerId);
  });
  on("pointermove", (event) => {
    const place = share(event);
    if (!start) return over(place);
    open ||= Math.hypot(place[0] - start[0], place[1] - start[1]) * canvas.clientWidth > MOVED;
    if (open) brushing(rectangle(place));
  });
  on("pointerup", (event) => {
    if (start) (open ? brushed(rectangle(share(event))) : chosen(start));
    [start, open] = [null, false];
  });
  on("pointercancel", () => {
    [start, open] = [null, false];
    brushing(null);
  });
  on("pointerleave", () => start || over(null));
}

/** A list to choose from, for one of the traits. */
function chooser(model, name, label, options) {
  const select = element("select", { onchange: () => send(model, { [name]: select.value }) },
    ...options.map((value) => element("option", { value }, value)));
  return { node: element("label", {}, `${label} `, select), show: () => (select.value = model.get(name)) };
}

/** The layers as a row of radio buttons. */
function layerRow(model, layers) {
  const group = groupName("layer");
  const inputs = layers.map((layer) => element("input", { type: "radio", name: group, value: layer, onchange: () => send(model, { layer }) }));
  const labels = inputs.map((input, k) => element("label", { class: "bw-button" }, input, layers[k]));
  const node = element("fieldset", { class: "bw-layers" }, element("legend", { class: "bw-hidden" }, "Layer"), ...labels);
  return { node, show: () => inputs.forEach((input) => (input.checked = input.value === model.get("layer"))) };
}

/** A button that travels through the layers, from the input on. */
function travelButton(model, layers, signal) {
  let timer = 0;
  const stop = () => {
    clearTimeout(timer);
    timer = 0;
    node.textContent = "▶ Travel";
  };
  const step = (k) => {
    send(model, { layer: layers[k] });
    if (k + 1 < layers.length) timer = setTimeout(() => step(k + 1), TRAVEL + PAUSE);
    else stop();
  };
  const node = button("▶ Travel", () => {
    if (timer) return stop();
    node.textContent = "■ Stop";
    step(0);
  });
  node.setAttribute("aria-label", "Travel through the layers");
  signal.addEventListener("abort", () => clearTimeout(timer));
  return node;
}

/** The classes as buttons that stress one; each tells how many of its points are held. */
function classRow(onChange) {
  const node = element("div", { class: "bw-tools bw-classes", role: "group", "aria-label": "Classes: press one to stress it" });
  const self = { node, stressed: -1 };
  self.show = (titles, counts, colours) => {
    node.replaceChildren(...titles.map((title, c) => {
      const text = counts ? `${title}: ${counts[c]}` : title;
      const mark = element("i", { class: "bw-swatch", style: `background:${colours[c]}` });
      const press = () => {
        self.stressed = self.stressed === c ? -1 : c;
        [...node.children].forEach((one, k) => one.setAttribute("aria-pressed", String(k === self.stressed)));
        onChange();
      };
      const one = element("button", { type: "button", class: "bw-button", "aria-pressed": String(c === self.stressed), onclick: press }, mark, text);
      return one;
    }));
  };
  return self;
}

/** The metrics of one row of maps, a column a layer. */
function metricTable(data) {
  const node = element("table", { class: "bw-meter bw-metrics" });
  const show = () => {
    const place = data.current(), { quality } = data.sets[place[0]];
    const found = data.lists.layer.map((_, layer) => quality[data.row([...place.slice(0, 3), layer])]);
    const cell = (tag, k, text, options = {}) => element(tag, { class: k === place[3] ? "bw-now" : null, ...options }, text);
    const head = data.lists.layer.map((layer, k) => cell("th", k, layer, { scope: "col" }));
    const rows = METRICS.map((name, m) => element("tr", {}, element("th", { scope: "row", title: TITLES[m] }, name),
      ...found.map((values, k) => cell("td", k, m < 4 ? values[m].toFixed(3) : percent(values[m])))));
    node.replaceChildren(element("thead", {}, element("tr", {}, element("td"), ...head)), element("tbody", {}, ...rows));
  };
  return { node, show };
}

/** The picture of the point shown, and pictures of those held. */
function pictureColumn(model, data) {
  const tile = element("div", { class: "bw-one" }), text = element("p", { "aria-live": "polite" });
  const list = element("ol", { class: "bw-samples bw-held" });
  const count = element("p", { class: "bw-verdict", "aria-live": "polite" });
  const letGo = button("Let go", () => send(model, { region: none() }));
  const self = { node: element("div", {}, element("div", { class: "bw-tools" }, tile, text), element("div", { class: "bw-tools" }, count, letGo), list) };
  const titled = (i) => data.sets[data.current()[0]].names[data.labels(data.current()[0])[i]];
  const pictureOf = (sheet, i, label) => tilePicture(sheet, data.current()[0] * data.size + i, COLUMNS, [TILE, TILE], label);
  self.showPoint = (sheet, i) => {
    tile.replaceChildren(...(i >= 0 ? [pictureOf(sheet, i, `A ${titled(i)}`)] : []));
    const said = i >= 0 ? `${titled(i)} (picture ${i})` : "no picture shown";
    if (text.textContent !== said) text.textContent = said;
  };
  self.showHeld = (sheet, held) => {
    const said = held ? `${thousands(held.length)} of ${thousands(data.size)} held` : "nothing held";
    if (count.textContent !== said) count.textContent = said;
    letGo.disabled = !held;
    list.replaceChildren(...(held ?? []).slice(0, SHOWN).map((i) => element("li", {}, pictureOf(sheet, i, titled(i)))));
  };
  return self;
}

/** Move `self.places` and `self.anchors` to the map that the traits name, over time; `draw` is called for every frame. */
function traveller(data, draw, signal) {
  const self = { places: null, anchors: null, target: null };
  let frame = 0;
  self.go = (jump) => {
    const [set] = data.current(), target = data.map(data.current());
    const goal = anchors(target, data.labels(set), data.sets[set].names.length);
    const from = { places: self.places, anchors: self.anchors }, start = performance.now();
    const step = (now) => {
      const time = jump || still() ? 1 : Math.min(1, Math.max(0, (now - start) / TRAVEL));
      self.places = time < 1 ? onTheWay(from.places, target, time) : target;
      self.anchors = time < 1 ? onTheWay(from.anchors, goal, time) : goal;
      draw();
      if (time < 1) frame = requestAnimationFrame(step);
    };
    cancelAnimationFrame(frame);
    self.target = target;
    step(start);
  };
  signal.addEventListener("abort", () => cancelAnimationFrame(frame));
  return self;
}

const embeddings = { render: widget(({ model, root, signal }) => {
  const data = unpackModel(model);
  const choosers = [["data", "Pictures"], ["method", "Method"], ["network", "Network"]]
    .map(([name, label]) => chooser(model, name, label, data.lists[name]));
  const row = layerRow(model, data.lists.layer), table = metricTable(data), column = pictureColumn(model, data);
  const classes = classRow(() => draw());
  const canvas = sharpCanvas(signal, () => draw()), context = canvas.getContext("2d");
  let sheet = null, look = null, held = null, isHeld = null, hovered = -1, brush = null, groups = [], set = -1;
  const shown = () => (hovered >= 0 ? hovered : model.get("point") < data.size ? model.get("point") : -1);

  function draw() {
    if (!look || !travel.places || !canvas.width) return;
    const ratio = canvas.width / canvas.clientWidth;
    const stressed = classes.stressed, label = data.labels(set);
    const isStressed = (i) => (stressed < 0 || label[i] === stressed) && (!isHeld || isHeld[i] === 1);
    const sizes = { pixel: ratio, radius: ratio * Math.max(1.6, canvas.clientWidth / 170), font: ratio * (canvas.clientWidth < 340 ? 12 : 15) };
    const scene = { groups, places: travel.places, anchors: travel.anchors, names: data.sets[set].names, point: shown(), brush, isStressed };
    drawMap(context, scene, { ...look, ...sizes });
  }
  const travel = traveller(data, draw, signal);

  function showMap() {
    const [now] = data.current(), jump = now !== set;
    if (jump) {
      const labels = data.labels(now);
      groups = data.sets[now].names.map((_, c) => [...labels.keys()].filter((i) => labels[i] === c));
      [set, hovered, classes.stressed] = [now, -1, -1];
    }
    [...choosers, row, table].forEach((part) => part.show());
    canvas.setAttribute("aria-label", `${data.lists.data[now]}, ${model.get("method")}, ${model.get("network")}, ${model.get("layer")}: a map of `
      + `${thousands(data.size)} pictures. Arrow keys walk from point to point, Enter holds the region around one, Escape lets go.`);
    travel.go(jump);
    if (jump) showHeld();
  }
  function showPoint() {
    column.showPoint(sheet, shown());
    draw();
  }
  function showHeld() {
    held = heldPoints(model, data);
    isHeld = held && Uint8Array.from({ length: data.size }, () => 0);
    held?.forEach((i) => (isHeld[i] = 1));
    const { names: titles } = data.sets[set];
    classes.show(titles, held && classCounts(data.labels(set), held, titles.length), look?.colours ?? LIGHT_DOTS);
    column.showHeld(sheet, held);
    showPoint();
  }
  const hold = (corners) => {
    brush = null;
    send(model, { region: [...data.current(), ...corners.map((c) => Math.round(1000 * Math.min(1, Math.max(0, c))) / 1000)] });
  };

  listen(canvas, signal, {
    over: (place) => {
      const i = place ? nearest(travel.places, ...place, NEAR / canvas.clientWidth) : -1;
      if (i === hovered) return;
      hovered = i;
      showPoint();
    },
    chosen: (place) => send(model, { point: nearest(travel.places, ...place, (2 * NEAR) / canvas.clientWidth) }),
    brushing: (corners) => {
      brush = corners;
      draw();
    },
    brushed: hold,
  });
  canvas.addEventListener("keydown", (event) => {
    const places = travel.target, point = model.get("point"), step = STEP_KEYS[event.key];
    if (step) send(model, { point: point < 0 ? nearest(places, 0.5, 0.5, 2) : towards(places, point, ...step) });
    else if (["Enter", " "].includes(event.key) && point >= 0) {
      hold([-HALF, -HALF, HALF, HALF].map((by, k) => places[2 * point + (k % 2)] + by));
    } else if (event.key === "Escape") send(model, { region: none() });
    else return;
    event.preventDefault();
    hovered = -1;
  }, { signal });

  root.setAttribute("aria-label", "Embeddings of pictures, layer by layer");
  root.append(
    element("div", { class: "bw-tools" }, ...choosers.map(({ node }) => node)),
    element("div", { class: "bw-tools" }, row.node, travelButton(model, data.lists.layer, signal)),
    element("div", { class: "bw-columns bw-embedding" }, canvas, element("div", {}, column.node, table.node)),
    classes.node,
  );
  follow(model, ["data", "method", "network", "layer"], signal, showMap);
  follow(model, ["point"], signal, showPoint);
  follow(model, ["region"], signal, showHeld);
  showMap();
  followTheme(root, signal, (dark) => {
    look = { colours: dark ? DARK_DOTS : LIGHT_DOTS, text: dark ? "#e6edf3" : "#1f2328", ground: dark ? "#181b20" : "#ffffff" };
    showHeld();
  });
  bitmaps([model.get("sprite")]).then(([loaded]) => {
    sheet = loaded;
    if (!signal.aborted) showHeld();
  });
}) };
export default embeddings;
