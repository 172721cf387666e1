// The page, in a real browser against the real daemon: log in by the printed link, submit, watch the curve
// grow, see the table; narrow, by keyboard, in the dark; without an error on the console or a violation of
// the content policy.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, beforeEach, test } from "node:test";
import { launch, link, open, overflow } from "../browser.mjs";
import { start } from "../daemon.mjs";

const CORPUS = Array.from({ length: 400 }, (_, i) => `Document ${i} says that ${i} times ${i} is ${i * i}.\n`).join("%\n");
const STEPS = 3000, EVERY = 250; // a few seconds, so that the page is seen to follow
const SPEC = {
  name: "tiny", data: { dataset: "squares", seq_len: 16 },
  model: { layers: 1, heads: 2, d_model: 32, d_ff: 32, experts: 2, experts_per_token: 1, dropout: 0 },
  train: { steps: STEPS, batch_size: 4, eval_every: EVERY, eval_windows: 8, checkpoint_every: STEPS },
  arms: { dense: {}, dsa: { "model.attention": { kind: "dsa", top_k: 8, indexer_heads: 2, indexer_dim: 8 } } },
  seeds: [1, 2],
};

let daemon, browser, page, context, faults;

async function json(path, init) {
  const reply = await daemon.fetch(path, init);
  assert.ok(reply.ok, `${path}: ${reply.status} ${await reply.clone().text()}`);
  return reply.json();
}
const submit = (spec) => json("/api/v1/experiments", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(spec) });
const pause = (paused) => json("/api/v1/queue", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ paused }) });

async function logIn(target = page) {
  await target.goto(await link(daemon));
  await target.getByRole("heading", { name: "Experiments" }).waitFor();
}

/** A finished experiment to look at: the one that the test of submitting made, or its like. */
async function finished() {
  const { items } = await json("/api/v1/experiments");
  const found = items.find((one) => one.name === SPEC.name && one.state === "finished");
  if (found) return found;
  const made = await submit(SPEC);
  return json(`/api/v1/experiments/${made.id}?wait=3600`);
}

/** The first specification names a corpus that there is; one that is filled in at that moment would be put behind it. */
const corporaShown = () => page.locator("table", { hasText: "Stored corpora" }).locator("tbody tr").first().waitFor({ state: "attached" });
const goto = (hash, target = page) => target.goto(`${daemon.base}/${hash}`);

before(async () => {
  daemon = await start({ args: ["--slots", "2"] });
  browser = await launch();
  await json("/api/v1/datasets/squares", { method: "PUT", headers: { "Content-Type": "text/plain" }, body: CORPUS });
});
after(async () => {
  await browser?.close();
  await daemon?.stop();
});
beforeEach(async () => {
  await context?.close();
  ({ page, context, faults } = await open(browser));
});

test("without a session the page says how to get a link, and shows nothing else", async () => {
  await goto("#/experiments/1");
  await page.getByRole("heading", { name: "Log in with a link" }).waitFor();
  assert.match(await page.locator("main").innerText(), /ablated link --data DIR/);
  assert.equal(await page.locator("nav a").count(), 0);
});

