import { expect, test } from "bun:test";
import { parseCron } from "../../../src/app/cron.ts";
import { composeFile } from "../../../src/board/export/compose.ts";
import type { Exported } from "../../../src/board/export/exported.ts";
import { renderDockerfile } from "../../../src/board/export/image.ts";
import { kubernetesObjects, labelOf, scheduleOf } from "../../../src/board/export/kubernetes.ts";
import { unmatchedIn } from "../../../src/board/export/unmatched.ts";
import { generic } from "../../../src/runtimes/generic.ts";
import { appBelow } from "../workers/example.ts";

const exported = (more: Partial<Exported> = {}): Exported => ({
  app: appBelow("/home/piku/.piku"),
  number: 7,
  commit: "c0ffee",
  procfile: {
    workers: { web: "python3 app.py $HOME", worker: "./work", cron: "@daily ./tidy" },
    release: "./migrate",
    warnings: [],
  },
  scaling: { web: 2, worker: 1, cron: 1 },
  front: "web",
  names: ["blog.example.com", "*.blog.example.com"],
  mappings: [],
  set: [],
  runtime: generic,
  source: {} as Exported["source"],
  all: { PIKU_MEMORY: "200m", PIKU_CPU: "25%", PIKU_HEALTHCHECK: "/health", PIKU_GRACE: "9" },
  base: { PATH: "/usr/bin", SAID: 'a "b" $c' },
  own: { GREETING: "it's $5" },
  timeZone: "Europe/Berlin",
  processors: 4,
  ...more,
});

// biome-ignore lint/suspicious/noExplicitAny: the objects are of many shapes.
const find = (kind: string, of = exported()): any =>
  kubernetesObjects(of, "registry/blog:7").filter((one) => one.kind === kind);

test("every part of an app has its object, in the order in which they are needed", () => {
  expect(
    kubernetesObjects(exported(), "x").map(({ kind, metadata }) => [
      kind,
      (metadata as { name: string }).name,
    ]),
  ).toEqual([
    ["Secret", "blog"],
    ["PersistentVolumeClaim", "blog"],
    ["Job", "blog-release-7"],
    ["Deployment", "blog-web"],
    ["Deployment", "blog-worker"],
    ["CronJob", "blog-cron"],
    ["Service", "blog"],
    ["Ingress", "blog"],
  ]);
});

test("settings are the Secret, scaling the replicas, limits the resources, and names the Ingress", () => {
  const [web, worker] = find("Deployment");
  expect(find("Secret")[0].stringData).toEqual({ GREETING: "it's $5" });
  expect([web.spec.replicas, worker.spec.replicas]).toEqual([2, 1]);
  const { terminationGracePeriodSeconds, containers } = web.spec.template.spec;
  expect(terminationGracePeriodSeconds).toBe(9);
  expect(containers[0]).toMatchObject({
    image: "registry/blog:7",
    command: ["tini", "--", "sh", "-c", "exec python3 app.py $HOME"],
    resources: { limits: { memory: "200Mi", cpu: "1" } },
    readinessProbe: {
      httpGet: { path: "/health", httpHeaders: [{ name: "Host", value: "blog.example.com" }] },
    },
  });
  expect(worker.spec.template.spec.containers[0].env).toEqual([
    { name: "PROC_TYPE", value: "worker" },
  ]);
  expect(find("Ingress")[0].spec.tls[0].hosts).toEqual(["blog.example.com", "*.blog.example.com"]);
});

test("isolation is Kubernetes' restricted profile; without it nothing is said", () => {
  const context = (all: Exported["all"]) =>
    find("Deployment", exported({ all }))[0].spec.template.spec.containers[0].securityContext;
  expect(context({ PIKU_ISOLATION: "true" })).toMatchObject({ runAsNonRoot: true });
  expect(context({})).toBeUndefined();
});

test.each([
  ["@daily x", "0 0 * * *"],
  ["*/20 1-3 * jan sun x", "0,20,40 1,2,3 * 1 0"],
  ["0 0 * * 7 x", "0 0 * * 0"],
])("a cron line in the fields of Kubernetes: %s", (line, expected) => {
  expect(scheduleOf(parseCron(line, "Procfile"))).toBe(expected);
});

test.each([
  ["My_App.2", "my-app-2"],
  ["2048", "app-2048"],
  ["a-", "a"],
])("%s is called %s there", (name, expected) => {
  expect(labelOf(name)).toBe(expected);
});

test("a compose file waits for the release, and leaves dollars to the app", () => {
  const { services, volumes } = composeFile(exported(), "registry/blog:7");
  expect(Object.keys(services)).toEqual(["release", "web", "worker", "cron"]);
  expect(services.web).toMatchObject({
    command: ["tini", "--", "sh", "-c", "exec python3 app.py $$HOME"],
    environment: { GREETING: "it's $$5", PORT: "8000" },
    ports: ["8000-8001:8000"],
    stop_grace_period: "9s",
    depends_on: { release: { condition: "service_completed_successfully" } },
    deploy: { replicas: 2, resources: { limits: { memory: "200M", cpus: "1" } } },
  });
  expect(services.cron).toMatchObject({ profiles: ["cron"] });
  expect(volumes).toEqual({ data: {} });
});

const image = {
  from: "debian:trixie-slim",
  packages: ["python3"],
  buildPackages: ["build-essential", "python3"],
  programs: ["COPY --from=node:20.1.0-slim /usr/local /usr/local"],
  missing: [],
};

test("a Dockerfile has the board's packages and paths, and no setting of the app's own", () => {
  const text = renderDockerfile(exported(), image, false);
  const [, from, install, program, copy] = text.split("\n");
  expect(from).toBe("FROM debian:trixie-slim");
  expect(install).toContain("install -y --no-install-recommends python3 &&");
  expect(program).toBe("COPY --from=node:20.1.0-slim /usr/local /usr/local");
  expect(copy).toBe('COPY --chown=1000:1000 ["home/piku/.piku","/home/piku/.piku"]');
  expect(text).toContain('ENV SAID="a \\"b\\" \\$c"\n');
  expect(text).toContain('CMD ["tini","--","sh","-c","exec python3 app.py $HOME"]\n');
  expect(text).not.toContain("GREETING");
});

test("one from the source builds in a stage of its own", () => {
  const procfile = { ...exported().procfile, preflight: "make" };
  const text = renderDockerfile(exported({ procfile }), image, true);
  expect([...(text.match(/^FROM .*/gm) ?? [])]).toEqual([
    "FROM debian:trixie-slim AS build",
    "FROM debian:trixie-slim",
  ]);
  expect(text).toContain('RUN ["sh","-c","make"]\n');
  expect(text).toContain('COPY --chown=1000:1000 --from=build ["/home/piku/.piku"');
});

test("what has no counterpart is said of this app, not in general", () => {
  const said = (set: string[], target = "") => unmatchedIn(exported({ set }), target).join("\n");
  expect(said(["GREETING"])).toBe("");
  expect(said(["NGINX_CACHE_PREFIXES"])).toContain("NGINX_CACHE_PREFIXES does nothing there");
  expect(said([], "compose")).toContain("0 0 * * * docker compose run --rm cron");
});
