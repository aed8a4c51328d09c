import { z } from 'zod';
import type { CloudEventsOptions, HttpSourceOptions, RateLimit, SignatureScheme, WebhookOptions } from '../http.ts';
import type { HmacOptions } from '../signatures/hmac.ts';
import { options, secret, text, texts, wholeNumber, type OptionShape } from './option-schemas.ts';
import type { SourceKind } from './source-kind.ts';

const secrets = z
  .union([secret('The secret.'), z.array(secret('A secret.')).min(1)])
  .meta({ description: 'The secret, or several while one takes the place of another.' });
const toleranceMs = wholeNumber(
  'How old a request may be, and how far ahead. Default: 5 minutes.',
  1,
  24 * 60 * 60 * 1000,
).optional();

const schemes = {
  bearer: options({ token: secrets }, 'Authorization: Bearer …'),
  github: options({ secret: secrets }, 'X-Hub-Signature-256'),
  hmac: options(
    {
      secret: secrets,
      header: text('The header with the signature.'),
      algorithm: z.enum(['sha256', 'sha384', 'sha512']).optional(),
      encoding: z.enum(['hex', 'base64']).optional(),
      prefix: text('What stands before the signature, as "sha256=".').optional(),
      timestampHeader: text(
        'A header with a time in seconds; signed is then the time, a full stop and the body.',
      ).optional(),
      toleranceMs,
      idHeader: text('The header with the id of the event.').optional(),
      typeHeader: text('The header with the type of the event.').optional(),
    } satisfies OptionShape<HmacOptions>,
    'A plain HMAC of the body in a header.',
  ),
  slack: options({ secret: secrets, toleranceMs }, 'X-Slack-Signature'),
  standardWebhooks: options({ secret: secrets, toleranceMs }, 'Standard Webhooks: webhook-signature'),
  stripe: options({ secret: secrets, toleranceMs }, 'Stripe-Signature'),
};

const verify = z
  .strictObject(z.object(schemes).partial().shape)
  .refine((given) => Object.keys(given).length === 1, { error: `has to be one of ${Object.keys(schemes).join(', ')}` })
  .meta({ description: 'How senders show who they are: one of these.', minProperties: 1, maxProperties: 1 });

const httpShape = {
  verify: verify.optional(),
  bodyBytesMax: wholeNumber('Larger bodies are refused with 413.', 1, Number.MAX_SAFE_INTEGER).optional(),
  rateLimit: z
    .strictObject({
      perSecond: z.number().positive().meta({ description: 'In the long run.' }),
      burst: wholeNumber('At once, after a pause.', 1, Number.MAX_SAFE_INTEGER).optional(),
    } satisfies OptionShape<RateLimit>)
    .meta({ description: 'More requests are refused with 429, on each host.' })
    .optional(),
} satisfies OptionShape<HttpSourceOptions>;

type InFile<O extends HttpSourceOptions> = Omit<O, 'verify'> & { readonly verify?: z.output<typeof verify> };

export const webKinds = {
  webhook: {
    schema: options(
      {
        ...httpShape,
        source: text('The source of its events. Default: webhook:<trigger>.').optional(),
        idHeader: text('The header with the id of the event. Default: Idempotency-Key.').optional(),
        typeHeader: text('The header with the type of the event.').optional(),
      } satisfies OptionShape<WebhookOptions>,
      'Webhooks: POST /v1.0/triggers/<trigger>, and the body is the data.',
    ),
    make: async ({ verify: scheme, ...given }: InFile<WebhookOptions>) =>
      (await import('../http.ts')).webhook({ ...given, verify: await signatureScheme(scheme) }),
  },
  cloudEvents: {
    schema: options(
      {
        ...httpShape,
        allowedOrigins: z
          .union([z.literal('*'), texts('Origins.')])
          .meta({ description: 'Origins that may send, of those that ask first; "*" for all. Default: none.' })
          .optional(),
      } satisfies OptionShape<CloudEventsOptions>,
      'CloudEvents over HTTP: POST /v1.0/triggers/<trigger>.',
    ),
    make: async ({ verify: scheme, ...given }: InFile<CloudEventsOptions>) =>
      (await import('../http.ts')).cloudEvents({ ...given, verify: await signatureScheme(scheme) }),
  },
} satisfies Readonly<Record<string, SourceKind>>;

/** With the secrets fetched, so that each is a text. */
async function signatureScheme(given: z.output<typeof verify> | undefined): Promise<SignatureScheme | undefined> {
  const [name, scheme] = Object.entries(given ?? {})[0] ?? [];
  if (name === undefined) return undefined;
  const make: (options: never) => SignatureScheme = (await import('../http.ts'))[name as keyof typeof schemes];
  return make(scheme as never);
}