test("a link logs in once and leaves no secret in the address", async () => {
  const once = await link(daemon);
  await page.goto(once);
  await page.getByRole("heading", { name: "Experiments" }).waitFor();
  assert.equal(new URL(page.url()).hash, "#/");
  await page.reload();
  await page.getByRole("heading", { name: "Experiments" }).waitFor(); // the cookie holds
  assert.deepEqual(faults, []);

  const other = await open(browser);
  await other.page.goto(once);
  await other.page.getByRole("alert").waitFor();
  assert.match(await other.page.getByRole("alert").innerText(), /didn\u2019t work/);
  assert.equal(new URL(other.page.url()).hash, "#/");
  await other.context.close();

  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("heading", { name: "Log in with a link" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Log in with a link" }).waitFor();
});

test("submit, watch the curves grow, see the table", async () => {
  await logIn();
  await pause(true); // so that the page is there before the first step
  await goto("#/new");
  await corporaShown();
  await page.getByLabel("Specification, JSON").fill(JSON.stringify(SPEC, null, 2));
  await page.getByRole("button", { name: "Dry run" }).click();
  await page.getByText("4 runs, nothing stored").waitFor();
  await page.getByRole("button", { name: "Submit" }).click();
  await page.getByRole("heading", { name: "tiny" }).waitFor();
  await page.waitForURL(/#\/experiments\/\d+$/);
  const id = Number(/\d+$/.exec(page.url())[0]);
  await page.getByText("4 queued").waitFor();
  await page.getByRole("link", { name: "Curves", exact: true }).click();
  await page.locator(".plot").first().waitFor();

  // Every state of the first chart's description, as a screen reader would be told.
  await page.evaluate(() => {
    const plot = document.querySelector(".plot");
    window.told = [];
    const note = () => window.told.push(plot.getAttribute("aria-label"));
    new MutationObserver(note).observe(plot, { attributes: true, attributeFilter: ["aria-label"] });
  });
  await pause(false);
  await page.locator(".heading .state.finished").waitFor();
  const told = await page.evaluate(() => window.told);
  const seen = told.map((label) => Number(/from ([\d,]+) points?\./.exec(label)?.[1] ?? 0));
  assert.ok(new Set(seen).size >= 2, `the curve didn't grow: ${told.join(" | ")}`);
  assert.deepEqual(seen, [...seen].sort((a, b) => a - b), "the curve shrank");

  // What the page shows is what the daemon has.
  const { items: runs } = await json(`/api/v1/runs?experiment=${id}`);
  assert.ok(runs.every((run) => run.state === "succeeded"), JSON.stringify(runs.map((run) => [run.state, run.reason])));
  const mean = (arm) => {
    const values = runs.filter((run) => run.arm === arm).map((run) => run.final["val/loss"]);
    return values.reduce((a, b) => a + b) / values.length;
  };
  for (const arm of ["dense", "dsa"]) {
    const shown = mean(arm).toFixed(4);
    const legend = page.locator(".arms > li", { hasText: new RegExp(`^${arm}(invalid)?\\d`) });
    await legend.getByText(shown).waitFor(); // the daemon is asked for what is new twice a second
    assert.match(await legend.innerText(), /n\s=\s2/);
    const last = page.locator("table.dynamics tbody tr").last();
    assert.match(await last.innerText(), new RegExp(`${STEPS.toLocaleString("en")}[^]*${shown}`));
  }
  assert.equal(await page.locator("table.dynamics tbody tr").count(), STEPS / EVERY);

  await page.getByRole("link", { name: "Summary", exact: true }).click();
  for (const arm of ["dense", "dsa"])
    await page.locator("table.study tbody tr", { hasText: new RegExp(`^${arm}`) }).getByText(mean(arm).toFixed(4)).waitFor();

  // Audits: how many of each, here and in the list; of an arm's one sign each, however many runs.
  const { audits } = await json(`/api/v1/experiments/${id}`);
  const shows = async (place) => {
    for (const [status, n] of Object.entries(audits)) {
      const tag = place.locator(`.audit-counts .tag.${status}`);
      if (n > 0) await tag.getByText(String(n), { exact: true }).waitFor();
      else await tag.waitFor({ state: "hidden" });
    }
  };
  assert.ok(audits.pass > 0 && audits.warn > 0 && audits.fail > 0);
  await shows(page.locator(".status"));
  await page.getByRole("link", { name: "Validity", exact: true }).click();
  const signs = page.getByRole("link", { name: /^dense, finite: / });
  await signs.first().waitFor();
  assert.equal(await signs.count(), 1);
  await page.getByRole("link", { name: /^the experiment, shared_init: / }).click();
  await page.locator(".finding > p").getByText(/arms start from the same bits/).waitFor();
  await goto(`#/runs/${runs[0].id}`);
  await shows(page.locator(".status"));
  await goto("#/");
  await shows(page.locator("tr", { hasText: SPEC.name }));
  assert.deepEqual(faults, []);
});

test("a run is verified, and says what came of it", async () => {
  const { id } = await submit({ ...SPEC, name: "verified", arms: { dense: {} }, seeds: [1] }); // it is tampered with below
  await json(`/api/v1/experiments/${id}?wait=3600`);
  const { items: [run] } = await json(`/api/v1/runs?experiment=${id}`);
  await logIn();
  await goto(`#/runs/${run.id}`);
  const finding = page.locator(".verification");
  await page.getByRole("button", { name: "Verify", exact: true }).waitFor();
  assert.equal(await finding.isVisible(), false);
  await pause(true);
  await page.getByRole("button", { name: "Verify", exact: true }).click();
  await finding.getByText("It waits to be trained again.").waitFor();
  assert.equal(await page.getByRole("button", { name: "Verify", exact: true }).isVisible(), false);
  await page.getByRole("button", { name: "Stop verifying" }).click();
  await finding.getByText("skipped cancelled").waitFor();
  await page.getByRole("button", { name: "Verify", exact: true }).click();
  await pause(false);
  await finding.locator(".state.identical").waitFor();
  assert.match(await finding.innerText(), /^Verification[^]*identical[^]*The verification \(attempt \d+\) computed [\d,]+ stored values again: every bit is the same\.$/);
  assert.equal(await page.locator(".heading .state.succeeded").count(), 1);

  // A finding that is bad news is shown as such, and fits a narrow window.
  execFileSync("sqlite3", [`${daemon.dir}/ablate.db`, ".timeout 5000",
    `UPDATE metrics SET value = 1 WHERE run = ${run.id} AND step = 2 AND name = (SELECT id FROM metric_names WHERE name = 'train/loss')`]);
  await page.setViewportSize({ width: 400, height: 800 });
  await page.getByRole("button", { name: "Verify", exact: true }).click();
  await finding.locator(".state.differs").waitFor();
  assert.match(await finding.innerText(), /train\/loss at step 2: 1 is stored, /);
  assert.match(await finding.getAttribute("class"), /problem/);
  assert.equal(await overflow(page), 0);
  assert.deepEqual(faults, []);
});

test("the report: the verdict first, differences, audits with what they mean, the figure", async () => {
  await logIn();
  const { id } = await finished();
  await goto(`#/experiments/${id}`);
  const report = await json(`/api/v1/experiments/${id}/report`);
  await page.locator(".verdict").getByText(report.verdict.sentence).waitFor();
  await page.getByText("What would change this").click();
  for (const sentence of [...report.remarks, ...report.would_change]) await page.getByText(sentence).waitFor();
  const row = page.locator("table.differences tbody tr");
  assert.equal(await row.count(), 1);
  assert.match(await row.innerText(), /dsa\s+undetermined[^]*2\s/);

  await goto(`#/experiments/${id}/validity`);
  for (const { name, status, what } of report.arms.dsa.audits) {
    await page.getByRole("link", { name: `dsa, ${name}: ${status}`, exact: true }).click();
    await page.locator(".detail").getByText(what).waitFor();
  }
  await goto(`#/experiments/${id}/export`);
  await page.getByRole("heading", { name: "Figure" }).scrollIntoViewIfNeeded();
  const figure = page.locator("img.figure");
  await figure.waitFor();
  assert.ok(await figure.evaluate((image) => image.decode().then(() => image.naturalWidth)) > 500);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Figure (PNG)" }).click()]);
  assert.equal(download.suggestedFilename(), `experiment-${id}.png`);
  const [capsule] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Capsule" }).click()]);
  assert.match(capsule.suggestedFilename(), new RegExp(`^.+-${id}\\.tar$`));
  for (const [name, ending] of Object.entries({ "Curves (CSV)": "curves.csv", "Curves (JSON lines)": "curves.jsonl", TensorBoard: "tensorboard.tar",
    "Runs (CSV)": "runs.csv", "Runs (JSON lines)": "runs.jsonl" })) {
    const [taken] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name, exact: true }).click()]);
    assert.match(taken.suggestedFilename(), new RegExp(`^.+-${id}-${ending.replace(".", "\\.")}$`));
    assert.equal(await taken.failure(), null);
  }
  assert.equal(await download.failure(), null);
  assert.deepEqual(faults, []);
});

