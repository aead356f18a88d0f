/** What is put together, and that order is kept. */
import { expect, test } from "vitest";
import { ManualClock } from "../../test/conformance/manual-clock.js";
import { BatchingPeer } from "./batching-peer.js";
import type { CoordinatorBody } from "./peer.js";

function batching() {
  const clock = new ManualClock();
  const sent: CoordinatorBody[] = [];
  const peer = new BatchingPeer({ send: (body) => sent.push(body), close: () => {} }, clock);
  const ack = (n: number) =>
    peer.send({
      $case: "commitAck",
      value: { verdicts: [{ fence: { epoch: 1n, n: BigInt(n) }, verdict: "COMMITTED" }] },
    });
  const cancel = (n: number, reason: string) =>
    peer.send({ $case: "cancel", value: { fences: [{ epoch: 1n, n: BigInt(n) }], graceMs: 1, reason } });
  const sizes = () =>
    sent.map((body) =>
      body.$case === "commitAck"
        ? body.value.verdicts.length
        : body.$case === "cancel"
          ? body.value.fences.length
          : body.$case,
    );
  return { clock, peer, ack, cancel, sizes };
}

test("acknowledgements of a few ms are one message", () => {
  const { clock, ack, sizes } = batching();
  for (let n = 0; n < 100; n += 1) ack(n);
  expect(sizes()).toEqual([]);
  clock.advance(2);
  expect(sizes()).toEqual([100]);
});

test("anything else sends what waits first", () => {
  const { ack, peer, sizes } = batching();
  ack(1);
  ack(2);
  peer.send({ $case: "ready", value: {} });
  expect(sizes()).toEqual([2, "ready"]);
});

test("cancellations share a message only with the same reason", () => {
  const { clock, cancel, sizes } = batching();
  cancel(1, "a");
  cancel(2, "a");
  cancel(3, "b");
  clock.advance(2);
  expect(sizes()).toEqual([2, 1]);
});

test("a message stays below its limit", () => {
  const { ack, clock, sizes } = batching();
  for (let n = 0; n < 2500; n += 1) ack(n);
  clock.advance(2);
  expect(sizes()).toEqual([1000, 1000, 500]);
});

test("what waits is sent before the stream is closed", () => {
  const { ack, peer, sizes } = batching();
  ack(1);
  peer.close();
  expect(sizes()).toEqual([1]);
});
