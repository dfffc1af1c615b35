import { type App, appOf, listApps } from "../app/app.ts";
import { readBoardSettings } from "../app/board-settings.ts";
import type { Paths } from "../app/paths.ts";
import { isStopped } from "../app/releases.ts";
import { setting } from "../app/settings.ts";
import type { Host } from "../host/host.ts";
import { homeFiles, type Language, languages } from "../site/home.ts";
import { isClosed } from "../site/maintenance.ts";
import { escapeHtml, renderDocument } from "../site/page.ts";
import { isShared } from "../site/reload.ts";
import { settleSharedPage, sharedPage } from "../site/shared-page.ts";
import { usersFile } from "../site/site.ts";
import { text } from "../text/text.ts";
import { newerRelease } from "./newer.ts";
import { pageWords } from "./page-words.ts";
import { type AppStatus, surveyApps } from "./status.ts";

/** An app as the board's page shows it. */
interface ListedApp {
  app: string;
  state: "up" | "down" | "stopped" | "closed";
  /** When its release went live, ISO 8601. */
  since?: string;
  /** Its address; one without a name has nginx's own port only. */
  url?: string;
  port?: number;
}

interface BoardPage {
  /** The board's name. */
  hostname: string;
  /** The user that pushes go to. */
  user: string;
  version: string;
  /** A newer one that is out. */
  newer?: string;
  apps: readonly ListedApp[];
  /** ISO 8601. */
  now: string;
}

/** The host as the reader typed it, put in by nginx, which escapes it (ngx_http_ssi_module). */
const here = '<!--#echo var="host" -->';

const time = (iso: string) =>
  `<time datetime="${escapeHtml(iso)}">${escapeHtml(iso.slice(0, 16).replace("T", " "))} UTC</time>`;

// Not in the template: a bundler writes such letters as escapes, which a template of ours keeps.
const stateMarks = { up: "●", down: "▲", still: "■" };

/** The board's page in a language: no script, nothing from elsewhere, light or dark. */
export function renderBoardPage(page: BoardPage, language: Language): string {
  const say = pageWords[language];
  const name = escapeHtml(page.hostname);
  const address = `${escapeHtml(page.user)}@${here}`;
  const item = ({ app, state, since, url, port }: ListedApp) => {
    const to = port === undefined ? url && escapeHtml(url) : `http://${here}:${port}/`;
    const link = to ? `<a href="${to}">${escapeHtml(app)}</a>` : escapeHtml(app);
    return text`
      <li class="${state}">${link}
      <span>${say[state]}${since && `, ${say.since.replace("{}", time(since))}`}${!to && `, ${say.noPage}`}</span></li>`.trimEnd();
  };
  const body = text`
    <main>
    <h1>${name}</h1>
    <h2>${say.apps}</h2>
    ${page.apps.length > 0 ? `<ul>\n${page.apps.map(item).join("\n")}\n</ul>` : `<p>${say.none}</p>`}
    <h2>${say.push}</h2>
    <p>${say.pushSays}</p>
    <pre tabindex="0">git remote add piku ${address}:APP
    git push piku main</pre>
    <p>${say.client}</p>
    <pre tabindex="0">piku init ${here}
    piku deploy</pre>
    ${page.newer && `<p>${say.newer.replace("{}", escapeHtml(page.newer))}</p>\n<pre tabindex="0">ssh ${address} update</pre>`}
    </main>
    <footer>piku ${escapeHtml(page.version)}. ${say.made.replace("{}", time(page.now))}</footer>`;
  return renderDocument({ language, title: page.hostname, style, body: body.trimEnd() });
}

