// All runs, of every experiment.

import { heading } from "../parts/parts.js";
import { runsTable } from "../parts/runs_table.js";

export default async function runs(view) {
  const table = runsTable(view, {});
  view.root.append(heading("Runs"), table.element);
  const after = await table.ready;
  view.follow({ after }, {
    run: ({ run }) => table.ran(run),
    metrics: ({ run, series }) => table.push(run, series),
    experiment: ({ deleted }) => deleted && table.reload(),
    resync: () => table.reload(),
  });
}
