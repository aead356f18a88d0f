/**
 * The client of ours: a task is a campaign of one sample; at its end, which an event tells, its record is read, and its
 * answer compared with what was submitted.
 */
import { setMaxListeners } from "node:events";
import { connect } from "../../cli/client.js";
import { answer } from "../support/asking.js";
import { answerTo, Loop, loopQuestions, payloadOf } from "./loop.js";

const [, , address = ""] = process.argv;
const { signal } = new AbortController();
setMaxListeners(0, signal); // as many calls as there are tasks outstanding
const client = connect({ address, signal });
const tasks = new Map<string, number>();
/** Of campaigns whose create call has not been answered yet. */
const early = new Set<string>();

const suite = (payload: string): string =>
  JSON.stringify({
    schema: "sai/v1",
    name: "task",
    prompts: [{ id: "ask", template: "{{ input }}", output: "text" }],
    models: [{ id: "m", engine: "simulated" }],
    datasets: [{ id: "d", items: [{ input: payload, target: "a" }] }],
    metrics: ["exact_match"],
    run: { shard_size: 1 },
  });

async function read(campaignId: string, task: number): Promise<void> {
  const { recordsJson } = await client.listSamples({
    ...{ campaignId, jobId: "", status: "", pageSize: 1, pageToken: "" },
  });
  const { output } = JSON.parse(recordsJson[0] ?? "{}") as { output?: string };
  loop.done(task, output ?? "");
}

const loop = new Loop(
  async (task, payload) => {
    const spec = { suite: suite(payload), inputs: [], modelMap: {}, priority: 0, tenant: "" };
    const { id } = await client.createCampaign(spec, "");
    if (early.delete(id)) return read(id, task);
    tasks.set(id, task);
  },
  (task) => answerTo(payloadOf(task)),
);

async function listen(): Promise<void> {
  for await (const { kind, campaignId } of client.events({})) {
    if (!/^campaign\.(succeeded|partial|failed|cancelled)$/.test(kind)) continue;
    const task = tasks.get(campaignId);
    if (task === undefined) early.add(campaignId);
    else {
      tasks.delete(campaignId);
      void read(campaignId, task);
    }
  }
}

void listen();
await answer({ ready: async () => {}, ...loopQuestions(() => loop) });
process.exit();
