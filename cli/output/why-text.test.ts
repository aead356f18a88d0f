import { expect, test } from "vitest";
import { Campaign, ExplainCampaignResponse } from "../client.js";
import { painter } from "./color.js";
import { whyLines } from "./why-text.js";

const style = { paint: painter(false), wide: false };
const why = (more: object) =>
  ExplainCampaignResponse.fromPartial({ campaign: Campaign.fromPartial({ id: "c1" }), ...more });
const node = (id: string, able: boolean, message: string, running = 0) => ({
  ...{ node: id, able, running },
  reason: { code: "x", message },
});

test("nothing holds it back", () => {
  expect(whyLines(why({}), style)).toEqual(["nothing holds it back"]);
});

test("what holds the whole, then each job with its nodes; those that could take it first", () => {
  const jobs = [
    {
      jobId: "j0000",
      ...{ shardsReady: 4, shardsBackingOff: 1, shardsRunning: 2, shardsDone: 9 },
      reasons: [{ code: "busy", message: "all 2 nodes that can run ollama:m are busy" }],
      nodes: [node("a", false, "is cordoned: new driver"), node("b", true, "no free slot", 2)],
    },
  ];
  const reasons = [{ code: "paused", message: "it is paused: the server room is hot" }];
  expect(whyLines(why({ jobs, reasons }), style)).toEqual([
    "held: it is paused: the server room is hot",
    "",
    "job j0000",
    "  shards   4 could start now, 1 wait before they are tried again, 2 on nodes, 9 done",
    "  waits    all 2 nodes that can run ollama:m are busy",
    "  NODE  ABLE  RUNS  WHY",
    "  b     yes      2  no free slot",
    "  a     no       0  is cordoned: new driver",
  ]);
});

test("jobs with the same story are told once, and a long fleet is cut unless it is asked for whole", () => {
  const nodes = Array.from({ length: 20 }, (_, i) => node(`n${i}`, false, "has no engine ollama"));
  const job = (jobId: string) => ({ jobId, shardsReady: 1, nodes });
  const lines = whyLines(why({ jobs: [job("j0"), job("j1")] }), style);
  expect(lines[0]).toBe("jobs j0, j1");
  expect(lines.filter((line) => line.includes("has no engine"))).toHaveLength(12);
  expect(lines.at(-1)).toBe("  … 8 more nodes; -o wide shows all");
  const wide = whyLines(why({ jobs: [job("j0")] }), { ...style, wide: true });
  expect(wide.filter((line) => line.includes("has no engine"))).toHaveLength(20);
});
