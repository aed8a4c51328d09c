// Starts a nats-server and a folder, says so, and waits until it is killed.

import { NatsServers } from './nats-servers.ts';

const servers = await NatsServers.start(1, { program: process.argv[2]! });
console.log(JSON.stringify({ url: servers.urls[0], folder: servers.folder }));
setInterval(() => {}, 60_000);
