import { text } from "../text/text.ts";

/** A page that nginx shows instead of an app. All of it is text, not HTML. */
export interface Page {
  title: string;
  /** Paragraphs; a line break within one is kept. */
  says: readonly string[];
  /** What has made it, recorded in the page. */
  generator?: string;
}

const entities: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export const escapeHtml = (says: string) => says.replace(/[&<>"']/g, (letter) => entities[letter]!);

/** The parts of an HTML document that differ; `style` and `body` are HTML and CSS already. */
interface HtmlDocument {
  language: string;
  title: string;
  style: string;
  body: string;
  generator?: string;
}

/** An HTML document: without scripts, in the reader's light or dark colours. */
export const renderDocument = ({ language, title, style, body, generator }: HtmlDocument) => text`
  <!doctype html>
  <html lang="${language}">
  <head>
  <meta charset="utf-8">
  ${generator && `<meta name="generator" content="${generator}">`}
  <meta name="viewport" content="width=device-width">
  <meta name="color-scheme" content="light dark">
  <title>${escapeHtml(title)}</title>
  <style>
  ${style}
  </style>
  </head>
  <body>
  ${body}
  </body>
  </html>`;

/** The HTML of a page. */
export const renderPage = ({ title, says, generator = "piku" }: Page) =>
  renderDocument({
    language: "en",
    title,
    generator,
    style:
      "body { font: 1.25em/1.5 sans-serif; max-width: 30em; margin: 20vh auto; padding: 0 1em; text-align: center } h1 { font-size: 1.4em }",
    body: text`
      <main>
      <h1>${escapeHtml(title)}</h1>
      ${says.map((one) => `<p>${escapeHtml(one).replace(/\s*\n\s*/g, "<br>")}</p>`).join("\n")}
      </main>`.trimEnd(),
  });

/** A page as one word of an nginx file, for `return`: of at most 4096 bytes (NGX_CONF_BUFFER). */
export const quotedPage = (page: Page) =>
  `'${renderPage(page)
    .replaceAll("\n", "")
    .replace(/['$\\]/g, (letter) => `&#${letter.charCodeAt(0)};`)}'`;

/** The page of an app whose processes do not answer. */
export const downPage = (app: string): Page => ({
  title: "This app does not answer.",
  says: [
    "It may be starting, or something in it went wrong. Please try again in a minute.",
    `If it is yours: logs ${app} says why.`,
  ],
});

const stopped = {
  title: "This app is stopped.",
  says: "Its owner has stopped it, and can start it again.",
};

/** The page of an app that `stop` has stopped. */
export const stoppedPage = (app: string, generator: string): Page => ({
  title: stopped.title,
  says: [stopped.says, `If it is yours: restart ${app}`],
  generator,
});

/** The page of an app that is scaled to no process that answers visitors, such as `web=0`. */
export const idlePage = (app: string, kind: string): Page => ({
  title: stopped.title,
  says: [stopped.says, `If it is yours: ps:scale ${app} ${kind}=1`],
});

/** The page of names that no site has. It names no app. */
export const unknownPage: Page = {
  title: "There is no site of this name on this board.",
  says: [
    "Please look for a mistake in the address.",
    "To give an app this name: config:set APP NGINX_SERVER_NAME=NAME",
  ],
};
