import type { Paths } from "../../app/paths.ts";
import { releasedSite } from "../../app/releases.ts";
import type { Host } from "../../host/host.ts";
import { readComplaint } from "../../site/complaint.ts";
import { webFiles } from "../../site/main-file.ts";
import { refusedSites } from "../../site/refused.ts";
import { addressIn } from "../../site/visit.ts";
import { printable } from "../../text/text.ts";
import { vassalsByApp } from "../../workers/emperor.ts";
import { isAsleep } from "../../workers/idle.ts";
import { type Check, type Examined, findings, when } from "./check.ts";

/** Whether nginx takes all sites, they are those of the live releases, and visitors get answers. */
export const sites: Check = (host, board) => {
  const count = board.sites.size;
  const complaint = board.nginx.way === "own" ? lastComplaint(host, board.paths) : undefined;
  const refused = refusedSites(host, board.paths);
  return findings(`${count} ${count === 1 ? "site" : "sites"}, all accepted by nginx`, [
    ...when(
      complaint !== undefined,
      `nginx refused its files when it read them last: ${complaint}`,
      "deploy that app again, or destroy it",
    ),
    ...[...refused].map(([app, why]) => ({
      says: `the site of '${printable(app)}' is set aside, since nginx refuses it: ${why}`,
      remedy: `deploy ${printable(app)}, or destroy it`,
    })),
    ...changed(host, board, refused),
    ...unanswered(host, board),
  ]);
};

/** What our nginx had against its files when it read them last, by the end of its log. */
function lastComplaint(host: Host, paths: Paths): string | undefined {
  const { errors } = webFiles(paths);
  const end = host.readFrom(errors, Math.max(0, (host.stat(errors)?.size ?? 0) - 262_144)).text;
  const begins = [": reconfiguring\n", ": start worker processes\n"];
  return readComplaint(
    paths,
    end.slice(Math.max(0, ...begins.map((line) => end.lastIndexOf(line)))),
  );
}

/** Apps whose site is not the one of their live release. */
function changed(host: Host, board: Examined, refused: ReadonlyMap<string, string>) {
  const released = board.expected.flatMap(({ name }) => {
    const site = releasedSite(host, board.paths, name);
    return site === undefined ? [] : [{ name, site }];
  });
  const isLost = ({ name }: { name: string }) => !board.sites.has(name) && !refused.has(name);
  const isAltered = ({ name, site }: { name: string; site: string }) =>
    board.sites.has(name) && board.sites.get(name) !== site;
  return [
    ...released.filter(isLost).map(({ name }) => ({
      says: `app '${name}' has no site, but its release had one`,
      remedy: `restart ${name}`,
    })),
    ...released.filter(isAltered).map(({ name }) => ({
      says: `the site of app '${name}' is not the one that its release made`,
      remedy: `restart ${name} rewrites it; lasting changes belong in NGINX_INCLUDE_FILE`,
    })),
  ];
}

const maxAsked = 200;
// nginx's own answers in the place of an app. What an app answers is the app's own affair.
const fromNginx: Record<string, string> = {
  "000": "no answer",
  "502": "502 from nginx",
  "504": "504 from nginx",
};

/** Apps for which nginx itself answers, or nothing does; asked as visitors would, in one call. */
function unanswered(host: Host, { sites, expected, nginx, paths }: Examined) {
  if (nginx.way === "none") return [];
  const vassals = vassalsByApp(host, paths);
  const awake = expected.filter(
    (app) =>
      !vassals
        .get(app.name)
        ?.some(({ release, ...vassal }) => release && isAsleep(host, app, { ...vassal, release })),
  );
  const names = new Set(awake.map(({ name }) => name));
  const asked = [...sites]
    // To ask those that sleep would wake them all at once.
    .filter(([name]) => names.has(name))
    .slice(0, maxAsked)
    .flatMap(([name, site]) => {
      const address = addressIn(site);
      return address ? [{ name, ...address }] : [];
    });
  if (asked.length === 0) return [];
  const words = asked.flatMap(({ host: server, address, port, scheme }) => [
    ...["--resolve", `${server}:${port}:${address}`],
    ...["-o", "/dev/null", `${scheme}://${server}:${port}/.well-known/piku`],
  ]);
  const how = ["-sk", "--noproxy", "*", "--max-time", "10", "-w", "%{http_code}\\n"];
  const statuses = host.capture(["curl", ...how, ...words]).stdout.split("\n");
  return asked.flatMap(({ name }, i) => {
    const got = fromNginx[statuses[i] || "000"];
    return when(
      got !== undefined,
      `visitors of app '${name}' get ${got}`,
      `logs ${name} tells why; restart ${name}`,
    );
  });
}
