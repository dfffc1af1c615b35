/** A directive of an nginx file: its words without quotes and escapes, and how deep it stands. */
export interface Directive {
  words: string[];
  depth: number;
}

/**
 * Reads an nginx file as ngx_conf_read_token does: words end at a blank, `;` or `{`; a quote or a `#` counts at the beginning of
 * a word only. Throws where nginx would: for brackets that do not fit, and for text behind a quoted word.
 */
export function readDirectives(text: string): Directive[] {
  const found: Directive[] = [];
  let [words, depth, at]: [string[], number, number] = [[], 0, 0];
  while (at < text.length) {
    const one = text[at]!;
    if (/[ \t\r\n]/.test(one)) at++;
    else if (one === "#") at = (text.indexOf("\n", at) + 1 || text.length + 1) - 1;
    else if (one === ";" || one === "{") {
      if (words.length === 0) throw new Error(`unexpected ${one}`);
      found.push({ words, depth });
      words = [];
      if (one === "{") depth++;
      at++;
    } else if (one === "}") {
      if (words.length > 0 || depth-- === 0) throw new Error("unexpected }");
      at++;
    } else {
      const quote = one === '"' || one === "'" ? one : "";
      let word = "";
      if (quote) at++;
      for (; at < text.length; at++) {
        const next = text[at]!;
        if (quote ? next === quote : /[ \t\r\n;]/.test(next) || (next === "{" && text[at - 1] !== "$")) break;
        if (next === "\\" && /["'\\]/.test(text[at + 1] ?? "")) at++;
        word += text[at];
      }
      if (quote && ++at && !/[ \t\r\n;{)]/.test(text[at] ?? ""))
        throw new Error(`unexpected ${text[at]} behind a quote`);
      words.push(word);
    }
  }
  if (words.length > 0 || depth > 0) throw new Error("unexpected end of file");
  return found;
}
