import { minMemory } from "../../deploy/space.ts";
import { killedForMemory } from "../../host/processes.ts";
import { memoryLeft } from "../../host/space.ts";
import { type Check, findings, when } from "./check.ts";

/** Whether there is memory for new processes. */
export const memory: Check = (host) => {
  const left = memoryLeft(host);
  const killed = killedForMemory(host);
  return findings(
    `${left === undefined ? "unknown" : `${left} MB left`}${killed > 0 ? `; ${killed} processes were killed for lack of it since the board was started` : ""}`,
    when(
      left !== undefined && left < minMemory,
      `only ${left} MB left`,
      "ps shows what uses it; fewer processes, PIKU_OVERLAP=false, or swap",
    ),
  );
};
