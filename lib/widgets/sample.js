// Widget "sample": a random sample of a data set's images.
import { bitmaps, button, element, follow, followTheme, send, tilePicture, widget } from "./common.js";

const COLUMNS = 32; // tiles in a row of the sprite
const PER_CLASS = 8; // images of a class when all are shown

/** A generator of numbers in [0, 1) that the seed decides (the mulberry32 algorithm). */
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Up to `n` different members, in random order; the seed decides which. */
export function draw(members, n, seed) {
  const random = generator(seed), pool = [...members];
  for (let i = 0; i < Math.min(n, pool.length); i++) {
    const j = i + Math.floor(random() * (pool.length - i));
    [pool[i], pool[j]] = [pool[j], pool[i]];
  }
  return pool.slice(0, n);
}

/** Tile numbers of a sample: one row a class, or four rows of the chosen class. */
export function sample(labels, classes, seed, chosen) {
  const members = (k) => labels.flatMap((label, tile) => (label === k ? [tile] : []));
  if (chosen < 0 || chosen >= classes) {
    return Array.from({ length: classes }, (_, k) => draw(members(k), PER_CLASS, 1000 * seed + k));
  }
  const all = draw(members(chosen), 4 * PER_CLASS, 1000 * seed + chosen);
  return [0, 1, 2, 3].map((k) => all.slice(k * PER_CLASS, (k + 1) * PER_CLASS)).filter((row) => row.length);
}

export default { render: widget(({ model, root, signal }) => {
  const names = model.get("names");
  const redraw = button("New sample", () => send(model, { seed: model.get("seed") + 1 }));
  const chooser = element("select", { onchange: () => send(model, { chosen: Number(chooser.value) }) },
    element("option", { value: "-1" }, "all classes"), ...names.map((name, k) => element("option", { value: k }, name)));
  const table = element("table", { class: "bw-sample", "aria-label": "Random sample of images" });
  let sheet = null;

  root.setAttribute("aria-label", "Random sample of images");
  root.append(element("div", { class: "bw-tools" }, redraw, element("label", {}, "Class ", chooser)), table);

  function show() {
    const chosen = model.get("chosen"), one = chosen >= 0 && chosen < names.length;
    chooser.value = String(one ? chosen : -1);
    const rows = sample(model.get("labels"), names.length, model.get("seed"), chosen).map((tiles, k) => {
      const name = names[one ? chosen : k];
      const pictures = tiles.map((tile) => element("td", {}, tilePicture(sheet, tile, COLUMNS, model.get("size"), name)));
      return element("tr", {}, element("th", { scope: "row" }, one && k ? "" : name), ...pictures);
    });
    table.replaceChildren(element("tbody", {}, ...rows));
  }

  follow(model, ["seed", "chosen"], signal, show);
  show();
  followTheme(root, signal, () => {});
  bitmaps(model.get("sprites")).then(([loaded]) => {
    sheet = loaded;
    if (!signal.aborted) show();
  });
}) };
