import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { inspect } from 'node:util';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { SecretError, SignatureError, type SignatureProblem } from '../../src/errors.ts';
import { bearer } from '../../src/signatures/bearer.ts';
import { github } from '../../src/signatures/github.ts';
import { hmac } from '../../src/signatures/hmac.ts';
import type { Secrets } from '../../src/signatures/secret.ts';
import type { SignatureScheme } from '../../src/signatures/signature.ts';
import { slack } from '../../src/signatures/slack.ts';
import { standardWebhooks } from '../../src/signatures/standard-webhooks.ts';
import { stripe } from '../../src/signatures/stripe.ts';

/** A request that passes, and what of it is what. */
interface Signed {
  readonly name: string;
  readonly scheme: (secrets: Secrets) => SignatureScheme;
  readonly secret: string;
  readonly otherSecret: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signatureHeader: string;
  readonly malformed: readonly string[];
  readonly body: string;
  readonly atMs: number;
  /** The same request at another time; undefined when the scheme has none. */
  readonly signedAt?: (seconds: number) => Readonly<Record<string, string>>;
  readonly timestampHeader?: string;
  readonly id: string | undefined;
  readonly type: string | undefined;
}

function hexMac(secret: string, text: string): string {
  return createHmac('sha256', secret).update(text).digest('hex');
}

const slackSecret = '8f742231b10e8888abcd99yyyzzz85a5';
const slackBody =
  'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c';
const stripeBody = '{"id":"evt_test_webhook","object":"event","type":"charge.succeeded"}';
const stripeSecret = 'whsec_test_secret';
const webhookSecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const webhookBody = '{"test": 2432232314}';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const whpk = `whpk_${Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url').toString('base64')}`;
const otherPublic = generateKeyPairSync('ed25519').publicKey;
const otherWhpk = `whpk_${Buffer.from(otherPublic.export({ format: 'jwk' }).x!, 'base64url').toString('base64')}`;
const published = (seconds: number): Record<string, string> => ({
  'webhook-id': 'msg_1',
  'webhook-timestamp': String(seconds),
  'webhook-signature': `v1a,${sign(null, Buffer.from(`msg_1.${seconds}.${webhookBody}`), privateKey).toString('base64')}`,
});

