/* A part of quickjs.c: its memory. Loading the program asks for some ten thousand small pieces, which a call of malloc each
   would make slower by a fifth. Pieces of up to 512 bytes are cut from large blocks, and used again for others of their size. */

enum { step = 16, largest = 512, block_size = 1 << 18 };

union piece {
  union piece *next;
  size_t size;
  double aligned;
};

static union piece *unused[largest / step + 1];
static char *block, *block_end;

static size_t rounded(size_t size) { return (size + sizeof(union piece) + step - 1) / step * step; }

static void *memory_take(JSMallocState *state, size_t size) {
  size_t whole = rounded(size);
  union piece *piece;
  if (size == 0 || state->malloc_size + whole > state->malloc_limit) return NULL;
  if (whole > largest) piece = malloc(whole);
  else if (unused[whole / step]) piece = unused[whole / step], unused[whole / step] = piece->next;
  else {
    if ((size_t)(block_end - block) < whole) block = malloc(block_size), block_end = block ? block + block_size : NULL;
    piece = (union piece *)block;
    if (block) block += whole;
  }
  if (!piece) return NULL;
  state->malloc_count++, state->malloc_size += whole;
  piece->size = whole;
  return piece + 1;
}

static void memory_free(JSMallocState *state, void *given) {
  if (!given) return;
  union piece *piece = (union piece *)given - 1;
  size_t whole = piece->size;
  state->malloc_count--, state->malloc_size -= whole;
  if (whole > largest) free(piece);
  else piece->next = unused[whole / step], unused[whole / step] = piece;
}

static size_t memory_size(const void *given) {
  return given ? ((const union piece *)given - 1)->size - sizeof(union piece) : 0;
}

static void *memory_resize(JSMallocState *state, void *given, size_t size) {
  if (!given) return memory_take(state, size);
  if (size == 0) return memory_free(state, given), NULL;
  union piece *piece = (union piece *)given - 1;
  size_t before = piece->size, whole = rounded(size);
  if (whole == before) return given;
  if (before > largest && whole > largest) {
    if (whole > before && state->malloc_size + whole - before > state->malloc_limit) return NULL;
    if (!(piece = realloc(piece, whole))) return NULL;
    state->malloc_size += whole - before;
    piece->size = whole;
    return piece + 1;
  }
  void *fresh = memory_take(state, size);
  if (!fresh) return NULL;
  memcpy(fresh, given, (before < whole ? before : whole) - sizeof(union piece));
  memory_free(state, given);
  return fresh;
}

static const JSMallocFunctions memory = {memory_take, memory_free, memory_resize, memory_size};
