import { type Cron, parseCron } from "../../app/cron.ts";
import { isCron } from "../../app/procfile.ts";
import { setting } from "../../app/settings.ts";
import { containerPort, type Exported, endingTime, kindsOf, resourcesFor } from "./exported.ts";
import { commandOf, listeningSettings } from "./processes.ts";

type Json = Record<string, unknown>;

/** A name as Kubernetes and Compose take it: a DNS label (RFC 1123). */
export const labelOf = (name: string) =>
  (/^[a-z]/i.test(name) ? name : `app-${name}`)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 50)
    .replace(/-$/, "");

/**
 * The objects of an app, in the order in which they are needed: settings, data, `release`, kinds,
 * and the way to them. `image`: what the app's image is called.
 */
export function kubernetesObjects(exported: Exported, image: string): Json[] {
  const { app, procfile, own, number, front, names, scaling, timeZone } = exported;
  const name = labelOf(app.name);
  const labels = { "app.kubernetes.io/name": name };
  const selector = (kind: string) => ({ ...labels, "app.kubernetes.io/component": labelOf(kind) });
  const object = (apiVersion: string, kind: string, more: Json, part = "") => ({
    apiVersion,
    kind,
    metadata: { name: `${name}${part}`, labels },
    ...more,
  });
  const template = (kind: string, line: string, more: Json = {}, container: Json = {}) => ({
    metadata: { labels: selector(kind) },
    spec: { ...podSpec(exported, image, kind, line, container), ...more },
  });
  const once = (kind: string, line: string) => ({
    backoffLimit: 0,
    template: template(kind, line, { restartPolicy: "Never" }),
  });
  const process = (kind: string, line: string) => {
    const part = `-${labelOf(kind)}`;
    if (isCron(kind)) {
      const { command, ...times } = parseCron(line, `Procfile: ${kind}`);
      const job = { spec: once(kind, command) };
      const spec = { schedule: scheduleOf(times), timeZone, jobTemplate: job };
      return object("batch/v1", "CronJob", { spec }, part);
    }
    const served = { ports: [{ containerPort }], readinessProbe: probeOf(exported) };
    const spec = {
      replicas: scaling[kind] ?? 1,
      selector: { matchLabels: selector(kind) },
      template: template(kind, line, {}, kind === front ? served : {}),
    };
    return object("apps/v1", "Deployment", { spec }, part);
  };
  const claim = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } };
  const backend = { service: { name, port: { number: 80 } } };
  const http = { paths: [{ path: "/", pathType: "Prefix", backend }] };
  const service = (kind: string) => ({
    selector: selector(kind),
    ports: [{ port: 80, targetPort: containerPort }],
  });
  const ingress = {
    tls: [{ hosts: names, secretName: `${name}-tls` }],
    rules: names.map((host) => ({ host, http })),
  };
  return [
    object("v1", "Secret", { type: "Opaque", stringData: own }),
    object("v1", "PersistentVolumeClaim", { spec: claim }),
    ...(procfile.release === undefined
      ? []
      : [
          object(
            "batch/v1",
            "Job",
            { spec: once("release", procfile.release) },
            `-release-${number}`,
          ),
        ]),
    ...kindsOf(exported).map(([kind, line]) => process(kind, line)),
    ...(front === undefined ? [] : [object("v1", "Service", { spec: service(front) })]),
    ...(front === undefined || names.length === 0
      ? []
      : [object("networking.k8s.io/v1", "Ingress", { spec: ingress })]),
  ];
}

/** What runs: one container with the app's settings and data. */
function podSpec(exported: Exported, image: string, kind: string, line: string, more: Json) {
  const { app, all } = exported;
  const name = labelOf(app.name);
  const { memory, cpu } = resourcesFor(exported, kind);
  const limits = { ...(memory && { memory: `${memory}i` }), ...(cpu && { cpu }) };
  const env = Object.entries(listeningSettings(exported, kind)).map(([name, value]) => ({
    name,
    value,
  }));
  return {
    terminationGracePeriodSeconds: endingTime(exported),
    securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 },
    containers: [
      {
        name: labelOf(kind),
        image,
        command: commandOf(exported, kind, line),
        envFrom: [{ secretRef: { name } }],
        env,
        volumeMounts: [{ name: "data", mountPath: app.data }],
        ...(memory || cpu ? { resources: { limits } } : {}),
        ...(setting(all, "PIKU_ISOLATION") ? { securityContext: walls } : {}),
        ...more,
      },
    ],
    volumes: [{ name: "data", persistentVolumeClaim: { claimName: name } }],
  };
}

// The restricted profile of Kubernetes' Pod Security Standards.
const walls = {
  allowPrivilegeEscalation: false,
  runAsNonRoot: true,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
};

/** Kubernetes takes 2xx and 3xx for health; without a path of the app's own the port is enough. */
function probeOf({ all, names }: Exported): Json {
  const path = setting(all, "PIKU_HEALTHCHECK");
  if (!path?.startsWith("/")) return { tcpSocket: { port: containerPort } };
  const host = names.find((name) => !name.startsWith("*"));
  const httpHeaders = host === undefined ? {} : { httpHeaders: [{ name: "Host", value: host }] };
  return { httpGet: { path, port: containerPort, ...httpHeaders } };
}

/** The five fields of crontab(5), in numbers only. */
export const scheduleOf = ({ minute, hour, day, month, weekday }: Omit<Cron, "command">) =>
  [minute, hour, day, month, weekday].map((values) => values?.join(",") ?? "*").join(" ");