const signed: readonly Signed[] = [
  {
    // The reference vector of the Standard Webhooks libraries:
    // https://github.com/standard-webhooks/standard-webhooks/tree/main/libraries
    name: 'Standard Webhooks',
    scheme: (secret) => standardWebhooks({ secret }),
    secret: webhookSecret,
    otherSecret: 'whsec_AAAA9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    headers: {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    },
    signatureHeader: 'webhook-signature',
    malformed: [
      'v1',
      'v2,AAAA',
      'g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
      'v1,%%%%',
      'v1,AAA',
      Array(17).fill('v1,AAAA').join(' '),
    ],
    body: webhookBody,
    atMs: 1_614_265_330_000,
    timestampHeader: 'webhook-timestamp',
    signedAt: (seconds) => ({
      'webhook-id': 'msg_1',
      'webhook-timestamp': String(seconds),
      'webhook-signature': new Webhook(webhookSecret).sign('msg_1', new Date(seconds * 1_000), webhookBody),
    }),
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    type: undefined,
  },
  {
    name: 'Standard Webhooks with a public key',
    scheme: (secret) => standardWebhooks({ secret }),
    secret: whpk,
    otherSecret: otherWhpk,
    headers: published(1_700_000_000),
    signatureHeader: 'webhook-signature',
    malformed: ['v1a', 'v1a,%%%%'],
    body: webhookBody,
    atMs: 1_700_000_000_000,
    timestampHeader: 'webhook-timestamp',
    signedAt: published,
    id: 'msg_1',
    type: undefined,
  },
  {
    // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
    name: 'GitHub',
    scheme: (secret) => github({ secret }),
    secret: "It's a Secret to Everybody",
    otherSecret: "It's a Secret to Nobody",
    headers: {
      'X-Hub-Signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
      'X-GitHub-Delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
      'X-GitHub-Event': 'issues',
    },
    signatureHeader: 'X-Hub-Signature-256',
    malformed: ['757107ea', 'sha1=757107ea', 'sha256=', 'sha256=xyz', 'sha256=757'],
    body: 'Hello, World!',
    atMs: 0,
    id: '72d3162e-cc78-11e3-81ab-4c9367dc0958',
    type: 'issues',
  },
  {
    // https://docs.slack.dev/authentication/verifying-requests-from-slack
    name: 'Slack',
    scheme: (secret) => slack({ secret }),
    secret: slackSecret,
    otherSecret: '0f742231b10e8888abcd99yyyzzz85a5',
    headers: {
      'X-Slack-Request-Timestamp': '1531420618',
      'X-Slack-Signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    },
    signatureHeader: 'X-Slack-Signature',
    malformed: ['v0', 'v0=', 'v0=zz', 'v1=a2114d57', 'a2114d57'],
    body: slackBody,
    atMs: 1_531_420_618_000,
    timestampHeader: 'X-Slack-Request-Timestamp',
    signedAt: (seconds) => ({
      'X-Slack-Request-Timestamp': String(seconds),
      'X-Slack-Signature': `v0=${hexMac(slackSecret, `v0:${seconds}:${slackBody}`)}`,
    }),
    id: undefined,
    type: undefined,
  },
  {
    // As https://docs.stripe.com/webhooks#verify-manually says, with the event of the tests of Stripe's own libraries.
    name: 'Stripe',
    scheme: (secret) => stripe({ secret }),
    secret: stripeSecret,
    otherSecret: 'whsec_other_secret',
    headers: { 'Stripe-Signature': `t=1492774577,v1=${hexMac(stripeSecret, `1492774577.${stripeBody}`)},v0=6ffbb59b` },
    signatureHeader: 'Stripe-Signature',
    malformed: [
      't=1492774577',
      'v1=aa',
      't=1492774577,v0=aa',
      't=1,t=2,v1=aa',
      't=1492774577,v1=zz',
      't=,v1=aa',
      't=-5,v1=aa',
      't=1e9,v1=aa',
    ],
    body: stripeBody,
    atMs: 1_492_774_577_000,
    signedAt: (seconds) => ({
      'Stripe-Signature': `t=${seconds},v1=${hexMac(stripeSecret, `${seconds}.${stripeBody}`)}`,
    }),
    id: 'evt_test_webhook',
    type: 'charge.succeeded',
  },
  {
    // As https://shopify.dev/docs/apps/build/webhooks/subscribe/https#step-2-validate-the-origin-of-your-webhook says.
    name: 'a plain HMAC in base64',
    scheme: (secret) =>
      hmac({
        secret,
        header: 'X-Shopify-Hmac-Sha256',
        encoding: 'base64',
        idHeader: 'X-Shopify-Webhook-Id',
        typeHeader: 'X-Shopify-Topic',
      }),
    secret: 'hush',
    otherSecret: 'hash',
    headers: {
      'X-Shopify-Hmac-Sha256': createHmac('sha256', 'hush').update('{"a":1}').digest('base64'),
      'X-Shopify-Webhook-Id': 'b54557e4',
      'X-Shopify-Topic': 'orders/create',
    },
    signatureHeader: 'X-Shopify-Hmac-Sha256',
    malformed: ['!', 'AAA', '===='],
    body: '{"a":1}',
    atMs: 0,
    id: 'b54557e4',
    type: 'orders/create',
  },
  {
    name: 'a plain HMAC with a time',
    scheme: (secret) =>
      hmac({ secret, header: 'x-sig', algorithm: 'sha512', prefix: 'sha512=', timestampHeader: 'x-time' }),
    secret: 'a secret that nobody knows',
    otherSecret: 'another',
    headers: timed(1_700_000_000),
    signatureHeader: 'x-sig',
    malformed: ['sha512=', 'sha256=aa', 'sha512=zz'],
    body: 'hello',
    atMs: 1_700_000_000_000,
    timestampHeader: 'x-time',
    signedAt: timed,
    id: undefined,
    type: undefined,
  },
];

function timed(seconds: number): Record<string, string> {
  const sum = createHmac('sha512', 'a secret that nobody knows').update(`${seconds}.hello`).digest('hex');
  return { 'x-sig': `sha512=${sum}`, 'x-time': String(seconds) };
}

describe.each(signed)('$name', (request) => {
  const { scheme, secret, otherSecret, headers, signatureHeader, body, atMs, signedAt, timestampHeader } = request;

  function problem(
    changed: { headers?: Record<string, string>; body?: string; atMs?: number; secrets?: Secrets } = {},
  ): SignatureProblem | undefined {
    const sent = new Headers({ ...headers, ...changed.headers });
    try {
      scheme(changed.secrets ?? secret).verify(sent, Buffer.from(changed.body ?? body), changed.atMs ?? atMs);
      return undefined;
    } catch (error) {
      expect(error).toBeInstanceOf(SignatureError);
      for (const shown of [String(error), inspect(error), JSON.stringify(error)]) {
        expect(shown).not.toContain(secret);
        expect(shown).not.toContain(headers[signatureHeader]!.replace(/^.*[=,](?=.)/, ''));
      }
      return (error as SignatureError).reason;
    }
  }

  function without(name: string): SignatureProblem | undefined {
    return problem({ headers: { [name]: '' } });
  }

  test('passes', () => {
    expect(problem()).toBeUndefined();
  });

  test('knows id and type of the event', () => {
    const sent = new Headers(headers);
    expect(scheme(secret).idOf(sent, Buffer.from(body))).toBe(request.id);
    expect(scheme(secret).typeOf(sent, Buffer.from(body))).toBe(request.type);
    for (const odd of ['', 'null', '[]', '{"id":1,"type":{},"event_id":""}', '{']) {
      expect([undefined, request.id]).toContain(scheme(secret).idOf(sent, Buffer.from(odd)));
      expect([undefined, request.type]).toContain(scheme(secret).typeOf(sent, Buffer.from(odd)));
    }
  });

  test('is refused with another body', () => {
    expect(problem({ body: `${body} ` })).toBe('mismatch');
    expect(problem({ body: '' })).toBe('mismatch');
    expect(problem({ body: body.replace(/^./, 'x') })).toBe('mismatch');
  });

  test('is refused by another secret, and passes while both are known', () => {
    expect(problem({ secrets: otherSecret })).toBe('mismatch');
    expect(problem({ secrets: [otherSecret, secret] })).toBeUndefined();
    expect(problem({ secrets: [secret, otherSecret] })).toBeUndefined();
  });

  test('is refused without its headers, and with empty ones', () => {
    expect(without(signatureHeader)).toBe('missing');
    if (timestampHeader !== undefined) expect(without(timestampHeader)).toBe('missing');
    try {
      scheme(secret).verify(new Headers(), Buffer.from(body), atMs);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'signature_invalid', reason: 'missing' });
    }
  });

  test('is refused with a header that is none', () => {
    for (const value of [...request.malformed, 'x'.repeat(100_000)]) {
      expect(problem({ headers: { [signatureHeader]: value } }), value.slice(0, 50)).toBe('malformed');
    }
  });

  test('is refused with a signature of other bytes', () => {
    const value = headers[signatureHeader]!;
    const first = /(?<=[=,])[A-Za-z0-9](?=[A-Za-z0-9+/]{20})|^[A-Za-z0-9](?=[^=,]{20})/;
    const changed = value.replace(first, (char) => (char === '0' ? '1' : '0'));
    expect(changed).not.toBe(value);
    expect(problem({ headers: { [signatureHeader]: changed } })).toBe('mismatch');
  });

  if (signedAt !== undefined) {
    test('is refused outside of the window, both ways', () => {
      const seconds = 1_700_000_000;
      const at = (offsetMs: number): SignatureProblem | undefined =>
        problem({ headers: signedAt(seconds), atMs: seconds * 1_000 + offsetMs });
      expect([0, 300_000, -300_000].map(at)).toEqual([undefined, undefined, undefined]);
      expect([300_001, 86_400_000].map(at)).toEqual(['too-old', 'too-old']);
      expect([-300_001, -86_400_000].map(at)).toEqual(['too-new', 'too-new']);
    });
  }

  if (timestampHeader !== undefined) {
    test('is refused with a time that is none, or another', () => {
      for (const value of ['x', '-1', '1e9', '01614265330', '1614265330.5', '99999999999999999999', '0x10']) {
        expect(problem({ headers: { [timestampHeader]: value } }), value).toBe('malformed');
      }
      expect(problem({ headers: { [timestampHeader]: String(atMs / 1_000 + 1) } })).toBe('mismatch');
    });
  }
});

