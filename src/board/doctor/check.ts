import { type App, appOf, listApps } from "../../app/app.ts";
import { type BoardSettings, readBoardSettings } from "../../app/board-settings.ts";
import type { Paths } from "../../app/paths.ts";
import { isStopped, readableNumber } from "../../app/releases.ts";
import type { Host } from "../../host/host.ts";
import { readSites } from "../../site/nginx.ts";
import { type RunningNginx, runningNginx } from "../../site/reload.ts";
import { explain } from "../../text/errors.ts";
import { appsWithWorkers } from "../../workers/emperor.ts";

/** What a check has found: a fact, or what is wrong and what to do about it. */
export interface Finding {
  says: string;
  /** What puts it right; without one nothing is wrong. */
  remedy?: string;
}

/**
 * Looks at one aspect of the board, and gives at least one finding. It sees what piku's user can
 * see, who is not root.
 */
export type Check = (host: Host, board: Examined) => Finding[];

/** What several checks look at, read once. */
export interface Examined {
  paths: Paths;
  apps: readonly App[];
  /** Those of them that should be running. */
  expected: readonly App[];
  /** The board's settings; undefined where they cannot be read. */
  settings?: BoardSettings;
  /** The sites in piku's folder, app -> text. */
  sites: ReadonlyMap<string, string>;
  nginx: RunningNginx;
}

/** Reads what several checks look at. */
export function readBoard(host: Host, paths: Paths): Examined {
  const apps = listApps(host, paths).map((name) => appOf(paths, name));
  const working = appsWithWorkers(host, paths);
  const settings = readableSettings(host, paths);
  return {
    paths,
    apps,
    // An app that the original stopped has no workers either, and no record that says so.
    expected: apps.filter((app) =>
      readableNumber(host, app) === undefined ? working.has(app.name) : !isStopped(host, app),
    ),
    settings,
    sites: readSites(host, paths),
    nginx: runningNginx(host, paths, settings?.reload),
  };
}

function readableSettings(host: Host, paths: Paths): BoardSettings | undefined {
  try {
    return readBoardSettings(host, paths.settings);
  } catch {
    return undefined;
  }
}

/** What is wrong, or else that all is fine. */
export const findings = (fine: string, wrong: Finding[]): Finding[] =>
  wrong.length > 0 ? wrong : [{ says: fine }];

/** One finding when this is so, and none when it is not. */
export const when = (isSo: boolean, says: string, remedy: string): Finding[] =>
  isSo ? [{ says, remedy }] : [];

/** What an attempt has failed with, as a finding; none when it went well. */
export function complaintsOf(attempt: () => void): Finding[] {
  try {
    attempt();
    return [];
  } catch (error) {
    const { message, hint } = explain(error);
    return [{ says: message, remedy: (hint ?? "").replace(/^on the server: /, "") }];
  }
}

/** What root does to have the services of this piku. `releases`: where its releases are. */
export const installAgain = (releases?: string) =>
  `run piku's install.sh again: ${releases?.startsWith("http") ? `curl -fsSL ${releases}/install.sh | sudo sh` : "sudo sh install.sh"}`;
