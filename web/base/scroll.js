// Where each entry of the browser's history was scrolled to, the page and the boxes in it that scroll by themselves
// (they have a data-box). The browser can't know: when it would restore the place, the view has not been drawn yet.

const STORE = "ablate.scroll";
const MOST = 100; // entries that are remembered
const GIVE_UP_MS = 5000;

history.scrollRestoration = "manual";
let entry = null; // of the view that is shown

function places() {
  try {
    return JSON.parse(sessionStorage.getItem(STORE)) ?? {};
  } catch {
    return {};
  }
}

/** To be called before a view leaves: notes where it is. */
export function noteScroll() {
  if (entry === null) return;
  const boxes = {};
  for (const box of document.querySelectorAll("[data-box]")) boxes[box.dataset.box] = box.scrollTop;
  const all = Object.entries({ ...places(), [entry]: { y: scrollY, boxes } });
  sessionStorage.setItem(STORE, JSON.stringify(Object.fromEntries(all.slice(-MOST))));
}

/** To be called when a view comes: what was noted for its entry of the history, or null for a new one. */
export function enterEntry() {
  entry = history.state?.entry ?? null;
  if (entry !== null) return places()[entry] ?? null;
  entry = `e${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;
  history.replaceState({ ...history.state, entry }, "");
  return null;
}

/** Scrolls to what was noted as soon as there is enough to scroll, unless the user has begun to do something. */
export function restoreScroll(place, root, signal) {
  if (place === null) return;
  const boxes = new Map(Object.entries(place.boxes).filter(([, top]) => top > 0));
  let page = place.y > 0;
  const stop = new AbortController(), options = { signal: AbortSignal.any([signal, stop.signal]), passive: true };
  const attempt = () => {
    if (page && document.documentElement.scrollHeight >= place.y + innerHeight) {
      scrollTo(0, place.y);
      page = false;
    }
    for (const [name, top] of boxes) {
      const box = root.querySelector(`[data-box="${CSS.escape(name)}"]`);
      if (!box || box.scrollHeight < top + box.clientHeight) continue;
      box.scrollTop = top;
      boxes.delete(name);
    }
    if (!page && boxes.size === 0) stop.abort();
  };
  const seen = new ResizeObserver(attempt), grown = new MutationObserver(attempt);
  seen.observe(root);
  grown.observe(root, { childList: true, subtree: true });
  options.signal.addEventListener("abort", () => {
    seen.disconnect();
    grown.disconnect();
  });
  for (const kind of ["wheel", "touchstart", "keydown", "pointerdown"])
    addEventListener(kind, () => stop.abort(), options);
  setTimeout(() => stop.abort(), GIVE_UP_MS);
  attempt();
}
