// Triggers: events that come over HTTP, how triggers do, and the events that could not be handled.

import { TroupeError } from '@troupe/actors';
import { jsonResponse, type HttpCall } from './http-call.ts';
import { RETRY_AFTER_S } from './limits.ts';
import { badRequest, Problem } from './problem.ts';
import { integerParameter, opaqueParameter } from './request-query.ts';
import type { Route } from './route.ts';
import type { HttpTriggers, TriggerAnswer } from './trigger-port.ts';
import { wireJson } from './wire-json.ts';

const TRIGGERS = '/v1.0/triggers';
const TRIGGER = `${TRIGGERS}/{triggerName}`;
const DEAD_LETTERS = `${TRIGGER}/dead-letters`;
const DEAD_LETTER = `${DEAD_LETTERS}/{deadLetterId}`;
const PAGE_LENGTH_MAX = 1_000;

const NO_TRIGGER = { 404: 'No such trigger.' };
const NO_LETTER = { 404: 'No such trigger or dead letter.' };

/** The routes of a host that has triggers. */
export function triggerRoutes(triggers: HttpTriggers): readonly Route[] {
  const named = (call: HttpCall): string => call.params['triggerName']!;
  const letterOf = (call: HttpCall): string => call.params['deadLetterId']!;
  const common = { group: 'triggers' } as const;
  return [
    {
      ...common,
      method: 'GET',
      path: TRIGGERS,
      operationId: 'listTriggers',
      summary: 'The triggers of this host: state, lag, counts.',
      scope: 'read',
      answers: { 200: 'All of them.' },
      handle: async () => jsonResponse(200, { triggers: await triggers.list() }),
    },
    {
      ...common,
      method: 'GET',
      path: TRIGGER,
      operationId: 'getTrigger',
      summary: 'One trigger.',
      scope: 'read',
      answers: { 200: 'How it does on this host.', ...NO_TRIGGER },
      handle: (call) => answering(async () => jsonResponse(200, await triggers.status(named(call)))),
    },
    {
      ...common,
      method: 'POST',
      path: TRIGGER,
      operationId: 'sendEvent',
      summary: 'Gives an event to a trigger that takes them over HTTP.',
      scope: (call) => (triggers.verifies(named(call)) ? undefined : 'start'),
      body: 'A CloudEvent (binary, structured or batched), or what the sender of a webhook sends.',
      answers: {
        202: 'Handled, durably; `outcome` says how.',
        400: 'It is no event.',
        401: 'The signature does not fit.',
        429: 'Too many requests.',
        503: 'Not handled yet: send it again.',
        ...NO_TRIGGER,
      },
      handle: (call) => answering(async () => responseOf(await triggers.receive(named(call), requestOf(call)))),
    },
    {
      ...common,
      method: 'OPTIONS',
      path: TRIGGER,
      operationId: 'webhookHandshake',
      summary: "The handshake of CloudEvents' web hooks.",
      scope: undefined,
      answers: { 200: 'The origin may send.', 403: 'It may not.', ...NO_TRIGGER },
      handle: async (call) => {
        try {
          return responseOf(await triggers.receive(named(call), requestOf(call)));
        } catch (error) {
          // Anybody may ask: they are not told which triggers there are.
          if (isNotFound(error)) throw new Problem(404, 'TRIGGER_NOT_FOUND', { message: 'there is no such trigger' });
          throw error;
        }
      },
    },
    {
      ...common,
      method: 'POST',
      path: `${TRIGGER}/dry-run`,
      operationId: 'dryRunTrigger',
      summary: 'Says what the trigger would do with an event. Nothing is done.',
      scope: 'operate',
      body: 'A structured CloudEvent.',
      answers: { 200: 'What it would do.', ...NO_TRIGGER },
      handle: (call) =>
        answering(async () => {
          const plain = { source: 'dry-run', id: undefined, type: 'dry-run' };
          const raw = {
            body: await call.body(),
            contentType: 'application/cloudevents+json',
            attributes: {},
            headers: {},
            plain,
          };
          return jsonResponse(200, await triggers.dryRun(named(call), { raw }));
        }),
    },
    {
      ...common,
      method: 'GET',
      path: DEAD_LETTERS,
      operationId: 'listDeadLetters',
      summary:
        'Events that could not be handled, newest first. With `Accept: application/x-ndjson` all of them, one a line.',
      scope: 'read',
      query: { limit: `1 to ${PAGE_LENGTH_MAX}; default 50`, cursor: 'as the page before gave it' },
      answers: { 200: 'A page of dead letters, and the cursor of the next page.', ...NO_TRIGGER },
      handle: (call) =>
        answering(async () => {
          const name = named(call);
          if (call.request.headers.get('accept')?.includes('application/x-ndjson') === true)
            return exported(triggers, name);
          const limit = integerParameter(call.query, 'limit', 1, PAGE_LENGTH_MAX);
          const cursor = opaqueParameter(call.query, 'cursor');
          const page = await triggers.deadLetters(name, { limit, cursor }).catch((error: unknown) => {
            if (cursor !== undefined && error instanceof TypeError)
              throw badRequest('CURSOR_INVALID', 'the cursor is not one of this store', 'Begin again without it.');
            throw error;
          });
          const link =
            page.cursor === undefined
              ? {}
              : { link: call.pageLink(`${call.prefix}${TRIGGERS}/${name}/dead-letters`, { cursor: page.cursor }) };
          return jsonResponse(200, page, link);
        }),
    },
    {
      ...common,
      method: 'POST',
      path: `${DEAD_LETTERS}/retry`,
      operationId: 'retryDeadLetters',
      summary: 'Tries all dead letters of a trigger once more.',
      scope: 'operate',
      answers: { 200: 'How many were tried, and how many failed again.', ...NO_TRIGGER },
      handle: (call) => answering(async () => jsonResponse(200, await triggers.retryDeadLetters(named(call)))),
    },
    {
      ...common,
      method: 'GET',
      path: DEAD_LETTER,
      operationId: 'getDeadLetter',
      summary: 'One dead letter: event, error, attempts, times.',
      scope: 'read',
      answers: { 200: 'The dead letter.', ...NO_LETTER },
      handle: (call) =>
        answering(async () => jsonResponse(200, await triggers.deadLetter(named(call), letterOf(call)))),
    },
    {
      ...common,
      method: 'POST',
      path: `${DEAD_LETTER}/retry`,
      operationId: 'retryDeadLetter',
      summary: 'Tries a dead letter once more.',
      scope: 'operate',
      answers: { 200: 'It is handled and gone.', 409: 'It failed again and stays.', ...NO_LETTER },
      handle: (call) =>
        answering(async () => {
          const { error, ...settlement } = await triggers.retryDeadLetter(named(call), letterOf(call));
          if (error === undefined) return jsonResponse(200, settlement);
          throw new Problem(409, 'RETRY_FAILED', {
            message: `the event failed again: ${error.message}`,
            hint: 'Mend what it fails by, then try again; or delete it.',
            members: { ...settlement, error: { name: error.name, message: error.message } },
          });
        }),
    },
    {
      ...common,
      method: 'DELETE',
      path: DEAD_LETTER,
      operationId: 'dropDeadLetter',
      summary: 'Forgets a dead letter.',
      scope: 'operate',
      answers: { 204: 'Gone.', ...NO_LETTER },
      handle: (call) =>
        answering(async () => {
          await triggers.dropDeadLetter(named(call), letterOf(call));
          return new Response(null, { status: 204 });
        }),
    },
  ];
}

