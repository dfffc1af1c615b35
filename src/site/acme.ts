import type { App } from "../app/app.ts";
import type { Settings } from "../app/env-file.ts";
import { cancelFile, jobFile } from "../app/releases.ts";
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { findTool } from "../host/tools.ts";
import { waitUntil } from "../host/wait.ts";
import { PikuError } from "../text/errors.ts";
import { text } from "../text/text.ts";
import { isAddress, type KeyPair } from "./certificate.ts";

/** A program that obtains certificates from an authority (RFC 8555), and where it stores them. */
export interface Client {
  name: string;
  /** Its configuration, written before it is called: a path and a text. */
  files: [path: string, text: string][];
  /** Folders that it expects to exist. */
  folders: string[];
  /** The commands, in order, that obtain one certificate for these names. */
  calls(names: readonly string[]): string[][];
  /** Where it may have stored the certificate whose first name this is; the newest counts. */
  pairs(first: string): KeyPair[];
  /** The commands that make it forget that certificate, so that it is no longer renewed. */
  forget(first: string): string[][];
}

/** The authority of an app's certificates; ACME_ROOT_CA may also be in piku's own environment. */
export const authorityOf = (host: Host, settings: Settings) =>
  setting({ ...host.env(), ...settings }, "ACME_ROOT_CA");

/** The folder from which nginx answers challenges; it contains the tokens (RFC 8555, 8.3). */
export const challenges = (app: App) => `${app.paths.acme}/.well-known/acme-challenge`;

/** acme.sh, in `root`. Certificates with elliptic curve keys have a folder of their own. */
const acmeSh = (app: App, root: string, authority: string): Client => {
  const program = [`${root}/acme.sh`, "--home", root];
  return {
    name: "acme.sh",
    files: [],
    folders: [challenges(app)],
    calls: (names) => [
      [
        ...program,
        "--issue",
        ...names.flatMap((name) => ["-d", name]),
        ...["-w", app.paths.acme, "--server", authority, "--force"],
      ],
    ],
    pairs: (first) =>
      ["_ecc", ""].map((kind) => ({
        certificate: `${root}/${first}${kind}/fullchain.cer`,
        key: `${root}/${first}${kind}/${first}.key`,
      })),
    forget: (first) => [
      [...program, "--remove", "-d", first, "--ecc"],
      [...program, "--remove", "-d", first],
    ],
  };
};

/**
 * dehydrated, with a configuration and a folder of piku's own. It stores each app's certificate
 * under the app's name.
 */
const dehydrated = (app: App, program: string, authority: string): Client => {
  const folder = `${app.paths.acme}/.dehydrated`;
  const options = [
    "--config",
    `${folder}/config`,
    "--ca",
    authority.replace(/^letsencrypt\.org$/, "letsencrypt"),
  ];
  return {
    name: "dehydrated",
    files: [
      [
        `${folder}/config`,
        text`
        # Written by piku; changes are lost.
        BASEDIR=${folder}
        WELLKNOWN=${challenges(app)}
        CHALLENGETYPE=http-01
        KEY_ALGO=prime256v1`,
      ],
    ],
    folders: [folder, challenges(app)],
    calls: (names) => [
      [program, ...options, "--register", "--accept-terms"],
      [
        program,
        ...options,
        ...["--cron", "--force", "--lock-suffix", app.name, "--alias", app.name],
        ...names.flatMap((name) => ["--domain", name]),
      ],
    ],
    pairs: () => [
      {
        certificate: `${folder}/certs/${app.name}/fullchain.pem`,
        key: `${folder}/certs/${app.name}/privkey.pem`,
      },
    ],
    forget: () => [["rm", "-rf", `${folder}/certs/${app.name}`]],
  };
};

/**
 * The client that is installed, acme.sh before dehydrated; undefined if there is none. Throws for
 * an invalid path in the settings.
 */
export function findClient(host: Host, app: App, settings: Settings): Client | undefined {
  const authority = authorityOf(host, settings);
  const root = setting({ ...host.env(), ...settings }, "ACME_ROOT") ?? `${app.paths.home}/.acme.sh`;
  if (host.stat(`${root}/acme.sh`)) return acmeSh(app, root, authority);
  const program = findTool(host, "dehydrated");
  return program === undefined ? undefined : dehydrated(app, program, authority);
}

