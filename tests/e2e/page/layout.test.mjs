// The page's layout: what stands in its addresses and is there again after Back, what it asks before it overwrites, what it
// says of data that aren't complete, long lists, comparing, cloning, asking in SQL. In a real browser, with one of
// everything (showcase.mjs).

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, beforeEach, test } from "node:test";
import { link, open } from "../browser.mjs";
import { here } from "../views.mjs";

const MANY = 300;
let page, context, faults, waiting;

const goto = (hash) => page.goto(`${here.daemon.base}/${hash}`);
const hash = () => new URL(page.url()).hash;

/** Three hundred runs that wait, since the queue is paused. */
async function many() {
  const spec = { name: "three hundred seeds", data: { dataset: "squares", seq_len: 16 }, model: { layers: 1, heads: 2, d_model: 32, d_ff: 32, dropout: 0 },
    train: { steps: 40, batch_size: 4 }, arms: { one: {}, two: { "train.lr": 0.001 } }, seeds: Array.from({ length: MANY / 2 }, (_, i) => i + 1) };
  return (await here.json("experiments", spec)).id;
}
beforeEach(async () => {
  waiting ??= await many();
  await context?.close();
  ({ page, context, faults } = await open(here.browser));
  await context.addCookies(here.session.cookies);
});
after(() => context?.close());

/** Answers of the daemon as they would be with a change. */
const change = (path, edit) => page.route(`**/api/v1/${path}`, async (route) => {
  const response = await route.fetch();
  await route.fulfill({ response, json: edit(await response.json()) });
});

test("an experiment's tabs stand in the address, under one head that isn't made again", async () => {
  const { experiment } = here.made;
  await goto(`#/experiments/${experiment}`); // a link of before
  const head = page.locator(".head h1");
  await head.getByText("one of everything").waitFor();
  await head.evaluate((element) => (element.kept = true));
  for (const [name, shown] of Object.entries({ Curves: "canvas", Runs: "table.runs tbody a", Validity: ".finding", Attention: ".heatmap canvas",
    Setup: "table.changes", Export: "img.figure", Summary: "table.study" })) {
    await page.getByRole("link", { name, exact: true }).last().click();
    await page.locator(".tab").locator(shown).first().waitFor();
    assert.equal(hash(), `#/experiments/${experiment}${name === "Summary" ? "" : `/${name.toLowerCase()}`}`);
    assert.equal(await page.locator(".tabs a[aria-current]").textContent(), name);
  }
  assert.equal(await head.evaluate((element) => element.kept), true);
  await page.goBack();
  await page.locator("img.figure").waitFor();
  await page.reload();
  await page.locator("img.figure").waitFor();
  assert.deepEqual(faults, []);
});

test("chips in the head lead to what they are about", async () => {
  await goto(`#/experiments/${here.made.experiment}`);
  await page.locator(".chip.invalid").click();
  await page.locator(".detail h2", { hasText: "dsa-with-a-long-name-as-published" }).waitFor();
  await page.locator(".head .tag.warn").click();
  await page.locator(".detail h2", { hasText: "warn" }).waitFor();
  assert.deepEqual([...new Set(await page.locator(".finding h3 .tag").evaluateAll((all) => all.map((one) => one.className)))], ["tag warn"]);
  await page.locator(".head .tag.fail", { hasText: "causality" }).click();
  await page.locator(".detail h2", { hasText: "causality" }).waitFor();
});

test("runs that failed aren't shown as a success", async () => {
  await goto(`#/experiments/${here.made.fails}`);
  await page.locator(".head .state").waitFor();
  assert.match(await page.locator(".head .state").innerText(), /^\u2715\s+finished \u00b7 all failed$/);
  await goto("#/");
  const row = page.locator("tr", { has: page.locator("a.name", { hasText: /^fails$/ }) });
  await row.locator(".state.lost").waitFor();
  assert.match(await row.innerText(), /0 of 1/);
});

test("a mean of some of the seeds isn't shown as a result", async () => {
  const { experiment } = here.made;
  await change(`experiments/${experiment}/report?format=json`, (report) => ({ ...report, verdict: { ...report.verdict, status: "open" },
    table: report.table.map((row) => (row.arm === "dense" ? { ...row, n: 1 } : row)) }));
  await goto(`#/experiments/${experiment}`);
  const rows = page.locator("table.study tbody tr");
  await rows.first().getByText("1 of 2, not comparable yet").waitFor();
  const [dense, sparse] = await rows.allInnerTexts();
  assert.doesNotMatch(dense, /\d\.\d{4}/);
  assert.match(sparse, /\d\.\d{4} \u00b1/); // itself complete
  assert.doesNotMatch(sparse, /[+\u2212]\d/); // but what it differs from isn't
});

