/**
 * Looks through the pages of an LMDB file before LMDB does. LMDB trusts its file: a page of garbage, or pages of two
 * moments as in a copy of a file that was in use, end the process by an assertion or a wild read. Here it is an error
 * that says what is wrong. Reads everything once, as opening the store does anyway.
 *
 * Format: LMDB's mdb.c of the lmdb package 3.5 (MDB_page, MDB_node, MDB_meta, MDB_ovpage), little endian, 64 bit.
 */
import { readSync } from "node:fs";

const PAGE_HEAD = 24;
const MAGIC = 0xbeef_c0de;
const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;
const NODE_HEAD = 8;
const BIG_DATA = 1;

interface Meta {
  readonly pageBytes: number;
  readonly lastPage: number;
  readonly txn: bigint;
  /** Of the free pages, of the data. */
  readonly trees: readonly { depth: number; root: bigint }[];
}

/**
 * Throws RangeError for a file that is no sound LMDB file. One that ends before its last page is sound if nothing leads
 * to what is missing: pages that were freed at once may never have been written.
 */
export function checkPages(file: number): void {
  const first = readMeta(file, 0);
  const second = readMeta(file, first.pageBytes);
  const meta = second.txn > first.txn ? second : first;
  for (const tree of meta.trees) new TreeCheck(file, meta).check(tree);
}

function readMeta(file: number, at: number): Meta {
  const page = read(file, at, 256);
  const magic = page.readUInt32LE(PAGE_HEAD);
  const pageBytes = page.readUInt32LE(PAGE_HEAD + 24);
  const trees = [0, 1].map((n) => ({
    depth: page.readUInt16LE(PAGE_HEAD + 24 + 48 * n + 6),
    root: page.readBigUInt64LE(PAGE_HEAD + 24 + 48 * n + 40),
  }));
  const lastPage = page.readBigUInt64LE(PAGE_HEAD + 120);
  if (magic !== MAGIC) throw new RangeError("data.mdb is no LMDB file");
  if (![4096, 8192, 16_384, 32_768, 65_536].includes(pageBytes) || lastPage > 2n ** 36n) {
    throw new RangeError("the first pages of data.mdb make no sense");
  }
  return { pageBytes, lastPage: Number(lastPage), txn: page.readBigUInt64LE(PAGE_HEAD + 128), trees };
}

class TreeCheck {
  readonly #file: number;
  readonly #meta: Meta;
  #lastKey: Buffer | undefined;

  constructor(file: number, meta: Meta) {
    this.#file = file;
    this.#meta = meta;
  }

  check({ depth, root }: { depth: number; root: bigint }): void {
    if (root === 2n ** 64n - 1n) return; // empty
    if (depth < 1 || depth > 32) throw new RangeError(`a tree of depth ${depth}`);
    this.#node(root, depth);
  }

  /** A page and what is below it; `depth` 1 is a leaf. */
  #node(number: bigint, depth: number): void {
    const page = this.#page(number, depth === 1 ? LEAF : BRANCH);
    const nodes = page.readUInt16LE(20) >> 1;
    if (PAGE_HEAD + 2 * nodes > page.length) throw bad(number, `has ${nodes} entries`);
    for (let i = 0; i < nodes; i++) {
      const at = PAGE_HEAD + page.readUInt16LE(PAGE_HEAD + 2 * i);
      const keyEnd =
        at + NODE_HEAD <= page.length ? at + NODE_HEAD + page.readUInt16LE(at + 6) : at + NODE_HEAD;
      if (keyEnd > page.length) throw bad(number, "has an entry outside of it");
      if (depth > 1) this.#node(childOf(page, at), depth - 1);
      else this.#entry(number, page, at, keyEnd);
    }
  }

  #entry(number: bigint, page: Buffer, at: number, keyEnd: number): void {
    const key = page.subarray(at + NODE_HEAD, keyEnd);
    // The free pages' keys are numbers in the machine's order, which bytes do not show.
    if (this.#lastKey && key[0] === this.#lastKey[0] && key.length > 8 && key.compare(this.#lastKey) <= 0) {
      throw bad(number, "has keys out of order");
    }
    this.#lastKey = key;
    const size = page.readUInt16LE(at) + 65_536 * page.readUInt16LE(at + 2);
    const isBig = (page.readUInt16LE(at + 4) & BIG_DATA) !== 0;
    if (keyEnd + (isBig ? 24 : size) > page.length) throw bad(number, "has a value outside of it");
    if (!isBig) return;
    const over = page.readBigUInt64LE(keyEnd);
    const pages = Math.ceil((PAGE_HEAD + size) / this.#meta.pageBytes);
    const head = this.#page(over, OVERFLOW);
    if (head.readUInt32LE(20) !== pages || Number(over) + pages - 1 > this.#meta.lastPage) {
      throw bad(over, `should begin ${pages} pages of a value`);
    }
  }

  #page(number: bigint, kind: number): Buffer {
    const { lastPage, pageBytes, txn } = this.#meta;
    if (number < 2n || number > BigInt(lastPage)) throw new RangeError(`page ${number} is not there`);
    const page = read(this.#file, Number(number) * pageBytes, pageBytes);
    if (page.readBigUInt64LE(0) !== number || (page.readUInt16LE(18) & 7) !== kind) {
      throw bad(number, "holds something else");
    }
    if (page.readBigUInt64LE(8) > txn) throw bad(number, "is newer than the rest");
    return page;
  }
}

const childOf = (page: Buffer, at: number): bigint =>
  BigInt(page.readUInt16LE(at)) |
  (BigInt(page.readUInt16LE(at + 2)) << 16n) |
  (BigInt(page.readUInt16LE(at + 4)) << 32n);

function read(file: number, at: number, bytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(bytes);
  if (readSync(file, buffer, 0, bytes, at) < bytes) throw new RangeError("data.mdb is cut off");
  return buffer;
}

const bad = (page: bigint, what: string) => new RangeError(`page ${page} ${what}`);
