// Notes in Markdown. markdown-it parses them, without HTML; here its tokens become elements, so that no text of a user
// is ever read as markup. It is fetched when there are notes to show. Pictures are links: the page loads nothing from
// elsewhere.

import { h } from "../base/dom.js";

const PLAIN = new Set([
  "p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "em", "strong", "s", "table", "thead",
  "tbody", "tr", "th", "td", "hr", "br",
]);
const LEAVES = {
  text: ({ content }) => content,
  code_inline: ({ content }) => h("code", null, content),
  fence: ({ content }) => h("pre", { tabindex: "0" }, content),
  code_block: ({ content }) => h("pre", { tabindex: "0" }, content),
  softbreak: () => "\n",
  hardbreak: () => h("br"),
  hr: () => h("hr"),
  image: ({ attrs, content }) => anchor(Object.fromEntries(attrs).src, content || "picture"),
};

const anchor = (href, ...content) => h("a", { href, rel: "noopener noreferrer", target: "_blank" }, ...content);

function open({ tag, attrs }) {
  if (tag === "a") return anchor(Object.fromEntries(attrs ?? []).href);
  // Headings of notes stand below those of the page.
  const named = /^h[1-6]$/.test(tag) ? `h${Math.min(6, Number(tag[1]) + 2)}` : tag;
  return h(PLAIN.has(tag) ? named : "span", { start: Object.fromEntries(attrs ?? []).start });
}

/** Appends what the tokens say to `root`. */
export function render(tokens, root) {
  const around = [root];
  for (const token of tokens) {
    const box = around[around.length - 1];
    if (token.hidden) continue; // the paragraph of a tight list
    if (token.type === "inline") render(token.children, box);
    else if (token.nesting === 1) {
      const element = open(token);
      box.append(element);
      around.push(element);
    } else if (token.nesting === -1) around.pop();
    else box.append(LEAVES[token.type]?.(token) ?? token.content);
  }
}

let parser = null;
const load = async () => {
  const { default: MarkdownIt } = await import("../lib/markdown-it.js");
  return new MarkdownIt({ html: false, linkify: true });
};

/** {element, update(text)} */
export function notes() {
  const element = h("div.markdown");
  let drawn = null;
  return {
    element,
    async update(text) {
      if (text === drawn) return;
      drawn = text;
      if (text === "") return element.replaceChildren();
      parser ??= load();
      const found = await parser.then((one) => one.parse(text, {}), () => null);
      if (text !== drawn) return;
      const made = h("div");
      if (found) render(found, made);
      else made.append(h("p.plain", null, text));
      element.replaceChildren(...made.childNodes);
    },
  };
}