test("a thousand rows are a few in the document, and scroll to the last", async () => {
  await goto(`#/experiments/${waiting}/runs`);
  const rows = page.locator("table.runs tbody tr[aria-rowindex]");
  await rows.first().waitFor();
  assert.equal(await page.locator("table.runs").getAttribute("aria-rowcount"), String(MANY + 1));
  assert.ok(await rows.count() < 80, `${await rows.count()} rows`);
  await page.locator(".box").evaluate((box) => (box.scrollTop = box.scrollHeight));
  await page.locator(`tr[aria-rowindex="${MANY + 1}"]`).waitFor();
  assert.ok(await rows.count() < 80);
  assert.deepEqual(faults, []);
});

test("the Tab key keeps its place in a long list: row by row, out of sight, in another order, with another column", async () => {
  await goto(`#/experiments/${waiting}/runs?order=-priority`);
  const box = page.locator(".box"), last = page.locator(`tr[aria-rowindex="${MANY + 1}"]`);
  const at = () => page.evaluate(() => [Number(document.activeElement.closest("tr")?.getAttribute("aria-rowindex")), document.activeElement.getAttribute("aria-label")]);
  await page.locator("tr[aria-rowindex='2'] input").focus();
  const way = [];
  for (let stop = 1; stop < 180; stop++) {
    await page.keyboard.press("Tab");
    way.push((await at())[0]);
  }
  assert.deepEqual(way, Array.from({ length: 179 }, (_, i) => 2 + Math.floor((i + 1) / 3)));

  const [row, label] = await at();
  await box.evaluate((element) => (element.scrollTop = element.scrollHeight));
  await last.waitFor();
  assert.deepEqual(await at(), [row, label]);
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Shift+Tab");
  assert.equal((await at())[0], row - 1);
  await page.locator(`tr[aria-rowindex="${row - 2}"]`).waitFor(); // it is in sight again
  assert.equal(await last.count(), 0);

  const mine = (await at())[1];
  await here.json(`runs/${/\d+/.exec(mine)[0]}/priority`, { priority: 7 });
  await page.waitForFunction((name) => document.querySelector("tr[aria-rowindex='2']")?.querySelector(`[aria-label="${name}"]`), mine);
  assert.deepEqual(await at(), [2, mine]);
  await page.locator(".menu input").first().evaluate((element) => element.click());
  await page.waitForFunction(() => document.querySelector("tr[aria-rowindex='2']").cells.length !== 8);
  assert.deepEqual(await at(), [2, mine]);
  await here.json(`runs/${/\d+/.exec(mine)[0]}/priority`, { priority: 0 });
  assert.deepEqual(faults, []);
});

test("runs are sorted, filtered and given columns by the address; Back brings rows and place again", async () => {
  await goto(`#/experiments/${waiting}/runs`);
  const rows = page.locator("table.runs tbody tr[aria-rowindex]");
  await page.getByRole("button", { name: "Seed" }).click();
  await page.getByRole("button", { name: "Seed" }).click();
  await page.waitForFunction((most) => document.querySelector("tr[aria-rowindex='2']")?.innerText.includes(`\t${most}\t`), MANY / 2);
  assert.match(await page.locator("th[aria-sort=descending]").innerText(), /^Seed\s+\u2193$/);
  await page.locator("summary", { hasText: "Columns" }).click();
  await page.locator(".menu").getByText("lr", { exact: true }).click();
  await page.getByRole("searchbox", { name: "Filter" }).fill("arm = two");
  await page.getByText(`${MANY / 2} runs`).waitFor();
  assert.match(hash(), /order=-seed/);
  assert.match(hash(), /columns=[^&]*train\.lr/);
  assert.match(hash(), /filter=arm\+%3D\+two/);
  assert.match(await rows.first().innerText(), /two\s+0\.001\s+150/);
  await page.locator(".box").evaluate((box) => (box.scrollTop = 2000));
  const seen = page.locator("tr[aria-rowindex='70']");
  await seen.waitFor();
  await seen.getByRole("link").click();
  await page.locator(".head h1", { hasText: "two" }).waitFor();
  await page.goBack();
  await seen.waitFor(); // without scrolling
  assert.equal(await page.locator(".box").evaluate((box) => Math.abs(box.scrollTop - 2000) < 300), true);
  await page.getByText(`${MANY / 2} runs`).waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
  const lines = (await readFile(await download.path(), "utf8")).trimEnd().split("\r\n");
  assert.equal(lines.length, MANY / 2 + 1);
  assert.match(lines[0], /^id,arm,train\.lr,seed,state/);
  assert.match(lines[1], /,two,0\.001,150,queued/);
  assert.deepEqual(faults, []);
});

