// From the target of a request to decoded path segments. URL parsers rewrite paths: they fold `/../`, also when it is
// written `%2e%2e`, turn `\` into `/` and drop `#…`. An id in such a path would name another resource than the one that
// was asked for, so targets that a parser would rewrite are refused before anything is looked up.

import { badRequest } from './problem.ts';

// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL_PATTERN = /[\u0000-\u001f\u007f]/;

/**
 * Checks the target as it stood in the request line.
 *
 * @throws {Problem} 400 when a URL parser would make another path of it
 */
export function checkRawTarget(target: string): void {
  const absolute = /^https?:\/\/[^/?#]*/i.exec(target)?.[0] ?? '';
  const path = target.slice(absolute.length).split('?', 1)[0]!;
  if (/[^\u0021-\u007e]/.test(target) || /[\\#]/.test(path)) {
    throw badRequest(
      'PATH_INVALID',
      'the path holds a character that must be percent-encoded',
      'Encode each segment with encodeURIComponent.',
    );
  }
  for (const segment of path.split('/')) {
    if (/^(?:\.|%2e){1,2}$/i.test(segment)) throw dotSegment();
  }
}

/**
 * The segments of a URL's path, each decoded once.
 *
 * @throws {Problem} 400 for wrong percent-encoding, control characters, and segments that are only dots
 */
export function decodePath(pathname: string): string[] {
  return pathname.split('/').slice(1).map(decodeSegment);
}

function decodeSegment(segment: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(segment);
  } catch {
    // decodeURIComponent throws for nothing but this.
    throw badRequest(
      'PATH_INVALID',
      `"${segment.slice(0, 64)}" is not valid percent-encoding of UTF-8`,
      'Encode each segment with encodeURIComponent.',
    );
  }
  if (decoded === '.' || decoded === '..') throw dotSegment();
  if (CONTROL_PATTERN.test(decoded)) {
    throw badRequest('PATH_INVALID', 'the path holds a control character', 'Names and ids are printable characters.');
  }
  return decoded;
}

function dotSegment(): Error {
  return badRequest(
    'PATH_INVALID',
    'a path segment is "." or ".."',
    'URL parsers fold such segments, so an id of only dots cannot be reached over HTTP. Choose another id.',
  );
}

/**
 * Checks that the query is valid percent-encoding; URLSearchParams would let anything pass.
 *
 * @throws {Problem} 400 when it is not
 */
export function checkQuery(search: string): void {
  try {
    decodeURIComponent(search);
  } catch {
    throw badRequest(
      'QUERY_INVALID',
      'the query is not valid percent-encoding of UTF-8',
      'Encode names and values with encodeURIComponent.',
    );
  }
}

/** One segment for a link. */
export function encodeSegment(text: string): string {
  return encodeURIComponent(text);
}
