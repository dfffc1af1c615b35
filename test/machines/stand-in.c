/* In the place of ssh, scp and git on Windows: shows its arguments as Windows' C library splits them, and what comes on stdin. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  if (argc > 2 && !strcmp(argv[1], "remote") && !strcmp(argv[2], "-v")) {
    puts("piku\tpiku@board:blog (push)");
    return 0;
  }
  if (argc > 1 && !strcmp(argv[1], "symbolic-ref")) {
    puts("main");
    return 0;
  }
  if (argc > 1 && !strcmp(argv[1], "rev-parse")) return 0;
  for (int i = 1; i < argc; i++) printf("[%s]\n", argv[i]);
  for (int c; (c = getchar()) != EOF;) putchar(c);
  return 7;
}
