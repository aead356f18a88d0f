/**
 * The other side of the comparison: slots that post a chat, read its events with Node's own HTTP client, note the first
 * and the last that has text, and do nothing else. A process of its own, as the load generator is.
 *
 * It takes one `BareRequest` from its stdin and prints the requests it made in the window.
 */
import { Agent, request } from "node:http";
import { createInterface } from "node:readline";
import type { Seen } from "./figures.js";

export interface BareRequest {
  url: string;
  /** What makes a body: around its key. */
  head: string;
  tail: string;
  atOnce: number;
  seconds: number;
  /** Most requests. */
  most: number;
}

const nowNs = (): number => Number(process.hrtime.bigint());

function one(about: BareRequest, agent: Agent, key: string): Promise<Seen> {
  const body = `${about.head}[${key}] ${about.tail}`;
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const sentNs = nowNs();
    const sent = request(about.url, { method: "POST", agent, headers }, (response) => {
      let rest = "";
      let [firstNs, lastNs, tokens] = [0, 0, 0];
      response.on("error", reject);
      response.on("data", (piece: Buffer) => {
        const atNs = nowNs();
        const lines = (rest + piece.toString()).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
          const event = JSON.parse(line.slice(6)) as Event;
          tokens = event.usage?.completion_tokens ?? tokens;
          if (!event.choices[0]?.delta.content) continue;
          if (firstNs === 0) firstNs = atNs;
          lastNs = atNs;
        }
      });
      response.on("end", () => resolve({ key, sentNs, firstNs, lastNs, doneNs: nowNs(), tokens }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

interface Event {
  choices: { delta: { content?: string } }[];
  usage?: { completion_tokens: number };
}

async function run(about: BareRequest): Promise<Seen[]> {
  const agent = new Agent({ keepAlive: true });
  const seen: Seen[] = [];
  let next = 0;
  // As the load generator: connections and code are warm when it begins.
  await Promise.all(Array.from({ length: 8 }, (_, i) => one(about, agent, `warm ${i}`)));
  const untilNs = nowNs() + about.seconds * 1e9;
  const slot = async () => {
    while (nowNs() < untilNs && next < about.most) seen.push(await one(about, agent, `bare ${next++}`));
  };
  await Promise.all(Array.from({ length: about.atOnce }, slot));
  agent.destroy();
  return seen;
}

for await (const line of createInterface(process.stdin)) {
  process.stdout.write(`${JSON.stringify(await run(JSON.parse(line) as BareRequest))}\n`);
}
