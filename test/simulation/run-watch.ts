/**
 * What runs on an agent's machine now, and what died there: devices are never granted twice, samples of jobs that have
 * ended are not begun any more, and a sample is called poison only when it was begun and not recorded at two deaths.
 */
import type { RunWatch } from "./engine.js";
import type { Fail } from "./violations.js";
import { LANES } from "./workload.js";

export class MachineWatch implements RunWatch {
  /** While a fault says so. */
  sick = false;
  slowMs = 0;
  /** In flight, by `model/ordinal`; one sample may run for two campaigns of one shape. */
  private running: string[] = [];

  constructor(
    private readonly agent: string,
    private readonly slots: { readonly [lane: string]: number },
    private readonly onDeath: () => void,
    readonly poisonous: RunWatch["poisonous"],
    private readonly fail: Fail,
  ) {}

  began(model: string, ordinal: number): void {
    this.running.push(`${model}/${ordinal}`);
    const lane = LANES.get(model) ?? "cpu";
    const slots = this.slots[lane] ?? 0;
    const now = this.running.filter((name) => (LANES.get(name.split("/")[0] ?? "") ?? "cpu") === lane);
    if (now.length > slots)
      this.fail(
        "no device is granted twice",
        `${this.agent} runs ${now.join(" ")} on ${slots} slots of ${lane}`,
      );
  }

  ended(model: string, ordinal: number): void {
    const at = this.running.indexOf(`${model}/${ordinal}`);
    if (at >= 0) this.running.splice(at, 1);
  }

  /** The engine's process, or the agent with it, died. */
  died(): void {
    this.running = [];
    this.onDeath();
  }

  get inFlight(): number {
    return this.running.length;
  }
}
