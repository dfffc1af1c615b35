import type { Host } from "../host/host.ts";
import type { Settings } from "./env-file.ts";
import { parseSettings } from "./env-grammar.ts";
import { setting, settingWarnings } from "./settings.ts";
import { type SettingName, table } from "./settings-table.ts";

/** The ports of all sites. */
export interface Ports {
  http: number;
  https: number;
}

/** What the ENV file of a board says. */
export interface BoardSettings {
  /** What all apps get. */
  settings: Settings;
  ports: Ports;
  /**
   * Whether sites are served by piku's own nginx, or by one that the board has for others too
   * (`PIKU_NGINX`); undefined where nothing is said.
   */
  nginx?: "own" | "shared";
  /**
   * The command that reloads a shared nginx (`PIKU_NGINX_RELOAD`), on a board that was set up by
   * hand.
   */
  reload?: string;
  /**
   * The app that answers for names that no site has, unless its own NGINX_DEFAULT says otherwise
   * (`PIKU_DEFAULT_APP`).
   */
  defaultApp?: string;
  /** A directory or a URL with releases of piku. */
  releases?: string;
  /** Whether a newer release is looked for each day, or taken; undefined where nothing is said. */
  update?: "auto" | "check" | "false";
  /** The domain below which apps without a server name get one. */
  domain?: string;
  /** Whether readers anywhere see the board's page, or nobody; undefined where nothing is said. */
  page?: "true" | "false";
  /** Where the ports of apps without a name begin; undefined where nothing is said. */
  firstPort?: number | "off";
  /** How large a push may be, as git-config(1) writes sizes. */
  largestPush: string;
  /** How many files and directories a commit may have. */
  mostFiles: number;
  /** Where Cloudflare's IP ranges are downloaded from. */
  cloudflare: string;
  /** Directories that sites may serve and cache in, besides an app's own. */
  folders: string[];
}

/** Reads the board's ENV file, or what it is going to be. Throws with file and line. */
export function readBoardSettings(
  host: Host,
  file: string,
  content = host.read(file) ?? "",
): BoardSettings {
  const all = parseSettings(content, file);
  const read = <Name extends SettingName>(name: Name) => setting(all, name, file);
  return {
    settings: Object.fromEntries(Object.entries(all).filter(([key]) => !isOfBoard(key))),
    ports: { http: read("PIKU_HTTP_PORT"), https: read("PIKU_HTTPS_PORT") },
    nginx: read("PIKU_NGINX"),
    reload: read("PIKU_NGINX_RELOAD"),
    defaultApp: read("PIKU_DEFAULT_APP"),
    releases: read("PIKU_RELEASES"),
    update: read("PIKU_UPDATE"),
    domain: read("PIKU_DOMAIN"),
    page: read("PIKU_PAGE"),
    firstPort: read("PIKU_FIRST_PORT"),
    largestPush: read("PIKU_MAX_PUSH"),
    mostFiles: read("PIKU_MAX_FILES"),
    cloudflare: read("PIKU_CLOUDFLARE_IPS"),
    folders: read("PIKU_FOLDERS"),
  };
}

/** What is doubtful in the board's ENV file. Throws with file and line when it cannot be read. */
export const boardWarnings = (host: Host, file: string, content = host.read(file) ?? "") =>
  settingWarnings(parseSettings(content, file), "board");

/** Settings of the board itself, which no app gets. */
const isOfBoard = (key: string) =>
  Object.hasOwn(table, key) && table[key as SettingName].scope === "board";
