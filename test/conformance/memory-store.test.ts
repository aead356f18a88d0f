import { MemoryCore } from "../../coordinator/store/memory-core.js";
import { readSnapshot } from "../../coordinator/store/memory-snapshot.js";
import { MemoryStore, openMemoryStore } from "../../coordinator/store/memory-store.js";
import { ManualClock } from "./manual-clock.js";
import { storeConformance } from "./store-conformance.js";

storeConformance(
  "memory",
  async () => {
    const clock = new ManualClock();
    const core = new MemoryCore({ clock });
    let lose = false;
    const hook = {
      request: async () => undefined,
      reply: async () => {
        if (!lose) return;
        lose = false;
        throw new Error("connection cut");
      },
    };
    const a = new MemoryStore(core, { clock, hook, watchBound: 100 });
    const b = new MemoryStore(core, { clock });
    return {
      a,
      b,
      clock,
      advance: (ms) => clock.advance(ms),
      stall: (ms) => clock.stall(ms),
      loseReply: () => {
        lose = true;
      },
      restore: async (chunks) => openMemoryStore({ clock, start: await readSnapshot(chunks) }),
      close: async () => {
        await a.close();
        await b.close();
        core.dispose();
      },
    };
  },
  {
    notApplicable: {
      20: "it lives and dies with its process",
      23: "it has no folder",
      24: "it has one node",
    },
  },
);
