/**
 * Numbers that depend on the seed alone: every replay of an execution gets the same.
 *
 * Sources: FNV-1a for the seed (http://www.isthe.com/chongo/tech/comp/fnv/); mulberry32 by Tommy Ettinger (public domain).
 */
export class DeterministicRandom {
  #state: number;

  constructor(seed: string) {
    let hash = 0x811c9dc5;
    for (const byte of Buffer.from(seed)) hash = Math.imul(hash ^ byte, 0x01000193);
    this.#state = hash >>> 0;
  }

  /** In [0, 1). */
  number(): number {
    return this.#next() / 2 ** 32;
  }

  /** A version 4 UUID (RFC 9562, section 5.4). */
  uuid(): string {
    const bytes = Buffer.alloc(16);
    for (let word = 0; word < 4; word++) bytes.writeUInt32BE(this.#next(), word * 4);
    bytes[6] = (bytes[6]! & 0x0f) | 0x40;
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    const hex = bytes.toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
}
