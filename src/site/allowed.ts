import type { App } from "../app/app.ts";
import { PikuError } from "../text/errors.ts";
import { printable } from "../text/text.ts";
import { type Directive, readDirectives } from "./directives.ts";

/**
 * What an include file of an isolated app may say. nginx stands outside of the walls, so this is a
 * list of what is known to stay within a site: nothing that names a file, a socket, or another
 * server's block.
 */
const harmless =
  /^(absolute_redirect|add_header|add_trailer|addition_types|allow|auth_basic|autoindex(_\w+)?|break|charset(_types)?|chunked_transfer_encoding|client_(body_(buffer_size|timeout)|header_(buffer_size|timeout)|max_body_size)|default_type|deny|error_page|etag|expires|fastcgi_param|gzip(_\w+)?|if_modified_since|ignore_invalid_headers|index|internal|keepalive_\w+|large_client_header_buffers|limit_except|limit_rate(_after)?|location|log_not_found|log_subrequest|lingering_\w+|max_ranges|merge_slashes|msie_\w+|output_buffers|override_charset|port_in_redirect|postpone_output|proxy_(buffers?|buffer_size|buffering|busy_buffers_size|connect_timeout|cookie_\w+|force_ranges|headers_hash_\w+|hide_header|http_version|ignore_client_abort|ignore_headers|intercept_errors|limit_rate|method|next_upstream\w*|no_cache|pass_header|pass_request_\w+|read_timeout|redirect|request_buffering|send_timeout|set_body|set_header|socket_keepalive|ssl_server_name|ssl_name)|real_ip_(header|recursive)|recursive_error_pages|reset_timedout_connection|resolver_timeout|return|rewrite(_log)?|satisfy|scgi_param|send_timeout|server_name|server_name_in_redirect|server_tokens|set|set_real_ip_from|sub_filter\w*|tcp_nodelay|tcp_nopush|try_files|underscores_in_headers|uwsgi_(buffer_size|buffering|buffers|busy_buffers_size|connect_timeout|force_ranges|hide_header|ignore_client_abort|ignore_headers|intercept_errors|limit_rate|next_upstream\w*|pass_header|pass_request_\w+|read_timeout|request_buffering|send_timeout))$/;

const files = /^(fastcgi_params|mime\.types|proxy_params|scgi_params|uwsgi_params)$/;

/** Directives that may have some values, and no others. */
const some: Record<string, (app: App, words: readonly string[]) => boolean> = {
  include: (_, [file]) => files.test(file ?? ""),
  // An address with a port, or the app itself: a bare name may be another app's.
  proxy_pass: ({ name }, [url = ""]) =>
    /^https?:\/\/([\w.-]+|\[[\da-f:]+\]):\d+(\/|$)/i.test(url) ||
    new RegExp(`^http://${name.replaceAll(".", "\\.")}(/|$)`).test(url),
  uwsgi_pass: ({ name }, [upstream]) => upstream === name,
  // What tells uWSGI to load something.
  uwsgi_param: (_, [name = ""]) => !/^UWSGI_/i.test(name),
  // Whether a file is there tells of others' too.
  if: (_, words) =>
    words.every((word, i) => !/^\(?!?-[fdex]$/.test(word) || words[i + 1] === "$request_filename)"),
};

const isAllowed = (app: App, [directive = "", ...words]: Directive) =>
  words.every((word) => !/\$\{?piku_/i.test(word)) &&
  (harmless.test(directive) || some[directive]?.(app, words) === true);

/**
 * Refuses an include file of an isolated app that says anything else, since it could lead out of
 * the wall. Throws with the directive.
 */
export function refuseLeadingOut(app: App, include: string): void {
  const one = readDirectives(include).find((directive) => !isAllowed(app, directive));
  if (one)
    throw new PikuError(
      `NGINX_INCLUDE_FILE: '${printable(one.join(" ").slice(0, 100))}' is not allowed in an isolated app`,
      `files are served by NGINX_STATIC_PATHS=/url:folder; without the wall: config:set ${app.name} PIKU_ISOLATION=false`,
    );
}
