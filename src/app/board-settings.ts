import { defu } from "defu";
import type { Host } from "../host/host.ts";
import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { parseSettings, type Settings } from "./env-file.ts";

/**
 * Settings of the machine's ENV file that are piku's own and no app's, and what they are unless it
 * says otherwise.
 */
const own = {
  PIKU_HTTP_PORT: "80",
  PIKU_HTTPS_PORT: "443",
  PIKU_NGINX: "",
  PIKU_NGINX_RELOAD: "",
  PIKU_DEFAULT_APP: "",
  PIKU_RELEASES: "",
  PIKU_DOMAIN: "",
  // Where Cloudflare says from which addresses its servers ask.
  PIKU_CLOUDFLARE_IPS: "https://api.cloudflare.com/client/v4/ips",
  PIKU_MAX_PUSH: "1g",
  PIKU_MAX_FILES: "100000",
  PIKU_FOLDERS: "",
};

/** The ports of all sites. */
export interface Ports {
  http: number;
  https: number;
}

/** What a machine's ENV file says. */
export interface Machine {
  /** For the apps. */
  settings: Settings;
  ports: Ports;
  /**
   * Whether nginx is to be piku's own or the one that this machine has for others too
   * (`PIKU_NGINX`); undefined unless somebody said so.
   */
  nginx?: "own" | "shared";
  /**
   * A command that has a shared nginx read its files again (`PIKU_NGINX_RELOAD`), for machines that
   * are set up by hand.
   */
  reload?: string;
  /**
   * The app that answers for names that no site has, unless its own NGINX_DEFAULT says otherwise
   * (`PIKU_DEFAULT_APP`).
   */
  defaultApp?: string;
  /** A folder or a URL with releases of piku. */
  releases?: string;
  /** The domain below which an app without a server name gets one. */
  domain?: string;
  /** How large a push may be, as git-config(1) writes sizes. */
  largestPush: string;
  /** How many files and folders a commit may have. */
  mostFiles: number;
  /** Where the addresses of Cloudflare are. */
  cloudflare: string;
  /** Folders that sites may serve, or keep replies in, beside an app's own. */
  folders: string[];
}

/** Reads the machine's ENV file, or what it is going to be. Throws with file and line. */
export function readMachine(host: Host, file: string, content = host.read(file) ?? ""): Machine {
  const all = parseSettings(content, file);
  const machine = defu(all, own);
  const { PIKU_HTTP_PORT, PIKU_HTTPS_PORT, PIKU_NGINX, PIKU_RELEASES, PIKU_DOMAIN, PIKU_MAX_PUSH } =
    machine;
  if (!["", "own", "shared"].includes(PIKU_NGINX))
    throw new PikuError(`${file}: PIKU_NGINX is '${printable(PIKU_NGINX)}'`, "write own or shared");
  if (
    PIKU_DOMAIN !== "" &&
    !/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?$/i.test(PIKU_DOMAIN)
  )
    throw new PikuError(
      `${file}: PIKU_DOMAIN is '${printable(PIKU_DOMAIN)}'`,
      "write a domain, such as pi.example.com",
    );
  if (!/^\d{1,9}[kmg]?$/i.test(PIKU_MAX_PUSH))
    throw new PikuError(
      `${file}: PIKU_MAX_PUSH is '${printable(PIKU_MAX_PUSH)}'`,
      "write a size, such as 500m or 2g",
    );
  if (!/^[1-9]\d{0,6}$/.test(machine.PIKU_MAX_FILES))
    throw new PikuError(
      `${file}: PIKU_MAX_FILES is '${printable(machine.PIKU_MAX_FILES)}'`,
      "write a number of files, such as 200000",
    );
  return {
    settings: Object.fromEntries(Object.entries(all).filter(([key]) => !Object.hasOwn(own, key))),
    ports: {
      http: portNumber(PIKU_HTTP_PORT, `${file}: PIKU_HTTP_PORT`),
      https: portNumber(PIKU_HTTPS_PORT, `${file}: PIKU_HTTPS_PORT`),
    },
    nginx: (PIKU_NGINX || undefined) as Machine["nginx"],
    reload: machine.PIKU_NGINX_RELOAD || undefined,
    defaultApp: machine.PIKU_DEFAULT_APP || undefined,
    releases: PIKU_RELEASES || undefined,
    domain: PIKU_DOMAIN || undefined,
    largestPush: PIKU_MAX_PUSH,
    mostFiles: Number(machine.PIKU_MAX_FILES),
    cloudflare: machine.PIKU_CLOUDFLARE_IPS,
    folders: folderList(machine.PIKU_FOLDERS, `${file}: PIKU_FOLDERS`),
  };
}

/** Absolute folders with `:` between. Throws, naming `what`. */
function folderList(value: string, what: string): string[] {
  const given = value.split(":").filter((folder) => folder !== "");
  const bad = given.find(
    (folder) => !/^\/[^\x00-\x1f"$\\]*$/.test(folder) || /^\/+$|\/\.{1,2}\//.test(`${folder}/`),
  );
  if (bad !== undefined)
    throw new PikuError(
      `${what}: '${printable(bad)}' cannot be a folder`,
      "write absolute paths with ':' between them, such as /srv/photos:/mnt/usb",
    );
  return given.map((folder) => folder.replace(/\/+/g, "/").replace(/\/$/, ""));
}

/** A port as somebody wrote it. Throws, naming `what`, for one that is none. */
export function portNumber(value: string, what: string): number {
  const port = /^\d{1,5}$/.test(value) ? Number(value) : 0;
  if (port < 1 || port > 65_535)
    throw new PikuError(`${what} is '${printable(value)}'`, "a port is a number from 1 to 65535");
  return port;
}
