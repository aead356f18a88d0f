import { expect, test } from "vitest";
import { Campaign, ExplainCampaignResponse } from "../client.js";
import { painter } from "./color.js";
import { whyLines } from "./why-text.js";

const style = { paint: painter(false), wide: false };
const why = (more: object) =>
  ExplainCampaignResponse.fromPartial({ campaign: Campaign.fromPartial({ id: "c1" }), ...more });
const nodes = (message: string, ids: string[], count = ids.length) => ({
  ...{ reason: { code: "x", message }, count },
  nodes: ids,
});

test("nothing holds it back", () => {
  expect(whyLines(why({}), style)).toEqual(["nothing holds it back"]);
});

test("what holds the whole, then each job with where it runs and what keeps the others from it", () => {
  const jobs = [
    {
      jobId: "j0000",
      ...{ shardsReady: 4, shardsBackingOff: 1, shardsRunning: 2, shardsDone: 9 },
      reasons: [{ code: "busy", message: "all 2 nodes that can run ollama:m are busy" }],
      nodes: [nodes("is cordoned", ["a", "c"]), nodes("has no engine ollama", ["d", "e", "f"], 40)],
      placements: [
        { node: "b", attempts: 2, why: "stays" },
        { node: "g", attempts: 1, why: "" },
      ],
    },
  ];
  const reasons = [{ code: "paused", message: "it is paused: the server room is hot" }];
  expect(whyLines(why({ jobs, reasons }), style)).toEqual([
    "why: it is paused: the server room is hot",
    "",
    "job j0000",
    "  shards   4 could start now, 1 wait before they are tried again, 2 on nodes, 9 done",
    "  waits    all 2 nodes that can run ollama:m are busy",
    "  NODES                WHAT",
    "  b                    runs 2: the node stays on its model",
    "  g                    runs 1",
    "  a, c                 is cordoned",
    "  d, e, f and 37 more  has no engine ollama",
  ]);
});

test("jobs with the same story are told once, and a long list is cut unless it is asked for whole", () => {
  const placements = Array.from({ length: 20 }, (_, i) => ({ node: `n${i}`, attempts: 1, why: "loads" }));
  const job = (jobId: string) => ({ jobId, shardsReady: 1, placements });
  const lines = whyLines(why({ jobs: [job("j0"), job("j1")] }), style);
  expect(lines[0]).toBe("jobs j0, j1");
  expect(lines.filter((line) => line.includes("loads this one"))).toHaveLength(12);
  expect(lines.at(-1)).toBe("  … 8 more; -o wide shows all");
  const wide = whyLines(why({ jobs: [job("j0")] }), { ...style, wide: true });
  expect(wide.filter((line) => line.includes("loads this one"))).toHaveLength(20);
});
