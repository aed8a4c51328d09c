// Where in a file a character of a scalar stands: an expression is checked as the text that YAML made of it, and what is wrong
// in it is told as a place in the file.
//
// The text is walked beside its source, which for each character has the same one, a sequence that stands for it, or a fold.

export type ScalarStyle = 'PLAIN' | 'QUOTE_SINGLE' | 'QUOTE_DOUBLE' | 'BLOCK_LITERAL' | 'BLOCK_FOLDED';

const ESCAPE_PATTERN = /\\(?:x[\dA-Fa-f]{2}|u[\dA-Fa-f]{4}|U[\dA-Fa-f]{8}|[^\n\r])/y;
const BREAK_PATTERN = /[ \t]*(?:\r?\n[ \t]*)+/y;

/** The place in `source`, which is the scalar as it stands in the file, of the character `index` of `value`. */
export function scalarOffset(source: string, value: string, style: ScalarStyle, index: number): number {
  return style === 'BLOCK_LITERAL' || style === 'BLOCK_FOLDED'
    ? blockOffset(source, value, index)
    : flowOffset(source, value, style, index);
}

function flowOffset(source: string, value: string, style: ScalarStyle, index: number): number {
  let at = style === 'PLAIN' ? 0 : 1;
  for (let done = 0; done < index;) {
    const fold = matchAt(BREAK_PATTERN, source, at);
    if (fold !== undefined) {
      at += fold.length;
      // One break is a space, each more is a break.
      done += Math.max(1, countBreaks(fold) - 1);
    } else if (style === 'QUOTE_DOUBLE' && source[at] === '\\') {
      const continued = /\\\r?\n[ \t]*/y;
      const escape = matchAt(ESCAPE_PATTERN, source, at);
      if (escape === undefined) at += matchAt(continued, source, at)?.length ?? 1;
      else {
        at += escape.length;
        // A character beyond the basic plane is two units.
        done += escape[1] === 'U' && value.codePointAt(done)! > 0xffff ? 2 : 1;
      }
    } else {
      at += style === 'QUOTE_SINGLE' && source[at] === "'" ? 2 : 1;
      done++;
    }
  }
  // The next character may stand after a fold that makes none, as the escaped break does.
  return Math.min(at, source.length);
}

function blockOffset(source: string, value: string, index: number): number {
  let at = lineAfter(source, 0);
  // Less what of it is text, when the header says how far it is indented.
  const indent = indentOf(source, at) - indentOf(value, 0);
  at = skipIndent(source, at, indent);
  for (let done = 0; done < index && at < source.length;) {
    if (!isBreak(source, at)) {
      at++;
      done++;
      continue;
    }
    let breaks = 0;
    while (at < source.length && isBreak(source, at)) {
      at = skipIndent(source, lineAfter(source, at), indent);
      breaks++;
    }
    if (value[done] === ' ') done++;
    else for (; breaks > 0 && value[done] === '\n'; breaks--) done++;
  }
  return Math.min(at, source.length);
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function countBreaks(text: string): number {
  return text.split('\n').length - 1;
}

function isBreak(source: string, at: number): boolean {
  return source[at] === '\n' || (source[at] === '\r' && source[at + 1] === '\n');
}

function lineAfter(source: string, at: number): number {
  const end = source.indexOf('\n', at);
  return end === -1 ? source.length : end + 1;
}

/** Of the first line that is not empty. */
function indentOf(source: string, from: number): number {
  return /^(?:[ \t]*\r?\n)*( *)/.exec(source.slice(from))![1]!.length;
}

function skipIndent(source: string, at: number, indent: number): number {
  let skipped = 0;
  while (skipped < indent && source[at + skipped] === ' ') skipped++;
  return at + skipped;
}