describe('Standard Webhooks', () => {
  const headers = { ...signed[0]!.headers };
  const verify = (changed: Record<string, string>, secret: Secrets = webhookSecret): void =>
    standardWebhooks({ secret }).verify(
      new Headers({ ...headers, ...changed }),
      Buffer.from(webhookBody),
      signed[0]!.atMs,
    );

  test('one of several signatures is enough, and other versions may stand beside them', () => {
    const { 'webhook-signature': good } = headers;
    verify({ 'webhook-signature': `v1,AAAA v9,whatever v1a,AAAA ${good}` });
    expect(() => verify({ 'webhook-signature': 'v1,AAAA v1a,AAAA' })).toThrow(SignatureError);
  });

  test('an id is signed, and has no full stop', () => {
    expect(() => verify({ 'webhook-id': 'msg_other' })).toThrow(/no signature/);
    expect(() => verify({ 'webhook-id': 'msg.1' })).toThrow(/without full stops/);
    expect(() => verify({ 'webhook-id': '' })).toThrow(/webhook-id is missing/);
  });

  test('a signature of one kind does not pass for the other', () => {
    expect(() => verify({}, whpk)).toThrow(/no signature/);
    expect(() => verify({ ...published(1_614_265_330) }, webhookSecret)).toThrow(/no signature/);
    verify({ ...published(1_614_265_330) }, [webhookSecret, whpk]);
  });

  test('a secret that cannot be one is refused at once, and not shown', () => {
    expect(() => standardWebhooks({ secret: 'whsec_' })).toThrow(/secret is base64/);
    for (const [secret, message] of [
      ['whsec_not base64', /secret is base64/],
      ['whsec_%%%%', /secret is base64/],
      ['whpk_AAAA', /32 bytes, this one has 3/],
      ['whsk_c2VjcmV0', /private key of a sender/],
    ] as const) {
      expect(() => standardWebhooks({ secret })).toThrow(SecretError);
      expect(() => standardWebhooks({ secret })).toThrow(message);
      expect(() => standardWebhooks({ secret })).not.toThrow(secret.slice('whsec_'.length));
    }
  });
});

