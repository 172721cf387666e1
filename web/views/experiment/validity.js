// Whether the comparison may be believed: arms by audits, with what each finding says beside it; the loss by position;
// the runs that were trained again. What is looked at stands in the address: ?audit=…&arm=…&status=….

import { link } from "../../base/address.js";
import { SIGNS, STATUSES } from "../../parts/audits.js";
import { h, rove } from "../../base/dom.js";
import { gridPoint } from "../../base/format.js";
import { armLabel, empty, hasEnded, invalidTag, stateBadge, table } from "../../parts/parts.js";
import { explained, positionsSection } from "../report.js";

const ALL = "the experiment"; // what isn't about one arm

/** Findings by arm and name: the worst stands for all of a cell. */
function cells(report, arms) {
  const rows = [...arms.map((arm) => ({ arm, checks: report.arms?.[arm]?.audits ?? [] })),
    { arm: null, checks: report.checks }];
  const names = [...new Set(rows.slice(0, -1).flatMap(({ checks }) => checks.map(({ name }) => name)))];
  return { rows, names };
}

const worst = (list) => [...STATUSES, "missing"].find((status) => list.some((one) => one.status === status));

function replays(runs) {
  const tried = [...runs.values()].filter(({ verify }) => verify !== null);
  const element = h("section", { "aria-labelledby": "replay" }, h("h2", { id: "replay" }, "Trained again"));
  if (tried.length === 0) {
    element.append(empty("No run has been verified. A run\u2019s page has a button that trains it again and compares " +
      "every bit."));
    return element;
  }
  const made = table({ caption: "Runs that were verified", hidden: true, headings: ["Run", "Result", "What it says"] });
  made.body.append(...tried.map((run) => h("tr", null,
    h("th", { scope: "row" }, h("a", { href: `#/runs/${run.id}` }, `Run ${run.id}`)),
    h("td", null, stateBadge(run.verify.state)), h("td", null, run.verify.reason))));
  element.append(made.element);
  return element;
}

