/** After stop nothing is left that keeps a process alive, and what could not start leaves nothing either. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { startFleet } from "../support/fleet.js";

test("a process that starts and stops a coordinator and an agent ends by itself", async () => {
  const main = fileURLToPath(new URL("../support/start-stop-main.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", main], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (text) => {
    said += text;
  });
  const insist = setTimeout(() => child.kill("SIGKILL"), 25_000);
  const [code, signal] = await once(child, "exit");
  clearTimeout(insist);
  expect([said, code, signal]).toEqual(["stopped\n", 0, null]);
});

test("a port that is taken is named, and the ports bound before it are free again", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as { port: number };
  const free = createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const { port: grpc } = free.address() as { port: number };
  free.close();
  await once(free, "close");
  const start = () =>
    startFleet({
      config: (config) => {
        config.coordinator.grpcPort = { value: grpc, explicit: true };
        config.coordinator.httpPort = { value: port, explicit: true };
      },
    });
  await expect(start()).rejects.toMatchObject({
    code: "config",
    message: expect.stringContaining(`${port}`),
  });
  taken.close();
  await once(taken, "close");
  await (await start()).stop();
});
