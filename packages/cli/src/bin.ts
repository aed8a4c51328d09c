#!/usr/bin/env node
import { main } from './command.ts';

process.exitCode = await main(process.argv.slice(2));
// Nothing is left now; whatever is must not keep a service alive that has stopped.
setTimeout(() => process.exit(), 1_000).unref();
