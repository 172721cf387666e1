// What the arms of an experiment attend to, two of them side by side.

import { AttentionPanel } from "../attention.js";

export function attentionTab({ view, runs }) {
  const panel = new AttentionPanel({
    runs: () => [...runs.values()].filter(({ step }) => step > 0).sort((a, b) => a.id - b.id),
    query: view.query, signal: view.signal, keep: (changes) => view.keep(changes),
  });
  return { element: panel.element, moved: () => panel.open() };
}
