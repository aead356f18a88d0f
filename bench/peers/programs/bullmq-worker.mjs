// BullMQ: gives each task back as it came.
import { Worker } from "bullmq";

const { port, support, concurrency } = JSON.parse(process.argv[2]);
const { Executed } = await import(`${support}/loop.js`);
const { answer } = await import(`${support}/../support/asking.js`);

const executed = new Executed();
const run = async ({ data }) => {
  executed.add(Number(data));
  return data;
};
const worker = new Worker("tasks", run, { connection: { host: "127.0.0.1", port }, concurrency });
await worker.waitUntilReady();
await answer({ ready: async () => {}, counts: async () => executed.counted });
process.exit();
