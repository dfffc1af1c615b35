import { readCertificate } from "../../site/certificate.ts";
import { type Check, findings } from "./check.ts";

const warnDays = 7;

/** Whether the certificate of each site fits its key, and lasts for some days. */
export const certificates: Check = (host, { apps, paths: { nginx } }) => {
  const now = host.now();
  const days = (until: number) => Math.floor((until - now) / 86_400_000);
  const all = apps
    .filter((app) => host.stat(app.site))
    .map(({ name }) => {
      const pair = { certificate: `${nginx}/${name}.crt`, key: `${nginx}/${name}.key` };
      return { app: name, until: readCertificate(host, pair)?.until };
    });
  const left = all.map(({ app, until }) => `${app} ${days(until ?? now)} days`);
  return findings(
    all.length > 0 ? `left: ${left.join(", ")}` : "there are none",
    all
      .filter(({ until }) => until === undefined || days(until) < warnDays)
      .map(({ app, until }) => ({
        says: `the certificate of app '${app}' ${certificateState(until, now, days)}`,
        remedy: `deploy ${app} says why it is not renewed`,
      })),
  );
};

function certificateState(
  until: number | undefined,
  now: number,
  days: (until: number) => number,
): string {
  if (until === undefined) return "is missing, or does not match its key";
  return until < now ? "has expired" : `expires in ${days(until)} days`;
}
