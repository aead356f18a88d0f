import { expect, test } from "vitest";
import { seededRandom } from "../../shared/benchmark/seeded.js";
import { Kept } from "./kept.js";

const MAX_WEIGHT = 10;
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** The rules, written so plainly that they are slow: sums are counted anew each time. */
class Model {
  entries: { key: string; weight: number; made: boolean }[] = [];

  /** True if the value must be made. */
  ask(key: string, weight: number): boolean {
    const known = this.entries.find((entry) => entry.key === key);
    this.entries = this.entries.filter((entry) => entry !== known);
    this.entries.push(known ?? { key, weight, made: false });
    return known === undefined;
  }

  made(key: string): void {
    for (const entry of this.entries) if (entry.key === key) entry.made = true;
    for (const oldest of [...this.entries]) {
      if (this.weight() <= MAX_WEIGHT) return;
      if (oldest.made && oldest.key !== key) this.entries = this.entries.filter((entry) => entry !== oldest);
    }
  }

  failed(key: string): void {
    this.entries = this.entries.filter((entry) => entry.key !== key);
  }

  weight(): number {
    return this.entries.reduce((sum, { weight, made }) => sum + (made ? weight : 0), 0);
  }
}

test("whatever is asked for, made slowly or fails: kept is what the rules say", async () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = seededRandom(seed);
    const kept = new Kept<{ key: string; weight: number }>(MAX_WEIGHT, ({ weight }) => weight);
    const model = new Model();
    const making = new Map<string, { weight: number; end(ok: boolean): void }>();
    const answers: Promise<void>[] = [];
    for (let step = 0; step < 200; step += 1) {
      const about = `seed ${seed}, step ${step}`;
      const pending = [...making];
      if (pending.length > 0 && random() < 0.45) {
        const [key, { end }] = pending[Math.floor(random() * pending.length)] as (typeof pending)[number];
        const ok = random() < 0.8;
        making.delete(key);
        end(ok);
        if (ok) model.made(key);
        else model.failed(key);
        await settle();
        continue;
      }
      const key = `k${Math.floor(random() * 8)}`;
      const weight = Math.floor(random() * 7);
      let mustMake = false;
      const answer = kept.get(key, () => {
        mustMake = true;
        return new Promise((resolve, reject) => {
          const end = (ok: boolean) => (ok ? resolve({ key, weight }) : reject(new Error(key)));
          making.set(key, { weight, end });
        });
      });
      answers.push(
        answer.then(
          (value) => expect(value.key, about).toBe(key),
          (error: Error) => expect(error.message, about).toBe(key),
        ),
      );
      expect(mustMake, about).toBe(model.ask(key, weight));
      await settle();
    }
    for (const { end } of making.values()) end(true);
    await Promise.all(answers);
  }
});
