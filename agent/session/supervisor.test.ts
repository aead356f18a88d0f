import { expect, test } from "vitest";
import { CoordinatorMessage } from "../../shared/gen/sai/agent/v1/session.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { lineLogger, silentLogger } from "../../shared/runtime/logger.js";
import { systemRandom } from "../../shared/runtime/random.js";
import { MemoryDisk } from "../../test/support/memory-disk.js";
import { until } from "../../test/support/until.js";
import { attemptsOf } from "../attempt/attempts.test-support.js";
import { Identity } from "./identity.js";
import type { Link } from "./link.js";
import { Supervisor } from "./supervisor.js";

/** A stream that breaks, after a Welcome or without one. */
function breaking(welcomes: boolean): Link {
  async function* messages() {
    const value = { heartbeatIntervalMs: 1000, needInventory: false, verdicts: [] };
    const body = { $case: "welcome" as const, value };
    if (welcomes) yield CoordinatorMessage.fromPartial({ clusterId: "c", epoch: 1n, body });
    throw new SaiError("unavailable", "the stream broke");
  }
  return { send: () => "sent", drained: async () => {}, messages: messages(), close: async () => {} };
}

test("failures are counted from the last Welcome: a break after one is said, and waited for briefly", async () => {
  const logs: { level: string; msg: string; failures?: number }[] = [];
  const log = lineLogger((line) => logs.push(JSON.parse(line)), "debug");
  const { attempts } = attemptsOf();
  const identity = await Identity.open(new MemoryDisk(), "/a", "n1", 1n);
  let dials = 0;
  const supervisor = new Supervisor({
    dial: async () => breaking(++dials === 4),
    address: "nowhere:1",
    session: {
      ...{ identity, attempts, clock: systemClock, random: systemRandom, log: silentLogger() },
      inventory: () => ({ hash: "", inventory: undefined }),
      ...{
        lanes: () => [],
        notOffering: () => "",
        loadedModels: () => [],
        takeLoads: () => [],
        loopLagMs: () => 0,
        version: "1",
      },
      probe: async () => ({ key: "", sha256: "" }),
    },
    ...{ backoff: { baseMs: 1, capMs: 2 }, clock: systemClock, random: systemRandom, log },
  });
  const stop = new AbortController();
  const ran = supervisor.run(stop.signal);
  const lost = () => logs.filter(({ msg }) => msg === "no session");
  await until("it has dialled six times", () => lost().length >= 6);
  stop.abort();
  await ran;
  const seen = lost().slice(0, 6);
  expect(seen.map(({ failures }) => failures)).toEqual([0, 1, 2, 0, 1, 2]);
  expect(seen.map(({ level }) => level)).toEqual(["warn", "debug", "debug", "warn", "debug", "debug"]);
});
