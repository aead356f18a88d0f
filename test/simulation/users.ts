/**
 * People: they submit, and submit again with the same key until they have an answer; they cancel, pause and retry what
 * they submitted, and drain nodes. Their calls go to whoever seems to lead, and may be lost on the way there or back.
 */
import { campaignEvent } from "../../coordinator/campaigns/lifecycle.js";
import { pauseCampaign, resumeCampaign } from "../../coordinator/campaigns/pause.js";
import { retryCampaign } from "../../coordinator/campaigns/retry.js";
import { submitCampaign } from "../../coordinator/campaigns/submit.js";
import type { Core } from "../../coordinator/core.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { SimulatedFleet } from "./fleet.js";
import { Process } from "./process.js";
import { EVERY_SHAPE } from "./workload.js";

/** What somebody does, at a time of the schedule; what is done to a campaign waits until that was acknowledged. */
export type Action = { atMs: number } & (
  | { kind: "submit"; key: string; shape: number; priority: number; twice: boolean; tenant?: string }
  | { kind: "cancel"; key: string }
  /** Paused, and resumed after `ms`. */
  | { kind: "pause"; key: string; ms: number }
  /** Retried as soon as it has ended. */
  | { kind: "retry"; key: string }
  /** Cordoned or drained, and open again after `ms`. */
  | { kind: "cordon"; node: string; ms: number }
  | { kind: "drain"; node: string; ms: number; deadlineMs: number }
);

export type ActionKind = Action["kind"];

const HOST = "user";
const DEADLINE_MS = 5000;
/** After which a call that was given up is hardly carried out any more. */
const LATE_MS = 6000;

export class Users {
  /** Campaign by key, once somebody has been told. */
  readonly acknowledged = new Map<string, string>();
  /** Actions that are not over. */
  open = 0;
  /** Share of answers that are lost. */
  lostReplies = 0;
  /** Who waits for the campaign of a key. */
  private readonly curious = new Map<string, ((id: string) => void)[]>();
  private readonly process: Process;

  constructor(private readonly fleet: SimulatedFleet) {
    this.process = new Process(fleet.world, HOST, fleet.random.of(HOST));
  }

  begin(actions: readonly Action[]): void {
    const submitted = new Set(actions.flatMap((action) => (action.kind === "submit" ? [action.key] : [])));
    for (const action of actions) {
      // A schedule that was cut down may have lost what this was about.
      if ("key" in action && !submitted.has(action.key)) continue;
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
    const { clock } = this.process;
    switch (action.kind) {
      case "submit": {
        const times = action.twice ? [this.submit(action), this.submit(action)] : [this.submit(action)];
        await Promise.all(times);
        return;
      }
      case "cancel":
        await this.onCampaign(action.key, ({ campaigns }, entry) =>
          campaignEvent(campaigns, entry, { kind: "cancel", reason: "cancelled by the user" }),
        );
        return;
      case "pause":
        await this.onCampaign(action.key, ({ campaigns }, entry) =>
          pauseCampaign(campaigns, entry, "paused"),
        );
        await clock.sleep(action.ms);
        // A call that nobody waited for any more may still pause it; whoever sees that resumes it again.
        do {
          await this.onCampaign(action.key, ({ campaigns }, entry) => resumeCampaign(campaigns, entry));
          await clock.sleep(LATE_MS);
        } while (this.fleet.invariants.isPaused(this.acknowledged.get(action.key)));
        return;
      case "retry":
        await this.retry(action.key);
        return;
      case "cordon":
      case "drain":
        await this.untilAnswered(async ({ admin }) => {
          if (action.kind === "cordon") await admin.cordon(action.node, "looked at");
          else await admin.drain(action.node, action.deadlineMs, "emptied");
        });
        await clock.sleep(action.ms);
        do {
          await this.untilAnswered(async ({ admin }) => void (await admin.uncordon(action.node)));
          await clock.sleep(LATE_MS);
        } while (this.fleet.leader?.fleet.node(action.node)?.cordon.kind !== "open");
    }
  }

  private async submit(action: Action & { kind: "submit" }): Promise<void> {
    const shape = EVERY_SHAPE[action.shape % EVERY_SHAPE.length];
    if (shape === undefined) return;
    const { priority, tenant } = action;
    const request = { ...shape.request, priority, ...(tenant === undefined ? {} : { tenant }) };
    const id = await this.untilAnswered(
      async (core) => (await submitCampaign(core.campaigns, request, action.key)).value.id,
    );
    this.told(action.key, id);
  }

  /** Retries the campaign of a key; what has nothing to retry is left alone. */
  private async retry(key: string): Promise<void> {
    const id = await this.idOf(key);
    while (!this.fleet.invariants.hasEnded(id)) await this.process.clock.sleep(1000);
    const retried = await this.untilAnswered(async ({ campaigns, board }) => {
      const entry = board.campaign(id);
      if (entry === undefined) throw new SaiError("not_found", `there is no campaign ${id}`);
      return (await retryCampaign(campaigns, entry, { idempotencyKey: `${key}-retry` })).value.id;
    });
    this.told(`${key}-retry`, retried);
  }

  private told(key: string, id: string | undefined): void {
    if (id === undefined) return;
    this.fleet.invariants.acknowledged(key, id, this.acknowledged.get(key));
    this.acknowledged.set(key, id);
    for (const tell of this.curious.get(key) ?? []) tell(id);
    this.curious.delete(key);
  }

  /** The campaign of a key, as soon as somebody is told. */
  private idOf(key: string): Promise<string> {
    const id = this.acknowledged.get(key);
    if (id !== undefined) return Promise.resolve(id);
    return new Promise((tell) => this.curious.set(key, [...(this.curious.get(key) ?? []), tell]));
  }

  private async onCampaign(
    key: string,
    act: (core: Core, entry: NonNullable<ReturnType<Core["board"]["campaign"]>>) => Promise<void>,
  ): Promise<void> {
    const id = await this.idOf(key);
    await this.untilAnswered(async (core) => {
      const entry = core.board.campaign(id);
      if (entry === undefined) throw new SaiError("not_found", `there is no campaign ${id}`);
      await act(core, entry);
    });
  }

  /** Calls until there is an answer; what cannot be done any more is answered with undefined. */
  private async untilAnswered<T>(call: (core: Core) => Promise<T>): Promise<T | undefined> {
    const { clock, random } = this.process;
    for (;;) {
      try {
        return await this.call(call);
      } catch (error) {
        this.fleet.world.trace.note("user.refused", () => String(error));
        if (error instanceof SaiError && error.code === "failed_precondition") return undefined;
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
      const [host] = leaders.length > 1 ? [random.pick(leaders)] : leaders;
      if (host === undefined) return;
      world.time.in(network.delayMs(HOST, host.name), () => {
        world.trace.note("user.call");
        const { core, process } = host;
        process?.enter(() => {
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
