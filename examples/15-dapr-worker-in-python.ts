// As 14, in Python: the application is python/order.py, which needs a package of Dapr's and nothing of ours. This makes an
// environment with that package, starts a service (or takes the one that DAPR_GRPC_PORT names), and runs the application.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { guardProcess } from '../scripts/guardian.mjs';
import { findPython } from '../scripts/python.mjs';
import { troupeService } from '../scripts/troupe-service.mjs';

const python = await findPython(fileURLToPath(new URL('python/requirements.txt', import.meta.url)));
const service = await troupeService();
const application = spawn(python, [fileURLToPath(new URL('python/order.py', import.meta.url))], {
  env: { ...process.env, DAPR_GRPC_PORT: service.grpcPort },
  stdio: 'inherit',
});
guardProcess(application);
const [code] = (await once(application, 'exit')) as [number | null];
process.exitCode = code ?? 1;
await service.stop();
