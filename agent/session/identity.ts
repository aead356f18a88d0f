/**
 * Where this agent belongs: the cluster it has joined and the highest epoch it has seen there, in a small file. Epochs
 * are compared within one cluster only.
 *
 * 1. A higher epoch is on the disk before anything it says is acted on, so that after a restart, too, an older
 *    coordinator is refused.
 * 2. A coordinator of another cluster is refused until somebody removes the file: what this agent holds is not its.
 * 3. The file is written when something changed, not for every message.
 * 4. A higher epoch that was heard counts at once, also where the disk does not take it: what it deposed is refused.
 */
import { join } from "node:path";
import type { Disk } from "../../shared/runtime/disk.js";
import { SaiError } from "../../shared/runtime/errors.js";

const FILE = "identity.json";

export class Identity {
  /** The highest that was heard of `cluster`, noted or not. */
  private heard: bigint;

  private constructor(
    private readonly disk: Disk,
    private readonly path: string,
    private readonly agentId: string,
    readonly incarnation: bigint,
    private cluster: string,
    private epoch: bigint,
  ) {
    this.heard = epoch;
  }

  /** Reads what an earlier start noted in `dir`. Throws SaiError when the file cannot be read or says nothing. */
  static async open(disk: Disk, dir: string, agentId: string, incarnation: bigint): Promise<Identity> {
    const path = join(dir, FILE);
    const text = (await disk.read(path))?.toString("utf8");
    const noted = text === undefined ? { clusterId: "", epoch: 0n } : parse(path, text);
    return new Identity(disk, path, agentId, incarnation, noted.clusterId, noted.epoch);
  }

  /** Empty before this agent was ever welcomed. */
  get clusterId(): string {
    return this.cluster;
  }

  /** What every message says of its sender. */
  envelope(): { clusterId: string; epoch: bigint; agentId: string; incarnation: bigint } {
    return {
      clusterId: this.cluster,
      epoch: this.epoch,
      agentId: this.agentId,
      incarnation: this.incarnation,
    };
  }

  /** True if a message of that origin needs no `learn`. */
  knows(clusterId: string, epoch: bigint): boolean {
    return clusterId === this.cluster && epoch === this.epoch && epoch === this.heard;
  }

  /**
   * Takes in who speaks. Throws failed_precondition for a lower epoch or another cluster, and what the disk throws; then
   * nothing the message says may be acted on.
   */
  async learn(clusterId: string, epoch: bigint): Promise<void> {
    if (clusterId === "") {
      throw new SaiError("failed_precondition", "the coordinator does not say which cluster it belongs to");
    }
    if (this.cluster !== "" && clusterId !== this.cluster) {
      throw new SaiError(
        "failed_precondition",
        `this coordinator belongs to cluster ${clusterId}, this agent to ${this.cluster}`,
        {
          hint: `if the agent should move there, stop it, remove ${this.path}, and start it again; what it still holds for its old cluster is then set aside`,
        },
      );
    }
    if (epoch < this.heard) {
      throw new SaiError(
        "failed_precondition",
        `a message of epoch ${epoch} came after one of epoch ${this.heard}`,
        { hint: "an old coordinator still answers at this address; it no longer leads" },
      );
    }
    if (this.cluster !== "") this.heard = epoch; // invariant 4
    await this.disk.writeAtomic(this.path, `${JSON.stringify({ v: 1, clusterId, epoch: String(epoch) })}\n`);
    this.cluster = clusterId;
    this.epoch = epoch;
    if (epoch > this.heard) this.heard = epoch;
  }
}

function parse(path: string, text: string): { clusterId: string; epoch: bigint } {
  try {
    const { clusterId, epoch } = JSON.parse(text) as { clusterId?: unknown; epoch?: unknown };
    if (
      typeof clusterId === "string" &&
      clusterId !== "" &&
      typeof epoch === "string" &&
      /^\d{1,20}$/.test(epoch)
    )
      return { clusterId, epoch: BigInt(epoch) };
  } catch {
    // Said below.
  }
  throw new SaiError("failed_precondition", `${path} does not say which cluster this agent belongs to`, {
    hint: "restore it, or remove it to have the agent join afresh",
  });
}
