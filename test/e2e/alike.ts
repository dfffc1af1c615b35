/**
 * What is typed with the client in the directory of the app `laptop`, and over plain ssh by somebody
 * who quotes well.
 */
export const alike: readonly (readonly [string[], string])[] = [
  [["apps"], "apps"],
  [["ps"], "ps laptop"],
  [["config"], "config laptop"],
  [["config:get", "NGINX_SERVER_NAME"], "config:get laptop NGINX_SERVER_NAME"],
  [["config:live"], "config:live laptop"],
  [["releases"], "releases laptop"],
  [["logs", "web", "-n5", "--no-follow"], "logs laptop web -n5 --no-follow"],
  [
    ["run", "--", "printf", "%s|", "a b", "$HOME", "it's"],
    `run laptop -- printf %s\\| 'a b' '$HOME' "it's"`,
  ],
  [
    ["run", "printf '\\000\\377\\r\\n'; echo $PORT"],
    "run laptop -- printf '\\000\\377\\r\\n'; echo $PORT",
  ],
  [["keys"], "keys"],
  [["help", "logs"], "help logs"],
  [["config:get", "NO_SUCH"], "config:get laptop NO_SUCH"],
  [["-a", "nobody", "ps"], "ps nobody"],
  [["run", "exit 7"], "run laptop -- exit 7"],
  [["lgos"], "lgos laptop"],
];
