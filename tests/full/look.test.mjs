// How the page looks, in the widths and schemes that tests/e2e/look leaves out.

import { measured } from "../e2e/views.mjs";

measured(1280, "dark");
measured(400, "light");
