import { expect, test } from "vitest";
import { agreed, PROTOCOL, spokenText } from "./protocol.js";

const spoken = (oldest: number, newest: number) => ({ oldest, newest });

test.each([
  [spoken(4, 5), spoken(4, 5), 5],
  [spoken(3, 4), spoken(4, 5), 4],
  [spoken(5, 6), spoken(4, 5), 5],
  [spoken(3, 3), spoken(4, 5), "peer_behind"],
  [spoken(6, 7), spoken(4, 5), "self_behind"],
  [spoken(0, 0), PROTOCOL, "peer_behind"],
])("a peer of %j and one of %j: %j", (peer, own, answer) => {
  expect(agreed(peer, own)).toBe(answer);
});

test("this program speaks its own version and the one before", () => {
  expect(PROTOCOL.newest - PROTOCOL.oldest).toBe(1);
  expect([spokenText(spoken(1, 1)), spokenText(spoken(1, 2))]).toEqual(["1", "1 to 2"]);
});
