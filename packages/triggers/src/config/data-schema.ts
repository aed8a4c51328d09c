import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import type { Schema } from '@troupe/workflow';
import type { Path } from './yaml-tree.ts';

/** A JSON Schema that is none. */
export class DataSchemaProblem extends Error {
  override readonly name = 'DataSchemaProblem';
  /** Inside of the schema. */
  readonly path: Path;

  constructor(message: string, path: Path) {
    super(message);
    this.path = path;
  }
}

// Strict: a misspelt keyword, which would check nothing, is an error; so is a format, since none is checked.
const ajv = new Ajv2020({
  strict: true,
  strictTypes: false,
  strictRequired: false,
  logger: false,
  validateFormats: true,
});

/**
 * A JSON Schema of the draft 2020-12 as a Standard Schema. It tells of the first thing that does not match: data that was sent
 * to be wrong in a million places costs no more.
 *
 * @throws {DataSchemaProblem}
 */
export function dataSchema(jsonSchema: object): Schema {
  if (ajv.validateSchema(jsonSchema) !== true) {
    const [error] = ajv.errors!;
    throw new DataSchemaProblem(`this is no JSON Schema: it ${error!.message}`, pointerPath(error!.instancePath));
  }
  let validate: ValidateFunction;
  try {
    validate = ajv.compile(jsonSchema);
  } catch (error) {
    throw new DataSchemaProblem(`this JSON Schema cannot be used: ${(error as Error).message}`, []);
  }
  return {
    '~standard': {
      version: 1,
      vendor: 'troupe',
      validate: (value) => (validate(value) ? { value } : { issues: validate.errors!.map(issueOf) }),
    },
  };
}

function issueOf({ instancePath, message }: ErrorObject) {
  return { message: message ?? 'does not match', path: pointerPath(instancePath) };
}

/** https://www.rfc-editor.org/rfc/rfc6901 */
function pointerPath(pointer: string): (string | number)[] {
  return pointer
    .split('/')
    .slice(1)
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step.replaceAll('~1', '/').replaceAll('~0', '~')));
}
