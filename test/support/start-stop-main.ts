/** Starts a coordinator and an agent, runs one campaign, stops both and returns: whatever it leaves open keeps it alive. */
import { startFleet } from "./fleet.js";
import { suiteOf } from "./suites.js";

const fleet = await startFleet({ agents: ["n1"] });
const { id } = await fleet.api.create({ suite: suiteOf({ items: 2 }) });
await fleet.api.ended(id);
await fleet.stop();
process.stdout.write("stopped\n");