function requestOf(call: HttpCall) {
  const { method, headers } = call.request;
  return { method, headers, query: call.query, body: () => call.body() };
}

function responseOf({ status, headers, body }: TriggerAnswer): Response {
  if (status >= 400) {
    const { errorCode, message, ...members } = body as { readonly errorCode: string; readonly message: string };
    return new Problem(status, errorCode, { message, headers, members }).toResponse();
  }
  return body === undefined
    ? new Response(null, { status, headers: headers ?? {} })
    : jsonResponse(status, body, headers);
}

/** Errors of triggers are known by their codes: their classes are of a package that this one does not know. */
async function answering(answer: () => Promise<Response>): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    if (isNotFound(error))
      throw new Problem(404, error.code.toUpperCase(), {
        message: error.message,
        hint: 'GET /v1.0/triggers lists the triggers of this host.',
      });
    if (error instanceof TroupeError && error.code === 'triggers_not_started')
      throw new Problem(503, 'NOT_EXECUTED', {
        message: `the request was not executed: ${error.message}`,
        hint: 'Nothing was done: try again.',
        headers: { 'retry-after': String(RETRY_AFTER_S) },
      });
    throw error;
  }
}

function isNotFound(error: unknown): error is TroupeError {
  return error instanceof TroupeError && (error.code === 'trigger_not_found' || error.code === 'dead_letter_not_found');
}

function exported(triggers: HttpTriggers, name: string): Response {
  const letters = triggers.allDeadLetters(name)[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  const lines = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await letters.next();
      if (done === true) controller.close();
      else controller.enqueue(encoder.encode(`${wireJson(value)}\n`));
    },
    async cancel() {
      await letters.return?.();
    },
  });
  return new Response(lines, { headers: { 'content-type': 'application/x-ndjson' } });
}
