/**
 * How changes travel to the disk's thread, and keys back from it when a store opens: entries one after the other in one
 * buffer, each in the form in which LMDB keeps it, so that the thread copies nothing.
 *
 * ```
 * entry    u32 bytes of the key, u32 bytes of the record (NO_RECORD for a deletion), key, record
 * key      0x02, the key in UTF-8
 * record   u64 create revision, u64 mod revision, u64 version, u64 lease or 0, value      (little endian)
 * ```
 */
import { type KV, rev, type StoreEvent } from "../store.js";

/** What a store's keys begin with in LMDB; the store's own notes begin with 0x01 (lmdb.ts). */
export const KEY_PREFIX = 2;
const NO_RECORD = 0xffff_ffff;
const LENGTHS = 8;
const RECORD_HEAD = 32;

/** Fills one buffer after the other. */
export class BatchWriter {
  #bytes: Buffer;
  #view: DataView<ArrayBuffer>;
  #at = 0;

  /** `spare`: memory that may be used. */
  constructor(spare: ArrayBuffer = new ArrayBuffer(64 * 1024)) {
    this.#bytes = Buffer.from(spare);
    this.#view = new DataView(spare);
  }

  get length(): number {
    return this.#at;
  }

  add({ type, kv }: StoreEvent): void {
    if (type === "put") this.put(kv);
    else {
      const at = this.#key(kv.key, 0);
      this.#view.setUint32(at, NO_RECORD, true);
    }
  }

  put(kv: KV): void {
    const { value } = kv;
    const lengthAt = this.#key(kv.key, RECORD_HEAD + value.length);
    this.#view.setUint32(lengthAt, RECORD_HEAD + value.length, true);
    this.#view.setBigUint64(this.#at, kv.createRev, true);
    this.#view.setBigUint64(this.#at + 8, kv.modRev, true);
    this.#view.setBigUint64(this.#at + 16, kv.version, true);
    this.#view.setBigUint64(this.#at + 24, kv.lease ?? 0n, true);
    this.#bytes.set(value, this.#at + RECORD_HEAD);
    this.#at += RECORD_HEAD + value.length;
  }

  /** Whether an entry as LMDB has it goes in without more memory; values are views of it, and would keep all of it. */
  fits(key: Uint8Array, record: Uint8Array): boolean {
    return this.#at + LENGTHS + key.length + record.length <= this.#bytes.length;
  }

  /** An entry as LMDB has it. */
  raw(key: Uint8Array, record: Uint8Array): void {
    this.#reserve(LENGTHS + key.length + record.length);
    this.#view.setUint32(this.#at, key.length, true);
    this.#view.setUint32(this.#at + 4, record.length, true);
    this.#bytes.set(key, this.#at + LENGTHS);
    this.#bytes.set(record, this.#at + LENGTHS + key.length);
    this.#at += LENGTHS + key.length + record.length;
  }

  /** The memory, of which `length` bytes count; the writer is not to be used any more. */
  take(): ArrayBuffer {
    return this.#view.buffer;
  }

  /** Writes a key with room for `more` bytes after it; where its record's length belongs. */
  #key(key: string, more: number): number {
    this.#reserve(LENGTHS + 1 + 3 * key.length + more);
    const start = this.#at + LENGTHS;
    this.#bytes[start] = KEY_PREFIX;
    const length = 1 + this.#bytes.write(key, start + 1, "utf8");
    this.#view.setUint32(this.#at, length, true);
    const lengthAt = this.#at + 4;
    this.#at = start + length;
    return lengthAt;
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const memory = new ArrayBuffer(Math.max(2 * this.#bytes.length, this.#at + more));
    const bytes = Buffer.from(memory);
    bytes.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = bytes;
    this.#view = new DataView(memory);
  }
}

/** The entries of a batch, as views of it; a deletion has no record. */
export function* entries(
  memory: ArrayBuffer,
  length: number,
): Generator<{ key: Buffer; record: Buffer | undefined }, void, undefined> {
  const bytes = Buffer.from(memory, 0, length);
  for (let at = 0; at < length; ) {
    const keyEnd = at + LENGTHS + bytes.readUInt32LE(at);
    const recordLength = bytes.readUInt32LE(at + 4);
    const key = bytes.subarray(at + LENGTHS, keyEnd);
    at = recordLength === NO_RECORD ? keyEnd : keyEnd + recordLength;
    yield { key, record: recordLength === NO_RECORD ? undefined : bytes.subarray(keyEnd, at) };
  }
}

/** A key with its record as the store has it. The value is a view. Throws RangeError for what is no record. */
export function toKv(key: Buffer, record: Buffer): KV {
  if (key[0] !== KEY_PREFIX || key.length < 2) throw new RangeError("a key without its prefix");
  if (record.length < RECORD_HEAD) throw new RangeError("a record without its head");
  const lease = record.readBigUInt64LE(24);
  const kv: KV = {
    key: key.toString("utf8", 1),
    value: record.subarray(RECORD_HEAD),
    createRev: rev(record.readBigUInt64LE(0)),
    modRev: rev(record.readBigUInt64LE(8)),
    version: record.readBigUInt64LE(16),
  };
  return lease === 0n ? kv : { ...kv, lease };
}
