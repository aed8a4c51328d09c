import type { Service } from './serve.ts';

/** Lines to try each example workflow with. */
const TRIES: readonly { readonly name: string; readonly lines: (url: string) => readonly string[] }[] = [
  {
    name: 'hello',
    lines: (url) => [`curl ${url}/hello/h1/start -d '"Ada"'`, `curl ${url}/hello/h1`],
  },
  {
    name: 'order',
    lines: (url) => [
      `curl ${url}/order/o1/start -d '{"item":"book","amount":12}'`,
      `curl ${url}/order/o1/raiseEvent/approved -d '{"by":"Ada"}'`,
      `curl ${url}/order/o1`,
    ],
  },
  {
    name: 'phoneVerification',
    lines: (url) => [
      `curl ${url}/phoneVerification/p1/start -d '{"phone":"555-0100"}'`,
      `curl ${url}/phoneVerification/p1     # shows the code`,
      `curl ${url}/phoneVerification/p1/raiseEvent/smsChallengeResponse -d '"CODE"'`,
    ],
  },
];

/** What `troupe dev` says when it serves. `another` starts a second host that shares its state. */
export function banner(
  service: Service,
  { examples, another }: { readonly examples: boolean; readonly another: string },
  coloured: boolean,
): string {
  const paint = (code: number, text: string): string => (coloured ? `\u001b[${code}m${text}\u001b[0m` : text);
  const { shared, app } = service;
  const what = shared === undefined ? `data in ${paint(36, service.dataFolder!)}` : `application ${paint(36, app)}`;
  const lines = ['', `${paint(1, 'Troupe')} serves ${paint(36, service.url)}, ${what}`];
  if (shared !== undefined) {
    const { servers, serverVersion, replicas } = shared;
    lines.push(
      `  state in NATS ${serverVersion} at ${paint(36, servers.join(', '))}, replicas: ${replicas}`,
      `  another host: ${paint(2, another)}`,
    );
  }
  if (service.grpcPort !== undefined)
    lines.push(`  workers of Dapr and Durable Task SDKs: ${paint(36, `127.0.0.1:${service.grpcPort}`)}`);
  lines.push('');
  for (const { name, lines: tries } of examples ? TRIES : []) {
    lines.push(
      `  ${paint(1, name)}`,
      ...tries(`${service.url}/v1.0/workflows`).map((line) => `    ${paint(2, line)}`),
      '',
    );
  }
  if (service.inbox !== undefined) {
    const api = service.url;
    lines.push(
      `  ${paint(1, 'triggers')} start them too`,
      ...[
        `curl ${api}/v1.0/triggers/orders -H 'content-type: application/cloudevents+json' \\`,
        `  -d '{"specversion":"1.0","source":"shop","id":"1","type":"order","data":{"item":"book","amount":12}}'`,
        `echo '{"item":"pen","amount":2}' > ${service.inbox}/pen.json`,
        `curl ${api}/v1.0/triggers     # these two, and a hello each minute`,
      ].map((line) => `    ${paint(2, line)}`),
      '',
    );
  }
  lines.push(paint(2, 'Ctrl-C stops it; what has begun goes on at the next start.'), '');
  return lines.join('\n');
}
