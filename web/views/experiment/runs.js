// The runs of an experiment.

import { runsTable } from "../../runs_table.js";

export function runsTab({ view, experiment }) {
  return runsTable(view, { experiment });
}
