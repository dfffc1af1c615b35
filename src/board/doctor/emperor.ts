import { requireEmperor } from "../../workers/emperor.ts";
import { type Check, complaintsOf, findings } from "./check.ts";

/** Whether uWSGI's emperor runs, which starts the workers. */
export const emperor: Check = (host, { paths }) =>
  findings(
    "uWSGI's emperor runs",
    complaintsOf(() => requireEmperor(host, paths)),
  );
