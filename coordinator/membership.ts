/**
 * Which cluster this coordinator belongs to. A store that several machines can reach may be the wrong one: that of
 * another region, or one that somebody emptied or set up anew. Leading there would say of every campaign that it never
 * was; so the cluster's id is noted in the data folder, and compared before anything is written.
 *
 * 1. A coordinator never writes to a store of another cluster than it has noted, nor to an empty one once it has noted one.
 * 2. It notes the first cluster that it leads or follows in, and no other.
 */
import { join } from "node:path";
import type { Disk } from "../shared/runtime/disk.js";
import { SaiError } from "../shared/runtime/errors.js";

const FILE = "cluster.json";

export class Membership {
  private constructor(
    private readonly disk: Disk,
    /** Undefined for a store that is in the data folder itself or in memory, which cannot be another's. */
    private readonly dir: string | undefined,
    private noted: string | undefined,
  ) {}

  /** Reads what an earlier start noted in `dir`. Throws SaiError when it cannot be read. */
  static async open(disk: Disk, dir: string | undefined): Promise<Membership> {
    const text = dir === undefined ? undefined : await disk.read(join(dir, FILE));
    return new Membership(disk, dir, text === undefined ? undefined : idOf(text.toString("utf8"), dir));
  }

  /** Throws SaiError `config` if the store, whose cluster is `found` (undefined: it has none yet), is not ours. */
  check(found: string | undefined): void {
    if (this.dir === undefined || this.noted === undefined || found === this.noted) return;
    const path = join(this.dir, FILE);
    const move = `if this coordinator should serve it all the same, stop it, remove ${path}, and start it again`;
    if (found !== undefined)
      throw new SaiError(
        "config",
        `this state store belongs to cluster ${found}, this coordinator to ${this.noted}`,
        { hint: `look at store.endpoints; ${move}` },
      );
    throw new SaiError(
      "config",
      `this state store is newly initialised and has no campaigns; this coordinator belongs to cluster ${this.noted}`,
      { hint: `look at store.endpoints, or restore the store from its snapshot; ${move}` },
    );
  }

  /** Notes the cluster, once. Throws what the disk throws. */
  async join(id: string): Promise<void> {
    if (this.dir === undefined || this.noted !== undefined) return;
    this.noted = id; // invariant 2
    await this.disk.mkdir(this.dir);
    await this.disk.writeAtomic(join(this.dir, FILE), `${JSON.stringify({ v: 1, clusterId: id })}\n`);
  }
}

function idOf(text: string, dir: string | undefined): string {
  try {
    const { clusterId } = JSON.parse(text) as { clusterId?: unknown };
    if (typeof clusterId === "string" && clusterId !== "") return clusterId;
  } catch {
    // Said below.
  }
  throw new SaiError(
    "config",
    `${join(dir ?? "", FILE)} does not say which cluster this coordinator belongs to`,
    {
      hint: "restore it, or remove it to have the coordinator join afresh",
    },
  );
}
