/**
 * The values used last, up to a total weight. Whoever asks for a value that is being made waits for the same one.
 *
 * 1. What is kept weighs at most the limit; only the value just made may be heavier, alone.
 * 2. A value that is being made is not evicted: its key is its own until it is made or has failed.
 * 3. A value that could not be made is not kept; the next to ask makes it anew.
 */
export class Kept<T> {
  /** In order of last use; the weight is known once the value is made. */
  private readonly entries = new Map<string, { value: Promise<T>; weight?: number }>();
  private total = 0;

  constructor(
    private readonly maxWeight: number,
    private readonly weigh: (value: T) => number,
  ) {}

  /** The value of the key, made if it is not kept. Rejects with what `make` rejects with. */
  async get(key: string, make: () => Promise<T>): Promise<T> {
    const known = this.entries.get(key);
    if (known) {
      this.entries.delete(key);
      this.entries.set(key, known);
      return known.value;
    }
    const entry: { value: Promise<T>; weight?: number } = { value: make() };
    this.entries.set(key, entry);
    try {
      const value = await entry.value;
      entry.weight = this.weigh(value);
      this.total += entry.weight;
      this.makeRoom(key);
      return value;
    } catch (error) {
      this.entries.delete(key);
      throw error;
    }
  }

  private makeRoom(justMade: string): void {
    for (const [key, { weight }] of this.entries) {
      if (this.total <= this.maxWeight) return;
      if (weight === undefined || key === justMade) continue;
      this.entries.delete(key);
      this.total -= weight;
    }
  }
}
