// Widget "confusion": a confusion matrix whose cells show their samples.
import { bitmaps, element, follow, followTheme, keyTarget, percent, send, tilePicture, widget } from "./common.js";

const COLUMNS = 32; // tiles in a row of a sprite

/** How strongly a cell is coloured, 0–1: mistakes against the largest mistake, hits against the largest hit. */
export function shade(counts, row, column) {
  const diagonal = row === column;
  let top = 1;
  counts.forEach((line, i) => line.forEach((count, j) => {
    if ((i === j) === diagonal) top = Math.max(top, count);
  }));
  return counts[row][column] / top;
}

/** Share of all examples that lie on the diagonal. */
export function accuracy(counts) {
  const all = counts.flat().reduce((a, b) => a + b, 0);
  return counts.reduce((sum, line, k) => sum + line[k], 0) / (all || 1);
}

/** The sentence above a cell's samples. */
export function describe(panel, row, column) {
  const count = panel.counts[row][column], all = panel.counts[row].reduce((a, b) => a + b, 0);
  const [truth, guess] = [panel.names[row], panel.names[column]];
  const what = row === column ? `${truth} recognised` : `${truth} taken for ${guess}`;
  const n = count.toLocaleString("en");
  return `${what}: ${n} of ${all.toLocaleString("en")} (${percent(count / (all || 1))})`;
}

/** Whether the reader moved the pointer, and not the page moved under it. */
const moved = (event) => event.movementX !== 0 || event.movementY !== 0;

function grid(panel, signal, preview, choose) {
  const buttons = panel.counts.map((line, row) => line.map((count, column) => {
    const strength = Math.round(46 * shade(panel.counts, row, column));
    return element("button", {
      type: "button", tabindex: "-1", class: row === column ? "bw-hit" : "bw-miss", style: `--strength:${strength}%`,
      "aria-label": describe(panel, row, column),
      onclick: () => choose(row, column), onfocus: () => choose(row, column), onpointermove: (event) => moved(event) && preview(row, column),
    }, String(count));
  }));
  const header = (text, scope) => element("th", { scope, title: text }, element("span", {}, text));
  const body = buttons.map((line, row) =>
    element("tr", {}, header(panel.names[row], "row"), ...line.map((button) => element("td", {}, button))));
  const head = element("tr", {}, element("td"), ...panel.names.map((name) => header(name, "col")));
  const long = panel.names.some((name) => name.length > 3) ? "bw-long" : "";
  const table = element("table", { class: `bw-matrix ${long}`, "aria-label": "Confusion matrix: rows are true classes, columns predicted" },
    element("thead", {}, head), element("tbody", {}, ...body));
  table.addEventListener("keydown", (event) => {
    const row = buttons.findIndex((line) => line.includes(event.target));
    if (row < 0) return;
    const target = keyTarget(event.key, row, buttons[row].indexOf(event.target), buttons.length, buttons.length);
    if (!target) return;
    event.preventDefault();
    buttons[target[0]][target[1]].focus();
  }, { signal });
  return { table, buttons };
}

function sampleTiles(panel, sheet, row, column) {
  return panel.tiles[row][column].map((tile, k) => [tile, panel.confidences[row][column][k]])
    .filter(([tile]) => tile >= 0)
    .map(([tile, confidence]) => {
      const label = `${panel.names[row]}, predicted ${panel.names[column]} with ${percent(confidence)}`;
      return element("li", {}, tilePicture(sheet, tile, COLUMNS, panel.size, label),
        element("span", { "aria-hidden": "true" }, percent(confidence)));
    });
}

const confusion = { render: widget(({ model, root, signal }) => {
  const panels = model.get("panels");
  const current = () => panels.find((panel) => panel.title === model.get("model")) ?? panels[0];
  const held = () => { // a link may name a cell that this matrix does not have
    const cell = model.get("cell"), n = current().counts.length;
    return cell.every((k) => Number.isInteger(k) && k >= 0 && k < n) ? cell : [0, 0];
  };
  const chooser = element("select", { onchange: () => send(model, { model: chooser.value }) },
    ...panels.map(({ title }) => element("option", { value: title }, title)));
  const score = element("span", { class: "bw-verdict" });
  const title = element("p", { class: "bw-verdict", "aria-live": "polite" });
  const samples = element("ol", { class: "bw-samples" });
  const matrix = element("div", { class: "bw-matrix-frame" });
  let sheets = [], cells = [];

  root.setAttribute("aria-label", "Confusion matrix with the samples of each cell");
  root.append(
    element("div", { class: "bw-tools" }, element("label", {}, "Network ", chooser), score),
    element("div", { class: "bw-columns" }, matrix, element("div", { class: "bw-cell" }, title, samples)),
  );

  function show(row, column) {
    const panel = current(), text = describe(panel, row, column);
    if (title.textContent !== text) title.textContent = text;
    const tiles = sampleTiles(panel, sheets[panel.sprite], row, column);
    samples.replaceChildren(...(tiles.length ? tiles : [element("li", { class: "bw-none" }, "no such sample")]));
  }

  const choose = (row, column) => {
    const [i, j] = held();
    if (i !== row || j !== column) send(model, { cell: [row, column] });
    else mark();
  };

  function mark() {
    const [row, column] = held();
    cells.forEach((line, i) => line.forEach((button, j) => {
      const chosen = i === row && j === column;
      button.setAttribute("aria-pressed", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }));
    show(row, column);
  }

  function draw() {
    const panel = current(), { table, buttons } = grid(panel, signal, show, choose);
    cells = buttons;
    table.addEventListener("pointerleave", () => show(...held()), { signal });
    matrix.replaceChildren(table);
    chooser.value = panel.title;
    score.textContent = `accuracy ${percent(accuracy(panel.counts))}`;
    mark();
  }

  follow(model, ["model"], signal, draw);
  follow(model, ["cell"], signal, mark);
  draw();
  followTheme(root, signal, () => {});
  bitmaps(model.get("sprites")).then((loaded) => {
    sheets = loaded;
    if (!signal.aborted) mark();
  });
}) };
export default confusion;
