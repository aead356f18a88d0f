/**
 * Where a schedule's chance comes from. Every component draws from its own stream, named by what it is for, so that
 * taking one fault out of a schedule does not change what all the others draw.
 */
import type { Random } from "../../shared/runtime/random.js";

const DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz";

/** sfc32 by Chris Doty-Humphrey (PractRand): small, fast, and passes what a simulation could notice. */
export class SeededRandom implements Random {
  private a: number;
  private b: number;
  private c: number;
  private d = 1;

  constructor(
    private readonly seed: number,
    private readonly name = "",
  ) {
    this.a = seed | 0;
    this.b = hashText(name);
    this.c = (seed / 0x1_0000_0000) | 0;
    for (let i = 0; i < 12; i++) this.bits();
  }

  /** A stream of its own, the same for the same seed and names. */
  of(name: string): SeededRandom {
    return new SeededRandom(this.seed, `${this.name}/${name}`);
  }

  next(): number {
    return (this.bits() >>> 0) / 0x1_0000_0000;
  }

  id(n: number): string {
    let text = "";
    for (let i = 0; i < n; i++) text += DIGITS[Math.floor(this.next() * 36)];
    return text;
  }

  /** An integer, both ends included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  /** Uniform in [from, to). */
  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  /** One of them; throws for none. */
  pick<T>(from: readonly T[]): T {
    const one = from[Math.floor(this.next() * from.length)];
    if (one === undefined) throw new RangeError("there is nothing to pick from");
    return one;
  }

  private bits(): number {
    const t = (((this.a + this.b) | 0) + this.d) | 0;
    this.d = (this.d + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (this.c << 21) | (this.c >>> 11);
    this.c = (this.c + t) | 0;
    return t;
  }
}

/** FNV-1a over the characters, 32 bits. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash | 0;
}
