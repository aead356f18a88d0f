import { expect, test } from "vitest";
import { captureIo, testContext } from "./cli.test-support.js";
import { say } from "./context.js";
import { asTyped } from "./invocation.js";
import { runCli } from "./program.js";

const npm = { npm_lifecycle_event: "demo", npm_package_name: "sai-benchmark" };
const text = "`sai dev` starts one; sai init && sai apply -f /tmp/sai run.yaml";

test("commands are shown as they were started: by npm run on a clone, else by name", () => {
  const typed =
    "`npm run sai -- dev` starts one; npm run sai -- init && npm run sai -- apply -f /tmp/sai run.yaml";
  expect(asTyped(npm, text)).toBe(typed);
  expect(asTyped({}, text)).toBe(text);
});

test("npx and scripts of another package have the command by its name", () => {
  expect(asTyped({ ...npm, npm_lifecycle_event: "npx" }, text)).toBe(text);
  expect(asTyped({ ...npm, npm_package_name: "mine" }, text)).toBe(text);
});

test("messages, errors and usage errors all go through it", async () => {
  const { io, err } = captureIo({ env: { ...npm, SAI_ADDRESS: "127.0.0.1:9" } });
  say(testContext(io).context, "next: sai dev");
  expect(await runCli(["node", "list"], io)).toBe(1);
  expect(await runCli(["nonsense"], io)).toBe(2);
  expect(err()).toContain("next: npm run sai -- dev\n");
  expect(err()).toContain("`npm run sai -- dev` starts one");
  expect(err()).toContain("`npm run sai -- --help`");
});
