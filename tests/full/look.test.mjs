// How every view of the page looks, in each width and scheme, and that each control is reached by keyboard and shows it.

import { measured, walked } from "../e2e/views.mjs";

measured(1280, "light");
measured(1280, "dark");
measured(400, "light");
measured(400, "dark");
walked({
  1280: ["experiments", "runs of an experiment", "new", "deleted", "experiment", "curves", "validity", "setup", "export",
    "all runs", "run that diverged", "log of a run", "queue", "queue by experiment", "compare", "sql", "datasets", "clone"],
  400: ["experiment", "deleted", "new"],
});
