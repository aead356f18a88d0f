/** The artifact store: one set of blobs for everybody, reached over a network of its own that may be slow or away. */
import type { ArtifactStore } from "../../shared/artifacts/store.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Process } from "./process.js";
import type { SeededRandom } from "./random.js";

export class SimulatedArtifacts {
  readonly blobs = new Map<string, Buffer>();
  /** Who cannot reach it now; "*" stands for everybody. */
  readonly away = new Set<string>();
  /** Share of answers to puts that are lost after the blob was stored. */
  lostReplies = 0;
  slowness = 1;

  constructor(private readonly random: SeededRandom) {}

  /** The store as a process of `host` sees it. */
  of(process: Process, host: string): ArtifactStore {
    const asks = <T>(what: string, act: () => T): Promise<T> =>
      process.asks(`artifacts.${what}`, this.random.between(0.5, 8) * this.slowness, () => {
        if (this.away.has("*") || this.away.has(host)) throw unavailable(`${what}: it does not answer`);
        return act();
      });
    return {
      location: "simulated",
      put: (key, data) => asks("put", () => this.put(key, Buffer.from(data))),
      get: (key) => asks("get", () => this.get(key)),
      size: (key) => asks("size", () => this.blobs.get(key)?.byteLength),
      remove: (key) => asks("remove", () => void this.blobs.delete(key)),
    };
  }

  private put(key: string, data: Buffer): void {
    const known = this.blobs.get(key);
    if (known !== undefined && !known.equals(data)) {
      throw new SaiError("already_exists", `${key} holds other bytes already`);
    }
    this.blobs.set(key, data);
    if (this.random.chance(this.lostReplies)) throw unavailable(`put ${key}: the answer was lost`);
  }

  private get(key: string): Buffer {
    const data = this.blobs.get(key);
    if (data === undefined) throw new SaiError("not_found", `there is no artifact ${key}`);
    return data;
  }
}

const unavailable = (what: string): SaiError =>
  new SaiError("unavailable", `the artifact store cannot be used: ${what}`);
