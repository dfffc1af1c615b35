// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are nginx's.
import { expect, test } from "bun:test";
import { refuseLeadingOut } from "../../../src/site/allowed.ts";
import { appBelow } from "../workers/example.ts";

const app = appBelow("/p");

test.each([
  "",
  "add_header X-Frame-Options DENY always;",
  "location /api/ { proxy_pass http://blog; proxy_set_header Host $host; include proxy_params; }",
  "location /b/ { proxy_pass http://blog/b/; }",
  "location /up { client_max_body_size 1g; uwsgi_pass blog; include uwsgi_params; uwsgi_param X y; }",
  "location /out/ { proxy_pass http://127.0.0.1:9000/x/$uri; }",
  "location /out/ { proxy_pass https://[::1]:9000; }",
  "if ($request_method = POST) { return 405; }",
  "if (!-e $request_filename) { rewrite ^ /index.html last; }",
  "# root /;\nexpires 30d;",
  'auth_basic "Members";\nallow 10.0.0.0/8;\ndeny all;',
  "error_page 404 /404.html;",
])("an isolated app may say: %s", (text) => refuseLeadingOut(app, text));

test.each([
  "root /home/piku/.piku;",
  "location /x/ { alias /home/piku/.piku/envs/; }",
  "  'alias' /x;",
  "access_log /home/piku/.ssh/authorized_keys;",
  "error_log /home/piku/.ssh/authorized_keys;",
  "include /home/piku/.piku/envs/*/ENV;",
  "include ../nginx/other.conf;",
  "auth_basic_user_file /home/piku/.piku/envs/other/ENV;",
  "ssl_certificate /home/piku/.piku/nginx/other.crt;",
  "ssl_certificate_key /home/piku/.piku/nginx/other.key;",
  "proxy_pass http://unix:/home/piku/.piku/sockets/other.1.sock;",
  "proxy_pass http://other;",
  "proxy_pass http://my.app;",
  "proxy_pass http://blogger;",
  "proxy_pass http://$arg_to;",
  "proxy_pass http://127.0.0.1:$arg_port;",
  "proxy_pass http://${x}:80/;",
  "uwsgi_pass other;",
  "uwsgi_pass unix:/home/piku/.piku/sockets/other.1.sock;",
  "uwsgi_pass $x;",
  "uwsgi_param UWSGI_FILE /tmp/x.py;",
  "uwsgi_modifier1 9;",
  "fastcgi_pass unix:/run/php/php-fpm.sock;",
  "grpc_pass grpc://other;",
  "set $piku_slot other~a;",
  "return 200 ${piku_slot};",
  "disable_symlinks off;",
  "proxy_cache_path /p/data/other keys_zone=x:1m;",
  "proxy_store /p/data/other;",
  "proxy_temp_path /p/data/other;",
  "client_body_temp_path /p/data/other;",
  "client_body_in_file_only on;",
  "proxy_ssl_certificate_key /x;",
  "dav_methods PUT DELETE;",
  "listen 8099;",
  "if (-f /home/piku/.piku/envs/other/ENV) { return 200; }",
  "if (!-d /home/piku/.piku/apps/other) { return 200; }",
  "} server { root /;",
  "perl_set $x 'sub {}';",
  "js_import x.js;",
  "load_module x.so;",
  "lua_code_cache on;",
  "ssi on;",
  "xslt_stylesheet /etc/passwd;",
  "mirror /x; log_format x y;",
  "upstream x { server unix:/x; }",
  "fancyindex_header /x;",
])("and not, since it leads out or may: %s", (text) => {
  expect(() => refuseLeadingOut(app, text)).toThrow("is not allowed in an isolated app");
});
