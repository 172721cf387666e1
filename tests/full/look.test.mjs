// How the page looks, in the widths, schemes and views that tests/e2e/page/look leaves out.

import { measured, walked } from "../e2e/views.mjs";

measured(1280, "dark");
measured(400, "light");
measured(400, "dark");
walked({
  1280: ["deleted", "experiment", "curves", "validity", "setup", "export", "all runs", "run that diverged", "log of a run", "queue",
    "queue by experiment", "compare", "sql", "datasets", "clone"],
  400: ["deleted", "new"],
});
