import type { App } from "../app/app.ts";
import type { Settings } from "../app/env-file.ts";
import { withLock } from "../app/locks.ts";
import type { Host } from "../host/host.ts";
import { explain, PikuError } from "../text/errors.ts";
import { voiceOf } from "../text/output.ts";
import {
  askAuthority,
  authorityOf,
  challenges,
  clientPairs,
  findClient,
  publicNames,
  retryAfter,
} from "./acme.ts";
import {
  type Certified,
  certificateNames,
  isDue,
  isFor,
  type KeyPair,
  makeCertificate,
  needsCertificate,
  pairChange,
  readCertificate,
  stagedPair,
} from "./certificate.ts";
import { changeNginx } from "./change.ts";
import { tellAside } from "./refused.ts";

/** The site that is to get a certificate. */
export interface Request {
  app: App;
  site: Certified;
  settings: Settings;
  /** PIKU_NGINX_RELOAD, if it is set. */
  reload?: string;
}

/**
 * A copy of the last certificate that an ACME client obtained for an app: any other one was
 * installed by hand.
 */
const gotFile = (app: App) => `${app.releases}/certificate`;

/**
 * Obtains a certificate from an authority for a live site that has none for its names, or one that
 * expires soon. The present one stays if that fails, and so does a valid one that was installed by
 * hand. The caller holds the app's lock. Throws with the reason. `respectsDelay`: not within an
 * hour after a failure.
 */
function obtainCertificate(
  host: Host,
  { app, site, settings, reload }: Request,
  respectsDelay: boolean,
): void {
  const names = publicNames(certificateNames(site), authorityOf(host, settings));
  const client = names.length > 0 ? findClient(host, app, settings) : undefined;
  if (!client) return;
  const isGood = (pair: KeyPair) => {
    const facts = readCertificate(host, pair);
    return (
      facts !== undefined && !facts.isSelfSigned && isFor(facts, names) && !isDue(facts, host.now())
    );
  };
  if (isGood(site) || isForeign(host, app, site, client.pairs(names[0]!))) return;
  const voice = voiceOf(host);
  const got = () => clientPairs(host, client, names).find(isGood);
  // The client may have renewed it already.
  if (!got()) {
    const until = respectsDelay ? retryAfter(host, app) : undefined;
    if (until !== undefined) {
      const time = new Date(until).toISOString().slice(11, 16);
      voice.log(
        `-----> The certificate failed within the last hour; it is asked for again after ${time} UTC.`,
      );
      return;
    }
    requireChallenges(host, app, site, names);
    voice.start(
      `getting a certificate for ${names.join(", ")} with ${client.name}; this may take some minutes`,
    );
    askAuthority(host, app, client, names);
  }
  const pair = got();
  if (!pair)
    throw new PikuError(
      `${client.name} says that all went well, but has no certificate for ${names.join(", ")}`,
    );
  const staged = stagedPair(app);
  host.mkdir(app.releases, 0o700);
  host.write(staged.key, host.read(pair.key) ?? "", 0o600);
  host.write(staged.certificate, host.read(pair.certificate) ?? "");
  host.write(gotFile(app), host.read(pair.certificate) ?? "", 0o600);
  replacePair(host, app, site, staged, reload);
  voice.start(`certificate for ${names.join(", ")} installed`);
}

/**
 * Whether a site's certificate is valid and was installed by hand: neither self-signed nor obtained
 * by the client.
 */
function isForeign(host: Host, app: App, site: Certified, pairs: readonly KeyPair[]): boolean {
  const facts = readCertificate(host, site);
  if (!facts || facts.isSelfSigned || facts.until < host.now()) return false;
  const present = host.read(site.certificate);
  return [gotFile(app), ...pairs.map(({ certificate }) => certificate)].every(
    (file) => host.read(file) !== present,
  );
}

/**
 * Refuses to contact an authority as long as nginx does not serve the challenge even to this
 * machine: it may not be running.
 */
function requireChallenges(
  host: Host,
  app: App,
  { ports, ipv4 }: Certified,
  names: readonly string[],
): void {
  const address = ipv4 === "0.0.0.0" ? "127.0.0.1" : ipv4;
  const token = `piku-${app.name}`;
  const file = `${challenges(app)}/${token}`;
  host.mkdir(challenges(app));
  host.write(file, app.name);
  try {
    for (const name of names) {
      const url = `http://${name}:${ports.http}/.well-known/acme-challenge/${token}`;
      const there = [
        "--resolve",
        `${name}:${ports.http}:${address}`,
        "--noproxy",
        "*",
        "--max-time",
        "10",
      ];
      const ran = host.capture(["curl", "-s", ...there, "--", url]);
      if (ran.stdout !== app.name)
        throw new PikuError(
          `nginx does not answer for ${name} on port ${ports.http} of ${address}`,
          "see that it runs",
        );
    }
  } finally {
    host.remove(file);
  }
}

/**
 * Replaces a certificate and its key and reloads nginx; restores the former pair if nginx refuses
 * the new one.
 */
function replacePair(
  host: Host,
  app: App,
  site: Certified,
  staged: KeyPair,
  reload: string | undefined,
): void {
  withLock(host, app.paths, "machine", undefined, "", () => {
    tellAside(
      host,
      changeNginx(host, app.paths, reload, { app, ...pairChange(host, site, staged) }),
    );
  });
}

/** Obtains a site's certificate at the end of a deploy. A failure is printed as a warning. */
export function certify(host: Host, request: Request): void {
  try {
    obtainCertificate(host, request, true);
  } catch (error) {
    const { message, hint } = explain(error);
    voiceOf(host).warn(
      `no new certificate, the one there is stays. ${message}${hint ? `. Hint: ${hint}` : ""}`,
    );
  }
}

/**
 * Renews a site's certificate if it is due, whether self-signed or from an authority. Throws with
 * the reason if that fails.
 */
export function renew(host: Host, request: Request): void {
  const { app, site, reload } = request;
  if (needsCertificate(host, site))
    replacePair(host, app, site, makeCertificate(host, app, site), reload);
  obtainCertificate(host, request, false);
}
