import { describe, expect, test } from 'vitest';
import { unfitVersion } from '../src/server.ts';

describe('the version of a server', () => {
  test.each(['2.10.23', '2.10.27', '2.11.0', '2.12.0-RC.1', 'v2.15.1', '2.100.0', '3.0.0'])(
    '%s is taken',
    (version) => {
      expect(unfitVersion(version)).toBeUndefined();
    },
  );

  test.each(['2.9.10', '2.9.100', '2.10.3', '2.10.22', '1.99.99', '0.0.0', '', 'main'])('%s is refused', (version) => {
    const reason = unfitVersion(version);
    expect(reason).toContain(`is version ${version};`);
    expect(reason).toContain('2.10.23');
    expect(reason).toContain('Install a newer');
  });
});
