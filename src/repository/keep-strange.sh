# shellcheck shell=sh disable=SC2154 # all variables come in the environment
{
  if [ -n "$from" ]; then git -C "$repo" diff --name-only --no-renames -z "$from" "$to" --
  else git -C "$repo" ls-tree -r --name-only -z "$to"; fi
} | LC_ALL=C.UTF-8 grep -zavx '.*' > "$names" || { rm -f "$names"; exit 0; }
# shellcheck disable=SC2016 # for the inner shell
xargs -0 sh -c 'for name; do if [ -f "$name" ] || [ -L "$name" ]; then printf "%s\0" "$name"; fi; done' sh < "$names" |
  tar -cf "$kept" --null --no-recursion --verbatim-files-from -T -
[ -s "$kept" ]
