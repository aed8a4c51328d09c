// Says at the end of a test run how many tests were skipped since a server was missing. A global setup of vitest.

import { HOW_TO_INSTALL } from './nats-server.mjs';

export default function setup(project) {
  return function teardown() {
    const modules = project.vitest.state.getTestModules().filter((module) => module.project.name === project.name);
    const tests = modules.flatMap((module) => [...module.children.allTests('skipped')]);
    const missed = tests.filter(({ tags }) => tags.includes('nats-server'));
    if (missed.length === 0) return;
    console.error(`\n${missed.length} tests were SKIPPED: they need a nats-server. ${HOW_TO_INSTALL}\n`);
  };
}
