// Starts the server that it is told to, says so, and waits until it is killed.

import { servers } from './servers.ts';

const server = await servers[process.argv[2] as keyof typeof servers]();
console.log(JSON.stringify({ pids: server.pids, folder: server.folder }));
setInterval(() => {}, 60_000);
