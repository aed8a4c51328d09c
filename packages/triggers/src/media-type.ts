import { EventFormatError } from './errors.ts';

/** What data of a media type is to a workflow: a JSON value, a string, or bytes. */
export type DataKind = 'json' | 'text' | 'bytes';

/** A media type (RFC 2045) in lower case, without its parameters but the charset. */
export interface MediaType {
  readonly essence: string;
  readonly charset: string | undefined;
  readonly kind: DataKind;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const MEDIA_TYPE = new RegExp(
  `^(${TOKEN})/(${TOKEN})((?:[ \\t]*;[ \\t]*${TOKEN}=(?:${TOKEN}|"[\\x20!#-[\\]-~]*"))*)[ \\t]*;?$`,
);
const CHARSET = new RegExp(`;[ \\t]*charset=(?:"([^"]*)"|(${TOKEN}))`, 'i');

/** @throws {EventFormatError} when it is none */
export function readMediaType(text: string): MediaType {
  const match = MEDIA_TYPE.exec(text);
  if (match === null) {
    throw new EventFormatError(
      `a content type is a media type such as application/json, got ${JSON.stringify(text.slice(0, 64))}`,
    );
  }
  const essence = `${match[1]}/${match[2]}`.toLowerCase();
  const charset = CHARSET.exec(match[3]!);
  return { essence, charset: charset === null ? undefined : (charset[1] ?? charset[2]), kind: kindOf(essence) };
}

function kindOf(essence: string): DataKind {
  if (/(?:\/|\+)json$/.test(essence)) return 'json';
  return essence.startsWith('text/') || /(?:\/|\+)(?:xml|yaml)$/.test(essence) ? 'text' : 'bytes';
}