test("runs that are selected get a priority, and are cancelled when that was confirmed", async () => {
  await goto(`#/experiments/${waiting}/runs?filter=seed+%3C%3D+2&order=id`);
  await page.getByText("4 runs", { exact: true }).waitFor();
  await page.getByRole("checkbox", { name: "Select all runs" }).check();
  await page.getByText("4 runs selected").waitFor();
  await page.getByLabel("Priority of the selected runs").fill("7");
  await page.getByRole("button", { name: "Set priority" }).click();
  await page.getByText("4 runs at priority 7.").waitFor();
  const { items } = await here.json(`runs?${new URLSearchParams({ experiment: waiting, filter: "priority = 7" })}`);
  assert.equal(items.length, 4);
  const buttons = page.getByRole("button", { name: /^Cancel run \d+$/ });
  assert.equal(new Set(await buttons.evaluateAll((all) => all.map((one) => one.getAttribute("aria-label")))).size, 4);
  await buttons.first().click();
  await page.getByRole("dialog").getByRole("button", { name: "Keep" }).click();
  await page.getByRole("checkbox", { name: "Select run" }).first().check();
  await page.getByRole("button", { name: "Cancel the selected runs" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel the run" }).click();
  await page.locator(".state.cancelled").waitFor();
  assert.equal((await here.json(`runs?${new URLSearchParams({ experiment: waiting, filter: "state = cancelled" })}`)).items.length, 1);
  await page.waitForFunction(() => document.activeElement !== document.body);
});

test("a run's own Cancel asks, and the focus stays in the page when a row goes", async () => {
  const { items: [run, other] } = await here.json(`runs?${new URLSearchParams({ experiment: waiting, filter: "state = queued and seed > 100", page_size: "2" })}`);
  await goto(`#/runs/${run.id}`);
  await page.getByRole("button", { name: `Cancel run ${run.id}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Keep" }).click();
  assert.equal((await here.json(`runs/${run.id}`)).state, "queued");
  await page.getByRole("button", { name: `Cancel run ${run.id}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel the run" }).click();
  await page.locator(".heading .state.cancelled").waitFor();
  await page.waitForFunction(() => document.activeElement !== document.body);
  await here.json(`runs/${other.id}/priority`, { priority: 1000 }); // to the top of the queue
  await goto("#/queue");
  await page.getByRole("button", { name: `Cancel run ${other.id}` }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel the run" }).click();
  await page.getByRole("button", { name: `Cancel run ${other.id}` }).waitFor({ state: "detached" });
  await page.waitForFunction(() => document.activeElement !== document.body);
});

test("the queue by experiment: a priority for all that waits", async () => {
  await goto("#/queue?by=experiment");
  const field = page.getByLabel(`Priority of experiment ${here.made.waits}`);
  await field.fill("3");
  await field.press("Enter");
  await page.getByText(`12 runs of experiment ${here.made.waits} at priority 3.`).waitFor();
  const { items } = await here.json(`runs?experiment=${here.made.waits}`);
  assert.deepEqual([...new Set(items.map(({ priority }) => priority))], [3]);
});

test("a log-in leads to what was asked for", async () => {
  const { page: other, context: fresh, faults: own } = await open(here.browser);
  const wanted = `#/experiments/${here.made.experiment}/validity?audit=causality`;
  await other.goto(`${here.daemon.base}/${wanted}`);
  await other.getByRole("heading", { name: "Log in with a link" }).waitFor();
  await other.goto(await link(here.daemon));
  await other.locator(".detail h2", { hasText: "causality" }).waitFor();
  assert.equal(new URL(other.url()).hash, wanted);
  assert.deepEqual(own.filter((fault) => !fault.includes("401")), []);
  await fresh.close();
});

test("addresses that lead nowhere say so, and lead back", async () => {
  await goto("#/%");
  await page.getByRole("heading", { name: "There is no such page" }).waitFor();
  assert.deepEqual(faults, []);
  await goto(`#/experiments/${here.made.deleted}`);
  await page.getByRole("link", { name: "deleted experiments" }).click();
  await page.getByRole("heading", { name: "Deleted experiments" }).waitFor();
});

test("notes are Markdown, and no HTML", async () => {
  const notes = "# Why\n\nIt is **bold**, see [the paper](https://example.org/a).\n\n* one\n* two\n\n<img src=x onerror=alert(1)>\n\n[bad](javascript:alert(1))\n\n| a | b |\n|---|---|\n| 1 | 2 |";
  await change(`experiments/${here.made.experiment}`, (experiment) => ({ ...experiment, notes }));
  await goto(`#/experiments/${here.made.experiment}`);
  const shown = page.locator(".markdown");
  await shown.locator("strong", { hasText: "bold" }).waitFor();
  assert.equal(await shown.locator("h3").innerText(), "Why");
  assert.deepEqual(await shown.locator("li").allInnerTexts(), ["one", "two"]);
  assert.equal(await shown.locator("td").count(), 2);
  assert.deepEqual(await shown.locator("a").evaluateAll((all) => all.map((one) => one.getAttribute("href"))), ["https://example.org/a"]);
  assert.equal(await shown.locator("img, script").count(), 0);
  assert.match(await shown.innerText(), /<img src=x/);
  assert.deepEqual(faults, []);
});

test("an edit that is refused keeps what was written", async () => {
  await page.route(`**/api/v1/experiments/${here.made.waits}`, (route) => (route.request().method() === "PATCH"
    ? route.fulfill({ status: 422, contentType: "application/problem+json", body: JSON.stringify({ detail: "That name is refused." }) }) : route.continue()));
  await goto(`#/experiments/${here.made.waits}`);
  await page.getByRole("button", { name: "Edit" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Notes").fill("An hour of thought.");
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.getByRole("alert").getByText("That name is refused.").waitFor();
  assert.equal(await dialog.getByLabel("Notes").inputValue(), "An hour of thought.");
  await page.unroute(`**/api/v1/experiments/${here.made.waits}`);
  await dialog.getByRole("button", { name: "Save" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.locator(".markdown").getByText("An hour of thought.").waitFor();
});

test("a clone says what was changed against its parent; another start asks before it overwrites", async () => {
  await goto(`#/experiments/${here.made.waits}`);
  await page.getByRole("link", { name: "Clone" }).click();
  const editor = page.getByLabel("Specification, JSON");
  await page.getByText("Nothing yet.").waitFor();
  const text = await editor.inputValue();
  assert.doesNotMatch(text, /max_attempts/); // defaults are left out
  await editor.fill(text.replace('"d_model": 32', '"d_model": 64'));
  const row = page.locator("table.changes tbody tr");
  await row.waitFor();
  assert.equal(await row.innerText(), "model.d_model\t32\t64");
  await page.locator("#cost + div", { hasText: "12" }).waitFor(); // the cost has followed
  await page.getByLabel("Preset").selectOption("demo");
  await page.getByRole("dialog").getByRole("button", { name: "Keep" }).click();
  assert.match(await editor.inputValue(), /"d_model": 64/);
  assert.equal(await page.getByLabel("Preset").inputValue(), "clone");
  await page.reload(); // the draft is still there
  await row.waitFor();
  await page.getByLabel("Preset").selectOption("demo");
  await page.getByRole("dialog").getByRole("button", { name: "Replace it" }).click();
  await page.waitForFunction(() => document.querySelector("textarea")?.value.includes("fortunes"));
  assert.deepEqual(faults.filter((fault) => !fault.includes("422")), []); // the preset's corpus isn't there
});

test("the form has the schema's help at the cursor, and mistakes at their place", async () => {
  await goto("#/new");
  const editor = page.getByLabel("Specification, JSON"), help = page.getByRole("region", { name: "At the cursor" });
  await page.waitForFunction(() => document.querySelector("textarea")?.value.includes("squares"));
  await help.getByText("arms \u00d7 grid", { exact: false }).waitFor();
  const at = (word) => editor.evaluate((area, sought) => {
    area.focus();
    area.setSelectionRange(area.value.indexOf(sought) + 2, area.value.indexOf(sought) + 2);
  }, word);
  await at("warmup_steps");
  await help.getByRole("heading", { name: "train.warmup_steps" }).waitFor();
  await help.getByRole("button", { name: "grad_clip" }).waitFor();
  await at("top_k");
  await help.getByText(/^K; 0 leaves it/).waitFor();
  await editor.fill((await editor.inputValue()).replace('"heads": 4', '"heads": 7'));
  const cost = page.locator("#cost + div");
  await cost.getByText(/heads must divide d_model/).waitFor(); // by itself, and the focus stays
  assert.equal(await editor.evaluate((area) => area === document.activeElement), true);
  await cost.getByRole("button", { name: /^line \d+, column \d+$/ }).click();
  assert.equal(await editor.evaluate((area) => area.value.slice(area.selectionStart, area.selectionEnd)), '"heads": 7');
});

test("an upload over a corpus of the same name asks", async () => {
  await here.daemon.fetch("/api/v1/datasets/second", { method: "PUT", headers: { "Content-Type": "text/plain" }, body: "One.\n%\nTwo.\n" });
  await goto("#/datasets");
  await page.getByRole("link", { name: "second" }).waitFor();
  const before = (await here.json("datasets")).items.find(({ name }) => name === "second").digest;
  const digest = async () => (await here.json("datasets")).items.find(({ name }) => name === "second").digest;
  await page.getByLabel("File").setInputFiles({ name: "second.txt", mimeType: "text/plain", buffer: Buffer.from("Another one.\n") });
  assert.equal(await page.getByLabel("Name of the corpus").inputValue(), "second");
  await page.getByRole("button", { name: "Upload" }).click();
  await page.getByRole("dialog").getByText(/There is a corpus/).waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Keep" }).click();
  assert.equal(await digest(), before);
  await page.getByRole("button", { name: "Upload" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Replace it" }).click();
  await page.getByText("second: 1 document").waitFor();
  assert.notEqual(await digest(), before);
  await page.getByRole("link", { name: "squares" }).click();
  await page.locator(".detail").getByRole("link", { name: "one of everything" }).waitFor();
  await page.getByRole("button", { name: "Delete second" }).click();
  await page.getByRole("dialog").getByText(/No experiment uses it/).waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Delete it" }).click();
  await page.getByRole("link", { name: "second" }).waitFor({ state: "detached" });
});

test("two runs of different experiments are compared: what differs, their curves, a clone from there", async () => {
  const { experiment, failed } = here.made;
  const { items: [run] } = await here.json(`runs?${new URLSearchParams({ experiment, filter: "arm = dense", page_size: "1" })}`);
  await goto(`#/runs/${run.id}`);
  await page.locator(".head").getByRole("link", { name: "Compare" }).click();
  await page.getByLabel("Add to the comparison").fill(`run ${failed}`);
  await page.getByRole("button", { name: `Add run ${failed}` }).click();
  const table = page.locator("table.compared");
  await table.locator("thead th").nth(2).waitFor();
  assert.equal(hash(), `#/compare?with=r${run.id},r${failed}`);
  const fields = await table.locator("tbody th code").allInnerTexts();
  assert.ok(fields.includes("train.steps") && !fields.includes("model.d_model"), fields.join());
  await page.locator("figure", { hasText: "Training loss" }).locator("canvas").waitFor();
  assert.equal(await page.locator("figure", { hasText: "Training loss" }).locator(".legend dt").count(), 2);
  await page.reload();
  await table.locator("thead th").nth(2).waitFor();
  await table.getByRole("link", { name: /^Clone main/ }).click();
  await page.getByText("What was changed stands below.").waitFor();
  assert.match(await page.getByLabel("Specification, JSON").inputValue(), /"steps": 1000000/);
  assert.deepEqual(faults, []);
});

test("an arm is found by its experiment's name, compared, and taken away again", async () => {
  await goto("#/compare");
  await page.getByText("Nothing is compared yet.").waitFor();
  await page.getByLabel("Add to the comparison").fill("one of every");
  await page.getByRole("button", { name: "Add diverges" }).click();
  await page.getByRole("button", { name: "Add dsa-with-a-long-name-as-published" }).click();
  const heads = page.locator("table.compared thead th");
  await heads.nth(4).waitFor(); // each at two grid points
  await page.locator("table.compared .tag", { hasText: "invalid" }).first().waitFor();
  await page.getByRole("button", { name: /^Remove diverges/ }).first().click();
  await page.waitForFunction(() => document.querySelectorAll("table.compared thead th").length === 3);
  assert.match(hash(), /^#\/compare\?with=e\d+:dsa-with-a-long-name-as-published$/);
});

test("SQL: a question in the address, its answer as a table, a chart and CSV; one that is kept; one that is wrong", async () => {
  const sql = "SELECT step, value, run FROM v_curves WHERE metric = 'val/loss' AND run < 3 ORDER BY run, step";
  await goto(`#/sql?${new URLSearchParams({ q: sql, by: "run" })}`);
  await page.getByText(/^8 rows in/).waitFor();
  assert.equal(await page.locator("table.runs tbody tr[aria-rowindex]").count(), 8);
  await page.locator("figure canvas").waitFor();
  assert.equal(await page.locator("figure .legend dt").count(), 2);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
  assert.match(await readFile(await download.path(), "utf8"), /^step,value,run\r\n10,/);
  await page.getByRole("button", { name: "Keep this question" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("mine");
  await page.getByRole("dialog").getByRole("button", { name: "Keep" }).click();
  await page.locator("summary", { hasText: "attempts" }).click();
  await page.getByRole("button", { name: "outcome" }).waitFor(); // a column, with what its line says
  await page.getByLabel("SQL").fill("SELECT absent FROM v_runs");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await page.getByRole("alert").filter({ hasText: "no such column: absent" }).waitFor();
  await page.getByRole("button", { name: "mine", exact: true }).click();
  await page.getByText(/^8 rows in/).waitFor();
  assert.deepEqual(faults.filter((fault) => !fault.includes("422")), []);
});

test("a run's log is searched, shows colours, and overwrites what a carriage return does", async () => {
  await page.route(`**/api/v1/runs/${here.made.diverged}/log`, (route) => route.fulfill({ contentType: "text/plain",
    body: "first\n10 %\r100 %\n\x1b[31mred\x1b[0m and plain\nlast\n" }));
  await goto(`#/runs/${here.made.diverged}/log`);
  const lines = page.locator("pre.log .line");
  await lines.nth(3).waitFor();
  assert.deepEqual((await lines.allInnerTexts()).map((line) => line.trimEnd()), ["first", "100 %", "red and plain", "last"]);
  assert.equal(await page.locator(".ansi-red").innerText(), "red");
  await page.getByLabel("Search in the log").fill("PLAIN");
  await page.getByText("1 of 4 lines").waitFor();
  assert.match(hash(), /search=PLAIN/);
  assert.equal(await lines.count(), 1);
});

test("an arm that an audit has made worthless is marked on its runs' pages", async () => {
  const { items } = await here.json(`runs?${new URLSearchParams({ experiment: here.made.experiment, filter: "seed = 1", page_size: "3" })}`);
  for (const { id, arm } of items) {
    await goto("#/nowhere");
    await goto(`#/runs/${id}`);
    await page.locator(".head .heading > span .tag", { hasText: "invalid" }).waitFor({ state: arm.startsWith("dsa") ? "visible" : "hidden" });
  }
});

test("the legend of curves marks an arm that an audit has made worthless; a chart that takes keys says what it is of", async () => {
  await goto(`#/experiments/${here.made.experiment}/curves?x=tokens`);
  await page.locator(".arms > li", { hasText: "dsa-with-a-long-name-as-published" }).getByText("invalid").waitFor();
  for (const arm of ["dense", "diverges"])
    assert.equal(await page.locator(".arms > li", { hasText: arm }).getByText("invalid").isVisible(), false);
  // at its own x: a run at L = 16 reads twice as many tokens as one at L = 8
  for (const [L, tokens] of [[8, "1,280"], [16, "2,560"]]) {
    const plot = page.locator("figure.chart", { hasText: `Validation loss, L\u2009=\u2009${L}` }).locator(".plot").first();
    assert.equal(await plot.getAttribute("role"), "application");
    assert.match(await plot.getAttribute("aria-label"), new RegExp(`^Validation loss, L\u2009=\u2009${L} by tokens: dense .* at tokens ${tokens}, from`));
  }
  const { items: [run] } = await here.json(`runs?${new URLSearchParams({ experiment: here.made.experiment, page_size: "1" })}`);
  await goto(`#/runs/${run.id}?x=flops&full=train/loss`);
  await page.locator(".curves.full").waitFor();
  assert.match(await page.locator("figure.chart:visible .plot").getAttribute("aria-label"), /^Training loss by FLOPs: /);
  await page.getByRole("button", { name: "Full screen: Training loss" }).click();
  await page.locator(".tabs").waitFor();
  assert.doesNotMatch(hash(), /full/);
  assert.deepEqual(faults, []);
});
