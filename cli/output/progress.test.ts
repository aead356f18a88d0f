import { expect, test } from "vitest";
import { Campaign, CampaignState } from "../client.js";
import { painter } from "./color.js";
import { plainProgress, progressLines, ttyProgress } from "./progress.js";
import { displayWidth } from "./width.js";

function campaign(done: number, state = CampaignState.RUNNING, failed = 0): Campaign {
  const progress = { samples: 40, samplesDone: done, samplesFailed: failed };
  const job = { id: "j0000", model: "m", prompt: "p", dataset: "d", state: "running", progress };
  return Campaign.fromPartial({ id: "c1", state, progress, jobs: [job], waiting: [] });
}

test("without a terminal: a line per change of state, otherwise one every 10 s", () => {
  const lines: string[] = [];
  let nowMs = 0;
  const progress = plainProgress(
    (line) => lines.push(line),
    () => nowMs,
  );
  progress.update(campaign(0, CampaignState.PLANNED));
  progress.update(campaign(1));
  for (let i = 2; i < 30; i += 1) {
    nowMs += 500;
    progress.update(campaign(i));
  }
  progress.update(campaign(40, CampaignState.SUCCEEDED));
  expect(lines).toEqual([
    "planned: 0/40 samples, 0.0 s",
    "running: 1/40 samples, 0.0 s",
    "running: 21/40 samples, 10 s",
    "succeeded: 40/40 samples, 14 s",
  ]);
});

test("on a terminal: redrawn in place, at most every 100 ms, the newest state last", () => {
  let text = "";
  let nowMs = 0;
  const progress = ttyProgress(
    (part) => {
      text += part;
    },
    () => nowMs,
    () => 80,
    painter(false),
  );
  progress.update(campaign(1));
  expect(text).not.toContain("\u001b[2A");
  const first = text.length;
  nowMs = 50;
  progress.update(campaign(2));
  expect(text.length).toBe(first);
  nowMs = 150;
  progress.update(campaign(3));
  expect(text.slice(first).startsWith("\u001b[2A")).toBe(true);
  progress.update(campaign(4));
  progress.end();
  expect(text).toContain("running: 4/40 samples");
});

test("no line is wider than the terminal, whatever the names", () => {
  const wide = campaign(7, CampaignState.RUNNING, 3);
  for (const job of wide.jobs) job.model = "日本語モデル".repeat(20);
  const lines = progressLines(wide, 1000, 79, painter(true));
  expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(79);
  expect(lines.join("\n")).toContain("3 failed");
});

test("many jobs: the open ones are shown, the others counted", () => {
  const many = campaign(0);
  const [job] = many.jobs;
  if (!job) throw new Error("no job");
  many.jobs = Array.from({ length: 30 }, (_, i) => ({
    ...job,
    model: `m${i}`,
    progress: {
      samples: 2,
      samplesDone: i < 20 ? 2 : 0,
      samplesFailed: 0,
      samplesRunning: 0,
      shards: 1,
      shardsDone: 0,
    },
  }));
  const lines = progressLines(many, 0, 100, painter(false));
  expect(lines).toHaveLength(12);
  expect(lines[0]).toContain("m20");
  expect(lines).toContain("… 20 more jobs");
});

test("what a running campaign waits for is said", () => {
  const waiting = { ...campaign(0), waiting: ["no agent has the engine ollama"] };
  expect(progressLines(waiting, 0, 100, painter(false)).at(-1)).toContain("no agent has the engine ollama");
});

test("on a terminal a note stands above what is redrawn, and is never drawn over", () => {
  let text = "";
  const progress = ttyProgress(
    (part) => {
      text += part;
    },
    () => 0,
    () => 80,
    painter(false),
  );
  progress.update(campaign(1));
  const before = text.length;
  progress.note("waiting: no node");
  const added = text.slice(before);
  expect(added.startsWith("\u001b[2A\u001b[0Jwaiting: no node\n")).toBe(true);
  expect(added.split("\u001b[2A")).toHaveLength(2);
  expect(added).toContain("running: 1/40 samples");
});
