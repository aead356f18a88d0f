/**
 * The engine of simulated agents: the simulated engine itself, on the agent's clock, with a process that can die: by
 * itself at a poisonous item, or because somebody ends it.
 */
import {
  type Engine,
  EngineError,
  type EngineEvent,
  type PreparedModel,
} from "../../agent/engines/engine.js";
import { createSimulatedEngine } from "../../agent/engines/simulated.js";
import type { Process } from "./process.js";

export class DyingEngine {
  readonly engine: Engine;
  /** Ends everything in flight, as the death of the engine's process does. */
  private death = new AbortController();

  /** `poisonous`: whether an item of a model kills whatever runs it. */
  constructor(
    process: Process,
    private readonly poisonous: (model: string, ordinal: number) => boolean,
  ) {
    const real = createSimulatedEngine({ clock: process.clock });
    this.engine = {
      ...real,
      prepare: async (model, options, signal) =>
        this.mortal(model.model, await real.prepare(model, options, signal)),
    };
  }

  die(): void {
    this.death.abort(died());
    this.death = new AbortController();
  }

  private mortal(model: string, prepared: PreparedModel): PreparedModel {
    const dies = () => this.death;
    const kill = () => this.die();
    const poisonous = this.poisonous;
    return {
      ...prepared,
      async *run(request, signal): AsyncGenerator<EngineEvent> {
        const { signal: end } = dies();
        const both = AbortSignal.any([signal, end]);
        const doomed = poisonous(model, request.ordinal);
        try {
          for await (const event of prepared.run(request, both)) {
            if (doomed && event.kind === "delta") kill();
            if (end.aborted) throw end.reason;
            yield event;
          }
        } catch (error) {
          throw end.aborted && !signal.aborted ? end.reason : error;
        }
      },
    };
  }
}

const died = () => new EngineError("transient", "child_died", "the engine's process died");
