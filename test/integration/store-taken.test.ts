/** A coordinator whose folder was taken by another process writes nothing more, and says that it has to end. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { startFleet } from "../support/fleet.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

/** What a process of another container does that believes the owner dead. */
const TAKE = `
  const { open } = require("lmdb");
  const db = open({ path: process.argv[1], noSubdir: false, encoding: "binary", keyEncoding: "binary" });
  const owner = { nonce: "thief", pid: 1, startTicks: "1", bootId: "", pidNamespace: "", host: "elsewhere", sinceMs: 0 };
  db.putSync(Buffer.from("\\x01owner"), Buffer.from(JSON.stringify(owner)));
  db.close();
`;

test("the folder is taken: no write counts any more, and the program is told to end", async () => {
  const fleet = await startFleet({
    config: (config) => {
      config.store.kind = "embedded";
    },
  });
  try {
    const { failed } = fleet.coordinator;
    await promisify(execFile)(process.execPath, ["-e", TAKE, join(fleet.folder, "state")]);
    expect(failed.aborted).toBe(false);
    await expect(fleet.api.create({ suite: suiteOf() })).rejects.toThrow(/state store|unavailable|leads/i);
    await until("it says that it cannot go on", () => failed.aborted);
    expect(String(failed.reason)).toMatch(/is not ours: process 1 on elsewhere has taken it/);
  } finally {
    await fleet.stop();
  }
});