test("a run's page: all curves, the frozen specification, its log; artifacts to take away", async () => {
  await logIn();
  const { items: [run] } = await json(`/api/v1/runs?experiment=${(await finished()).id}&page_size=1`);
  await goto(`#/runs/${run.id}`);
  await page.locator(".heading .state.succeeded").waitFor();
  await page.locator("figure", { hasText: "Training loss" }).locator("canvas").waitFor();
  assert.ok(await page.locator("figure").count() >= 3);
  await page.getByRole("link", { name: "Specification", exact: true }).click();
  const spec = JSON.parse(await page.locator("pre.whole-spec").innerText());
  assert.equal(spec.train.steps, STEPS);
  assert.match(spec.data.dataset, /^sha256:[0-9a-f]{64}$/);
  await page.getByRole("link", { name: "Artifacts", exact: true }).click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "final.safetensors" }).click()]);
  assert.equal(download.suggestedFilename(), `run-${run.id}-final.safetensors`);
  assert.equal(await download.failure(), null);
  assert.deepEqual(faults, []);
});

test("what is wrong with a specification is shown where it stands", async () => {
  await logIn();
  await goto("#/new");
  const editor = page.getByLabel("Specification, JSON"), text = JSON.stringify({ ...SPEC, model: { ...SPEC.model, heads: 7 } }, null, 2);
  await corporaShown();
  await editor.fill(text);
  await page.getByRole("button", { name: "Dry run" }).click();
  await page.getByRole("alert").waitFor();
  assert.match(await page.getByRole("alert").innerText(), /\/model\/heads at line \d+, column \d+/);
  assert.equal(await editor.evaluate((area) => area.value.slice(area.selectionStart, area.selectionEnd)), '"heads": 7');
  await editor.fill('{"name": "x",}');
  await page.getByRole("button", { name: "Submit" }).click();
  await page.getByRole("alert").waitFor();
  assert.match(page.url(), /#\/new$/);
});

test("a dry run says what the audits will", async () => {
  await logIn();
  await goto("#/new");
  await corporaShown();
  await page.getByLabel("Specification, JSON").fill(JSON.stringify({ ...SPEC, data: { ...SPEC.data, split: "windows" } }));
  await page.getByRole("button", { name: "Dry run" }).click();
  const planned = page.getByRole("region", { name: "What the audits say already" });
  await planned.waitFor();
  const [first] = await planned.getByRole("listitem").allInnerTexts();
  assert.match(first, /split_overlap.*training targets at the same place of the corpus.*will be invalid.*data\.split/s);
  assert.match(await planned.innerText(), /Nothing against it so far: .*distinct_seeds/);
});

test("the queue: order, priority, pause, cancel", async () => {
  await logIn();
  await pause(true);
  const made = await submit({ ...SPEC, name: "waiting" });
  await goto("#/queue");
  const rows = page.locator("table", { hasText: "Queued" }).locator("tbody tr[aria-rowindex]");
  await rows.nth(3).waitFor();
  await page.getByText("Paused").waitFor();
  const { items: runs } = await json(`/api/v1/runs?experiment=${made.id}`);
  const last = Math.max(...runs.map((run) => run.id));
  await page.getByLabel(`Priority of run ${last}`).fill("5");
  await page.getByLabel(`Priority of run ${last}`).press("Enter");
  await rows.first().getByText(`Run ${last}`).waitFor(); // moved to the front by the event that tells of it
  await rows.first().getByRole("button", { name: `Cancel run ${last}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel the run" }).click();
  await rows.first().getByText(`Run ${last}`).waitFor({ state: "detached" });
  assert.equal((await json(`/api/v1/runs/${last}`)).state, "cancelled");
  await json(`/api/v1/experiments/${made.id}/cancel`, { method: "POST" });
  await page.getByText("Nothing runs and nothing waits.").waitFor();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByRole("button", { name: "Pause" }).waitFor();
  assert.equal((await json("/api/v1/queue")).paused, false);
  assert.deepEqual(faults, []);
});

test("the list follows what others do; an experiment can be renamed and deleted", async () => {
  await logIn();
  await pause(true);
  const made = await submit({ ...SPEC, name: "from elsewhere" });
  const entry = page.getByRole("link", { name: "from elsewhere" });
  await entry.waitFor(); // came by event, without a reload
  await entry.click();
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("Name", { exact: true }).fill("renamed");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: "renamed" }).waitFor();
  await page.getByRole("button", { name: "Cancel the experiment" }).click();
  await page.getByRole("button", { name: "Cancel the runs" }).click();
  await page.locator(".heading .state.cancelled").waitFor();
  await page.getByRole("button", { name: "Delete the experiment" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("heading", { name: "Experiments" }).waitFor();
  await page.getByRole("link", { name: "renamed" }).waitFor({ state: "detached" });
  assert.equal((await daemon.fetch(`/api/v1/experiments/${made.id}`)).status, 404);
  await pause(false);
  assert.deepEqual(faults, []);
});

test("by keyboard: skip link, navigation, a chart read by arrow keys, the theme kept", async () => {
  await logIn();
  const experiment = await finished();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  assert.equal(new URL(page.url()).hash, "#/");
  await goto(`#/experiments/${experiment.id}/curves`);
  await page.locator("canvas").first().waitFor();
  for (let i = 0; i < 60 && !await page.evaluate(() => document.activeElement.classList.contains("plot")); i++) await page.keyboard.press("Tab");
  const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(ring, "none", "no focus ring on a chart");
  await page.keyboard.press("Home");
  await page.locator("figure [aria-live]").first().getByText(new RegExp(`^step ${EVERY}: dense [^]*, dsa `)).waitFor();
  await page.keyboard.press("ArrowRight");
  await page.locator("figure .caption").first().getByText(`step ${2 * EVERY}`).waitFor();
  const theme = page.getByRole("button", { name: /^Theme/ });
  await theme.focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  await page.reload();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.scheme), "dark");
  assert.deepEqual(faults, []);
});

test("pages that don't exist say so", async () => {
  await logIn();
  await goto("#/experiments/999999");
  await page.getByText("All experiments").waitFor();
  await goto("#/nowhere");
  await page.getByRole("heading", { name: "There is no such page" }).waitFor();
});

test("the list is searched by the daemon's own filter, which the address keeps and whose mistakes are marked", async () => {
  await pause(true);
  const found = await submit({ ...SPEC, name: "sought", tags: { layers: "4" } });
  await submit({ ...SPEC, name: "other" });
  await logIn();
  const field = page.getByRole("searchbox", { name: "Filter" }), names = page.locator("tbody a.name");
  await field.fill("tags.layers = 4 and name like \"sou%\"");
  await field.press("Enter");
  await page.waitForURL(/#\/\?filter=tags\.layers/);
  await page.getByText("other", { exact: true }).waitFor({ state: "detached" });
  assert.deepEqual(await names.allInnerTexts(), ["sought"]);
  await page.reload(); // the address is all of it
  await names.getByText("sought").waitFor();
  assert.equal(await field.inputValue(), "tags.layers = 4 and name like \"sou%\"");
  await field.fill("state = done");
  await field.press("Enter");
  await page.getByRole("alert").getByText("`done` is no state").waitFor();
  assert.equal(await page.locator(".mistake pre").innerText(), "state = done\n        ^^^^");
  await field.fill("tags.layers > 1000");
  await field.press("Enter");
  await page.getByText("No experiment passes this filter.").waitFor();
  await field.fill("");
  await field.press("Enter");
  await names.getByText("other").first().waitFor();
  await json(`/api/v1/experiments/${found.id}/cancel`, { method: "POST" });
  await json(`/api/v1/experiments/${found.id + 1}/cancel`, { method: "POST" });
  await pause(false);
});
