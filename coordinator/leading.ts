/** Becoming the leader, and the cluster's name. */
import type { Clock } from "../shared/runtime/clock.js";
import { ForeignVersion } from "../shared/runtime/foreign-version.js";
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

interface LeadParts {
  clock: Clock;
  random: Random;
  log: Logger;
  /** Until then (monotonic ms) others may have it. */
  notBeforeMs?: number;
  /** Hears the cluster that the store is of before we lead in it, and once for each leader; throws to refuse it. */
  belongs?(clusterId: string | undefined): void;
  /** Hears who leads each time the store says it; undefined: nobody. */
  seen?(leader: LeaderValue | undefined): Promise<void>;
}

/**
 * Resolves when this coordinator leads; looks every second while another does, which costs the store one read. Rejects
 * when `signal` aborts, when the store is one that cannot answer any more, and with what `belongs` throws.
 */
export async function lead(
  state: StateStore,
  self: Omit<LeaderValue, "nonce">,
  { clock, random, log, seen, belongs, notBeforeMs = 0 }: LeadParts,
  signal: AbortSignal,
): Promise<FencedStore> {
  let said = "";
  let checked: string | undefined;
  const check = async (leader: LeaderValue | undefined) => {
    if (belongs === undefined || (leader !== undefined && leader.nonce === checked)) return;
    const clusterId = await knownClusterId(state);
    try {
      belongs(clusterId);
    } catch (error) {
      throw new Refused(error);
    }
    checked = leader?.nonce;
  };
  for (;;) {
    signal.throwIfAborted();
    const mayLead = clock.nowMs() >= notBeforeMs;
    const answer = await tryToLead(
      state,
      { ...self, nonce: random.id(20) },
      { clock, mayLead, check, signal },
    ).catch((err: unknown) => {
      if (err instanceof Refused) throw err.cause;
      return { kind: "failed" as const, err };
    });
    if (answer.kind === "acquired") return answer.store;
    const leader = "leader" in answer ? answer.leader : undefined;
    // A store that does not answer us says nothing of who leads.
    if (answer.kind !== "failed")
      await seen?.(leader).catch((err: unknown) =>
        log.debug({ err }, "the cluster's name cannot be read yet"),
      );
    const why =
      answer.kind === "failed"
        ? answer.err instanceof ForeignVersion
          ? `${answer.err.message}; ${answer.err.hint}`
          : `the state store does not answer: ${answer.err}`
        : leader === undefined
          ? "no coordinator leads, and another may have it first"
          : `another coordinator leads at ${leader.address}`;
    if (why !== said) log.warn({ why }, "waiting to lead");
    said = why;
    await clock.sleep(RETRY_MS, signal);
  }
}

/** The store is not ours. */
class Refused extends Error {
  constructor(cause: unknown) {
    super("the state store is not ours", { cause });
  }
}

async function tryToLead(
  state: StateStore,
  self: LeaderValue,
  {
    clock,
    mayLead,
    check,
    signal,
  }: {
    clock: Clock;
    mayLead: boolean;
    check(leader: LeaderValue | undefined): Promise<void>;
    signal: AbortSignal;
  },
) {
  const { kv } = await state.get(keys.leader.key, { signal });
  const leader = kv && decode(keys.leader.codec, kv);
  await check(leader);
  if (leader) return { kind: "held" as const, leader };
  if (!mayLead) return { kind: "held" as const };
  return FencedStore.acquire(state, self, { ttlMs: LEADER_TTL_MS, clock });
}

/** The cluster's id, if it has one yet. */
export async function knownClusterId(state: StateStore): Promise<string | undefined> {
  const { kv } = await state.get(keys.cluster.key);
  return kv && decode(keys.cluster.codec, kv).id;
}

/** The cluster's id, made with the first write of the first leader; `newId` makes it. */
export async function clusterIdOf(
  state: StateStore,
  store: FencedStore,
  clock: Clock,
  newId: () => string,
): Promise<string> {
  const known = await knownClusterId(state);
  if (known !== undefined) return known;
  const id = newId();
  await write(
    { store, clock },
    { compare: [absent(keys.cluster)], ops: [put(keys.cluster, { id, createdMs: clock.wallMs() })] },
  );
  return id;
}
