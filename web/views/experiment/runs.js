// The runs of an experiment.

import { runsTable } from "../../parts/runs_table.js";

export function runsTab({ view, experiment }) {
  return runsTable(view, { experiment });
}
