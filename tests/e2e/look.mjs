// What can be measured of how a page looks: nothing sticks out or is cut, text stands out from its ground, every
// control is reached by the Tab key and shows that it is. Each function answers with a list of complaints.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe-core finds wrong: for people who don't see the page, or don't see it well. */
export async function barriers(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id}: ${help}: ${html.slice(0, 160)}`));
}

/** Runs in the page. Both complaints name an element by tag, classes and the start of its text. */
function measure() {
  const name = (element) => `${element.tagName.toLowerCase()}${[...element.classList].map((one) => `.${one}`).join("")} ` +
    `"${(element.textContent || element.getAttribute("aria-label") || "").trim().replace(/\s+/g, " ").slice(0, 40)}"`;
  const shown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
    element.getClientRects().length > 0 && !element.closest(".hidden, .skip, .u-hz") && getComputedStyle(element.closest("thead") ?? element).clipPath === "none";
  const scrolls = (element) => /auto|scroll/.test(getComputedStyle(element).overflowX);
  const all = [...document.body.querySelectorAll("*")].filter(shown);

  const cut = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) cut.push(`the page is ${root.scrollWidth} wide in ${root.clientWidth}`);
  for (const element of all) {
    const { display, overflowX } = getComputedStyle(element);
    if (element.matches(".dropdown")) { // what it holds is laid over the page
      const { left, right } = element.querySelector(".menu").getBoundingClientRect();
      if (left < 0 || right > root.clientWidth) cut.push(`${name(element)} reaches from ${left} to ${right}`);
      continue;
    }
    if (display === "inline" || /^(INPUT|SELECT|TEXTAREA|OPTION|CANVAS|IMG|svg|path|THEAD|TR|TBODY)$/.test(element.tagName) || scrolls(element)) continue;
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0)
      cut.push(`${name(element)} is ${element.scrollWidth} wide in ${element.clientWidth} (${overflowX})`);
  }
  // A paragraph is read as a whole: not even a box that scrolls may cut it.
  for (const element of all.filter(({ tagName }) => tagName === "P" || tagName === "LI")) {
    const { right } = element.getBoundingClientRect();
    for (let box = element.parentElement; box; box = box.parentElement)
      if (scrolls(box) && right > box.getBoundingClientRect().right + 1) cut.push(`${name(element)} ends outside of its box`);
  }

  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true }), known = new Map();
  const rgba = (color) => {
    if (!known.has(color)) {
      context.clearRect(0, 0, 1, 1);
      context.fillStyle = color;
      context.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
      known.set(color, [r, g, b, a / 255]);
    }
    return known.get(color);
  };
  const over = ([r, g, b, a], under, opacity = 1) => [r, g, b].map((value, i) => value * a * opacity + under[i] * (1 - a * opacity));
  const luminance = (color) => color.map((value) => value / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    const above = element.parentElement ? ground(element.parentElement) : [255, 255, 255];
    return over(rgba(getComputedStyle(element).backgroundColor), above);
  };
  const opacity = (element) => (element ? Number(getComputedStyle(element).opacity) * opacity(element.parentElement) : 1);
  const faint = new Set();
  const speaks = (element) => /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName) ||
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== "");
  for (const element of all) {
    if (!speaks(element) || element.closest("svg, :disabled, option")) continue;
    const color = rgba(getComputedStyle(element).color);
    if (color[3] === 0) continue; // said for screen readers only
    const under = ground(element), [a, b] = [luminance(over(color, under, opacity(element))), luminance(under)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.add(`${name(element)} has a contrast of ${contrast.toFixed(2)}`);
  }
  return { cut, faint: [...faint] };
}

/** What is cut, and what is too faint to be read. */
export async function look(page) {
  const { cut, faint } = await page.evaluate(measure);
  return [...cut, ...faint];
}

/** Opens everything that can be opened in place. */
export const unfold = (page) => page.evaluate(() => document.querySelectorAll("main details").forEach((one) => (one.open = true)));

/**
 * Walks through the page by the Tab key: controls that it doesn't reach, or doesn't show that it has reached. Each is
 * noted as it takes the focus: at the page's end the browser moves the focus in a time of its own, so that a look after
 * each key can miss where it has been. The walk ends where it comes for the second time.
 */
export async function walk(page, most = 400) {
  await page.evaluate(() => {
    document.activeElement?.blur();
    scrollTo(0, 0);
    window.reached = new Set();
    window.round = false;
    window.complaints = [];
    const ring = (element) => {
      const { outlineStyle, outlineWidth } = element ? getComputedStyle(element) : {};
      return outlineStyle !== undefined && outlineStyle !== "none" && parseFloat(outlineWidth) > 0;
    };
    window.arrive = ({ target: now }) => {
      // an element of a long list comes back as that of another row
      if (window.reached.has(now) && !now.closest("[aria-rowindex]")) window.round = true;
      window.reached.add(now);
      if (!ring(now) && !ring(now.nextElementSibling)) window.complaints.push(`no ring: ${now.outerHTML.slice(0, 120)}`);
    };
    document.addEventListener("focusin", window.arrive);
  });
  for (let steps = 0; steps < most && !await page.evaluate(() => window.round); steps++) await page.keyboard.press("Tab");
  return page.evaluate(() => {
    document.removeEventListener("focusin", window.arrive);
    const controls = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")];
    // A row of a long list that was out of sight is another element when it comes back.
    const row = (element) => element.closest("[aria-rowindex]") && `${element.tagName} ${element.getAttribute("aria-label") ?? element.href}`;
    const group = (element) => (element.type === "radio" ? `radio ${element.name}` : element.closest(".strip, .rove") ?? (row(element) || element));
    const reached = new Set([...window.reached].map(group));
    return [...new Set(window.complaints), ...controls.filter((element) => !element.disabled && element.checkVisibility({ visibilityProperty: true }) && !reached.has(group(element)))
      .map((element) => `not reached: ${element.outerHTML.slice(0, 120)}`)];
  });
}
