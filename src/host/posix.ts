import type { Host } from "./host.ts";
import { endJob, pollJob, startJob } from "./jobs.ts";
import { outputOf } from "./output.ts";
import { readProcesses } from "./processes.ts";
import { readingOf } from "./read.ts";
import { childrenOf } from "./run.ts";
import type { System } from "./system.ts";
import { writingOf } from "./write.ts";

/** Builds the Host that both engines share. */
export function posixHost(system: System): Host {
  const output = outputOf(system);
  const children = childrenOf(system, output.sayError);
  const { launch, ...rest } = children;
  const host: Host = {
    engine: system.engine,
    target: system.target,
    self: system.self,
    args: system.args,
    pid: system.pid,
    uid: system.uid,
    gid: system.gid,
    parent: () => system.parent(),
    processes: () => system.processes?.() ?? readProcesses(host),
    ignoreHangup: () => system.ignoreHangup(),

    ...readingOf(system),
    ...writingOf(system, children.capture),
    ...rest,
    start: (argv, how) => startJob(host, launch, argv, how),
    poll: (job) => pollJob(host, job),
    end: (job, grace) => endJob(host, job, grace),
    ...output,
    isTerminal: (descriptor) => system.isTerminal(descriptor),

    now: () => Date.now(),
    ticks: () => system.ticks(),
    sleep: (milliseconds) => system.sleep(Math.max(0, milliseconds)),
    canBind: (address, port) => system.canBind(address, port),
  };
  return host;
}
