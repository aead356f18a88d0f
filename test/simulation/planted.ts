/**
 * Bugs that the simulation must find: each a small change of a real file, and the invariant that gives it away. They
 * are kept so that the simulation cannot become blind unnoticed. Where a file changes so that a text is not found any
 * more, the bug is to be planted in the new text.
 */
import type { Patch } from "./build.js";
import type { Invariant } from "./violations.js";

export interface PlantedBug {
  name: string;
  patches: Patch[];
  /** Any of these names it. */
  caughtBy: Invariant[];
}

const bug = (
  name: string,
  file: string,
  find: string,
  replace: string,
  ...caughtBy: Invariant[]
): PlantedBug => ({ name, patches: [{ file, find, replace }], caughtBy });

export const PLANTED: readonly PlantedBug[] = [
  bug(
    "no fencing: writes do not compare the leader",
    "coordinator/store/fenced-store.ts",
    "compare: [createdAt(keys.leader, this.epoch), ...compares],",
    "compare: [...compares],",
    "only the leader writes",
  ),
  bug(
    "no epoch check: an agent listens to a deposed coordinator",
    "agent/session/identity.ts",
    "if (epoch < this.heard) {",
    "if (epoch < 0n) {",
    "a lower epoch is refused",
  ),
  bug(
    "the answer is given before the commit",
    "coordinator/campaigns/complete-attempt.ts",
    "const verdict = await parts.commits.commit(shard, result.gate, value);",
    'void parts.commits.commit(shard, result.gate, value).catch(() => {}); const verdict: Verdict = "COMMITTED";',
    "an acknowledgement follows its commit",
  ),
  bug(
    "a committed result is overwritten",
    "coordinator/campaigns/commit-queue.ts",
    "if (doneKey !== undefined) compare.set(doneKey.key, absent(doneKey));",
    "",
    "one done record per shard",
  ),
  bug(
    "a shard that comes back is not given out again",
    "coordinator/campaigns/board-job.ts",
    'if (after.kind === "PENDING") putBack(job, index, after, nowMs);',
    "",
    "the board adds up",
    "everything ends after healing",
  ),
  bug(
    "nodes are given up while the store is away",
    "coordinator/core.ts",
    "storeAnswers: () => store.answers(clock.nowMs()),",
    "storeAnswers: () => true,",
    "nothing expires while the store is away",
  ),
  bug(
    "no idempotency key: what it stands for is not looked at",
    "coordinator/campaigns/idempotency.ts",
    "if (idem !== undefined && !hasExpired(parts, idem)) {",
    "if (idem !== undefined && hasExpired(parts, idem)) {",
    "one campaign per idempotency key",
  ),
  bug(
    "a journal is removed before its result is answered",
    "agent/attempt/attempts.ts",
    "if (stored) this.parts.listener.finished(result);",
    "void this.dropJournal(held.assignment.fence); if (stored) this.parts.listener.finished(result);",
    "a journal is kept until it is answered",
  ),
  bug(
    "a result is committed after its job was sealed",
    "coordinator/campaigns/commit-queue.ts",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a file
    'compare.set(`${gateKey}=${gate}`, { key: gateKey, target: "create", op: "=", operand: gate });',
    "",
    "no commit after the gate is gone",
  ),
  bug(
    "a late parent counts beside its children",
    "coordinator/campaigns/poison.ts",
    "const verdict = await parts.commits.write({ shard, gate: job.gate, done, also });",
    "const verdict = await parts.commits.write({ shard, gate: job.gate, ...(single ? { done } : {}), also });",
    "one record per sample",
    "one done record per shard",
    "no late parent after a split",
  ),
  bug(
    "a result that lost is said to have won",
    "coordinator/campaigns/complete-attempt.ts",
    'return known.kind === "result" && known.fence === name ? "COMMITTED" : "SUPERSEDED";',
    'return "COMMITTED";',
    "an acknowledgement follows its commit",
  ),
  bug(
    "a gate that was there already is taken for a new one",
    "coordinator/campaigns/plan.ts",
    "if (gate !== undefined) open(job, gate); // invariant 1",
    "if (gate !== undefined) open(job, answer.rev);",
    "everything ends after healing",
  ),
  bug(
    "a device is granted once too often",
    "agent/leases/device-ledger.ts",
    "this.used(d.uuid) < d.slots",
    "this.used(d.uuid) <= d.slots",
    "no device is granted twice",
  ),
  bug(
    "many nodes that are silent at once are given up at once",
    "coordinator/sessions/brake-state.ts",
    "gone >= limits.lossMin && gone > limits.lossShare * fleet",
    "gone < 0",
    "a mass loss is held up",
  ),
  bug(
    "credits are not counted down",
    "coordinator/sessions/fleet.ts",
    "sent: credit.sent + 1n",
    "sent: credit.sent",
    "credits are not overdrawn",
  ),
  bug(
    "a job whose times are compared runs anywhere",
    "coordinator/outlook.ts",
    "...this.classFor(job),",
    "",
    "times are compared on one class",
  ),
  bug(
    "a new leader does not see on which class a job was begun",
    "coordinator/outlook.ts",
    "this.begunOn.get(job) ?? this.begunBefore(job);",
    "this.begunOn.get(job);",
    "times are compared on one class",
  ),
  bug(
    "a shard is duplicated again and again",
    "coordinator/scheduling.ts",
    "entry.duplicated.add(index);",
    "",
    "one duplicate at most",
  ),
  bug(
    "jobs whose times are compared have duplicates",
    "coordinator/tail.ts",
    "return !isTimed(spec) && !maySample(spec);",
    "return !maySample(spec);",
    "times and samples have no duplicates",
  ),
  bug(
    "a duplicate that fails is charged to its shard",
    "coordinator/campaigns/shard-steps.ts",
    'if (event.kind === "accept" || event.kind === "start" || event.kind === "upload") return [];',
    'if (event.kind === "accept" || event.kind === "start" || event.kind === "upload") return []; if (event.kind === "fail") { job.failed.set(attemptKey(index, event.fence), { agent: twin.agent, class: event.class, message: "" }); return [{ kind: "record_failure", fence: event.fence, class: event.class, reason: "" }]; }',
    "duplicates are charged to nobody",
  ),
  bug(
    "a quarantined node is given work",
    "coordinator/scheduler/feasible.ts",
    "return quarantined ?",
    "return quarantined && state === undefined ?",
    "a quarantined node gets nothing new",
  ),
  bug(
    "any number of nodes may be quarantined",
    "coordinator/sessions/node-health.ts",
    "if ([...this.quarantined].filter(isAble).length >= mostQuarantined(nodes, limits)) {",
    "if (this.quarantined.size < 0) {",
    "few nodes are quarantined at once",
  ),
  bug(
    "a new leader does not know who is quarantined",
    "coordinator/core.ts",
    "for (const value of found.quarantines) health.restore(value);",
    "",
    "a quarantine outlives its leader",
  ),
  bug(
    "a tenant gets more shards than its quota",
    "coordinator/scheduler/draft.ts",
    "quota.known ? quota.most - quota.has : 0",
    "quota.most - quota.has + 1",
    "quotas are kept",
  ),
  bug(
    "what is on its way is not counted towards a budget",
    "shared/benchmark/budget.ts",
    "return spent + onTheWay + next <= most * ROUNDING;",
    "return spent + 0 * onTheWay + next <= most * ROUNDING;",
    "budgets are kept",
  ),
  bug(
    "campaigns on their way to the store are not counted",
    "coordinator/campaigns/quotas.ts",
    "this.coming.set(tenant, coming + 1);",
    "",
    "quotas are kept",
  ),
  bug(
    "what an agent still has is not taken back by a new leader",
    "coordinator/sessions/hello.ts",
    'shardEvent(campaigns, shard, { kind: "adopt", fence, agent: node.id, running });',
    "void running;",
    "what an agent keeps is its own",
  ),
  bug(
    "a campaign's steps do not take turns",
    "coordinator/campaigns/lifecycle.ts",
    "const mine = (turns.turn ?? Promise.resolve()).then(step);",
    "const mine = Promise.resolve().then(step);",
    "terminal states stay terminal",
    "no commit after the gate is gone",
    "everything ends after healing",
  ),
];