const style = `body { font: 1.1em/1.5 sans-serif; max-width: 40em; margin: 2em auto; padding: 0 1em }
ul { list-style: none; padding: 0 }
li { padding: .5em 0; border-bottom: 1px solid #8888; overflow-wrap: anywhere }
li span { display: block; font-size: .9em }
li::before { content: "${stateMarks.up} "; color: #2a7d2a }
li.down::before { content: "${stateMarks.down} "; color: #c33 }
li.stopped::before, li.closed::before { content: "${stateMarks.still} "; color: #777 }
pre { overflow: auto; padding: .7em; border: 1px solid #8888 }
footer { font-size: .85em; margin-top: 2em }`;

/** More would be no page to read, and too large to be made at each change. */
const maxApps = 100;

/**
 * Writes the board's page anew in every language, or removes it where it is not wanted. `version`:
 * of piku.
 */
export function writeBoardPage(host: Host, paths: Paths, version: string): void {
  const board = readBoardSettings(host, paths.settings);
  const { page: wanted, settings } = board;
  const { folder, forAll, password } = homeFiles(paths);
  const hash = setting(settings, "PIKU_PASSWORD", paths.settings);
  const shared = sharedPage(paths);
  if (isShared(host, paths, board)) {
    host.remove(folder);
    // Who has a password for the board does not want it shown to all.
    const isWanted = wanted === "true" && hash === undefined;
    if (isWanted) writeIndex(host, shared.folder, { ...surveyPage(host, paths), version });
    settleSharedPage(host, paths, isWanted);
    if (!isWanted) host.remove(shared.folder);
    return;
  }
  for (const left of [shared.site, shared.folder]) host.remove(left);
  if (wanted === "false" || host.stat(paths.web) === undefined) {
    host.remove(folder);
    return;
  }
  host.mkdir(folder);
  if (hash === undefined) host.remove(password);
  else if (host.read(password) !== usersFile(hash)) host.write(password, usersFile(hash), 0o600);
  writeIndex(host, folder, { ...surveyPage(host, paths), version });
  if (wanted !== "true") host.remove(forAll);
  else if (!host.stat(forAll)) host.write(forAll, "");
}

/** Writes the page. It is made anew at every change, so it need not be there after a power cut. */
function writeIndex(host: Host, folder: string, page: BoardPage): void {
  host.mkdir(folder);
  const fresh = `${folder}/.index.${host.pid}.tmp`;
  host.remove(fresh);
  host.append(fresh, renderLanguages(page), 0o644);
  host.move(fresh, `${folder}/index.html`);
  // Left by one that was killed.
  for (const name of host.list(folder).filter((one) => one.endsWith(".tmp"))) {
    const left = host.stat(`${folder}/${name}`);
    if (left && host.now() - left.modified > 60_000) host.remove(`${folder}/${name}`);
  }
}

/** The page in every language, of which nginx shows the reader's (ngx_http_ssi_module). */
const renderLanguages = (page: BoardPage) =>
  `${[
    ...languages
      .slice(1)
      .map((one, i) => [`${i > 0 ? "el" : ""}if expr="$piku_language = ${one}"`, one] as const),
    ["else", languages[0]] as const,
  ]
    .map(([condition, language]) => `<!--# ${condition} -->${renderBoardPage(page, language)}`)
    .join("")}<!--# endif -->\n`;

/** What the page tells, as the board is now. */
const surveyPage = (host: Host, paths: Paths): Omit<BoardPage, "version"> => ({
  hostname: host.read("/proc/sys/kernel/hostname")?.trim() || "piku",
  user: host.env().USER ?? "piku",
  now: new Date(host.now()).toISOString(),
  newer: newerRelease(host, paths),
  apps: surveyApps(host, paths, listApps(host, paths).slice(0, maxApps)).map((status) => ({
    app: status.app,
    state: stateOf(host, appOf(paths, status.app), status),
    since: status.since,
    url: status.url,
    port: status.ownPort,
  })),
});

function stateOf(host: Host, app: App, { running, up, wanted }: AppStatus): ListedApp["state"] {
  if (isStopped(host, app)) return "stopped";
  if (isClosed(host, app)) return "closed";
  return running && up >= wanted ? "up" : "down";
}
