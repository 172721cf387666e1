// Debian's chromium without windows (chromium-headless-shell: a third of the processor time of chromium --headless, which
// starts its windows' own pages as well), driven by playwright-core, for the tests of the page and for looking at it.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

export const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium-headless-shell";
const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const ABLATED = process.env.ABLATED ?? `${ROOT}${process.env.BUILD ?? "build"}/ablated`;

/** A fresh log-in link, as a person gets it. */
export async function link(daemon) {
  const { stdout } = await promisify(execFile)(ABLATED, ["link", "--data", daemon.dir]);
  return /https?:\/\/\S+#login=\S+/.exec(stdout)[0];
}

export const launch = () => chromium.launch({ executablePath: EXECUTABLE, args: ARGS });

/**
 * A page of its own context (cookies, storage). `faults` collects whatever a page must not do: errors and
 * warnings on the console, uncaught exceptions, violations of the content policy, unexpected refusals.
 */
export async function open(browser, { width = 1280, height = 900, scheme = "light", motion = "no-preference" } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: motion });
  const page = await context.newPage(), faults = [];
  page.setDefaultTimeout(Number(process.env.PAGE_MS ?? 300000)); // bounds a hang, nothing else
  await page.addInitScript(() => addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`)));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`exception: ${error.stack ?? error.message}`));
  return { page, context, faults };
}

/** How far the page is wider than its window, in pixels: 0 unless something sticks out. */
export const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
