import { answerAbout } from "../app/answers.ts";
import type { App } from "../app/app.ts";
import { pathsOf } from "../app/paths.ts";
import type { Host } from "../host/host.ts";
import { selfSign } from "./self-signed.ts";
import type { Site } from "./site.ts";

/** What a certificate is for, and where it is stored. */
export type Certified = Pick<
  Site,
  "app" | "names" | "redirected" | "certificate" | "key" | "ports" | "ipv4"
>;

/** The files of a certificate and its key. */
export interface KeyPair {
  certificate: string;
  key: string;
}

/** What a certificate says. */
interface CertificateFacts {
  /** Whether piku, or the original, made it. */
  isSelfSigned: boolean;
  names: string[];
  /** Milliseconds since 1970. */
  from: number;
  until: number;
}

const days = 825;

/**
 * The facts of a certificate; undefined if there is none or its key does not match, in which case
 * nginx would refuse all sites.
 */
export function readCertificate(
  host: Host,
  { certificate, key }: KeyPair,
): CertificateFacts | undefined {
  if (!host.stat(certificate) || !host.stat(key)) return undefined;
  const ask = () => askOpenssl(host, { certificate, key }) ?? null;
  const place = factsOf(certificate);
  if (!place.startsWith(`${pathsOf(host).nginx}/`)) return ask() ?? undefined;
  return answerAbout(host, place, [certificate, key], ask, Boolean) ?? undefined;
}

/** What is known of a certificate, beside it. */
const factsOf = (certificate: string) => certificate.replace(/\.crt$/, ".facts");

function askOpenssl(host: Host, { certificate, key }: KeyPair): CertificateFacts | undefined {
  const words = [
    "-noout",
    "-pubkey",
    "-subject",
    "-dates",
    "-ext",
    "subjectAltName",
    "-in",
    certificate,
  ];
  // Else it reads all authorities of the system first, nine tenths of its time.
  const env = { ...host.env(), SSL_CERT_FILE: "/dev/null" };
  const { stdout } = host.capture(["openssl", "x509", ...words], { env });
  const pair = host.capture(["openssl", "pkey", "-pubout", "-in", key]);
  if (!stdout.includes("subject") || pair.stdout === "" || !stdout.includes(pair.stdout))
    return undefined;
  return {
    isSelfSigned: /O ?= ?Piku\b/.test(stdout),
    names: [...stdout.matchAll(/(?:DNS|IP Address):([^,\s]+)/g)].map(([, name]) =>
      name!.toLowerCase(),
    ),
    from: parseDate(/notBefore=(.*)/.exec(stdout)?.[1]),
    until: parseDate(/notAfter=(.*)/.exec(stdout)?.[1]),
  };
}

/** The months as openssl and nginx write them. */
export const months = [
  "Jan",
  "Feb",
  "Mar",
  "Apr",
  "May",
  "Jun",
  "Jul",
  "Aug",
  "Sep",
  "Oct",
  "Nov",
  "Dec",
];

/** openssl's `Nov  5 06:52:56 2026 GMT` as milliseconds since 1970; 0 for what is none. */
export function parseDate(written: string | undefined): number {
  const [, month, ...numbers] = /^(\w{3}) +(\d+) (\d+):(\d+):(\d+) (\d+)/.exec(written ?? "") ?? [];
  const [day, hour, minute, second, year] = numbers.map(Number);
  return month === undefined
    ? 0
    : Date.UTC(year!, months.indexOf(month), day, hour, minute, second);
}

/** Whether less than a third of a certificate's lifetime is left. */
export const isDue = ({ from, until }: Pick<CertificateFacts, "from" | "until">, now: number) =>
  until - now < (until - from) / 3;

/** Whether a certificate covers all of these names. */
export const isFor = (
  { names: theirs }: Pick<CertificateFacts, "names">,
  names: readonly string[],
) => names.every((name) => theirs.includes(name.toLowerCase()));

/**
 * Whether a site needs a new self-signed certificate: it has none, or one of piku's own that
 * expires soon or is for other names. A real one is never replaced.
 */
export function needsCertificate(host: Host, site: Certified): boolean {
  const facts = readCertificate(host, site);
  if (!facts) return true;
  return facts.isSelfSigned && (isDue(facts, host.now()) || !isFor(facts, certificateNames(site)));
}

/** The names of a site that a certificate can contain. */
export const certificateNames = ({ names, redirected }: Pick<Certified, "names" | "redirected">) =>
  [...names, ...redirected]
    .map((name) => name.replace(/^\[|\]$|\.$/g, ""))
    .filter((name) => name !== "_" && !name.endsWith(".*"));

/** The certificate's common name, of at most 64 characters. */
const commonName = (site: Certified) =>
  certificateNames(site).find((name) => name.length <= 64) ?? site.app;

/** Whether a name is an address. */
export const isAddress = (name: string) => /^[\d.]+$|:/.test(name);

/** Where a new pair is prepared before it replaces the present one. */
export const stagedPair = ({ releases }: App): KeyPair => ({
  certificate: `${releases}/staged.crt`,
  key: `${releases}/staged.key`,
});

/** How a staged pair replaces the present one, and how that is undone. */
export function pairChange(
  host: Host,
  site: KeyPair,
  staged: KeyPair,
): { make(): void; undo(): void } {
  const former = { certificate: host.read(site.certificate), key: host.read(site.key) };
  const fresh = { certificate: host.read(staged.certificate), key: host.read(staged.key) };
  const write = ({ certificate, key }: Partial<KeyPair>) => {
    if (key === undefined) host.remove(site.key);
    else host.write(site.key, key, 0o600);
    if (certificate === undefined) host.remove(site.certificate);
    else host.write(site.certificate, certificate);
  };
  host.remove(staged.key);
  host.remove(staged.certificate);
  return { make: () => write(fresh), undo: () => write(former) };
}

/** Makes a self-signed certificate for a site beside the app's records. */
export function makeCertificate(host: Host, app: App, site: Certified): KeyPair {
  const pair = stagedPair(app);
  const names = certificateNames(site).map((name) => `${isAddress(name) ? "IP" : "DNS"}:${name}`);
  host.mkdir(app.releases, 0o700);
  const alternatives = names.length > 0 ? names : ["DNS:localhost"];
  selfSign(host, pair, `/O=Piku/CN=${commonName(site)}`, days, alternatives);
  return pair;
}
