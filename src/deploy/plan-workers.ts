import type { App } from "../app/app.ts";
import { parseCron } from "../app/cron.ts";
import type { Settings } from "../app/env-file.ts";
import { isCron, isUwsgiKind, type Procfile, type Scaling, siteKinds } from "../app/procfile.ts";
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { escapeValue } from "../workers/ini.ts";
import { refuseLimits } from "../workers/limits-board.ts";
import { refuseMissingPlugins } from "../workers/plugins.ts";
import type { PortNeeds } from "../workers/ports.ts";
import { vassalPairs } from "../workers/vassal.ts";
import { type SocketMode, socketOf, type Worker } from "../workers/worker.ts";

/** What the processes of an app are planned from. */
export interface WorkersFacts {
  app: App;
  procfile: Procfile;
  scaling: Scaling;
  /** What every process gets. */
  settings: Settings;
  place: PortNeeds;
  socketMode: SocketMode;
  /** Whether nginx asks the `web` workers by sockets, since they sleep (PIKU_IDLE). */
  webSleeps: boolean;
  /** What all workers have in common. */
  common: Pick<Worker, "release" | "options" | "virtualenv" | "phpIni" | "wall">;
}

/** Every process that the app is to have. */
export function planWorkers({
  app,
  procfile,
  scaling,
  settings,
  place: { names, bind, ports, slot },
  socketMode,
  webSleeps,
  common: { release, options, virtualenv, phpIni, wall },
}: WorkersFacts): Worker[] {
  const { workers } = procfile;
  const front = siteKinds.find((kind) => kind in workers);
  const healthcheck = setting(settings, "PIKU_HEALTHCHECK");
  // The port changes with every deploy: workers that do not listen on it have no use for it, and
  // would always look changed.
  const { PORT, ...others } = settings;
  const planWorker = (kind: string, command: string, ordinal: number): Worker => {
    const isSite = siteKinds.includes(kind);
    const port = isSite ? ports[slot][ordinal - 1] : undefined;
    const isBehind = isUwsgiKind(kind) && kind === front && names.length > 0;
    const socket = isBehind ? socketOf(app, ordinal, release) : undefined;
    return {
      kind,
      ordinal,
      command,
      release,
      settings: {
        ...others,
        ...(port !== undefined && !socket ? { PORT: String(port) } : {}),
        PROC_TYPE: kind,
      },
      listen: socket
        ? { socket, mode: socketMode }
        : port !== undefined
          ? { address: bind, port }
          : undefined,
      ...(isSite ? { site: names[0], healthcheck } : {}),
      ...(webSleeps && kind === "web" && kind === front && names.length > 0
        ? { held: socketOf(app, ordinal, release) }
        : {}),
      cron: isCron(kind) ? parseCron(command, `Procfile: ${kind}`) : undefined,
      virtualenv: kind === "wsgi" ? virtualenv : undefined,
      phpIni: kind === "php" ? phpIni : undefined,
      options,
      ...(wall ? { wall } : {}),
    };
  };
  const kinds = Object.entries(workers).filter(([kind]) => kind !== "static");
  for (const [kind, command] of kinds) refuseCommand(kind, command);
  return kinds.flatMap(([kind, command]) =>
    Array.from({ length: scaling[kind] ?? 1 }, (_, i) => planWorker(kind, command, i + 1)),
  );
}

/** Refuses commands that cannot be passed to uWSGI, or that lead out of the app. */
function refuseCommand(kind: string, command: string): void {
  if (isUwsgiKind(kind)) escapeValue(command, `the ${kind} worker's command`);
  if (kind === "jwsgi" && !/^[A-Za-z_$][\w$.]*(:[\w$]+)?$/.test(command)) {
    throw new PikuError(
      `Procfile: '${printable(command)}' is not the name of a class, which is what a jwsgi worker is`,
      `for a program that listens by itself: web: ${printable(command)}`,
    );
  }
  if (kind === "php" && `/${command}/`.includes("/../")) {
    throw new PikuError(`Procfile: '${printable(command)}' is not a folder of the app`);
  }
}

// sun_path of unix(7), without its terminating zero.
const maxSocketBytes = 107;

function refuseLongSocket(app: App, { listen, held }: Worker): void {
  const socket = held ?? (listen && "socket" in listen ? listen.socket : "");
  if (socket.length > maxSocketBytes) {
    throw new PikuError(
      `the name of app '${app.name}' is too long for a socket below ${app.paths.sockets}`,
      "choose a shorter name",
    );
  }
}

/** Refuses workers that uWSGI could not start on this board. */
export function refuseWorkers(host: Host, app: App, workers: readonly Worker[]): void {
  for (const worker of workers) refuseLongSocket(app, worker);
  refuseLimits(host, app.paths, workers);
  refuseMissingPlugins(
    host,
    workers.flatMap((worker) => vassalPairs(app, worker, host)),
  );
}
