// Brings the widgets of a page to life without a kernel: reads the state that the page carries, and gives each widget's
// own ES module the front-end interface of anywidget.  A classic script, so that it also works from disk.
(() => {
  "use strict";
  const STATE = "application/vnd.jupyter.widget-state+json";
  const VIEW = "application/vnd.jupyter.widget-view+json";

  /** A widget's state with the anywidget model interface; there is no kernel to send to. */
  class Model {
    #state;
    #listeners = new Map();

    constructor(state) {
      this.#state = state;
    }

    get(name) {
      return this.#state[name];
    }

    set(name, value) {
      const entries = typeof name === "object" ? Object.entries(name) : [[name, value]];
      const changed = entries.filter(([key, next]) => this.#state[key] !== next);
      for (const [key, next] of changed) this.#state[key] = next;
      for (const [key, next] of changed) this.#emit(`change:${key}`, this, next);
      if (changed.length) this.#emit("change", this);
    }

    on(names, callback) {
      for (const name of names.split(" ")) {
        if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
        this.#listeners.get(name).add(callback);
      }
    }

    off(names, callback) {
      const known = names ? names.split(" ") : [...this.#listeners.keys()];
      for (const name of known) {
        if (callback) this.#listeners.get(name)?.delete(callback);
        else this.#listeners.delete(name);
      }
    }

    save_changes() {
      this.#emit("saved");
    }

    send() {}

    #emit(name, ...values) {
      for (const callback of [...(this.#listeners.get(name) ?? [])]) callback(...values);
    }
  }

  function decode(base64) {
    if (Uint8Array.fromBase64) return new DataView(Uint8Array.fromBase64(base64).buffer);
    return new DataView(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
  }

  /** A model's state with its buffers put back in their places. */
  function withBuffers({ state, buffers = [] }) {
    for (const { path, data } of buffers) {
      const parent = path.slice(0, -1).reduce((node, key) => node[key], state);
      parent[path.at(-1)] = decode(data);
    }
    return state;
  }

  function readStates() {
    const entries = {};
    for (const node of document.querySelectorAll(`script[type="${STATE}"]`)) {
      Object.assign(entries, JSON.parse(node.textContent).state);
    }
    return entries;
  }

  // The page's address: #widget.trait=value&…, so that a link shows what its author saw.
  const readAddress = () =>
    new Map(location.hash.slice(1).split("&").filter((part) => part.includes("=")).map((part) => {
      const at = part.indexOf("=");
      return [part.slice(0, at), decodeURIComponent(part.slice(at + 1))];
    }));

  function writeAddress(values) {
    const text = [...values].map(([key, value]) => `${key}=${encodeURIComponent(value).replaceAll("%2C", ",")}`).join("&");
    if (text || readAddress().size) history.replaceState(history.state, "", text ? `#${text}` : location.pathname + location.search);
  }

  /** A value from the address, of the same type as the one it replaces; undefined when it is not one. */
  function parse(text, like) {
    if (typeof like === "string") return text;
    if (typeof like === "boolean") return text === "true";
    if (Array.isArray(like)) {
      const values = text.split(",").map((part, k) => parse(part, like[Math.min(k, like.length - 1)]));
      return values.length === like.length && !values.includes(undefined) ? values : undefined;
    }
    const value = Number(text);
    return text !== "" && Number.isFinite(value) ? value : undefined;
  }

  const initial = new Map(); // "widget.trait" -> its value as text, before the reader changed anything

  /** Keep a model's shared traits and the page's address in step; true when the address set any. */
  function share(model, name) {
    const traits = model.get("shared") ?? [];
    const key = (trait) => `${name}.${trait}`;
    for (const trait of traits) initial.set(key(trait), String(model.get(trait)));
    const apply = () => {
      const address = readAddress();
      if (!traits.some((trait) => address.has(key(trait)))) return false;
      for (const trait of traits) {
        const value = parse(address.get(key(trait)) ?? initial.get(key(trait)), model.get(trait));
        if (value !== undefined && String(model.get(trait)) !== String(value)) model.set(trait, value);
      }
      return true;
    };
    model.on("saved", () => {
      const address = readAddress();
      for (const trait of traits) {
        const text = String(model.get(trait));
        if (text === initial.get(key(trait))) address.delete(key(trait));
        else address.set(key(trait), text);
      }
      writeAddress(address);
    });
    return apply;
  }

  const modules = new Map(); // source text -> promise of the module

  /** Import a widget's module.  A data address is there at once; a blob's waits in line behind the page's own files. */
  function load(source) {
    if (!modules.has(source)) {
      const address = `data:text/javascript;charset=utf-8,${encodeURIComponent(source)}`;
      modules.set(source, import(address).then((module) => module.default ?? module));
    }
    return modules.get(source);
  }

  const styles = new Set();

  function addStyle(css) {
    if (!css || styles.has(css)) return;
    styles.add(css);
    const node = document.createElement("style");
    node.textContent = css;
    document.head.append(node);
  }

  const models = new Map(), ready = new Map(), shown = [];

  function modelOf(id, states, names) {
    if (models.has(id)) return models.get(id);
    const state = withBuffers(states[id]);
    const model = new Model(state);
    models.set(id, model);
    const base = (state._anywidget_id ?? "widget").split(".").pop().toLowerCase();
    names[base] = (names[base] ?? 0) + 1;
    model.applyAddress = share(model, names[base] > 1 ? `${base}-${names[base]}` : base);
    return model;
  }

  async function show(view, id, states, names) {
    const target = document.createElement("div");
    target.className = "widget-host";
    view.after(target);
    if (!states[id]) return;
    if (states[id].state._esm === undefined) return showStatic(target, id, states);
    const model = modelOf(id, states, names);
    const named = model.applyAddress();
    addStyle(model.get("_css"));
    const widget = await load(model.get("_esm"));
    const definition = typeof widget === "function" ? await widget() : widget;
    const { signal } = new AbortController();
    if (!ready.has(id)) ready.set(id, Promise.resolve(definition.initialize?.({ model, signal })));
    await ready.get(id);
    await definition.render?.({ model, el: target, signal });
    target.dataset.ready = "true";
    shown.push({ model, target });
    if (named) target.scrollIntoView({ block: "center" });
  }

  /** For a widget that needs a kernel: the pictures and texts that it showed, and where to run it. */
  function showStatic(target, id, states) {
    for (const output of outputsWithin(id, states, new Set())) {
      const data = output.data ?? {};
      if (data["image/png"]) {
        const picture = new Image();
        picture.src = `data:image/png;base64,${data["image/png"].replace(/\s/g, "")}`;
        picture.alt = [data["text/plain"] ?? "output of the control"].flat().join("");
        target.append(picture);
      } else if (output.text ?? data["text/plain"]) {
        const text = document.createElement("pre");
        text.textContent = [output.text ?? data["text/plain"]].flat().join("");
        target.append(text);
      }
    }
    const note = document.createElement("p");
    note.className = "widget-static";
    const live = document.querySelector('a[href*="/v2/gh/"], a[href*="colab."]');
    const link = Object.assign(document.createElement(live ? "a" : "span"), { textContent: "run this live" });
    if (live) link.href = live.href;
    note.append("This control needs a running kernel: ", link, ".");
    target.append(note);
    target.dataset.ready = "static";
  }

  function outputsWithin(id, states, seen) {
    const model = states[id];
    if (!model || seen.has(id)) return [];
    seen.add(id);
    const children = (model.state.children ?? []).map((child) => String(child).replace("IPY_MODEL_", ""));
    return [...(model.state.outputs ?? []), ...children.flatMap((child) => outputsWithin(child, states, seen))];
  }

  async function start() {
    const states = readStates(), names = {};
    const views = [...document.querySelectorAll(`script[type="${VIEW}"]`)]
      .map((view) => [view, JSON.parse(view.textContent).model_id]);
    const sources = views.map(([, id]) => states[id]?.state._esm);
    for (const source of new Set(sources)) if (source) load(source).catch(() => {}); // whoever shows it reports the error
    for (const [view, id] of views) {
      await show(view, id, states, names).catch((error) => console.error(`widget ${id}:`, error));
    }
    dispatchEvent(new Event("widgets-ready")); // what can wait for the widgets starts now
    addEventListener("hashchange", () => {
      const named = shown.filter(({ model }) => model.applyAddress());
      named[0]?.target.scrollIntoView({ block: "center" });
    });
  }

  if (document.querySelector(`script[type="${STATE}"]`) || document.readyState !== "loading") start(); // it stands behind them
  else addEventListener("DOMContentLoaded", start);
})();
