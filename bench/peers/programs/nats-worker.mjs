// NATS JetStream: a task is acknowledged once its result is stored.
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const { port, support } = JSON.parse(process.argv[2]);
const { Executed } = await import(`${support}/loop.js`);
const { answer } = await import(`${support}/../support/asking.js`);

const executed = new Executed();
const js = jetstream(await connect({ servers: `127.0.0.1:${port}` }));
const messages = await (await js.consumers.get("tasks", "tasks")).consume({ max_messages: 500 });
(async () => {
  for await (const message of messages) {
    const payload = message.string();
    executed.add(Number(payload));
    js.publish("results", `${message.seq} ${payload}`).then(() => message.ack());
  }
})();
await answer({ ready: async () => {}, counts: async () => executed.counted });
process.exit();
