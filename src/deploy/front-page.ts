import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { isClosed } from "../site/maintenance.ts";
import { visit } from "../site/visit.ts";
import { voiceOf } from "../text/output.ts";
import type { Plan } from "./plan.ts";

/** Answers that nobody wants for the first page of an app. The first pattern counts. */
const poor: readonly [pattern: RegExp, says: string][] = [
  [/^0*$/, "has not answered within 5 seconds"],
  [/^50[24]$/, "gives no answer, nginx says"],
  [/^5/, "answers with an error of its own"],
  [/^403$/, "refuses the request; it may not know its name, or its directory has no index.html"],
  [/^400$/, "does not accept the request; it may not know its name (Django: ALLOWED_HOSTS)"],
];

/**
 * Looks at the page of a release that has just gone live as visitors see it, and warns of an answer
 * that only the app itself can mend.
 */
export function warnOfFrontPage(host: Host, { app, site, settings }: Plan): void {
  const page = setting(settings, "PIKU_HEALTHCHECK") ?? "/";
  // Asking would wake an app that sleeps until somebody wants it.
  if (setting(settings, "UWSGI_IDLE") > 0) return;
  const text = site && page.startsWith("/") && !isClosed(host, app) && host.read(app.site);
  const status = text ? visit(host, text, page) : undefined;
  const [, says] = poor.find(([pattern]) => status !== undefined && pattern.test(status)) ?? [];
  if (!says) return;
  const got = Number(status) > 0 ? ` (${status})` : "";
  voiceOf(host).warn(`app '${app.name}' ${says}${got} for ${page}: logs ${app.name} tells why`);
}