// RFC 2606, RFC 6761, RFC 6762, RFC 8375, and what routers name a home network.
const reserved = /\.(local|localhost|internal|lan|home|test|invalid|example|home\.arpa)$/;

/**
 * The names of a site for which an authority can issue a certificate. A private authority (given by
 * URL) can issue them for private names.
 */
export function publicNames(names: readonly string[], authority: string | undefined): string[] {
  const isOwn = /^https?:\/\//.test(authority ?? "");
  return names.filter(
    (name) =>
      name.includes(".") &&
      !/[*_]|^\./.test(name) &&
      !isAddress(name) &&
      (isOwn || !reserved.test(name)),
  );
}

/**
 * Milliseconds after a failure during which deploys do not try again: authorities have rate limits.
 */
const retryPause = 3_600_000;
const failedFile = (app: App) => `${app.releases}/certificate.failed`;

/** When to try again after a failure, in milliseconds since 1970; undefined for now. */
export function retryAfter(host: Host, app: App): number | undefined {
  const failed = Number(host.read(failedFile(app)) || Number.NaN);
  // The pause must not become longer when the clock is set back.
  return host.now() >= failed && host.now() < failed + retryPause ? failed + retryPause : undefined;
}

const clientTimeout = "300";

/**
 * Makes the client obtain a certificate for these names, which must resolve to this server. Throws
 * with its last message when it fails, and records the failure.
 */
export function askAuthority(host: Host, app: App, client: Client, names: readonly string[]): void {
  for (const folder of client.folders) host.mkdir(folder);
  for (const [path, content] of client.files) host.write(path, content, 0o600);
  for (const call of client.calls(names)) {
    const { status, printed } = callClient(host, app, call);
    if (status === 0) continue;
    host.write(failedFile(app), String(host.now()));
    const said = printed.split("\n").map((line) => line.trim());
    const causes = said.filter((line) => /"detail"|error/i.test(line));
    const last = (causes.length > 0 ? causes : said.filter((line) => line !== "")).slice(-3);
    throw new PikuError(
      status === 124
        ? `${client.name} did not end within ${clientTimeout} seconds`
        : `${client.name}: ${last.join(" ")}`,
      `see that ${names.join(", ")} ${names.length > 1 ? "lead" : "leads"} to this server from everywhere, and that port 80 is open`,
    );
  }
  host.remove(failedFile(app));
}

const maxPrinted = 64 * 1024;

/**
 * Runs one call of a client as the app's job, so that whoever waits can say so, and cancel it.
 * `printed`: the end of what it has said.
 */
function callClient(host: Host, app: App, call: readonly string[]) {
  const log = `${app.releases}/certificate.log`;
  host.mkdir(app.releases, 0o700);
  host.remove(log);
  const job = host.start(["timeout", clientTimeout, ...call], { log, status: jobFile(app) });
  let status: number | undefined;
  const cancelledAt = () => host.stat(cancelFile(app))?.modified;
  // One that was too late for an earlier deploy may still be there.
  const before = cancelledAt();
  const hasEnded = () => {
    status = host.poll(job);
    return status !== undefined || cancelledAt() !== before;
  };
  waitUntil(host, hasEnded, { every: 100 });
  if (status === undefined) host.end(job, 1_000);
  const from = Math.max(0, (host.stat(log)?.size ?? 0) - maxPrinted);
  const printed = status === undefined ? "cancelled" : host.readFrom(log, from, true).text;
  host.remove(log);
  return { status, printed };
}

/** The pairs that the client has stored under the first of these names, the newest first. */
export const clientPairs = (host: Host, client: Client, names: readonly string[]): KeyPair[] =>
  client
    .pairs(names[0]!)
    .flatMap((pair) => {
      const entry = host.realPath(pair.certificate);
      return entry !== undefined && host.stat(pair.key)
        ? [{ pair, modified: host.stat(entry)!.modified }]
        : [];
    })
    .sort((a, b) => b.modified - a.modified)
    .map(({ pair }) => pair);
