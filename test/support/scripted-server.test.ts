import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { SeenRequest } from "./scripted-server.js";

test("in its own process it takes a script, tells its write times, and ends with its stdin", async () => {
  const main = fileURLToPath(new URL("./scripted-server-main.ts", import.meta.url));
  const script = JSON.stringify({ models: [{ name: "m" }] });
  const child = spawn(process.execPath, ["--import", "tsx", main, script], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  const { url } = JSON.parse(line) as { url: string };

  const replies = [{ chunks: ["a", "b"], betweenMs: 20 }];
  await fetch(`${url}/__script`, { method: "POST", body: JSON.stringify({ replies }) });
  const beforeNs = Number(process.hrtime.bigint());
  const answer = await fetch(`${url}/v1/chat/completions`, { method: "POST", body: '{"model":"m"}' });
  expect(await answer.text()).toMatch(/"content":"a".*"content":"b".*\[DONE\]/s);
  const afterNs = Number(process.hrtime.bigint());
  const [seen] = (await (await fetch(`${url}/__requests`)).json()) as SeenRequest[];
  const [a = 0, b = 0] = seen?.writesNs ?? [];
  // One clock for both processes.
  expect([beforeNs, a, b, afterNs]).toEqual([beforeNs, a, b, afterNs].sort((x, y) => x - y));
  expect(b - a).toBeGreaterThan(15e6);

  child.stdin.end();
  expect(await once(child, "exit")).toEqual([0, null]);
});
