// URIs as RFC 3986 has them. `URL` is of no use: it takes no references, and mends what it is given.

const CHARACTERS = /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[\dA-Fa-f]{2})*$/;
// Appendix B: scheme, authority, path, query, fragment.
const PARTS = /^(?:([^:/?#]+):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*$/;
const AUTHORITY = /^(?:[^@[\]]*@)?(?:\[[\dA-Fa-fv:.~!$&'()*+,;=_-]+\]|[^@:[\]]*)(?::\d*)?$/;

/** Whether a text is a URI or a relative reference (RFC 3986, section 4.1). */
export function isUriReference(text: string): boolean {
  if (!CHARACTERS.test(text)) return false;
  const [, scheme, authority, path = '', query = '', fragment = ''] = PARTS.exec(text) ?? [];
  return (
    (scheme === undefined || SCHEME.test(scheme)) &&
    (authority === undefined || AUTHORITY.test(authority)) &&
    !/[[\]]/.test(path + query + fragment) &&
    !fragment.includes('#') &&
    // Without a scheme, a path that begins with a colon would have an empty one.
    !(scheme === undefined && authority === undefined && path.startsWith(':'))
  );
}

/** Whether a text is a URI with a scheme. */
export function isUri(text: string): boolean {
  return isUriReference(text) && /^[A-Za-z][A-Za-z0-9+.-]*:/.test(text);
}

/** The text itself if it is a URI-reference, else one with everything escaped that has a meaning in URIs, but slashes. */
export function asUriReference(text: string): string {
  return isUriReference(text) ? text : encodeURIComponent(text.toWellFormed()).replaceAll('%2F', '/');
}
