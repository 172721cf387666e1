// What the daemon can do, as its own description says: a page may be open while another version answers.

import { get } from "./api.js";

let asked = null;

/** Whether there is an endpoint: able("get", "datasets/{name}"). */
export async function able(method, path) {
  asked ??= get("openapi.json").catch(() => {
    asked = null;
    return null;
  });
  const description = await asked;
  return Boolean(description?.paths?.[`/api/v1/${path}`]?.[method]);
}
