/**
 * Pre-tokenisers: how byte-level models cut text into words before merging, after these patterns of their
 * tokenizer.json files (`\s` is Unicode's White_Space, not JavaScript's):
 *
 *   gpt2    's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *   smollm  every \p{N} alone, then gpt2 on what lies between
 *   llama3  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
 *            ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 *   qwen2   llama3 with \p{N} in place of \p{N}{1,3}
 *
 * Written as scanners over character classes and not as regular expressions: an engine's backtracking stack grows with
 * a run's length (ten million emoji overflow V8's), while these take one pass. The tests compare them with the
 * patterns.
 */

/** A pre-tokeniser by the name models use for it. */
export type PreTokenizerName = "gpt2" | "smollm" | "llama3" | "qwen2";

/** Cuts `text` into words; their concatenation is `text`. */
export function preTokenize(text: string, name: PreTokenizerName): string[] {
  const words: string[] = [];
  switch (name) {
    case "gpt2":
      cut(text, endOfGpt2Word, words);
      break;
    case "smollm":
      for (const piece of text.split(/(\p{N})/u)) cut(piece, endOfGpt2Word, words);
      break;
    case "llama3":
      cut(text, (all, start) => endOfLlama3Word(all, start, 3), words);
      break;
    case "qwen2":
      cut(text, (all, start) => endOfLlama3Word(all, start, 1), words);
  }
  return words;
}

/** Where the word that starts at `start` ends. */
type WordEnd = (text: string, start: number) => number;

function cut(text: string, wordEnd: WordEnd, words: string[]): void {
  for (let start = 0, end = 0; start < text.length; start = end) {
    end = wordEnd(text, start);
    words.push(text.slice(start, end));
  }
}

function endOfGpt2Word(text: string, start: number): number {
  const contraction = contractionLength(text, start, GPT2_CONTRACTION);
  if (contraction > 0) return start + contraction;
  const from = text[start] === " " ? start + 1 : start;
  const kind = classAt(text, from);
  return kind === SPACE || kind === END ? endOfSpaces(text, start) : endOfRun(text, from, kind);
}

function endOfLlama3Word(text: string, start: number, maxDigits: number): number {
  const contraction = contractionLength(text, start, ANY_CASE_CONTRACTION);
  if (contraction > 0) return start + contraction;
  const kind = classAt(text, start);
  if (kind === LETTER) return endOfRun(text, start, LETTER);
  if (kind === NUMBER) return endOfRun(text, start, NUMBER, maxDigits);
  // One character that is neither letter, number nor line break may lead a run of letters.
  const second = start + widthAt(text, start);
  if (!isLineBreak(text[start]) && classAt(text, second) === LETTER) return endOfRun(text, second, LETTER);
  const from = text[start] === " " ? start + 1 : start;
  if (classAt(text, from) === OTHER) {
    let end = endOfRun(text, from, OTHER);
    while (isLineBreak(text[end])) end++;
    return end;
  }
  // `\s*[\r\n]+` ends after the last line break of the whitespace.
  const spaces = endOfRun(text, start, SPACE);
  for (let end = spaces; end > start; end--) {
    if (isLineBreak(text[end - 1])) return end;
  }
  return endOfSpaces(text, start);
}

/** `\s+(?!\S)|\s+`: leaves the last whitespace character to the word that follows, if there is one. */
function endOfSpaces(text: string, start: number): number {
  const end = endOfRun(text, start, SPACE);
  // Every White_Space character is one code unit wide.
  return end < text.length && end - start > 1 ? end - 1 : end;
}

function endOfRun(text: string, start: number, kind: number, maxCharacters = Infinity): number {
  let end = start;
  for (let taken = 0; taken < maxCharacters && classAt(text, end) === kind; taken++) end += widthAt(text, end);
  return end;
}

const GPT2_CONTRACTION = /'(?:[stmd]|re|ve|ll)/y;
// `(?i:…)` folds case as Unicode does, so ſ (U+017F) counts as s.
const ANY_CASE_CONTRACTION = /'(?:[sStTmMdD\u017f]|[rR][eE]|[vV][eE]|[lL][lL])/y;

function contractionLength(text: string, at: number, pattern: RegExp): number {
  if (text[at] !== "'") return 0;
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0].length ?? 0;
}

function isLineBreak(character: string | undefined): boolean {
  return character === "\n" || character === "\r";
}

function widthAt(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
}

const END = 0;
const LETTER = 1;
const NUMBER = 2;
const SPACE = 3;
const OTHER = 4;

// Filled in as characters are met; 0 is unknown.
const classes = new Uint8Array(0x110000);

/** The class of the character at `at`, or END after the last. */
function classAt(text: string, at: number): number {
  const codePoint = text.codePointAt(at);
  if (codePoint === undefined) return END;
  return (classes[codePoint] ||= classOf(String.fromCodePoint(codePoint)));
}

function classOf(character: string): number {
  if (/\p{L}/u.test(character)) return LETTER;
  if (/\p{N}/u.test(character)) return NUMBER;
  return /\p{White_Space}/u.test(character) ? SPACE : OTHER;
}
