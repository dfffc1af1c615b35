import type { App } from "./app.ts";
import { PikuError } from "./errors.ts";
import type { Host } from "./host/host.ts";
import { stagingOf } from "./nginx.ts";
import type { Site } from "./site.ts";

const days = 825;
const renewBefore = 30 * 24 * 3600;

/**
 * Whether a site needs a self-signed certificate: it has none, or one of piku's own that ends within 30 days or is for
 * other names. A real one is never replaced.
 */
export function needsCertificate(host: Host, site: Site): boolean {
  const facts = host.capture([
    "openssl",
    "x509",
    "-noout",
    "-pubkey",
    "-subject",
    "-ext",
    "subjectAltName",
    "-checkend",
    String(renewBefore),
    "-in",
    site.certificate,
  ]);
  if (!host.stat(site.key) || !facts.stdout.includes("subject")) return true;
  if (!/O ?= ?Piku\b/.test(facts.stdout)) return false;
  // A power cut between the two leaves a pair with which nginx refuses all sites.
  const pair = host.capture(["openssl", "pkey", "-pubout", "-in", site.key]);
  if (!facts.stdout.includes(pair.stdout)) return true;
  const names = [...facts.stdout.matchAll(/(?:DNS|IP Address):([^,\s]+)/g)].map(([, name]) => name!.toLowerCase());
  return facts.status !== 0 || certificateNames(site).some((name) => !names.includes(name.toLowerCase()));
}

/** The names of a site that a certificate can carry. */
const certificateNames = ({ names, redirected }: Site) =>
  [...names, ...redirected]
    .map((name) => name.replace(/^\[|\]$|\.$/g, ""))
    .filter((name) => name !== "_" && !name.endsWith(".*"));

/** The certificate's own name, which may have 64 characters. */
const commonName = (site: Site) => certificateNames(site).find((name) => name.length <= 64) ?? site.app;

const isAddress = (name: string) => /^[\d.]+$|:/.test(name);

/** Makes a self-signed certificate in the staging folder, with a key that also a slow board makes at once. */
export function makeCertificate(host: Host, app: App, site: Site): { certificate: string; key: string } {
  const folder = stagingOf(app.paths);
  const [certificate, key] = [`${folder}/${app.name}.crt`, `${folder}/${app.name}.key`];
  const names = certificateNames(site).map((name) => `${isAddress(name) ? "IP" : "DNS"}:${name}`);
  host.mkdir(folder, 0o700);
  const ran = host.capture([
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    String(days),
    "-subj",
    `/O=Piku/CN=${commonName(site)}`,
    "-addext",
    `subjectAltName=${(names.length > 0 ? names : ["DNS:localhost"]).join(",")}`,
    "-keyout",
    key,
    "-out",
    certificate,
  ]);
  if (ran.status === 127)
    throw new PikuError("openssl is not installed on the server", "on the server: sudo apt install openssl");
  if (ran.status !== 0) throw new PikuError(`no certificate could be made: ${ran.stderr.trim().split("\n").at(-1)}`);
  host.chmod(key, 0o600);
  return { certificate, key };
}
