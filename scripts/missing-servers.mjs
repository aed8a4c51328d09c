// Says at the end of a test run how many tests were skipped since a server, or a Python, was missing. A global setup of vitest.

import { HOW_TO_INSTALL_PYTHON } from './python.mjs';
import { howToInstall, SERVER_NAMES } from './servers.mjs';

const NEEDS = [
  ...SERVER_NAMES.map((name) => ({ tag: name, what: `a ${name}`, advice: howToInstall(name) })),
  { tag: 'python', what: 'a Python', advice: HOW_TO_INSTALL_PYTHON },
];

export default function setup(project) {
  return function teardown() {
    const modules = project.vitest.state.getTestModules().filter((module) => module.project.name === project.name);
    const tests = modules.flatMap((module) => [...module.children.allTests('skipped')]);
    for (const { tag, what, advice } of NEEDS) {
      const missed = tests.filter(({ tags }) => tags.includes(tag));
      if (missed.length > 0) console.error(`\n${missed.length} tests were SKIPPED: they need ${what}. ${advice}\n`);
    }
  };
}
