// What JSON.parse does not tell: where a text stops being JSON, how deep it is nested, and which key it has twice. Nothing
// here recurses, so that no text can exhaust the stack.

/** A place in a text: `offset` from 0, `line` and `column` from 1, in UTF-16 units. */
export interface TextPosition {
  readonly offset: number;
  readonly line: number;
  readonly column: number;
}

/** The position of the first character that JSON cannot have there; the end of the text when something is missing. */
export function jsonErrorPosition(text: string): TextPosition {
  const offset = new JsonScan(text).errorOffset();
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  let line = 1;
  for (let index = before.indexOf('\n'); index !== -1; index = before.indexOf('\n', index + 1)) line++;
  return { offset, line, column: offset - lineStart + 1 };
}

/** The deepest nesting of arrays and objects in a JSON text: 0 for a scalar. */
export function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit === QUOTE) {
      for (index++; index < text.length && text.charCodeAt(index) !== QUOTE; index++) {
        if (text.charCodeAt(index) === BACKSLASH) index++;
      }
    } else if (unit === 0x5b || unit === 0x7b) {
      if (++depth > deepest) deepest = depth;
    } else if (unit === 0x5d || unit === 0x7d) depth--;
  }
  return deepest;
}

/** The first key that an object at this depth (1: the outermost) has twice; of a text that is JSON. */
export function repeatedKey(text: string, depth: number): string | undefined {
  let at = 0;
  let keys: Set<string> | undefined;
  let keyIsNext = false;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit === QUOTE) {
      const start = index;
      for (index++; index < text.length && text.charCodeAt(index) !== QUOTE; index++) {
        if (text.charCodeAt(index) === BACKSLASH) index++;
      }
      if (at !== depth || keys === undefined || !keyIsNext) continue;
      const key: string = JSON.parse(text.slice(start, index + 1));
      if (keys.has(key)) return key;
      keys.add(key);
      keyIsNext = false;
    } else if (unit === 0x5b || unit === 0x7b) {
      if (++at !== depth) continue;
      keys = unit === 0x7b ? new Set() : undefined;
      keyIsNext = true;
    } else if (unit === 0x5d || unit === 0x7d) at--;
    else if (unit === 0x2c && at === depth) keyIsNext = true;
  }
  return undefined;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** What the grammar of RFC 8259 allows next. */
type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or end';

class JsonScan {
  readonly #text: string;
  #offset = 0;

  constructor(text: string) {
    this.#text = text;
  }

  errorOffset(): number {
    const open: ('{' | '[')[] = [];
    let expected: Expected = 'value';
    for (;;) {
      this.#skipSpace();
      const char = this.#text[this.#offset];
      if (char === undefined) return this.#offset;
      if (expected === ', or end') {
        const inner = open.at(-1);
        if (inner === undefined) return this.#offset;
        if (char === ',') expected = inner === '{' ? 'key' : 'value';
        else if (char === (inner === '{' ? '}' : ']')) open.pop();
        else return this.#offset;
        this.#offset++;
      } else if (expected === ':') {
        if (char !== ':') return this.#offset;
        this.#offset++;
        expected = 'value';
      } else if (expected === 'key' || expected === 'key or }') {
        if (char === '}' && expected === 'key or }') {
          open.pop();
          this.#offset++;
          expected = ', or end';
        } else {
          if (char !== '"' || !this.#string()) return this.#offset;
          expected = ':';
        }
      } else if (char === ']' && expected === 'value or ]') {
        open.pop();
        this.#offset++;
        expected = ', or end';
      } else if (char === '{' || char === '[') {
        open.push(char);
        this.#offset++;
        expected = char === '{' ? 'key or }' : 'value or ]';
      } else {
        if (!(char === '"' ? this.#string() : char === '-' || isDigit(char) ? this.#number() : this.#word()))
          return this.#offset;
        expected = ', or end';
      }
    }
  }

  #skipSpace(): void {
    while (' \t\n\r'.includes(this.#text[this.#offset] ?? 'x')) this.#offset++;
  }

  /** Moves past a string; on failure stands on the character that is wrong. The same holds for the next two. */
  #string(): boolean {
    for (this.#offset++; this.#offset < this.#text.length; this.#offset++) {
      const unit = this.#text.charCodeAt(this.#offset);
      if (unit < 0x20) return false;
      if (unit === QUOTE) {
        this.#offset++;
        return true;
      }
      if (unit !== BACKSLASH) continue;
      const escaped = this.#text[++this.#offset] ?? '';
      if (escaped === 'u') {
        for (let digit = 0; digit < 4; digit++) {
          if (!/^[0-9a-fA-F]$/.test(this.#text[++this.#offset] ?? '')) return false;
        }
      } else if (escaped === '' || !'"\\/bfnrt'.includes(escaped)) return false;
    }
    return false;
  }

  #number(): boolean {
    if (this.#text[this.#offset] === '-') this.#offset++;
    if (this.#text[this.#offset] === '0') this.#offset++;
    else if (!this.#digits()) return false;
    if (this.#text[this.#offset] === '.') {
      this.#offset++;
      if (!this.#digits()) return false;
    }
    if (this.#text[this.#offset] === 'e' || this.#text[this.#offset] === 'E') {
      this.#offset++;
      if (this.#text[this.#offset] === '+' || this.#text[this.#offset] === '-') this.#offset++;
      return this.#digits();
    }
    return true;
  }

  #digits(): boolean {
    const start = this.#offset;
    while (isDigit(this.#text[this.#offset])) this.#offset++;
    return this.#offset > start;
  }

  #word(): boolean {
    for (const word of ['true', 'false', 'null']) {
      if (this.#text[this.#offset] !== word[0]) continue;
      for (const char of word) {
        if (this.#text[this.#offset] !== char) return false;
        this.#offset++;
      }
      return true;
    }
    return false;
  }
}

function isDigit(char: string | undefined): boolean {
  return char !== undefined && char >= '0' && char <= '9';
}
