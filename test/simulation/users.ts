/**
 * People: they submit, and submit again with the same key until they have an answer; they cancel what they submitted.
 * Their calls go to whoever leads as far as anybody knows, and may be lost on the way there or back.
 */

import { campaignEvent } from "../../coordinator/campaigns/lifecycle.js";
import { submitCampaign } from "../../coordinator/campaigns/submit.js";
import type { Core } from "../../coordinator/core.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { SimulatedFleet } from "./fleet.js";
import { Process } from "./process.js";
import { SHAPES } from "./workload.js";

/** What somebody does, in order of time. */
export type Action =
  | { kind: "submit"; atMs: number; key: string; shape: number; priority: number; twice: boolean }
  | { kind: "cancel"; atMs: number; key: string };

const HOST = "user";
const DEADLINE_MS = 5000;

export class Users {
  /** Campaign by key, once somebody has been told. */
  readonly acknowledged = new Map<string, string>();
  /** Actions that are not over. */
  open = 0;
  /** Share of answers that are lost. */
  lostReplies = 0;
  private readonly process: Process;

  constructor(private readonly fleet: SimulatedFleet) {
    this.process = new Process(fleet.world, HOST, fleet.random.of(HOST));
  }

  begin(actions: readonly Action[]): void {
    for (const action of actions) {
      this.open += 1;
      this.fleet.world.time.in(action.atMs, () => {
        this.fleet.world.trace.note(`user.${action.kind}`, () => JSON.stringify(action));
        this.act(action)
          .catch((error: unknown) => this.fleet.surprise(`a user's ${action.kind}`, error))
          .finally(() => {
            this.open -= 1;
          });
      });
    }
  }

  private async act(action: Action): Promise<void> {
    if (action.kind === "submit") {
      const times = action.twice ? [this.submit(action), this.submit(action)] : [this.submit(action)];
      await Promise.all(times);
      return;
    }
    const id = await this.idOf(action.key);
    await this.untilAnswered(async (core) => {
      const entry = core.board.campaign(id);
      if (entry === undefined) throw new SaiError("not_found", `there is no campaign ${id}`);
      await campaignEvent(core.campaigns, entry, { kind: "cancel", reason: "cancelled by the user" });
    });
  }

  private async submit(action: Action & { kind: "submit" }): Promise<void> {
    const shape = SHAPES[action.shape % SHAPES.length];
    if (shape === undefined) return;
    const request = { ...shape.request, priority: action.priority };
    const id = await this.untilAnswered(
      async (core) => (await submitCampaign(core.campaigns, request, action.key)).value.id,
    );
    if (id === undefined) return;
    this.fleet.acknowledged(action.key, id, this.acknowledged.get(action.key));
    this.acknowledged.set(action.key, id);
  }

  private async idOf(key: string): Promise<string> {
    for (;;) {
      const id = this.acknowledged.get(key);
      if (id !== undefined) return id;
      await this.process.clock.sleep(500);
    }
  }

  /** Calls until there is an answer; what cannot be done any more is answered with undefined. */
  private async untilAnswered<T>(call: (core: Core) => Promise<T>): Promise<T | undefined> {
    const { clock, random } = this.process;
    for (;;) {
      try {
        return await this.call(call);
      } catch (error) {
        if (error instanceof SaiError && error.code === "failed_precondition") return undefined;
        if (!(error instanceof SaiError) || (error.code !== "unavailable" && error.code !== "not_found"))
          this.fleet.world.trace.note("user.error", () => String(error));
      }
      await clock.sleep(200 + random.next() * 1500);
    }
  }

  private call<T>(run: (core: Core) => Promise<T>): Promise<T> {
    const { network, world, random } = this.fleet;
    const leaders = this.fleet.coordinators.filter((host) => network.listeners.has(host.name));
    return new Promise((resolve, reject) => {
      const gone = () => reject(new SaiError("unavailable", "no answer"));
      world.time.in(DEADLINE_MS, gone);
      const [host] = leaders.length > 1 ? [leaders[random.int(0, leaders.length - 1)]] : leaders;
      if (host === undefined) return;
      world.time.in(network.delayMs(HOST, host.name), () => {
        world.trace.note("user.call");
        const { core, process } = host;
        if (process === undefined || network.isCut(HOST, host.name)) return;
        process.enter(() => {
          if (core === undefined) return;
          const lost = random.chance(this.lostReplies);
          const back = (act: () => void) => {
            if (!lost) world.time.in(network.delayMs(host.name, HOST), act);
          };
          run(core).then(
            (answer) => back(() => resolve(answer)),
            (error: unknown) => back(() => reject(error)),
          );
        });
      });
    });
  }
}
