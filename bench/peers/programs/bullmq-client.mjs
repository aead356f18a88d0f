// BullMQ: a task is added to a queue; its end and what it returned come as an event.
import { Queue, QueueEvents } from "bullmq";

const { port, support } = JSON.parse(process.argv[2]);
const { Loop, loopQuestions } = await import(`${support}/loop.js`);
const { answer } = await import(`${support}/../support/asking.js`);

const connection = { host: "127.0.0.1", port };
const queue = new Queue("tasks", { connection });
const events = new QueueEvents("tasks", { connection });
await events.waitUntilReady();
const options = (id) => ({ jobId: `t${id}`, removeOnComplete: true, removeOnFail: true });
const loop = new Loop((id, payload) => queue.add("noop", payload, options(id)));
events.on("completed", ({ jobId, returnvalue }) => loop.done(Number(jobId.slice(1)), returnvalue));
await answer({ ready: async () => {}, ...loopQuestions(() => loop) });
process.exit();
