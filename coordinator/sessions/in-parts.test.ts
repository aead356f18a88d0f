/** No message to an agent is larger than 256 KiB, whatever there is to say. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { CoordinatorMessage } from "../../shared/gen/sai/agent/v1/session.js";
import { ManualClock } from "../../test/conformance/manual-clock.js";
import { type AttemptOrder, sendOrders } from "./assign.js";
import { BatchingPeer } from "./batching-peer.js";
import { inParts } from "./in-parts.js";
import type { CoordinatorBody } from "./peer.js";

const LIMIT = 256 * 1024;
const MOST = 2n ** 64n - 1n;
const clusterId = "c".repeat(36);
const wire = (body: CoordinatorBody) =>
  CoordinatorMessage.encode({ clusterId, epoch: MOST, body }).finish().byteLength;

/** What is sent to a peer, batched as for an agent. */
function sending(send: (peer: BatchingPeer) => void): CoordinatorBody[] {
  const sent: CoordinatorBody[] = [];
  const clock = new ManualClock();
  const peer = new BatchingPeer({ send: (body) => void sent.push(body), close: () => {} }, clock);
  send(peer);
  peer.close();
  return sent;
}

const uint32 = fc.nat(2 ** 32 - 1);
const order: fc.Arbitrary<AttemptOrder> = fc.record({
  fence: fc.record({ epoch: fc.bigInt(0n, MOST), n: fc.bigInt(0n, MOST) }),
  shard: fc.record({
    ...{ campaign: fc.string({ maxLength: 40 }), job: fc.string({ maxLength: 10 }) },
    ...{ index: uint32, first: uint32, count: uint32 },
  }),
  gate: fc.bigInt(0n, MOST),
  planSha256: fc.constant("a".repeat(64)),
  lane: fc.constantFrom("cpu", "remote", "x".repeat(30)),
  model: fc.string({ unit: "binary", maxLength: 200 }),
  deadlineMs: fc.nat(2 ** 40),
  attempt: uint32,
  suspects: fc.array(uint32, { maxLength: 300 }),
});

test("orders come in their order, in messages below the limit, whatever is in them", () => {
  fc.assert(
    fc.property(
      fc.array(order, { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 60 }),
      (some, times) => {
        const orders = Array.from({ length: times }, () => some).flat();
        const sent = sending((peer) => sendOrders({ peer }, orders));
        for (const body of sent) expect(wire(body)).toBeLessThanOrEqual(LIMIT);
        const came = sent.flatMap((body) => (body.$case === "assign" ? body.value.assignments : []));
        expect(came).toEqual(orders);
      },
    ),
    { numRuns: 60 },
  );
});

test("orders as large as they can be fill a message and no more", () => {
  const most = 2 ** 32 - 1;
  const orders = Array.from({ length: 2000 }, () => ({
    ...{ fence: { epoch: MOST, n: MOST }, gate: MOST, planSha256: "a".repeat(64), lane: "界".repeat(30) },
    shard: { campaign: "界".repeat(40), job: "界".repeat(10), index: most, first: most, count: most },
    ...{ model: "界".repeat(300), deadlineMs: 2 ** 40, attempt: most, suspects: Array(400).fill(most) },
  }));
  const bytes = sending((peer) => sendOrders({ peer }, orders)).map(wire);
  expect(Math.max(...bytes)).toBeLessThanOrEqual(LIMIT);
  expect(Math.max(...bytes)).toBeGreaterThan(0.9 * LIMIT);
});

test("10,000 orders of the usual size are no more messages than they must be", () => {
  const orders = Array.from({ length: 10_000 }, (_, i) => ({
    ...{ fence: { epoch: 12n, n: BigInt(i) }, gate: 1234n, planSha256: "a".repeat(64), lane: "cpu" },
    shard: { campaign: "c-01m83jjxe1-jnl8df", job: "j0000", index: i, first: i, count: 1 },
    ...{ model: "ollama:some-model:8b", deadlineMs: 900_000, attempt: 0, suspects: [] },
  }));
  const sent = sending((peer) => sendOrders({ peer }, orders));
  const bytes = sent.map(wire);
  expect(Math.max(...bytes)).toBeLessThanOrEqual(LIMIT);
  expect(sent.length).toBeLessThanOrEqual(20);
  expect(sending((peer) => sendOrders({ peer }, []))).toEqual([]);
});

test.each(["retract", "cancel", "commitAck"] as const)("a %s of 30,000 is sent in parts", (kind) => {
  const fences = Array.from({ length: 30_000 }, (_, i) => ({ epoch: MOST, n: MOST - BigInt(i) }));
  const body: CoordinatorBody =
    kind === "commitAck"
      ? { $case: kind, value: { verdicts: fences.map((fence) => ({ fence, verdict: "SUPERSEDED" })) } }
      : kind === "cancel"
        ? { $case: kind, value: { fences, graceMs: 1, reason: "r" } }
        : { $case: kind, value: { fences } };
  const sent = sending((peer) => peer.send(body));
  for (const part of sent) expect(wire(part)).toBeLessThanOrEqual(LIMIT);
  const came = sent.flatMap((part) =>
    part.$case === "commitAck"
      ? part.value.verdicts.map(({ fence }) => fence)
      : part.$case === "retract" || part.$case === "cancel"
        ? part.value.fences
        : [],
  );
  expect(came).toEqual(fences);
});

test("one entry that is larger than a message still goes, alone", () => {
  expect(inParts([1, 10 ** 9, 2], (bytes) => bytes)).toEqual([[1], [10 ** 9], [2]]);
  expect(inParts([], () => 1)).toEqual([]);
});