test('Slack gives ids to the events of the Events API', () => {
  const body = Buffer.from('{"type":"event_callback","event_id":"Ev123ABC456"}');
  expect(slack({ secret: 's' }).idOf(new Headers(), body)).toBe('Ev123ABC456');
  expect(slack({ secret: 's' }).typeOf(new Headers(), body)).toBe('event_callback');
});

test('a header that there cannot be is refused at once', () => {
  expect(() => hmac({ secret: 's', header: 'x sig' })).toThrow(TypeError);
  expect(() => hmac({ secret: 's', header: 'x-sig', idHeader: '' })).toThrow(TypeError);
});

describe('a bearer token', () => {
  const verify = (authorization: string): void =>
    bearer({ token: ['old-token', 'new-token'] }).verify(new Headers({ authorization }), Buffer.from(''), 0);

  test('passes when it is one that is known', () => {
    verify('Bearer new-token');
    verify('bearer  old-token');
    expect(bearer({ token: 't' }).idOf(new Headers(), Buffer.from('{"id":"1"}'))).toBeUndefined();
  });

  test.each([
    ['', 'missing'],
    ['Bearer', 'malformed'],
    ['Basic new-token', 'malformed'],
    ['Bearer new-token x', 'malformed'],
    ['Bearer new-toke', 'mismatch'],
    ['Bearer new-tokens', 'mismatch'],
    [`Bearer ${'x'.repeat(10_000)}`, 'malformed'],
  ])('%j is %s', (authorization, reason) => {
    expect(() => verify(authorization)).toThrow(expect.objectContaining({ reason }));
  });
});
