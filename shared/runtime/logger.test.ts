import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultConfig } from "./config.js";
import { createLogger, lineLogger } from "./logger.js";
import { redactor } from "./redact.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "sai-logger-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function capture(secrets: string[] = []) {
  const lines: string[] = [];
  return { lines, log: lineLogger((line) => lines.push(line), "info", secrets) };
}

test("a line is JSON with time, level as a word, the child's ids and the message", () => {
  const { lines, log } = capture();
  log.child({ campaign: "c1" }).info({ shards: 3 }, "planned");
  log.debug("below the level");
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? "")).toEqual({
    level: "info",
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    campaign: "c1",
    shards: 3,
    msg: "planned",
  });
});

describe("secrets stay out of", () => {
  const CANARY = 'canary-1"f\\ed';
  test.each<[string, (log: ReturnType<typeof capture>["log"]) => void]>([
    ["a key", (log) => log.info({ api_key: CANARY }, "x")],
    ["a nested key", (log) => log.info({ a: { b: { apiKey: CANARY } } }, "x")],
    [
      "headers",
      (log) => log.info({ headers: { Authorization: `Bearer ${CANARY}`, "x-api-key": [CANARY] } }, "x"),
    ],
    ["child bindings", (log) => log.child({ session_token: CANARY }).info("x")],
    ["quoted JSON", (log) => log.info({ body: JSON.stringify({ password: "canary-1fed" }) }, "x")],
    ["an error's message", (log) => log.error({ err: new Error("Authorization: Bearer canary-1fed") }, "x")],
    ["a URL", (log) => log.info("dialling https://me:canary-1fed@host/x")],
  ])("%s", (_where, write) => {
    const { lines, log } = capture();
    write(log);
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain("canary");
    expect(lines[0]).toContain("(hidden)");
    expect(() => JSON.parse(lines[0] ?? "")).not.toThrow();
  });

  test("any text when they are the configuration's own", () => {
    const { lines, log } = capture([CANARY]);
    log.error({ err: new Error(`server said: bad key ${CANARY}`) }, `key ${CANARY}`);
    expect(lines[0]).not.toContain("canary");
    expect(JSON.parse(lines[0] ?? "").msg).toBe("key (hidden)");
  });
});

test("counts of tokens are numbers and stay", () => {
  expect(redactor()('{"tokens":12,"max_tokens":5,"msg":"no secret here"}')).toBe(
    '{"tokens":12,"max_tokens":5,"msg":"no secret here"}',
  );
});

test("a file handler appends, makes its folder, and has every line after close", () => {
  const filename = path.join(dir, "logs", "application.log");
  for (const round of [1, 2]) {
    const config = defaultConfig();
    config.logging.handlers = [
      { type: "file", filename },
      { type: "syslog", facility: "local0" },
    ];
    config.engines.openai.apiKey = "sk-canary";
    const output = createLogger(config);
    for (let i = 0; i < 100; i++) output.logger.info({ round, i }, "sk-canary");
    output.close();
  }
  const lines = readFileSync(filename, "utf8").trimEnd().split("\n");
  expect(lines).toHaveLength(200);
  expect(JSON.parse(lines[199] ?? "")).toMatchObject({ round: 2, i: 99, msg: "(hidden)" });
});

test("a log file that cannot be opened is a configuration error that names it", () => {
  const config = defaultConfig();
  const filename = path.join(dir, "file", "application.log");
  writeFileSync(path.join(dir, "file"), "");
  config.logging.handlers = [{ type: "file", filename }];
  expect(() => createLogger(config)).toThrow(`logging.handlers.0: cannot write to ${filename}`);
});

test("without handlers, standard error is used and later lines go nowhere", () => {
  const config = defaultConfig();
  const output = createLogger(config);
  expect(output.logger.level).toBe("info");
  output.close();
  output.logger.error("this line must not appear in the test's output");
});
