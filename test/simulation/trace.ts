/**
 * What happened, as one number: two runs of a schedule are the same when their traces have the same hash. Told to,
 * it also keeps lines for people.
 */
import { hashText } from "./random.js";
import type { VirtualTime } from "./time.js";
import type { Parcel } from "./wire.js";

export class Trace {
  private high = 0x9e3779b9 | 0;
  private low = 0x85ebca6b | 0;
  private readonly known = new Map<string, number>();
  /** Present when lines are kept. */
  readonly lines: string[] | undefined;

  constructor(
    private readonly time: VirtualTime,
    keepsLines: boolean,
  ) {
    this.lines = keepsLines ? [] : undefined;
  }

  /** Something of this kind happened now; `detail` makes the line, and only the line. */
  note(kind: string, detail?: () => string): void {
    this.mix(this.hashOf(kind));
    this.mix(this.time.nowUs | 0);
    this.lines?.push(`${this.atMs}  ${kind} ${detail?.() ?? ""}`);
  }

  bytes(data: Uint8Array): void {
    let hash = data.length;
    for (let i = 0; i < data.length; i++) hash = Math.imul(hash ^ (data[i] as number), 0x01000193);
    this.mix(hash);
  }

  /** A message that is sent. */
  parcel({ size, bytes }: Parcel<unknown>): void {
    if (bytes) this.bytes(bytes);
    else this.mix(size);
  }

  text(text: string): void {
    this.mix(hashText(text));
  }

  /** The time, for lines. */
  get atMs(): string {
    return this.time.nowMs.toFixed(3).padStart(12);
  }

  /** 16 hex digits. */
  get hash(): string {
    const hex = (n: number) => (n >>> 0).toString(16).padStart(8, "0");
    return hex(this.high) + hex(this.low);
  }

  private hashOf(kind: string): number {
    const known = this.known.get(kind);
    if (known !== undefined) return known;
    const hash = hashText(kind);
    this.known.set(kind, hash);
    return hash;
  }

  private mix(n: number): void {
    this.low = Math.imul(this.low ^ n, 0x9e3779b1);
    this.low ^= this.low >>> 15;
    this.high = (Math.imul(this.high, 0x85ebca77) + this.low) | 0;
  }
}
