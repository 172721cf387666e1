// Not logged in: how to get a link.

import { api } from "../base/api.js";
import { command, h } from "../base/dom.js";

export default async function login({ root }, refused) {
  root.append(h("section.narrow", null,
    h("h1", null, "Log in with a link"),
    refused ? h("p.problem", { role: "alert" },
      `That link didn\u2019t work: ${refused.message} A link works once, for ten minutes.`) : null,
    h("p", null, "This page belongs to whoever runs the daemon. Ask it for a link, on the machine where it runs:"),
    command("ablated link --data DIR"),
    h("p.note", null, "DIR is the daemon\u2019s data folder. Open the printed address here: it logs this browser in, " +
      "once, and leaves no secret in the address bar. The daemon also prints a link when it starts."),
    h("p.note", null, "Programs use the token instead:"),
    command(`curl -K DIR/curlrc ${location.origin}${api}experiments`)));
}
