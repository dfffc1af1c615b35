# shellcheck shell=sh disable=SC2154 # nginx and web come in the environment
LC_ALL=C
count=0
for file in "$nginx"/*.conf; do
  name=${file##*/}
  case $name in *[!" "-~]*) ;; *) [ ${#name} -gt 200 ] || continue ;; esac
  count=$((count + 1)) && mv -f -- "$file" "$web/junk-$count"
done
