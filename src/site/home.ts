import { privateNetworks } from "../app/networks.ts";
import type { Paths } from "../app/paths.ts";
import { text } from "../text/text.ts";
import { quotedPage, unknownPage } from "./page.ts";

/** The languages that the board's page is written in, the first one where a reader's is none. */
export const languages = ["en", "de", "es", "fr", "pt"] as const;
export type Language = (typeof languages)[number];

/** The files of the board's page; readers anywhere may see it while `forAll` is there. */
export const homeFiles = ({ web }: Paths) => ({
  folder: `${web}/page`,
  forAll: `${web}/page/for-all`,
  password: `${web}/page/password`,
});

/** Whoever is on the board's own network, or on the board itself. */
const near = [...privateNetworks, "127.0.0.0/8", "::1/128"];

/**
 * What the http block says of the board's page: which names are the board's, which readers are
 * near, and which language they prefer. A tunnel or another proxy asks for strangers.
 */
export const renderReaders = (hostname: string) =>
  text`
  geo $piku_is_near {
    default 0;
    ${near.map((range) => `${range} 1;`).join("\n")}
  }
  map $host $piku_is_board {
    default 0;
    localhost 1;
    "~^[0-9.]+$" 1;
    "~^\[" 1;
    ${hostname && `"~*^${hostname}(\\.|$)" 1;`}
  }
  map "$piku_is_near$piku_is_board$http_x_forwarded_for$http_forwarded$http_cf_connecting_ip" $piku_reader {
    default far;
    11 near;
  }
  map $http_accept_language $piku_language {
    default ${languages[0]};
    ${languages.map((one) => `"~*^${one}" ${one};`).join("\n")}
  }`.trimEnd();

/** How nginx shows the page that lies in a folder. */
export const renderPageDirectives = (folder: string) =>
  text`
  root ${folder};
  ssi on;
  default_type text/html;
  charset utf-8;
  add_header Cache-Control no-cache;
  add_header Vary Accept-Language;`.trimEnd();

/**
 * The server block's part that shows the board's page at `/`, to readers on the board's own
 * network only, and for everything else the page of unknown names.
 */
export const renderHome = (paths: Paths) => {
  const { folder, forAll, password } = homeFiles(paths);
  const unknown = `default_type text/html;\nreturn 404 ${quotedPage(unknownPage)};`;
  return text`
    set $piku_seen $piku_reader;
    if (-f ${forAll}) { set $piku_seen near; }
    if ($piku_is_board = 0) { set $piku_seen far; }
    set $piku_realm off;
    if (-f ${password}) { set $piku_realm board; }
    location = / {
      auth_basic $piku_realm;
      auth_basic_user_file ${password};
      if ($piku_seen = far) { rewrite ^ /unknown last; }
      ${renderPageDirectives(folder)}
      try_files /index.html /unknown;
    }
    location / {
      ${unknown}
    }`.trimEnd();
};

/** The server for the board's own name, where an app answers for all others. */
export const renderHomeServer = (paths: Paths, hostname: string, listen: string) =>
  text`
  server {
    ${listen}
    server_name ${hostname} "~^${hostname}\.";
    ${renderHome(paths)}
  }`.trimEnd();
