import { parseCron } from "../../app/cron.ts";
import { isCron } from "../../app/procfile.ts";
import { containerPort, type Exported, endingTime, kindsOf, resourcesFor } from "./exported.ts";
import { labelOf } from "./kubernetes.ts";
import { commandOf, listeningSettings } from "./processes.ts";

/** The app for one larger machine (Compose specification). `image`: what its image is called. */
export function composeFile(exported: Exported, image: string) {
  const { app, procfile, front, scaling, own } = exported;
  const limitsFor = (kind: string) => {
    const { memory, cpu } = resourcesFor(exported, kind);
    const limits = { ...(memory && { memory }), ...(cpu && { cpus: cpu }) };
    return memory || cpu ? { resources: { limits } } : {};
  };
  const service = (kind: string, line: string) => ({
    image,
    command: commandOf(exported, kind, line).map(withoutVariables),
    environment: Object.fromEntries(
      Object.entries({ ...own, ...listeningSettings(exported, kind) }).map(([name, value]) => [
        name,
        withoutVariables(value),
      ]),
    ),
    volumes: [`data:${app.data}`],
    stop_grace_period: `${endingTime(exported)}s`,
  });
  const after = { depends_on: { release: { condition: "service_completed_successfully" } } };
  const process = (kind: string, line: string) => ({
    ...service(kind, line),
    ...(procfile.release === undefined ? {} : after),
    restart: "unless-stopped",
    ...(kind === front ? { ports: [portsFor(scaling[kind] ?? 1)] } : {}),
    deploy: {
      replicas: scaling[kind] ?? 1,
      ...limitsFor(kind),
    },
  });
  // Nobody starts it but the machine's own clock.
  const job = (kind: string, line: string) => ({
    ...service(kind, parseCron(line, `Procfile: ${kind}`).command),
    profiles: ["cron"],
  });
  const services = kindsOf(exported).map(([kind, line]) => [
    labelOf(kind),
    isCron(kind) ? job(kind, line) : process(kind, line),
  ]);
  return {
    name: labelOf(app.name),
    services: {
      ...(procfile.release === undefined ? {} : { release: service("release", procfile.release) }),
      ...Object.fromEntries(services),
    },
    volumes: { data: {} },
  };
}

/** Compose puts in variables for `$NAME`; `$$` is a dollar. */
const withoutVariables = (value: string) => value.replaceAll("$", "$$$$");

/** A port of the machine for each process. */
const portsFor = (count: number) =>
  `${containerPort}${count > 1 ? `-${containerPort + count - 1}` : ""}:${containerPort}`;
