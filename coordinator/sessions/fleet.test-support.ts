/** A fleet on its records, without agents and servers: real store, under a clock the test moves. */
import { silentLogger } from "../../shared/runtime/logger.js";
import { ManualClock } from "../../test/conformance/manual-clock.js";
import { EventLog } from "../events.js";
import { FencedStore } from "../store/fenced-store.js";
import { openMemoryStore } from "../store/memory-store.js";
import { Fleet, type FleetListener } from "./fleet.js";
import { FleetRecords } from "./fleet-records.js";

/** Nobody hears what the fleet tells. */
export const deaf: FleetListener = {
  ...{ lost: () => {}, left: () => {}, retract: () => {}, wake: () => {}, roomier: () => {} },
  contradicts: () => {},
};

export async function fleetAlone(lostAfterMs: number) {
  const clock = new ManualClock();
  const log = silentLogger();
  const state = openMemoryStore({ clock });
  const self = { replica: "r", nonce: "n", address: "" };
  const acquired = await FencedStore.acquire(state, self, { ttlMs: 3_600_000, clock });
  if (acquired.kind !== "acquired") throw new Error("nobody else can lead here");
  const events = new EventLog(clock);
  const records = new FleetRecords(acquired.store, clock, log);
  const timers = { suspectAfterMs: lostAfterMs / 2, lostAfterMs };
  const fleet = new Fleet({ ...{ clock, events, log, records, timers }, listener: deaf });
  return {
    ...{ clock, log, events, state, fleet },
    async stop() {
      await records.stop();
      await state.close();
    },
  };
}
