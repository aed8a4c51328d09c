import { checkInstanceId } from '../name.ts';
import { InstanceIdError } from '../errors.ts';

/**
 * The id of an entity as it is kept: `@name@key` with the name in lower case. The key is any text.
 *
 * @throws {InstanceIdError} when no entity can have it
 */
export function entityIdOf(id: string): string {
  const end = id.indexOf('@', 1);
  if (!id.startsWith('@') || end < 2)
    throw new InstanceIdError(`the id of an entity is @name@key, got ${JSON.stringify(id.slice(0, 64))}`);
  const normal = `${id.slice(0, end).toLowerCase()}${id.slice(end)}`;
  checkInstanceId(normal);
  return normal;
}

/** The beginning of ids: as far as the name goes it is in lower case. */
export function entityIdPrefixOf(prefix: string): string {
  const end = prefix.indexOf('@', 1);
  return end === -1 ? prefix.toLowerCase() : `${prefix.slice(0, end).toLowerCase()}${prefix.slice(end)}`;
}

/** The name of the entity with this id. */
export function entityNameIn(entityId: string): string {
  return entityId.slice(1, entityId.indexOf('@', 1));
}
