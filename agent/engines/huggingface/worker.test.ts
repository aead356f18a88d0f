/** What the agent keeps of a worker's tokens. The worker is a STAND-IN: two pipes of this process. */
import { PassThrough } from "node:stream";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { systemClock } from "../../../shared/runtime/clock.js";
import { never } from "../../../test/support/inference.js";
import type { RunningProgram } from "../../processes/processes.js";
import { Worker } from "./worker.js";

const LOADED = {
  ...{ event: "loaded", versions: { torch: "2", transformers: "5" }, architecture: "StandIn", sees: false },
  ...{ parameters: 1, weight_bytes: 1, dtype: "float32", devices: ["cpu"], gguf: null, commit: null },
  ...{ pinned: true, chat_template: true, threads: 1, digest: "d", after_load_ns: 0 },
};
const TOKENS = 50_000;

/** Says `TOKENS` tokens to each request, each in a moment of its own. */
function standIn(): RunningProgram {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  const say = (event: object) => stdout.write(`${JSON.stringify(event)}\n`);
  stdin.on("data", (piece: Buffer) => {
    const { op, id } = JSON.parse(piece.toString());
    if (op === "load") say(LOADED);
    if (op !== "generate") return;
    let n = 0;
    const next = () => {
      n += 1;
      say({ event: "token", id, n, text: "x", t_ns: n });
      if (n < TOKENS) setImmediate(next);
      else
        say({
          event: "done",
          id,
          text: "",
          finish: "stop",
          tokens_in: 1,
          tokens_out: n,
          flags: [],
          figures: {},
        });
    };
    next();
  });
  const ended = new Promise<never>(() => {});
  return {
    pid: 1,
    stdio: { stdin, stdout } as never,
    ended,
    end: undefined,
    said: () => "",
    mark: () => 0,
    stop: async () => [],
  };
}

test("of a token that was handed on nothing is kept", async () => {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  const heap = () => {
    gc();
    return process.memoryUsage().heapUsed;
  };
  const program = { name: "stand-in", path: "x", args: [], env: {} };
  const plan = { program, load: { op: "load" } as never, loadTimeoutMs: 10_000, secrets: [] };
  const processes = { start: async () => standIn() };
  const { worker } = await Worker.start(plan, { processes, clock: systemClock }, never());
  const ask = async () => {
    for await (const _ of worker.generate({ user: "x", images: [], settings: {} }, never()));
  };
  await ask();
  const before = heap();
  await ask();
  expect((heap() - before) / TOKENS).toBeLessThan(50); // bytes
  await worker.stop();
});
