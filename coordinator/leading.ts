/** Becoming the leader, and the cluster's name. */
import type { Clock } from "../shared/runtime/clock.js";
import type { Logger } from "../shared/runtime/logger.js";
import type { Random } from "../shared/runtime/random.js";
import { write } from "./campaigns/parts.js";
import { absent, FencedStore, put } from "./store/fenced-store.js";
import { decode, keys } from "./store/keys.js";
import type { StateStore } from "./store/store.js";
import type { LeaderValue } from "./store/values.js";

/** Our leadership ends so long after the last renewal that was answered, less a margin (see client-lease.ts). */
const LEADER_TTL_MS = 6000;
const RETRY_MS = 1000;

/** Resolves when this coordinator leads; tries every second while another does. Rejects when `signal` aborts. */
export async function lead(
  state: StateStore,
  self: Omit<LeaderValue, "nonce">,
  parts: { clock: Clock; random: Random; log: Logger },
  signal: AbortSignal,
): Promise<FencedStore> {
  const { clock, random, log } = parts;
  let said = "";
  for (;;) {
    signal.throwIfAborted();
    const answer = await FencedStore.acquire(
      state,
      { ...self, nonce: random.id(20) },
      { ttlMs: LEADER_TTL_MS, clock },
    ).catch((err: unknown) => ({ kind: "failed" as const, err }));
    if (answer.kind === "acquired") return answer.store;
    const why =
      answer.kind === "failed"
        ? `the state store does not answer: ${answer.err}`
        : `another coordinator leads at ${answer.leader?.address ?? "an unknown place"}`;
    if (why !== said) log.warn({ why }, "waiting to lead");
    said = why;
    await clock.sleep(RETRY_MS, signal);
  }
}

/** The cluster's id, made with the first write of the first leader; `newId` makes it. */
export async function clusterIdOf(
  state: StateStore,
  store: FencedStore,
  clock: Clock,
  newId: () => string,
): Promise<string> {
  const { kv } = await state.get(keys.cluster.key);
  if (kv) return decode(keys.cluster.codec, kv).id;
  const id = newId();
  await write(
    { store, clock },
    { compare: [absent(keys.cluster)], ops: [put(keys.cluster, { id, createdMs: clock.wallMs() })] },
  );
  return id;
}
