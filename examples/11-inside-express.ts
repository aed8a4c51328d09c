// Troupe inside a service that you have already: your routes start workflows, and its HTTP API hangs below one of your paths.

import type { AddressInfo } from 'node:net';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import { httpGateway, toNodeHandler } from '@troupe/gateway/http';
import { levelStore } from '@troupe/level';
import { activity, startHost, workflow } from '@troupe/workflow';

const sendMail = activity('sendMail', (_ctx, to: string) => {
  console.log(`  mail to ${to}`);
  return `a mail went to ${to}`;
});

const welcome = workflow('welcome', async (ctx, user: string) => {
  const first = await ctx.callActivity(sendMail, user);
  await ctx.createTimer(200);
  const second = await ctx.callActivity(sendMail, user);
  return [first, second];
});

const folder = await mkdtemp(join(tmpdir(), 'troupe-express-'));
console.log(`state is kept in ${folder}`);
const host = await startHost({ store: levelStore(folder), workflows: [welcome], activities: [sendMail] });

const app = express();
// Before body parsers: the gateway reads bodies itself.
const gateway = httpGateway(host);
app.use('/workflows', toNodeHandler(gateway));
app.use(express.json());
app.post('/users/:name', async (request, response) => {
  // Asked twice, it welcomes once: the id says whom.
  const instance = await host.workflows.start(welcome, {
    instanceId: `welcome-${request.params.name}`,
    input: request.params.name,
    ifExists: 'attach',
  });
  response.status(202).json({ instanceId: instance.instanceId });
});
const server = app.listen(0, '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

// What a client of that service sees.
for (let time = 1; time <= 2; time++) {
  const response = await fetch(`${url}/users/ada`, { method: 'POST' });
  console.log(`POST /users/ada: ${response.status} ${await response.text()}`);
}
const response = await fetch(`${url}/workflows/v1.0/workflows/welcome/welcome-ada?wait=10s`);
const { runtimeStatus, output } = (await response.json()) as { runtimeStatus: string; output: string[] };
console.log(`GET /workflows/v1.0/workflows/welcome/welcome-ada: ${response.status} ${runtimeStatus}`);
for (const line of output) console.log(`  ${line}`);

// Long polls end, answers in flight are sent, then the turns that run are finished.
gateway.drain();
server.closeIdleConnections();
await new Promise((resolve) => server.close(resolve));
await host.stop();
