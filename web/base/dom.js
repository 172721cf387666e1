// Building the page by hand: elements, keyed lists, one frame for many changes, toasts, dialogs.
//
// Text enters the document as text nodes only, never as markup, so nothing that a server or a user
// says can become an element; and there are no style attributes, so the strict policy of the page
// (no inline script, no inline style) needs no exception.

const TOASTS = 3;
const HIDDEN_MS = 1000; // between two paintings of what nobody sees
const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" && "value" in element) element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  const absent = [null, undefined, false];
  element.append(...children.flat(Infinity).filter((child) => !absent.includes(child)));
  return element;
}

function create(spec, make) {
  const [tag, ...classes] = spec.split(".");
  const element = make(tag);
  if (classes.length > 0) element.setAttribute("class", classes.join(" "));
  return element;
}

/** h("button.quiet", {type: "button", onclick}, "Cancel") */
export function h(spec, properties, ...children) {
  return fill(create(spec, (tag) => document.createElement(tag)), properties, children);
}

export function svg(spec, properties, ...children) {
  return fill(create(spec, (tag) => document.createElementNS(SVG, tag)), properties, children);
}

/** Sets text only when it differs, so that a live page doesn't disturb selections or readers. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

/**
 * Keeps the children of `parent` in step with `items`. `make(item)` returns {element, update(item)};
 * an item keeps its element, and with it its focus, as long as its key stays.
 */
export function keyed(parent, key, make) {
  let rows = new Map();
  return (items) => {
    const next = new Map();
    let place = parent.firstChild;
    for (const item of items) {
      const id = key(item);
      const row = rows.get(id) ?? make(item);
      next.set(id, row);
      rows.delete(id);
      row.update(item);
      if (row.element === place) place = place.nextSibling;
      else parent.insertBefore(row.element, place);
    }
    for (const row of rows.values()) row.element.remove();
    rows = next;
  };
}

/**
 * Makes many links of a list one stop of the Tab key: arrow keys, Home and End go from one to the next; up and down by
 * `columns` of them. They are made with tabindex -1; the function that is returned is to be called when there are new
 * ones.
 */
export function rove(list, columns = 1) {
  const links = () => [...list.querySelectorAll("a")];
  list.addEventListener("keydown", (event) => {
    const all = links(), at = all.indexOf(event.target), last = all.length - 1;
    const [before, after] = [at - 1, at + 1];
    const [up, down] = [at - columns, at + columns];
    const places = { ArrowLeft: before, ArrowUp: up, ArrowRight: after, ArrowDown: down, Home: 0, End: last };
    const next = places[event.key];
    if (at < 0 || next === undefined) return;
    event.preventDefault();
    all[Math.min(last, Math.max(0, next))].focus();
  });
  list.addEventListener("focusin", (event) => {
    list.querySelector('a[tabindex="0"]')?.setAttribute("tabindex", "-1");
    event.target.setAttribute("tabindex", "0");
  });
  return () => {
    if (!list.querySelector('a[tabindex="0"]')) list.querySelector("a")?.setAttribute("tabindex", "0");
  };
}

/**
 * Returns a function that asks for `work` once in the next frame, however often it is called, and no
 * sooner than `gap` ms after the last time: a page that follows a training must not eat its processor.
 * A hidden tab has no frames; its title goes on, slowly.
 */
export function perFrame(work, signal, gap = 0) {
  let asked = false, last = -Infinity, handle;
  const go = () => {
    if (!asked) return;
    asked = false;
    last = performance.now();
    if (!signal?.aborted) work();
  };
  // a hidden tab has no frames, but a title
  const frame = () => {
    if (document.hidden) setTimeout(go, HIDDEN_MS);
    else handle = requestAnimationFrame(go);
  };
  document.addEventListener("visibilitychange", () => {
    if (!asked || !document.hidden) return;
    cancelAnimationFrame(handle);
    frame();
  }, { signal });
  return () => {
    if (asked || signal?.aborted) return;
    asked = true;
    const wait = last + gap - performance.now();
    if (wait > 0) setTimeout(frame, wait);
    else frame();
  };
}

/** At most one run of the async `work` at a time, `gap` ms apart; calls in between ask for one more. */
export function throttled(work, gap, signal) {
  let busy = false, again = false;
  async function run() {
    busy = true;
    do {
      again = false;
      try {
        await work();
      } catch (error) {
        if (!signal?.aborted) console.warn(error);
      }
      await new Promise((resolve) => setTimeout(resolve, gap));
    } while (again && !signal?.aborted);
    busy = false;
  }
  return () => {
    if (signal?.aborted) return;
    if (busy) again = true;
    else run();
  };
}

/** A note for a moment. What is said already isn't said again, and only the newest few stay. */
export function toast(message, kind = "info") {
  const notes = document.getElementById("toasts"), note = h(`div.toast.${kind}`, null, message);
  for (const one of [...notes.children]) if (one.textContent === message) one.remove();
  notes.append(note);
  while (notes.children.length > TOASTS) notes.firstChild.remove();
  setTimeout(() => note.remove(), kind === "error" ? 9000 : 4000);
}

/**
 * Runs an action of a button, once at a time; its failure is shown. It keeps the focus meanwhile. `label` is its name
 * where its text isn't enough: that of the thing that it is about.
 */
export function action(text, work, { kind = "", title, label } = {}) {
  const button = h("button", { type: "button", class: kind, title, "aria-label": label }, text);
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    try {
      await work();
    } catch (error) {
      if (error.name !== "AbortError") toast(error.message, "error");
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
  return button;
}

const words = (text) => text.trim().replace(/\s+/g, " ");

/** Asks; resolves to true or false. What there is no way back from takes a text that has to be typed. */
export function confirmed(question, yes, { typed } = {}) {
  return new Promise((resolve) => {
    const sure = h("button.danger", { value: "yes", disabled: typed !== undefined }, yes);
    const input = typed === undefined ? null : h("input", { autocomplete: "off", spellcheck: "false", autofocus: true,
      oninput: () => (sure.disabled = words(input.value) !== words(typed)) });
    const dialog = h("dialog", { "aria-label": question },
      h("form", { method: "dialog" },
        h("p", null, question),
        input && h("label.field", null, "Type its name to go on", input),
        h("div.row.end", null,
          // no submit button: Enter in the text is the other's
          h("button", { type: "button", autofocus: !input, onclick: () => dialog.close("no") }, "Keep"),
          sure)));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Gives a text, or a blob, to the browser as a file. */
export function save(name, content, type = "text/plain") {
  const href = URL.createObjectURL(typeof content === "string"
    ? new Blob([content], { type: `${type};charset=utf-8` }) : content);
  h("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60000);
}

async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = h("textarea", { value: text, readonly: true }); // no clipboard outside secure contexts
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** A command in a box, with a button that copies it. */
export function command(text) {
  const copy = h("button.quiet", { type: "button", "aria-label": "Copy the command" }, "Copy");
  copy.addEventListener("click", async () => {
    await copyText(text);
    setText(copy, "Copied");
    setTimeout(() => setText(copy, "Copy"), 1500);
  });
  return h("div.command", null, h("code", { tabindex: "0" }, text), copy);
}
