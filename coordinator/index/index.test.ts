import { openPglite } from "./pglite.js";
import { indexPromises } from "./promises.test-support.js";

indexPromises("PGlite", () => openPglite({ dir: undefined, nonce: "n", nowMs: 0 }));
