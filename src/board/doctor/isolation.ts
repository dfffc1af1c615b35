import { readOfAny } from "../../app/app.ts";
import { liveSettings } from "../../app/live.ts";
import { wallOf, whyNoWall } from "../../workers/isolation.ts";
import { type Check, complaintsOf, type Finding } from "./check.ts";

/** Whether a wall can be built around an app; only where one is asked for that is a fault. */
export const isolation: Check = (host, { paths, apps, settings }) => {
  const board = settings?.settings ?? {};
  const asking = apps.filter((app) => wallOf(board, liveSettings(host, app, readOfAny)));
  const [fault] = complaintsOf(() => {
    const refusal = whyNoWall(host, paths);
    if (refusal) throw refusal;
  });
  if (!fault)
    return [
      { says: asking.length > 0 ? `${asking.length} apps are isolated` : "walls can be built" },
    ];
  return asking.length > 0 || wallOf(board, {})
    ? [fault]
    : [{ says: fault.says.replace(/^PIKU_ISOLATION: /, "") } satisfies Finding];
};