export function validityTab(page) {
  const { experiment, runs, view } = page, { arms } = experiment;
  const matrix = h("div"), detail = h("section.detail", { "aria-label": "What the audits say", "aria-live": "polite" });
  const positions = positionsSection(experiment, view.signal), again = h("div");
  const element = h("div.validity", null, h("div.beside.wide-first", null, h("div", null,
    h("section", { "aria-labelledby": "audits" }, h("h2", { id: "audits" }, "Arms and audits"), matrix),
    positions.element, again), detail));
  const to = (query) => link(page.to("validity").slice(1), query);
  let report = null, drawn = "";

  const underWay = (arm, status) => status === "missing" &&
    [...runs.values()].some((run) => (arm === null || run.arm === arm) && !hasEnded(run.state));
  const said = (arm, status) => (underWay(arm, status) ? "under way" : status);

  function sign(arm, name, list) {
    const status = worst(list), words = said(arm, status);
    const { query } = view;
    const here = query.get("audit") === name && (query.get("arm") ?? ALL) === (arm ?? ALL) && query.has("audit");
    return h(`a.${arm === null ? "tag" : "sign-cell"}.${status}`, {
      href: to({ audit: name, arm: arm ?? undefined, whole: arm === null ? "1" : undefined }), tabindex: "-1",
      "aria-current": here ? "true" : null, title: `${name}: ${words}`,
      "aria-label": `${arm ?? ALL}, ${name}: ${words}`,
    }, words === "under way" ? "\u25d0" : SIGNS[status] ?? "?", arm === null ? ` ${name}` : "");
  }

  function drawMatrix() {
    const { rows, names } = cells(report, arms);
    const made = h("table.matrix-table.rove", null,
      h("caption.hidden", null, "The worst finding of each audit, an arm a row"),
      h("thead", null, h("tr", null, h("th", { scope: "col" }, "Arm"), names.map((name) =>
        h("th.upright", { scope: "col" }, h("a", { href: to({ audit: name }), tabindex: "-1" }, name))))),
      h("tbody", null, rows.filter(({ arm }) => arm !== null).map(({ arm, checks }) => h("tr", null,
        h("th", { scope: "row" }, armLabel(arms, arm), report.arms?.[arm]?.valid === false ? invalidTag() : null),
        names.map((name) => {
          const list = checks.filter((one) => one.name === name);
          return h("td", null, list.length > 0 ? sign(arm, name, list) : "");
        })))));
    const whole = h("p.whole.rove", null, h("span.quiet-text", null, "The experiment as a whole: "),
      [...new Set(report.checks.map(({ name }) => name))].map((name) =>
        [sign(null, name, report.checks.filter((one) => one.name === name)), " "]));
    rove(made, names.length)();
    rove(whole)();
    matrix.replaceChildren(whole, h("div.scroll", { tabindex: "0", role: "region", "aria-label": "Audits by arm" },
      made));
  }

  function drawDetail() {
    const { query } = view, [name, arm, status] = ["audit", "arm", "status"].map((key) => query.get(key));
    const whole = query.get("whole") === "1", chosen = Boolean(name ?? arm ?? status);
    const list = cells(report, arms).rows.flatMap(({ arm: of, checks }) => checks.map((one) => ({ ...one, arm: of })));
    const shown = list.filter((one) => (name === null || one.name === name) && (arm === null || one.arm === arm) &&
      (!whole || one.arm === null) && (status === null || one.status === status) &&
      (chosen || one.status === "fail" || one.status === "warn"));
    shown.sort((a, b) => STATUSES.indexOf(a.status) - STATUSES.indexOf(b.status));
    const title = chosen ? [name, arm ?? (whole ? ALL : null), status].filter(Boolean).join(", ")
      : "What isn\u2019t as it should be";
    detail.replaceChildren(h("div.heading", null, h("h2", null, title),
      chosen ? h("a", { href: to({}) }, "All that isn\u2019t as it should be") : ""),
    ...(shown.length > 0 ? shown.map((one) => h("article.finding", null,
      h("h3", null, h(`span.tag.${one.status}`, null, h("span", { "aria-hidden": "true" }, SIGNS[one.status] ?? "?"),
        ` ${one.name}`), " ", one.arm === null ? ALL : armLabel(arms, one.arm)),
      explained(one, said(one.arm, one.status)), evidence(one)))
      : [empty(chosen ? "Nothing of that kind."
        : "Nothing: every audit that was made passed or doesn\u2019t apply.")]));
  }

  /** Each finding that stands behind a cell, with what was measured. */
  function evidence({ name, arm }) {
    const found = report.audits.filter((one) => one.name === name && (one.arm ?? null) === arm);
    if (found.length === 0) return "";
    return h("details", null, h("summary", null, "Evidence"), found.map((one) => h("div", null,
      h("p.note", null, one.run ? h("a", { href: `#/runs/${one.run}` }, `Run ${one.run}`) : "All runs",
        one.grid ? `, ${gridPoint(one.grid)}` : "", `: ${one.status}. ${one.detail}`),
      one.evidence ? h("pre", { tabindex: "0" }, JSON.stringify(one.evidence, null, 1)) : "")));
  }

  function draw() {
    if (!report) return;
    const { state } = experiment;
    const stamp = JSON.stringify([report.arms, report.checks, report.audits.length, String(view.query), state]);
    if (stamp === drawn) return; // evidence that is open stays open
    drawn = stamp;
    const { activeElement } = document, focused = element.contains(activeElement) && activeElement.getAttribute("href");
    drawMatrix();
    drawDetail();
    again.replaceChildren(replays(runs));
    if (focused) [...element.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)?.focus();
  }
  return {
    element,
    moved: draw,
    update(now) {
      report = now;
      positions.update(now);
      draw();
    },
  };
}
